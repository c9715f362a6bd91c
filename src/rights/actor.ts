import type { RequestContext } from '../context/context.js';
import type { LockedDb } from '../data/organization/organization-db.js';
import { OrgateError } from '../errors.js';
import { openAsking, type StillAsking } from '../identity/asking.js';
import { type LiveImpersonation, openHeldImpersonations } from '../identity/impersonations.js';
import type { Permission } from '../permissions/catalogue.js';
import { assertServed } from '../permissions/organization-status.js';
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
 * @param db because what is read before there is the lock may be over when there is
 * @param isForLeaving whether it is done in an organization that is to be deleted, too
 * @throws UNAUTHENTICATED when the person, the session or the key is over, or whoever acts as them may not any more, READ_ONLY when they
 *   may only look; FORBIDDEN without the permission, or when the organization is not active any more
 */
export async function readActor(
  db: LockedDb,
  context: RequestContext,
  permission: Permission,
  isForLeaving = false,
): Promise<Actor> {
  if (!isForLeaving || db.held.status !== 'PENDING_DELETION') assertServed(db.held);
  return readActorNow(context, permission);
}

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
 * @throws UNAUTHENTICATED when the person, the session or the key is over, or whoever acts as them may not any more; READ_ONLY when they may
 *   only look
 */
export const assertStillAsking = async (_db: LockedDb, context: RequestContext): Promise<void> => {
  await readAgain(context);
};

async function readAgain(context: RequestContext): Promise<StillAsking> {
  const { viewer, outside, current } = context;
  const { person, apiKey, session, impersonation } = viewer ?? {};
  if (impersonation) return readActing(impersonation, context);
  const asking = outside(openAsking);
  const still = person
    ? await asking.readPerson({ id: person.id, sessionId: session?.id ?? null }, current?.orgId ?? '')
    : await asking.readKey(apiKey?.id ?? '');
  if (!still) throw new OrgateError('UNAUTHENTICATED');
  return still;
}

/** Whoever acts as a member, and may still change something. */
async function readActing(
  { id, by }: LiveImpersonation,
  { outside, organization, person }: RequestContext,
): Promise<StillAsking> {
  const named = { orgId: organization.orgId, id, actorId: by.id, userId: person.id };
  const still = await outside(openHeldImpersonations).find(named, null);
  if (!still) throw new OrgateError('UNAUTHENTICATED');
  if (still.impersonation.scope !== 'WRITE') throw new OrgateError('READ_ONLY');
  return { membership: still.membership, keyPermissions: null };
}

function toActor({ membership, keyPermissions }: StillAsking, { catalogue }: RequestContext): Actor | null {
  if (!membership) return null;
  const { userId, name, role, granted, withheld } = membership;
  const assignment = { role, granted: [...granted], withheld: [...withheld] };
  return { userId, name, ...(keyPermissions ? assignmentOfKey(catalogue, assignment, keyPermissions) : assignment) };
}
