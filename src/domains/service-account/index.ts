import { z } from 'zod';
import type { Row } from '../../data/organization/table.js';
import { OrganizationRole } from '../../generated/enums.js';
import type { Resolvers } from '../../generated/graphql.js';
import { allow, can, canAsPerson } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { nameText, parseInput } from '../../resource/input.js';
import { connect, keyset, type Order } from '../../resource/paging.js';
import { createServiceAccount, removeServiceAccount, updateServiceAccount } from './change-service-account.js';
import { toServiceAccount } from './parent.js';

const byAge: Order<Row<'Membership'>> = { name: 'service accounts', column: 'userId', direction: 'asc' };
const LISTED = { kind: 'SERVICE_ACCOUNT', status: 'ACTIVE' } as const;

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
    serviceAccounts: (_, args, { db, organization }) =>
      connect(
        args,
        organization.orgId,
        byAge,
        async (page) => {
          const { where, ...rest } = keyset(byAge, page);
          return (await db.membership.list({ ...rest, where: { ...where, ...LISTED } })).map(toServiceAccount);
        },
        () => db.membership.count(LISTED),
      ),
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
  grants: { 'service-account:read': 'VIEWER', 'service-account:manage': 'ADMIN' },
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
    permission: 'service-account:read',
    find: async (id, { db }) => {
      const row = await db.membership.load(id);
      return row && toServiceAccount(row);
    },
  },
});
