import { busy } from '../../errors.js';

/** Records that are read at once, of one organization and of all. Each holds a connection of a client for as long as that reads. */
const OF_ONE = 4;
const TOGETHER = 64;

/** Counts who reads a record. */
export class Streams {
  readonly #byOrganization = new Map<string, number>();
  #together = 0;

  /** @returns what gives the place back. @throws SERVICE_UNAVAILABLE where there is none */
  take(orgId: string): () => void {
    const theirs = this.#byOrganization.get(orgId) ?? 0;
    if (theirs >= OF_ONE || this.#together >= TOGETHER) throw busy();
    this.#byOrganization.set(orgId, theirs + 1);
    this.#together += 1;
    let isGiven = false;
    return () => {
      if (isGiven) return;
      isGiven = true;
      this.#together -= 1;
      const left = (this.#byOrganization.get(orgId) ?? 1) - 1;
      if (left === 0) this.#byOrganization.delete(orgId);
      else this.#byOrganization.set(orgId, left);
    };
  }
}
