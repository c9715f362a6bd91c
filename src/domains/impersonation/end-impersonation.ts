import type { RequestContext } from '../../context/context.js';
import type { LockedDb, RequestDb } from '../../data/organization/organization-db.js';
import { notFound, OrgateError, orNotFound } from '../../errors.js';
import { assertStillAsking, asActor } from '../../rights/actor.js';
import { memberUser } from '../membership/parent.js';
import { openAccess } from './outside.js';
import { type ImpersonationParent, toImpersonation } from './parent.js';

/**
 * Ends one that the viewer began or, for an OWNER, any of the current organization. Once it is over it stays as it was.
 *
 * @throws NOT_FOUND for any other; FORBIDDEN when the OWNER is one no longer
 */
export async function endImpersonation(id: string, context: RequestContext): Promise<ImpersonationParent> {
  const own = await findOwn(id, context);
  if (own) {
    return own.locked(async (db) => {
      await assertStillAsking(db, context);
      return end(db, id);
    });
  }
  if (!context.current?.permissions.has('support:manage')) throw notFound();
  return asActor(context, 'support:manage', async (db, actor) => {
    if (actor.role !== 'OWNER') throw new OrgateError('FORBIDDEN', 'Only an OWNER ends this.');
    return end(db, id);
  });
}

/** The organization in which the viewer began it, as whoever runs the deployment. */
async function findOwn(id: string, context: RequestContext): Promise<RequestDb | null> {
  const { person, outside, actElsewhere } = context;
  if (person.systemRole !== 'SYSTEM_ADMIN') return null;
  const orgId = await outside(openAccess).findOwn(id, person.id);
  return orgId && context.deployment.organizationDb(orgId, actElsewhere);
}

async function end(db: LockedDb, id: string): Promise<ImpersonationParent> {
  const now = db.now();
  const open = { id, endedAt: null, expiresAt: { gt: now } };
  await db.impersonation.updateMany(open, { endedAt: now });
  const ended = orNotFound(await db.impersonation.find({ id }));
  const onBehalfOf = { ...memberUser(await db.membership.get({ userId: ended.userId })), isMember: false };
  return { ...toImpersonation(ended, now), onBehalfOf };
}
