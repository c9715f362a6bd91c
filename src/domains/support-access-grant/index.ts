import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { newId } from '../../data/id.js';
import type { LockedDb } from '../../data/organization/organization-db.js';
import { badInput, conflict, OrgateError, orNotFound } from '../../errors.js';
import { SupportScope } from '../../generated/enums.js';
import type { Resolvers } from '../../generated/graphql.js';
import { allow, canAsPerson, canAsPersonAlways, canWhereNamed } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { parseInput } from '../../resource/input.js';
import { defineList } from '../../resource/list.js';
import { asActor } from '../../rights/actor.js';
import { grantsInForce, MAX_GRANTS, revokeGrant } from '../../rights/support-access.js';
import { memberUser } from '../membership/parent.js';
import { record } from './record.js';

const grants = defineList('SupportAccessGrant', {
  name: 'supportAccessGrants',
  orders: { CREATED_AT: { by: 'id' } },
  usual: { field: 'CREATED_AT', direction: 'DESC' },
});

const MOST_HOURS = 72;

const grantInput = z.object({ scope: z.enum(SupportScope), expiresAt: z.date() });

/** Works as someone who is OWNER now, under the organization's lock. */
const asOwner = <T>(
  context: RequestContext,
  during: 'served' | 'any',
  work: (db: LockedDb) => Promise<T>,
): Promise<T> =>
  asActor(
    context,
    'support:manage',
    async (db, actor) => {
      if (actor.role !== 'OWNER') throw new OrgateError('FORBIDDEN', 'Only an OWNER lets anybody in.');
      return work(db);
    },
    during,
  );

const resolvers = {
  Query: {
    supportAccessGrants: (_, args, context) => grants.page(args, context),
  },
  Mutation: {
    grantSupportAccess: (_, { input }, context) => {
      const { scope, expiresAt } = parseInput(grantInput, input);
      return asOwner(context, 'served', async (db) => {
        if (db.held.supportAccess === 'DENIED') {
          throw conflict('The settings let nobody in (support.access): change that first.');
        }
        const now = db.now();
        if (expiresAt <= now) throw badInput('input.expiresAt', 'Must be in the future.');
        if (expiresAt.getTime() > now.getTime() + MOST_HOURS * 3_600_000)
          throw badInput('input.expiresAt', `By ${MOST_HOURS} hours at most.`);
        if ((await grantsInForce(db)).length >= MAX_GRANTS) {
          throw conflict(`At most ${MAX_GRANTS} at once: revoke one of them.`);
        }
        const made = { id: newId('sag'), scope, grantedById: context.actorId, expiresAt, createdAt: now };
        // Whoever is in already may change something from now on, and the log says so.
        const open = { endedAt: null, expiresAt: { gt: now }, scope: 'READ' } as const;
        if (scope === 'WRITE') await db.impersonation.updateMany(open, { scope });
        return db.supportAccessGrant.create(made);
      });
    },
    revokeSupportAccess: (_, { id }, context) =>
      asOwner(context, 'any', async (db) => {
        await revokeGrant(db, id);
        return orNotFound(await db.supportAccessGrant.find({ id }));
      }),
  },
  SupportAccessGrant: {
    grantedBy: async ({ grantedById }, _args, { db }) => memberUser(orNotFound(await db.membership.load(grantedById))),
    inForce: ({ revokedAt, expiresAt }, _args, { db }) => revokedAt === null && expiresAt > db.now(),
  },
} satisfies Resolvers;

export const supportAccessGrant = defineDomain({
  resolvers,
  record,
  access: {
    Query: { supportAccessGrants: canWhereNamed('support:read') },
    Mutation: {
      grantSupportAccess: canAsPerson('support:manage'),
      revokeSupportAccess: canAsPersonAlways('support:manage'),
    },
    SupportAccessGrant: allow,
  },
  node: {
    prefix: 'sag',
    type: 'SupportAccessGrant',
    rule: canWhereNamed('support:read'),
    find: (id, { db }) => db.supportAccessGrant.load(id),
  },
});
