import type { RequestContext } from '../context/context.js';
import type { LockedDb } from '../data/organization/organization-db.js';
import { OrgateError } from '../errors.js';
import { openAsking, type StillAsking } from '../identity/asking.js';
import type { Permission } from '../permissions/catalogue.js';
import { effective, type RoleAssignment, assignmentOfKey } from './escalation.js';

/** Who acts, and what they hold: of a key no more than that. */
export interface Actor extends RoleAssignment {
  readonly userId: string;
  readonly name: string;
}

/**
 * The actor as they are now. What waits for the organization's lock may wait for long, and of who was removed, demoted,
 * signed out or revoked meanwhile it is carried out no more.
 *
 * @param _db because what is read before there is the lock may be over when there is
 * @throws UNAUTHENTICATED when the person, the session or the key is over; FORBIDDEN without the permission
 */
export const readActor = (_db: LockedDb, context: RequestContext, permission: Permission): Promise<Actor> =>
  readActorNow(context, permission);

/**
 * The same for what rests on a row of its own, and waited for that alone. Within the transaction, on its connection.
 *
 * @throws as `readActor`
 */
export async function readActorNow(context: RequestContext, permission: Permission): Promise<Actor> {
  const actor = toActor(await readAgain(context), context);
  if (!actor || !effective(context.catalogue, actor).has(permission)) {
    throw new OrgateError('FORBIDDEN', undefined, { requiredPermission: permission });
  }
  return actor;
}

/**
 * For what everyone may who is signed in.
 *
 * @throws UNAUTHENTICATED when the person, the session or the key is over
 */
export const assertStillAsking = async (_db: LockedDb, context: RequestContext): Promise<void> => {
  await readAgain(context);
};

async function readAgain({ viewer, outside, current }: RequestContext): Promise<StillAsking> {
  const { person, apiKey, session } = viewer ?? {};
  const asking = outside(openAsking);
  const still = person
    ? await asking.readPerson({ id: person.id, sessionId: session?.id ?? null }, current?.orgId ?? '')
    : await asking.readKey(apiKey?.id ?? '');
  if (!still) throw new OrgateError('UNAUTHENTICATED');
  return still;
}

function toActor({ membership, keyPermissions }: StillAsking, { catalogue }: RequestContext): Actor | null {
  if (!membership) return null;
  const { userId, name, role, granted, withheld } = membership;
  const assignment = { role, granted: [...granted], withheld: [...withheld] };
  return { userId, name, ...(keyPermissions ? assignmentOfKey(catalogue, assignment, keyPermissions) : assignment) };
}
