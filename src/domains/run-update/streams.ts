import type { RequestContext } from '../../context/context.js';
import { whoListens } from '../../context/who-listens.js';
import { assertRoomIn, Shares } from '../../shares.js';

/** Streams at once, of one person or key and of one organization, at each replica. Who acts as a member uses up their own. */
const OF_ONE = 100;
const OF_ORGANIZATION = 1000;

const taken = new Shares();

/** @returns what gives the place back. @throws LIMIT_REACHED where there is none */
export function takePlace(context: RequestContext): () => void {
  const { orgId } = context.organization;
  const person = whoListens(context);
  assertRoomIn(
    [
      { used: taken.of(person), limit: 'streams of one person', max: OF_ONE },
      { used: taken.of(orgId), limit: 'streams of the organization', max: OF_ORGANIZATION },
    ],
    1,
    (max) => `${max} streams are open; close one first.`,
  );
  return taken.take([person, orgId], 1);
}
