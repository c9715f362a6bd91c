import type { RequestContext } from '../context/context.js';
import { ActorChangedError } from '../data/database-error.js';
import type { LockedDb, OrganizationDb } from '../data/organization/organization-db.js';
import { OrgateError } from '../errors.js';
import { openAsking, type StillAsking, whileAsRead } from '../identity/asking.js';
import { type LiveImpersonation, openHeldImpersonations } from '../identity/impersonations.js';
import type { Permission } from '../permissions/catalogue.js';
import { assertServed, notOfSet } from '../permissions/organization-status.js';
import { effective, type RoleAssignment, assignmentOfKey } from './escalation.js';

/** Who acts, and what they hold: of a key no more than that. */
export interface Actor extends RoleAssignment {
  readonly userId: string;
  readonly name: string;
}

/** Whether it is done in an organization that is to be deleted, too, or in any. */
type During = 'served' | 'leaving' | 'any';

/**
 * Works under the organization's lock, as somebody who holds the permission by then. Whatever somebody asks for that takes the lock
 * takes it here, or says in `test/guarantees/asking.test.ts` why not.
 *
 * @throws as `readActor`
 */
export const asActor = <T>(
  context: RequestContext,
  permission: Permission,
  work: (db: LockedDb, actor: Actor) => Promise<T>,
  during: During = 'served',
): Promise<T> => context.db.locked(async (db) => work(db, await readActor(db, context, permission, during)));

/**
 * The actor as they are now. What waits for the organization's lock may wait for long, and of who was removed, demoted,
 * signed out or revoked meanwhile it is carried out no more.
 *
 * @param db because what is read before there is the lock may be over when there is
 * @throws UNAUTHENTICATED when the person, the session or the key is over, or whoever acts as them may not any more, READ_ONLY when they
 *   may only look; FORBIDDEN without the permission, or when the organization is not active any more
 */
export async function readActor(
  db: LockedDb,
  context: RequestContext,
  permission: Permission,
  during: During = 'served',
): Promise<Actor> {
  const isServed = during === 'any' || (during === 'leaving' && db.held.status === 'PENDING_DELETION');
  if (!isServed) assertServed(db.held);
  return readActorNow(context, permission);
}

/**
 * The same for what rests on a row of its own, and waited for that alone. Within the transaction, on its connection.
 *
 * @throws as `readActor`
 */
export async function readActorNow(context: RequestContext, permission: Permission): Promise<Actor> {
  const still = await readAgain(context);
  if (still.membership?.isBarred) throw notOfSet();
  const actor = toActor(still, context);
  if (!actor || !effective(context.catalogue, actor).has(permission)) {
    throw new OrgateError('FORBIDDEN', undefined, { requiredPermission: permission });
  }
  return actor;
}

/**
 * Starts runs, or records usage, by one statement in no transaction, which takes a fraction of the time: it looks itself whether the actor is as the
 * request read them, behind all that it waits for. Where they are not, it is done again in a transaction, and who they are now decides; so it is at
 * once for whoever acts as a member, of whom the statement knows less.
 *
 * @param write once, or once more where nothing of it was written
 * @throws as `readActor`
 */
export async function writeAsRead<T>(
  context: RequestContext,
  permission: Permission,
  write: (db: OrganizationDb) => Promise<T>,
): Promise<T> {
  const { viewer, organization } = context;
  const { userId } = organization.membership;
  const { role, granted, withheld } = viewer?.apiKey?.owner ?? organization.membership;
  const apiKeyId = viewer?.apiKey?.id ?? null;
  const sessionId = viewer?.session.id ?? null;
  const writeAnew = () =>
    context.db.transaction(async (tx) => {
      const written = await write(tx);
      assertServed(await tx.organization.get({}));
      await readActorNow(context, permission);
      return written;
    });
  if (viewer?.impersonation) return writeAnew();
  try {
    return await whileAsRead({ userId, role, granted, withheld, apiKeyId, sessionId }, () => write(context.db));
  } catch (error) {
    if (!(error instanceof ActorChangedError)) throw error;
    return writeAnew();
  }
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

/** The same for what waits for rows of no one organization. Within the transaction, on its connection, behind all of them. */
export const assertStillAskingNow = async (context: RequestContext): Promise<void> => {
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
  if (!still) throw new OrgateError('UNAUTHENTICATED', apiKey ? 'Send a valid API key.' : undefined);
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
