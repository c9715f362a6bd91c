import { part } from '../parts.js';

/** What happened in an organization since whoever waits was told last. */
export interface Tidings {
  /** Runs that were reported on. That its record goes on is what the rest is about. */
  readonly runs: readonly string[];
  /** Nothing was told for a while: whatever got lost is looked for. */
  readonly isLook: boolean;
}

/** Somebody who waits for what happens in an organization. */
export interface Listening {
  /** Waits until something may have happened; null once it is closed. */
  next(): Promise<Tidings | null>;
  close(): void;
}

/** Tells whoever waits, here and at other replicas. What gets lost on the way they find by looking, every few seconds. */
export interface News {
  /** The record of an organization went on. */
  sealed(orgId: string): void;
  /** A run of it was reported on. Told once a second at the most. */
  reported(orgId: string, runId: string): void;
  listen(orgId: string): Listening;
}

export const NEWS = part<News>('news');

/** What is told to other replicas. */
export interface Message {
  readonly orgId: string;
  readonly runs: readonly string[];
}

/** The way to other replicas and back. */
export interface Carrier {
  /** Nobody waits for it. */
  send(messages: readonly Message[]): void;
  /** @param isWanted whether anyone here waits for anything */
  want(isWanted: boolean): void;
}

/** Whoever waits looks so often, whatever they were told. */
const LOOK_MS = 5000;
/** What was sealed goes out together with what is sealed meanwhile. */
const SEALED_MS = 50;
const REPORTED_MS = 1000;
/** Of one organization, in a second. What is more comes in the next. */
const MOST_RUNS = 1000;

class Listener implements Listening {
  #runs = new Set<string>();
  #isTold = false;
  #isLook = false;
  #isClosed = false;
  #wake: (() => void) | null = null;

  constructor(private readonly onClose: () => void) {}

  tell(runs: readonly string[], isLook = false): void {
    this.#isTold = true;
    this.#isLook ||= isLook;
    for (const run of runs) this.#runs.add(run);
    // Whoever is told so much slower than it happens looks at what is at work, and is told of that.
    if (this.#runs.size > MOST_RUNS) {
      this.#runs.clear();
      this.#isLook = true;
    }
    this.#wake?.();
  }

  async next(): Promise<Tidings | null> {
    if (!this.#isTold && !this.#isClosed) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#wake = null;
    if (this.#isClosed) return null;
    const tidings = { runs: [...this.#runs], isLook: this.#isLook };
    this.#runs = new Set();
    [this.#isTold, this.#isLook] = [false, false];
    return tidings;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.onClose();
    this.#wake?.();
  }
}

interface Audience {
  readonly listeners: Set<Listener>;
  readonly looking: NodeJS.Timeout;
}

/**
 * Makes what tells here, and hands on.
 *
 * @param carry null where there is one process only
 */
export function createNews(carry: ((tell: (message: Message) => void) => Carrier) | null): News {
  const audiences = new Map<string, Audience>();
  const tell = ({ orgId, runs }: Message) => {
    for (const listener of audiences.get(orgId)?.listeners ?? []) listener.tell(runs);
  };
  const carrier = carry?.(tell);
  const sealed = new Set<string>();
  let reported = new Map<string, Set<string>>();
  const later = (work: () => void, ms: number) => void setTimeout(work, ms).unref();

  const tellSealed = () => {
    carrier?.send([...sealed].map((orgId) => ({ orgId, runs: [] })));
    sealed.clear();
  };
  const tellReported = () => {
    const messages: Message[] = [];
    const left = new Map<string, Set<string>>();
    for (const [orgId, runs] of reported) {
      const all = [...runs];
      messages.push({ orgId, runs: all.slice(0, MOST_RUNS) });
      if (all.length > MOST_RUNS) left.set(orgId, new Set(all.slice(MOST_RUNS)));
    }
    reported = left;
    if (left.size > 0) later(tellReported, REPORTED_MS);
    for (const message of messages) tell(message);
    carrier?.send(messages);
  };

  return {
    sealed(orgId) {
      tell({ orgId, runs: [] });
      if (!carrier) return;
      if (sealed.size === 0) later(tellSealed, SEALED_MS);
      sealed.add(orgId);
    },

    reported(orgId, runId) {
      if (!carrier && !audiences.has(orgId)) return;
      if (reported.size === 0) later(tellReported, REPORTED_MS);
      const runs = reported.get(orgId) ?? new Set();
      reported.set(orgId, runs.add(runId));
    },

    listen(orgId) {
      let audience = audiences.get(orgId);
      if (!audience) {
        // All at once, so that what they look for is read once.
        const listeners = new Set<Listener>();
        const look = () => listeners.forEach((listener) => listener.tell([], true));
        const looking = setInterval(look, LOOK_MS).unref();
        audiences.set(orgId, (audience = { listeners, looking }));
        if (audiences.size === 1) carrier?.want(true);
      }
      const { listeners, looking } = audience;
      const listener = new Listener(() => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        clearInterval(looking);
        audiences.delete(orgId);
        if (audiences.size === 0) carrier?.want(false);
      });
      listeners.add(listener);
      return listener;
    },
  };
}
