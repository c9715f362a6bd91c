import { OrgateError } from './errors.js';

/** How much each of some holders has of something, as long as anybody has any. */
export class Shares {
  readonly #held = new Map<string, number>();

  of(holder: string): number {
    return this.#held.get(holder) ?? 0;
  }

  /** Each of the holders has so much more. @returns what gives it back, once */
  take(holders: readonly string[], amount: number): () => void {
    for (const holder of holders) this.#add(holder, amount);
    let isGiven = false;
    return () => {
      if (isGiven) return;
      isGiven = true;
      for (const holder of holders) this.#add(holder, -amount);
    };
  }

  #add(holder: string, amount: number): void {
    const held = this.of(holder) + amount;
    if (held === 0) this.#held.delete(holder);
    else this.#held.set(holder, held);
  }
}

/** What one of several holders has, and may have. */
export interface Share {
  readonly used: number;
  /** What is limited, as whoever is refused reads it. */
  readonly limit: string;
  readonly max: number;
}

/** @throws LIMIT_REACHED with the first of the shares in which there is no room for so much more */
export function assertRoomIn(shares: readonly Share[], amount: number, why: (max: number) => string): void {
  for (const { used, limit, max } of shares) {
    if (used + amount > max) throw new OrgateError('LIMIT_REACHED', why(max), { limit, max, used });
  }
}
