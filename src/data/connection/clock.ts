/**
 * The database's time, as this process knows it without asking each time: what periods, leases and retries are told by. Whatever
 * this machine's own clock says, or is set to meanwhile, changes nothing: between two looks at the database's it is the time
 * since the process began that counts on.
 */
export class Clock {
  #ahead = Date.now() - performance.now();
  #isKept = false;
  #movedMs = 0;

  now(): Date {
    return new Date(this.real().getTime() + this.#movedMs);
  }

  /** What time it is for everybody: as `now`, but never moved. Tokens and signatures are told by it, which others read by theirs. */
  real(): Date {
    return new Date(performance.now() + this.#ahead);
  }

  /** By how many milliseconds it was moved ahead of the database's: 0 in production, where nothing moves it. */
  get movedMs(): number {
    return this.#movedMs;
  }

  /** Development and tests only: what lets a month pass. @throws RangeError for what is not ahead */
  advance(ms: number): void {
    if (!Number.isSafeInteger(ms) || ms < 0 || this.#movedMs + ms > MOST_MS) throw new RangeError('time only passes');
    this.#movedMs += ms;
  }

  /**
   * Looks what time it is in the database. The answer is as exact as it was quick: within that, the time stays what it was.
   *
   * @param ask answers in milliseconds since 1970
   */
  async keep(ask: () => Promise<number>): Promise<void> {
    const began = performance.now();
    const told = await ask();
    if (!Number.isFinite(told)) throw new Error('the database did not say what time it is');
    const halfway = (performance.now() - began) / 2;
    const ahead = told - (began + halfway);
    if (this.#isKept && Math.abs(ahead - this.#ahead) <= halfway) return;
    this.#ahead = ahead;
    this.#isKept = true;
  }
}

/** A century. */
const MOST_MS = 100 * 366 * 86_400_000;
