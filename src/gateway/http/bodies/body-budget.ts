/** Whose bytes they are, and how many. Given back exactly once. */
export interface Reservation {
  release(): void;
}

/** How many bytes may be on their way at once: of everybody together, and of one address. */
export interface BodyShares {
  readonly everybody: number;
  readonly address: number;
}

interface Holder {
  readonly address: string;
  readonly held: Set<Held>;
  bytes: number;
}

interface Held {
  readonly bytes: number;
  readonly giveWay: () => boolean;
}

/**
 * What requests that are not answered yet hold of their bodies. It is counted by what a request announces, before a byte
 * of it is read: a client that never finishes holds as much as one that does. So where there is no room, those give way
 * who hold most: a few addresses that announce all there is keep nobody else out.
 */
export class BodyBudget {
  #held = 0;
  readonly #ofAddress = new Map<string, Holder>();

  constructor(private readonly shares: BodyShares) {}

  /**
   * Null where there is no room; whoever asked for it is refused, and nothing is held.
   *
   * @param giveWay called when others need the room: ends the request, and says whether it did; one that came whole is
   *   being answered, and stays
   */
  reserve(address: string, bytes: number, giveWay: () => boolean = () => false): Reservation | null {
    const theirs = this.#ofAddress.get(address)?.bytes ?? 0;
    if (theirs + bytes > this.shares.address) return null;
    if (this.#held + bytes > this.shares.everybody && !this.#makeRoom(bytes, theirs + bytes)) return null;
    const holder = this.#ofAddress.get(address) ?? { address, bytes: 0, held: new Set() };
    this.#ofAddress.set(address, holder);
    const held: Held = { bytes, giveWay };
    holder.held.add(held);
    holder.bytes += bytes;
    this.#held += bytes;
    return { release: () => this.#release(holder, held) };
  }

  #release(holder: Holder, held: Held): void {
    if (!holder.held.delete(held)) return;
    this.#held -= held.bytes;
    holder.bytes -= held.bytes;
    if (holder.held.size === 0) this.#ofAddress.delete(holder.address);
  }

  /** Ends what came first of those who hold most, as long as they hold more than whoever asks would. */
  #makeRoom(bytes: number, most: number): boolean {
    const finished = new Set<Holder>();
    while (this.#held + bytes > this.shares.everybody) {
      let largest: Holder | undefined;
      for (const holder of this.#ofAddress.values()) {
        if (holder.bytes > (largest?.bytes ?? most) && !finished.has(holder)) largest = holder;
      }
      if (!largest) return false;
      const given = [...largest.held].find(({ giveWay }) => giveWay());
      if (given) this.#release(largest, given);
      else finished.add(largest);
    }
    return true;
  }
}
