/** Whose bytes they are, and how many. Given back exactly once. */
export interface Reservation {
  release(): void;
}

/** How many bytes of bodies may be on their way at once: of everybody together, and of one address. */
export interface BodyShares {
  readonly everybody: number;
  readonly address: number;
}

/**
 * What requests that are not answered yet hold of their bodies. It is counted by what a request announces, before a byte
 * of it is read: a client that never finishes holds as much as one that does.
 */
export class BodyBudget {
  #held = 0;
  readonly #ofAddress = new Map<string, number>();

  constructor(private readonly shares: BodyShares) {}

  /** Null where there is no room; whoever asked for it is refused, and nothing is held. */
  reserve(address: string, bytes: number): Reservation | null {
    const theirs = (this.#ofAddress.get(address) ?? 0) + bytes;
    if (theirs > this.shares.address || this.#held + bytes > this.shares.everybody) return null;
    this.#held += bytes;
    this.#ofAddress.set(address, theirs);
    let isHeld = true;
    return {
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        this.#held -= bytes;
        const left = (this.#ofAddress.get(address) ?? 0) - bytes;
        if (left > 0) this.#ofAddress.set(address, left);
        else this.#ofAddress.delete(address);
      },
    };
  }
}
