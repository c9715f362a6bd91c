import { NoTurnError } from './statement-kinds.js';

/** So many statements a request has on connections and in line for one: more than any that people wrote asks at once. */
export const MOST_PENDING = 50;

/**
 * The statements of one request that are under way. What it asks beyond them gets in line when one of them ends, so that
 * nobody fills the line of their organization alone.
 */
export class Pending {
  #count = 0;
  #later: { readonly begin: () => void; readonly refuse: (error: Error) => void }[] = [];

  /** Runs a statement once there is room. @throws NoTurnError where one before it got none in time */
  async run<T>(statement: () => Promise<T>): Promise<T> {
    if (this.#count < MOST_PENDING) this.#count += 1;
    else await new Promise<void>((begin, refuse) => this.#later.push({ begin, refuse }));
    try {
      return await statement();
    } catch (error) {
      // They would wait as long, one after the other.
      if (error instanceof NoTurnError) for (const { refuse } of this.#later.splice(0)) refuse(error);
      throw error;
    } finally {
      const next = this.#later.shift();
      if (next) next.begin();
      else this.#count -= 1;
    }
  }
}
