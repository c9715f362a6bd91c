import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import type { Filter, Row } from '../../data/organization/table.js';
import { orNotFound } from '../../errors.js';
import type { ApiKeyFilter, ApiKeyOrderField, ApiKeyStatus, Resolvers } from '../../generated/graphql.js';
import { allow, can, canAsPerson } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { nameText, parseInput } from '../../resource/input.js';
import { defineList, type ListArgs } from '../../resource/list.js';
import { isOfStay } from '../../identity/stay.js';
import { assignmentOfKey } from '../../rights/escalation.js';
import { parsePermissions } from '../../rights/parse-role-assignment.js';
import { toServiceAccount } from '../service-account/parent.js';
import { memberUser } from '../membership/parent.js';
import type { UserParent } from '../viewer/parent.js';
import { createApiKey, rotateApiKey } from './create-api-key.js';
import { due } from './jobs.js';
import { record } from './record.js';
import { revokeApiKey, visibleKeys } from './revoke-api-key.js';

type KeyRow = Row<'ApiKey'>;

const keys = defineList('ApiKey', {
  name: 'API keys',
  orders: {
    CREATED_AT: { by: 'id' },
    NAME: { by: 'name' },
    EXPIRES_AT: { by: 'expiresAt', is: 'instant' },
    LAST_USED_AT: { by: 'lastUsedAt', is: 'instant', mayBeNull: true },
  },
  usual: { field: 'CREATED_AT', direction: 'DESC' },
  search: ['name'],
  where: (args: KeyArgs, context) => keysOf([args.ownerId, args.filter?.ownerId], context),
});

interface KeyArgs extends ListArgs<ApiKeyOrderField, ApiKeyFilter> {
  readonly ownerId?: string | null;
}

/** Those that the viewer may see, of all the owners that were asked for: of two different ones, none. */
function keysOf(asked: readonly (string | null | undefined)[], context: RequestContext): Filter<KeyRow> {
  const visible = visibleKeys(context);
  const [ownerId, ...others] = new Set([visible.ownerId, ...asked].filter((id) => id != null));
  if (ownerId === undefined) return {};
  return others.length === 0 ? { ownerId } : { ownerId: { in: [] } };
}

const createInput = z.object({
  name: nameText,
  permissions: z.array(z.string()).min(1, 'At least one.').max(100, 'At most 100.'),
  expiresAt: z.date().nullish(),
  serviceAccountId: z.string().nullish(),
});

const overlapMinutes = z.int().min(0, 'At least 0.').max(10_080, 'At most 10,080 minutes, which is a week.');

const readMember = async (userId: string, { db }: RequestContext): Promise<Row<'Membership'>> =>
  orNotFound(await db.membership.load(userId));

const readUser = async (userId: string, context: RequestContext): Promise<UserParent> =>
  memberUser(await readMember(userId, context));

/** As a request with the key would find it. */
function statusOf(key: KeyRow, owner: Row<'Membership'>, now: Date): ApiKeyStatus {
  if (key.revokedAt || owner.status === 'REMOVED' || !isOfStay(key.createdAt, owner)) return 'REVOKED';
  if (key.expiresAt <= now) return 'EXPIRED';
  return owner.status === 'ACTIVE' ? 'ACTIVE' : 'SUSPENDED';
}

const resolvers = {
  Query: {
    apiKeys: (_, args, context) => keys.page(args, context),
  },
  Mutation: {
    createApiKey: (_, { input }, context) => {
      const { name, permissions, expiresAt, serviceAccountId } = parseInput(createInput, input);
      return createApiKey(
        {
          name,
          permissions: parsePermissions(permissions, 'input.permissions', context.catalogue),
          expiresAt: expiresAt ?? null,
          serviceAccountId: serviceAccountId ?? null,
        },
        context,
      );
    },
    rotateApiKey: (_, { id, overlap, expiresAt }, context) => {
      const minutes = parseInput(overlapMinutes, overlap ?? 1440, 'overlap');
      return rotateApiKey({ id, overlapMinutes: minutes, expiresAt: expiresAt ?? null }, context);
    },
    revokeApiKey: (_, { id }, context) => revokeApiKey(id, context),
  },
  ApiKey: {
    owner: ({ ownerId }, _args, context) => readUser(ownerId, context),
    serviceAccount: async ({ ownerId }, _args, context) => {
      const owner = await readMember(ownerId, context);
      return owner.kind === 'SERVICE_ACCOUNT' ? toServiceAccount(owner) : null;
    },
    effectivePermissions: async (key, _args, context) => {
      const owner = await readMember(key.ownerId, context);
      if (statusOf(key, owner, context.db.now()) !== 'ACTIVE') return [];
      return [...assignmentOfKey(context.catalogue, owner, key.permissions).granted];
    },
    status: async (key, _args, context) => statusOf(key, await readMember(key.ownerId, context), context.db.now()),
    createdBy: ({ createdById }, _args, context) => readUser(createdById, context),
  },
} satisfies Resolvers;

export const apiKey = defineDomain({
  resolvers,
  grants: {
    'api-key:read': { from: 'VIEWER', may: "Read API keys: one's own, or all with `api-key:manage`." },
    'api-key:create': { from: 'DEVELOPER', may: 'Make and rotate API keys that may no more than oneself.' },
    'api-key:revoke': { from: 'VIEWER', may: "Revoke one's own API keys." },
    'api-key:manage': { from: 'ADMIN', may: 'Read and revoke the API keys of others.' },
  },
  record,
  access: {
    Query: { apiKeys: can('api-key:read') },
    Mutation: {
      createApiKey: canAsPerson('api-key:create'),
      rotateApiKey: canAsPerson('api-key:create'),
      revokeApiKey: can('api-key:revoke'),
    },
    ApiKey: allow,
    ApiKeyPayload: allow,
  },
  node: {
    prefix: 'key',
    type: 'ApiKey',
    rule: can('api-key:read'),
    find: async (id, context) => context.db.apiKey.find({ id, ...visibleKeys(context) }),
  },
  due,
});
