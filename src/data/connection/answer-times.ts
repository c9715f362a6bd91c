/** How often it is looked at while an answer is awaited; so exact are times. */
const LOOK_MS = 10;

/**
 * Tells how long answers took. While somebody else keeps the thread busy an answer lies where it came, and whoever waits for it is
 * not to pay for that: its time ends when the thread last looked for answers and did not find it.
 */
export class AnswerTimes {
  #awaited = 0;
  #timer: NodeJS.Timeout | undefined;
  /** When the thread last came by, and the time before: between the two it looked for answers. */
  #last = 0;
  #before = 0;

  /** @returns what says, once the answer is here, how long it took at least: in milliseconds, `LOOK_MS` or two too few */
  begin(): () => number {
    const began = performance.now();
    this.#awaited += 1;
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
    return () => {
      this.#awaited -= 1;
      return Math.max(this.#before - began, 0);
    };
  }

  #look(): void {
    this.#before = this.#last;
    this.#last = performance.now();
    if (this.#awaited > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
