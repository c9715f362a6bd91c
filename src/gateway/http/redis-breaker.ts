/** Decides whether Redis is asked: one that fails is left alone for a while, so that requests do not wait for it. */
export interface Breaker {
  /** Where this says yes, one of `answered`, `failed` and `unasked` follows. */
  mayAsk(): boolean;
  answered(): void;
  failed(error: unknown): void;
  /** Nothing was learned: the next may ask. */
  unasked(): void;
  /** The connection is lost. */
  gone(error: unknown): void;
}

/** So many failures in a row, and it is left alone. */
const MOST_FAILURES = 3;
/** For how long; then one command tries. */
const PAUSE_MS = 3000;

/** @param onChange told once when it begins to fail, and once when it works again */
export function createBreaker(onChange: (state: 'gone' | 'back', error?: unknown) => void): Breaker {
  let failures = 0;
  let askFrom = 0;
  let isGone = false;
  const gone = (error: unknown): void => {
    if (!isGone) onChange('gone', error);
    isGone = true;
  };
  return {
    mayAsk() {
      if (failures < MOST_FAILURES) return true;
      if (performance.now() < askFrom) return false;
      askFrom = performance.now() + PAUSE_MS; // the others wait for what this one hears
      return true;
    },
    answered() {
      failures = 0;
      if (isGone) onChange('back');
      isGone = false;
    },
    failed(error) {
      failures += 1;
      if (failures < MOST_FAILURES) return;
      askFrom = performance.now() + PAUSE_MS;
      gone(error);
    },
    unasked() {
      askFrom = 0;
    },
    gone,
  };
}
