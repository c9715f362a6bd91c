import type { RequestContext } from '../../context/context.js';
import { busy } from '../../errors.js';

/**
 * What is answered part by part at once: of one organization, of one member wherever they are, and of all. Each holds a connection of a
 * client for as long as that reads.
 */
const OF_ONE = 4;
const TOGETHER = 64;

/** Counts who is answered part by part. Whoever makes many organizations has no more places by that. */
export class Streams {
  readonly #taken = new Map<string, number>();
  #together = 0;

  /** @returns what gives the place back. @throws SERVICE_UNAVAILABLE where there is none */
  take({ organization: { orgId, membership } }: Pick<RequestContext, 'organization'>): () => void {
    const those = [orgId, membership.userId];
    if (this.#together >= TOGETHER || those.some((each) => (this.#taken.get(each) ?? 0) >= OF_ONE)) throw busy();
    for (const each of those) this.#add(each, 1);
    this.#together += 1;
    let isGiven = false;
    return () => {
      if (isGiven) return;
      isGiven = true;
      this.#together -= 1;
      for (const each of those) this.#add(each, -1);
    };
  }

  #add(id: string, more: 1 | -1): void {
    const count = (this.#taken.get(id) ?? 0) + more;
    if (count === 0) this.#taken.delete(id);
    else this.#taken.set(id, count);
  }
}
