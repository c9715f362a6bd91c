import type { RequestContext } from '../../context/context.js';
import { OrgateError } from '../../errors.js';

/** Streams at once, of one person or key and of one organization, at each replica. Who acts as a member uses up their own. */
const OF_ONE = 100;
const OF_ORGANIZATION = 1000;

const taken = new Map<string, number>();

/** @returns what gives the place back. @throws LIMIT_REACHED where there is none */
export function takePlace({ organization: { orgId }, viewer, actorId }: RequestContext): () => void {
  const places = [
    {
      of: `${orgId} ${viewer?.apiKey?.id ?? viewer?.impersonation?.by.id ?? actorId}`,
      limit: 'streams of one person',
      max: OF_ONE,
    },
    { of: orgId, limit: 'streams of the organization', max: OF_ORGANIZATION },
  ];
  for (const { of, limit, max } of places) {
    const used = taken.get(of) ?? 0;
    if (used >= max)
      throw new OrgateError('LIMIT_REACHED', `${max} streams are open; close one first.`, { limit, max, used });
  }
  for (const { of } of places) taken.set(of, (taken.get(of) ?? 0) + 1);
  let isGiven = false;
  return () => {
    if (isGiven) return;
    isGiven = true;
    for (const { of } of places) {
      const left = (taken.get(of) ?? 1) - 1;
      if (left === 0) taken.delete(of);
      else taken.set(of, left);
    }
  };
}
