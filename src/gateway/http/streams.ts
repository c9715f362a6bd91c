import type { RequestContext } from '../../context/context.js';
import { busy } from '../../errors.js';
import { Shares } from '../../shares.js';

/**
 * What is answered part by part at once: of one organization, of one member wherever they are, and of all. Each holds a connection of a
 * client for as long as that reads.
 */
const OF_ONE = 4;
const TOGETHER = 64;

/** Counts who is answered part by part. Whoever makes many organizations has no more places by that. */
export class Streams {
  readonly #taken = new Shares();

  /** @returns what gives the place back. @throws SERVICE_UNAVAILABLE where there is none */
  take({ organization: { orgId, membership } }: Pick<RequestContext, 'organization'>): () => void {
    const those = [orgId, membership.userId];
    if (this.#taken.of(ALL) >= TOGETHER || those.some((each) => this.#taken.of(each) >= OF_ONE)) throw busy();
    return this.#taken.take([...those, ALL], 1);
  }
}

/** No member or organization has this id. */
const ALL = '';
