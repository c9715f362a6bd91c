/** Whose bytes they are, and how many. Given back exactly once. */
export interface Reservation {
  release(): void;
}

/** How many bytes may be on their way at once: of everybody together, and of one address. */
export interface BodyShares {
  readonly everybody: number;
  readonly address: number;
  /** The last quarter of it all is for addresses that hold no more than this; for all alike where nobody says. */
  readonly little?: number;
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
 * who hold most: a few addresses that announce all there is keep nobody else out. Those who came whole are being answered, and
 * cannot give way, however long that takes: for whoever holds little there is room beyond what they may take.
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
    const theirs = this.of(address);
    if (theirs + bytes > this.shares.address) return null;
    const left = this.#roomFor(theirs + bytes) - bytes;
    if (this.#held > left && !this.#makeRoom(left, theirs + bytes)) return null;
    const holder = this.#ofAddress.get(address) ?? { address, bytes: 0, held: new Set() };
    this.#ofAddress.set(address, holder);
    const held: Held = { bytes, giveWay };
    holder.held.add(held);
    holder.bytes += bytes;
    this.#held += bytes;
    return { release: () => this.#release(holder, held) };
  }

  /** What this address holds. */
  of(address: string): number {
    return this.#ofAddress.get(address)?.bytes ?? 0;
  }

  #release(holder: Holder, held: Held): void {
    if (!holder.held.delete(held)) return;
    this.#held -= held.bytes;
    holder.bytes -= held.bytes;
    if (holder.held.size === 0) this.#ofAddress.delete(holder.address);
  }

  /** How much all may hold together where whoever asks would hold so much. */
  #roomFor(theirs: number): number {
    const { everybody, little = theirs } = this.shares;
    return theirs > little ? everybody * 0.75 : everybody;
  }

  /** Ends what came first of those who hold most, until no more than so much is held, as long as they hold more than whoever asks would. */
  #makeRoom(left: number, most: number): boolean {
    const finished = new Set<Holder>();
    while (this.#held > left) {
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
