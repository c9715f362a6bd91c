import { z } from 'zod';
import { OrganizationRole } from '../../generated/enums.js';
import type { Resolvers, ServiceAccountFilter, ServiceAccountOrderField } from '../../generated/graphql.js';
import { allow, can, canAsPerson } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { nameText, parseInput } from '../../resource/input.js';
import { anyOf, defineList, type ListArgs } from '../../resource/list.js';
import { createServiceAccount, removeServiceAccount, updateServiceAccount } from './change-service-account.js';
import { toServiceAccount } from './parent.js';
import { record } from './record.js';

const accounts = defineList('Membership', {
  name: 'service accounts',
  key: 'userId',
  orders: { CREATED_AT: { by: 'userId' }, NAME: { by: 'name' } },
  usual: { field: 'CREATED_AT', direction: 'ASC' },
  search: ['name'],
  where: ({ filter }: ListArgs<ServiceAccountOrderField, ServiceAccountFilter>) => ({
    kind: 'SERVICE_ACCOUNT' as const,
    status: 'ACTIVE' as const,
    ...anyOf({ role: filter?.role }),
  }),
  show: (rows) => rows.map(toServiceAccount),
});

const names = z.array(z.string()).max(100, 'At most 100.');
const role = z
  .enum(OrganizationRole, 'Must not be null.')
  .refine((each) => each !== 'OWNER', 'A service account is never OWNER: an organization is owned by people.');

const createInput = z.object({
  name: nameText,
  role,
  permissions: names.nullish(),
  withheldPermissions: names.nullish(),
});

const updateInput = z.object({
  id: z.string(),
  name: nameText.optional(),
  role: role.optional(),
  permissions: names.optional(),
  withheldPermissions: names.optional(),
});

const resolvers = {
  Query: {
    serviceAccounts: (_, args, context) => accounts.page(args, context),
  },
  Mutation: {
    createServiceAccount: async (_, { input }, context) =>
      toServiceAccount(await createServiceAccount(parseInput(createInput, input), context)),
    updateServiceAccount: async (_, { input }, context) =>
      toServiceAccount(await updateServiceAccount(parseInput(updateInput, input), context)),
    removeServiceAccount: async (_, { id }, context) => toServiceAccount(await removeServiceAccount(id, context)),
  },
  ServiceAccount: {
    permissions: (account, _args, { catalogue }) => [
      ...catalogue.effective(account.role, account.granted, account.withheld),
    ],
  },
} satisfies Resolvers;

export const serviceAccount = defineDomain({
  resolvers,
  grants: {
    'service-account:read': { from: 'VIEWER', may: 'Read service accounts.' },
    'service-account:manage': {
      from: 'ADMIN',
      may: 'Make, change and remove service accounts, and make keys for them.',
    },
  },
  record,
  access: {
    Query: { serviceAccounts: can('service-account:read') },
    Mutation: {
      createServiceAccount: canAsPerson('service-account:manage'),
      updateServiceAccount: canAsPerson('service-account:manage'),
      removeServiceAccount: canAsPerson('service-account:manage'),
    },
    ServiceAccount: allow,
  },
  node: {
    prefix: 'svc',
    type: 'ServiceAccount',
    rule: can('service-account:read'),
    find: async (id, { db }) => {
      const row = await db.membership.load(id);
      return row && toServiceAccount(row);
    },
  },
});
