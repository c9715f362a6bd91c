/** What a subject has used of its window, and in how many milliseconds that ends. */
export interface Used {
  readonly points: number;
  readonly msBeforeNext: number;
}

interface Window {
  points: number;
  readonly endsAt: number;
}

/** Counts in the memory of this process, in windows of one length that begin with a subject's first count. */
export class MemoryCounts {
  /** In the order in which they end. */
  readonly #windows = new Map<string, Window>();

  constructor(
    private readonly windowMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Of how many subjects anything is remembered. */
  get size(): number {
    return this.#windows.size;
  }

  /** Adds points, or takes them off again. */
  add(subject: string, points: number): Used {
    const now = this.now();
    this.#forget(now);
    let window = this.#windows.get(subject);
    if (!window) {
      window = { points: 0, endsAt: now + this.windowMs };
      this.#windows.set(subject, window);
    }
    window.points = Math.max(window.points + points, 0);
    return { points: window.points, msBeforeNext: window.endsAt - now };
  }

  /** Each count makes one window at most, so none is kept for longer than it lasts and a little. */
  #forget(now: number): void {
    for (const [subject, { endsAt }] of this.#windows) {
      if (endsAt > now) return;
      this.#windows.delete(subject);
    }
  }
}
