import { type Attempt, cursorOf, describeIsolation, END, never, type Target } from '../../support/isolation.js';

const FOR_ADMINISTRATORS = 'it is open to system administrators only, who are no OWNER by that';
const FOR_ITS_OWN = 'an account is in no organization: its administrators reach it, who are no OWNER by that';

const organization = { foreign: (acme: Target) => acme.id as string, unknown: never('org') };
const account = { foreign: (acme: Target) => acme.id as string, unknown: never('acc') };
const person = { foreign: (acme: Target) => acme.ownerId, unknown: never('usr') };

const inAccount = (argument: 'after' | 'before'): Attempt => ({
  query: `query ($id: ID!, $cursor: String) {
    account(id: $id) { organizations(${END[argument]}, ${argument}: $cursor) { nodes { id } } }
  }`,
  foreign: (acme) => cursorOf(acme.id, 'accountOrganizations CREATED_AT ASC', acme.id),
  unknown: () => cursorOf('org_0', 'accountOrganizations CREATED_AT ASC', 'x'),
  variables: (cursor) => ({ id: never('acc')(), cursor }),
  uncontrolled: FOR_ITS_OWN,
});
const inAccounts = (argument: 'after' | 'before'): Attempt => ({
  query: `query ($cursor: String) { accounts(${END[argument]}, ${argument}: $cursor) { nodes { id } } }`,
  foreign: (acme) => cursorOf(acme.ownerId, 'accounts CREATED_AT ASC', never('acc')()),
  unknown: () => cursorOf('usr_0', 'accounts CREATED_AT ASC', never('acc')()),
  variables: (cursor) => ({ cursor }),
  uncontrolled: FOR_ITS_OWN,
});

const ADD = `mutation ($accountId: ID!, $userId: ID!) { addAccountAdministrator(accountId: $accountId, userId: $userId) { id } }`;
const REMOVE = `mutation ($accountId: ID!, $userId: ID!) { removeAccountAdministrator(accountId: $accountId, userId: $userId) { id } }`;
const ACCEPT = `mutation ($accountId: ID!, $organizationId: ID!) {
  acceptOrganization(accountId: $accountId, organizationId: $organizationId) { id slug }
}`;
const WITHDRAW = `mutation ($accountId: ID!, $organizationId: ID) {
  withdrawOrganization(accountId: $accountId, organizationId: $organizationId) { id slug }
}`;

describeIsolation({
  'Query.account.id': {
    query: 'query ($id: ID!) { account(id: $id) { name organizations { nodes { slug } } } }',
    ...account,
    variables: (id) => ({ id }),
    uncontrolled: FOR_ITS_OWN,
  },
  'Query.accounts.after': inAccounts('after'),
  'Query.accounts.before': inAccounts('before'),
  'Account.organizations.after': inAccount('after'),
  'Account.organizations.before': inAccount('before'),
  'Mutation.createAccount.input.name': {
    query: 'mutation ($input: CreateAccountInput!) { createAccount(input: $input) { id } }',
    foreign: () => 'acme Inc.',
    unknown: () => 'Nobody',
    variables: (name) => ({ input: { name } }),
    uncontrolled: FOR_ADMINISTRATORS,
  },
  'Mutation.addAccountAdministrator.accountId': {
    query: ADD,
    ...account,
    variables: (accountId) => ({ accountId, userId: never('usr')() }),
    uncontrolled: FOR_ADMINISTRATORS,
  },
  'Mutation.addAccountAdministrator.userId': {
    query: ADD,
    ...person,
    variables: (userId) => ({ accountId: never('acc')(), userId }),
    uncontrolled: FOR_ADMINISTRATORS,
  },
  'Mutation.removeAccountAdministrator.accountId': {
    query: REMOVE,
    ...account,
    variables: (accountId) => ({ accountId, userId: never('usr')() }),
    uncontrolled: FOR_ADMINISTRATORS,
  },
  'Mutation.removeAccountAdministrator.userId': {
    query: REMOVE,
    ...person,
    variables: (userId) => ({ accountId: never('acc')(), userId }),
    uncontrolled: FOR_ADMINISTRATORS,
  },
  'Mutation.offerOrganization.accountId': {
    query: 'mutation ($accountId: ID!) { offerOrganization(accountId: $accountId) { id } }',
    ...account,
    variables: (accountId) => ({ accountId }),
    uncontrolled: FOR_ITS_OWN,
  },
  'Mutation.acceptOrganization.accountId': {
    query: ACCEPT,
    ...account,
    variables: (accountId, own) => ({ accountId, organizationId: own.id }),
    uncontrolled: FOR_ITS_OWN,
  },
  'Mutation.acceptOrganization.organizationId': {
    query: ACCEPT,
    ...organization,
    variables: (organizationId) => ({ accountId: never('acc')(), organizationId }),
    uncontrolled: FOR_ITS_OWN,
  },
  'Mutation.withdrawOrganization.accountId': {
    query: WITHDRAW,
    ...account,
    variables: (accountId) => ({ accountId }),
    uncontrolled: FOR_ITS_OWN,
  },
  'Mutation.withdrawOrganization.organizationId': {
    query: WITHDRAW,
    ...organization,
    variables: (organizationId) => ({ accountId: never('acc')(), organizationId }),
    uncontrolled: FOR_ITS_OWN,
  },
  'Mutation.createOrganization.input.accountId': {
    query: 'mutation ($input: CreateOrganizationInput!) { createOrganization(input: $input) { id } }',
    ...account,
    variables: (accountId) => ({ input: { name: 'x', slug: 'taken-by-nobody-in-particular', accountId } }),
    uncontrolled: FOR_ITS_OWN,
  },
  'Mutation.createOrganizationSet.input.accountId': {
    query: 'mutation ($input: CreateOrganizationSetInput!) { createOrganizationSet(input: $input) { id } }',
    ...account,
    variables: (accountId) => ({
      input: { name: 'x', base: 'taken-by-nobody', project: 'x', regions: ['useast'], environments: [], accountId },
    }),
    uncontrolled: FOR_ITS_OWN,
  },
  'Mutation.createOrganization.input.settings.branding.supportEmail': {
    query: 'mutation ($input: CreateOrganizationInput!) { createOrganization(input: $input) { name } }',
    foreign: (acme) => acme.owner.email,
    unknown: () => 'nobody@nowhere.example',
    variables: (supportEmail) => ({
      input: { name: 'x', slug: `s-${Math.random().toString(36).slice(2)}`, settings: { branding: { supportEmail } } },
    }),
    names: true,
  },
});
