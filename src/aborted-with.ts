/**
 * Aborts many, each for as long as it lasts, once something is aborted that outlives them all. `AbortSignal.any` would do it, and of a
 * signal that lives as long as the process keep something of each of them for ever.
 */
export class AbortedWith {
  readonly #all = new Set<AbortController>();

  constructor(private readonly signal: AbortSignal) {
    const abort = () => {
      for (const each of this.#all) each.abort(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
  }

  get isAborted(): boolean {
    return this.signal.aborted;
  }

  /** @returns what ends that, once it is over */
  add(controller: AbortController): () => void {
    if (this.signal.aborted) controller.abort(this.signal.reason);
    this.#all.add(controller);
    return () => void this.#all.delete(controller);
  }
}
