import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { conflict, notFound, OrgateError, orNotFound } from '../../errors.js';
import type { AccountOrderField, AccountOrganizationOrderField, Resolvers } from '../../generated/graphql.js';
import { allow, canAsPerson, canAsPersonOrElsewhere, isSystemAdmin, isUnboundPerson } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { nameText, parseInput } from '../../resource/input.js';
import { asked, type ListArgs, type Offer } from '../../resource/list.js';
import { connect } from '../../resource/paging.js';
import { openVisits } from '../audit-entry/index.js';
import { readUsage } from '../usage/index.js';
import { offerOrganization, withdrawOrganization } from './offer-organization.js';
import { MOST_ADMINISTRATORS, openAccounts, type Taken, type Whose } from './outside.js';
import type { AccountOrganizationParent, AccountParent, FoundOrganization } from './parent.js';
import { record } from './record.js';

const whose = ({ person }: RequestContext): Whose => ({
  personId: person.id,
  isAll: person.systemRole === 'SYSTEM_ADMIN',
});

const ACCOUNTS = {
  name: 'accounts',
  orders: { CREATED_AT: { by: 'id' }, NAME: { by: 'name' } },
  usual: { field: 'CREATED_AT', direction: 'ASC' },
} satisfies Offer<AccountParent, AccountOrderField>;

function listAccounts(args: ListArgs<AccountOrderField>, context: RequestContext) {
  const { order } = asked<AccountParent, AccountOrderField>(ACCOUNTS, args);
  const accounts = context.outside(openAccounts);
  return connect(args, context.person.id, order, {
    read: (page) => accounts.list(whose(context), page),
    count: () => accounts.count(whose(context)),
    show: (rows) => rows,
  });
}

const ORGANIZATIONS = {
  name: 'accountOrganizations',
  orders: { CREATED_AT: { by: 'id' }, NAME: { by: 'name' } },
  usual: { field: 'CREATED_AT', direction: 'ASC' },
  search: ['name', 'slug'],
} satisfies Offer<FoundOrganization, AccountOrganizationOrderField>;

/** Tells each that it is seen, before it is shown: by whom its account is looked at, or by whom all are. */
async function tell(
  rows: readonly FoundOrganization[],
  { isOwn, id, name }: AccountParent,
  { outside, actElsewhere: act }: RequestContext,
): Promise<AccountOrganizationParent[]> {
  await outside(openVisits)(
    rows.map((row) => row.id),
    {
      action: isOwn ? 'organization.usage_seen' : 'organization.seen',
      act,
      targetType: 'account',
      targetId: id,
      targetName: name,
    },
  );
  return rows.map((row) => ({ ...row, isTold: true }));
}

function listOrganizations(
  account: AccountParent,
  args: ListArgs<AccountOrganizationOrderField>,
  context: RequestContext,
) {
  const { order, search } = asked<FoundOrganization, AccountOrganizationOrderField>(ORGANIZATIONS, args);
  const accounts = context.outside(openAccounts);
  return connect(args, `${context.person.id} ${account.id}`, order, {
    read: (page) => accounts.listOrganizations(account, { ...page, search: search?.text }),
    count: () => accounts.countOrganizations(account.id, search?.text),
    show: (rows) => tell(rows, account, context),
  });
}

async function usageOf(
  { acceptedAt, opened }: AccountOrganizationParent,
  period: string | null | undefined,
  { deployment, actElsewhere, outside }: RequestContext,
) {
  if (acceptedAt === null) return null;
  if (opened === null) throw new OrgateError('FORBIDDEN', 'What it uses is for administrators of the account.');
  const db = deployment.organizationDb(opened, actElsewhere);
  return readUsage(period, { db, outside, organization: { orgId: opened } });
}

const createInput = z.object({ name: nameText });

/** As it is afterwards. */
const read = async (id: string, context: RequestContext): Promise<AccountParent> =>
  orNotFound(await context.outside(openAccounts).find(id, whose(context)));

/** Taken once more it is as it was, and seen again. */
async function acceptOrganization(
  { accountId, organizationId }: Omit<Taken, 'personId'>,
  context: RequestContext,
): Promise<AccountOrganizationParent> {
  const { outside, person, actElsewhere, deployment } = context;
  const account = await read(accountId, context);
  const at = { accountId, organizationId, personId: person.id };
  const taken = orNotFound(await outside(openAccounts).accept(at, deployment.now(), actElsewhere));
  const [seen = null] = await tell([taken], account, context);
  return orNotFound(seen);
}

const resolvers = {
  Query: {
    accounts: (_, args, context) => listAccounts(args, context),
    account: (_, { id }, context) => read(id, context),
  },
  Mutation: {
    createAccount: (_, { input }, { outside, act }) =>
      outside(openAccounts).create(parseInput(createInput, input).name, act),
    addAccountAdministrator: async (_, { accountId, userId }, context) => {
      const added = await context.outside(openAccounts).addAdministrator(accountId, userId, context.act);
      if (added === null) throw notFound();
      if (added === 'full') throw conflict(`An account has at most ${MOST_ADMINISTRATORS} administrators.`, 'userId');
      return read(accountId, context);
    },
    removeAccountAdministrator: async (_, { accountId, userId }, context) => {
      if (!(await context.outside(openAccounts).removeAdministrator(accountId, userId, context.act))) throw notFound();
      return read(accountId, context);
    },
    offerOrganization: (_, { accountId }, context) => offerOrganization(accountId, context),
    acceptOrganization: (_, args, context) => acceptOrganization(args, context),
    withdrawOrganization: (_, { accountId, organizationId }, context) =>
      withdrawOrganization(accountId, organizationId, context),
  },
  Account: {
    administrators: ({ id }, _args, { outside }) => outside(openAccounts).listAdministrators(id),
    organizations: (account, args, context) => listOrganizations(account, args, context),
  },
  AccountOrganization: { usage: (organization, { period }, context) => usageOf(organization, period, context) },
  Organization: {
    account: async (_, _args, { db, outside }) => {
      const row = await db.accountOrganization.find({});
      const name = row && (await outside(openAccounts).findName(row.accountId));
      return row && name !== null ? { ...row, id: row.accountId, name, offeredAt: row.createdAt } : null;
    },
  },
} satisfies Resolvers;

export const account = defineDomain({
  resolvers,
  grants: {
    'account:manage': {
      from: 'OWNER',
      may: 'Offer the organization to an account, whose administrators see what it uses, and end that.',
    },
  },
  record,
  access: {
    Query: { accounts: isUnboundPerson, account: isUnboundPerson },
    Mutation: {
      createAccount: isSystemAdmin,
      addAccountAdministrator: isSystemAdmin,
      removeAccountAdministrator: isSystemAdmin,
      offerOrganization: canAsPerson('account:manage'),
      acceptOrganization: isUnboundPerson,
      withdrawOrganization: canAsPersonOrElsewhere('account:manage'),
    },
    Account: allow,
    AccountOrganization: allow,
    OrganizationAccount: allow,
  },
});

export { type HeldAccounts, openHeldAccounts } from './outside.js';
