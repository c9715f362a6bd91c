/** A connection, as far as it is watched. */
export interface Watched {
  /** When its statement began, by `performance.now()`; 0 while none is under way. */
  readonly busySince: number;
  /** Ends it, and with it its statement. */
  cut(): void;
}

const LOOK_MS = 1000;

/**
 * Cuts connections that have gone silent. PostgreSQL itself ends what takes too long, unless it stands still, or the
 * network has lost the connection without a word: then nobody would ever hear of it again.
 *
 * @param limitMs longer than PostgreSQL lets a statement take
 * @returns what ends the watch
 */
export function watchSilence(connections: ReadonlySet<Watched>, limitMs: number): () => void {
  const timer = setInterval(() => {
    const now = performance.now();
    for (const each of connections) if (each.busySince > 0 && now - each.busySince > limitMs) each.cut();
  }, LOOK_MS).unref();
  return () => clearInterval(timer);
}
