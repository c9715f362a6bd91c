import type { RequestContext } from '../../context/context.js';
import { whoListens } from '../../context/who-listens.js';
import { OrgateError } from '../../errors.js';
import { Shares } from '../../shares.js';

/** Streams at once, of one person or key and of one organization, at each replica. Who acts as a member uses up their own. */
const OF_ONE = 100;
const OF_ORGANIZATION = 1000;

const taken = new Shares();

/** @returns what gives the place back. @throws LIMIT_REACHED where there is none */
export function takePlace(context: RequestContext): () => void {
  const { orgId } = context.organization;
  const places = [
    {
      of: whoListens(context),
      limit: 'streams of one person',
      max: OF_ONE,
    },
    { of: orgId, limit: 'streams of the organization', max: OF_ORGANIZATION },
  ];
  for (const { of, limit, max } of places) {
    const used = taken.of(of);
    if (used >= max)
      throw new OrgateError('LIMIT_REACHED', `${max} streams are open; close one first.`, { limit, max, used });
  }
  return taken.take(
    places.map(({ of }) => of),
    1,
  );
}
