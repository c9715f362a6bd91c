/** Ends one thing after the other, with one deadline for all. */
export interface Ending {
  /**
   * Begins to end something, and waits for it until a second after the deadline: what cuts itself off at the deadline has that
   * second for it, and so has everything that comes later. What fails keeps nothing behind it from its end.
   */
  readonly end: (what: string, work: () => unknown) => Promise<void>;
  /** @throws AggregateError that names what failed, where anything did */
  readonly tellFailures: () => void;
}

const LAST_CHANCE_MS = 1000;

/**
 * One deadline for all that has to end: whatever hangs is named, and waited for no longer.
 *
 * @param onLate told what had not ended in time
 */
export function createDeadline(ms: number, onLate: (what: string) => void): Ending {
  const deadline = performance.now() + ms;
  const failures = new Map<string, unknown>();
  return {
    async end(what, work) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<'late'>((resolve) => {
        timer = setTimeout(() => resolve('late'), Math.max(deadline - performance.now(), 0) + LAST_CHANCE_MS);
      });
      const ended = (async () => void (await work()))().catch((error: unknown) => void failures.set(what, error));
      if ((await Promise.race([ended, late])) === 'late') onLate(what);
      clearTimeout(timer);
    },
    tellFailures() {
      if (failures.size === 0) return;
      throw new AggregateError(failures.values(), `closing failed: ${[...failures.keys()].join(', ')}`);
    },
  };
}
