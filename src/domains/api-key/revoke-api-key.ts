import type { RequestContext } from '../../context/context.js';
import type { Row } from '../../data/organization/table.js';
import { notFound } from '../../errors.js';
import { asActor } from '../../rights/actor.js';
import { assertNoEscalation, effective, assignmentOfKey } from '../../rights/escalation.js';
import { tellNoMore } from './tell-of-ending-key.js';

/**
 * Ends a key: one's own, or as far as one holds what it may do everyone's. One that ended already stays as it was.
 *
 * @throws NOT_FOUND; ROLE_ESCALATION
 */
export const revokeApiKey = (id: string, context: RequestContext): Promise<Row<'ApiKey'>> =>
  asActor(context, 'api-key:revoke', async (db, actor) => {
    const key = await db.apiKey.get({ id });
    if (key.ownerId !== context.actorId) {
      if (!effective(context.catalogue, actor).has('api-key:manage')) throw notFound();
      const owner = await db.membership.get({ userId: key.ownerId });
      assertNoEscalation(context.catalogue, actor, assignmentOfKey(context.catalogue, owner, key.permissions));
    }
    if (key.revokedAt) return key;
    await tellNoMore(db, id);
    return db.apiKey.update({ id }, { revokedAt: db.now() });
  });

/** One's own, and with `api-key:manage` everyone's. */
export const visibleKeys = ({ organization, actorId }: RequestContext): { ownerId?: string } =>
  organization.permissions.has('api-key:manage') ? {} : { ownerId: actorId };
