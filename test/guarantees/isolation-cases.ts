import { randomBytes } from 'node:crypto';
import type { MutationResolvers, QueryResolvers } from '../../src/generated/graphql.js';
import { type Attempt, type Attempts, END, never, type Target } from '../support/isolation.js';

const fresh = (prefix: string) => () => `${prefix}-${randomBytes(5).toString('hex')}`;

const repository = { foreign: (acme: Target) => acme.repositoryId, unknown: never('rep') };
const agent = { foreign: (acme: Target) => acme.agentId, unknown: never('agt') };
const run = { foreign: (acme: Target) => acme.runId, unknown: never('run') };
const person = { foreign: (acme: Target) => acme.ownerId, unknown: never('usr') };
const organization = { foreign: (acme: Target) => acme.id as string, unknown: never('org') };
const slug = { foreign: (acme: Target) => acme.slug, unknown: fresh('acme') };

/** A cursor of the same list that no organization ever gave out. */
const cursor = (list: keyof Target['cursors']) => ({
  foreign: (acme: Target) => acme.cursors[list],
  unknown: () => Buffer.from(JSON.stringify(['org_0', list, 'x'])).toString('base64url'),
  variables: (cursor: string) => ({ cursor }),
});
const byId = { variables: (id: string) => ({ id }) };
const input = (rest: object, field: string) => ({
  variables: (value: string) => ({ input: { ...rest, [field]: value } }),
});
/** Both ways on from a cursor, in a field that stands in whatever it is put into. */
const pages = (field: string, list: keyof Target['cursors'], put = (selection: string) => selection) => {
  const attempt = (argument: 'after' | 'before'): Attempt => ({
    query: `query ($cursor: String) {
      ${put(`${field}(${END[argument]}, ${argument}: $cursor) { nodes { __typename } }`)}
    }`,
    ...cursor(list),
  });
  return { after: attempt('after'), before: attempt('before') };
};
const nestedPages = (path: string, list: keyof Target['cursors'], put: (selection: string) => string): Attempts =>
  Object.fromEntries(
    Object.entries(pages(path.slice(path.indexOf('.') + 1), list, put)).map(([argument, attempt]) => [
      `${path}.${argument}`,
      attempt,
    ]),
  );
const inCurrent = (selection: string) => `currentOrganization { ${selection} }`;
const filtered = (field: string) => ({
  variables: (value: string) => ({ filter: { [field]: value } }),
});
const RUNS = 'query ($filter: RunFilter) { runs(filter: $filter) { totalCount nodes { id } } }';
const NESTED_RUNS =
  'query ($filter: RunFilter) { currentOrganization { runs(filter: $filter) { totalCount nodes { id } } } }';
const mutation = (field: string, type: string, selection: string) =>
  `mutation ($input: ${type}!) { ${field}(input: $input) { ${selection} } }`;

const UPDATE_REPOSITORY = mutation('updateRepository', 'UpdateRepositoryInput', 'id name');
const UPDATE_AGENT = mutation('updateAgent', 'UpdateAgentInput', 'id name');
const START_RUN = mutation('startRun', 'StartRunInput', 'status');
const gitUrl = 'https://git.example/x.git';

const FOR_ADMINISTRATORS = 'it is open to system administrators only, who are no OWNER by that';

type RootField =
  | `Query.${Exclude<keyof QueryResolvers, symbol | number>}`
  | `Mutation.${Exclude<keyof MutationResolvers, symbol | number>}`;

/** By root field, then by the argument's path below it. */
const ROOT_CASES: Partial<Record<RootField, Record<string, Attempt>>> = {
  'Query.viewer': {},
  'Query.currentOrganization': {},
  'Query.myOrganizations': pages('myOrganizations', 'organizations'),
  'Query.organizations': {
    after: { ...pages('organizations', 'organizations').after, uncontrolled: FOR_ADMINISTRATORS },
    before: { ...pages('organizations', 'organizations').before, uncontrolled: FOR_ADMINISTRATORS },
  },
  'Query.organization': {
    id: { query: 'query ($id: ID) { organization(id: $id) { id name slug viewerRole } }', ...organization, ...byId },
    slug: {
      query: 'query ($slug: String) { organization(slug: $slug) { id name slug viewerRole } }',
      ...slug,
      variables: (value) => ({ slug: value }),
    },
  },
  'Query.repositories': pages('repositories', 'repositories'),
  'Query.repository': {
    id: { query: 'query ($id: ID!) { repository(id: $id) { name gitUrl } }', ...repository, ...byId },
  },
  'Query.agents': {
    ...pages('agents', 'agents'),
    'filter.repositoryId': {
      query: 'query ($filter: AgentFilter) { agents(filter: $filter) { totalCount nodes { id } } }',
      ...repository,
      ...filtered('repositoryId'),
    },
  },
  'Query.agent': {
    id: { query: 'query ($id: ID) { agent(id: $id) { name } }', ...agent, ...byId },
    name: {
      query: 'query ($name: String) { agent(name: $name) { id } }',
      foreign: () => 'AcmeOnly',
      unknown: fresh('AcmeNever'),
      variables: (name) => ({ name }),
    },
  },
  'Query.runs': {
    ...pages('runs', 'runs'),
    'filter.agentId': { query: RUNS, ...agent, ...filtered('agentId') },
    'filter.repositoryId': { query: RUNS, ...repository, ...filtered('repositoryId') },
    'filter.createdById': { query: RUNS, ...person, ...filtered('createdById') },
  },
  'Query.run': { id: { query: 'query ($id: ID!) { run(id: $id) { status input } }', ...run, ...byId } },
  'Query.members': pages('members', 'members'),
  'Query.organizationUsage': {},
  'Query.node': {
    id: { query: 'query ($id: ID!) { node(id: $id) { id } }', ...run, ...byId },
  },
  'Query.nodes': {
    ids: {
      query: 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
      ...organization,
      variables: (value) => ({ ids: [value] }),
    },
  },
  'Mutation.createOrganization': {
    'input.name': {
      query: mutation('createOrganization', 'CreateOrganizationInput', 'name'),
      foreign: () => 'acme Inc.',
      unknown: fresh('Name'),
      variables: (name) => ({ input: { name, slug: fresh('made')() } }),
      names: true,
    },
    // The one exception: a taken slug is CONFLICT, as it must be. Here it is shown to tell nothing but that.
    'input.slug': {
      query: mutation('createOrganization', 'CreateOrganizationInput', 'name'),
      ...slug,
      unknown: () => 'taken-by-nobody-in-particular',
      variables: (value) => ({ input: { name: 'x', slug: value } }),
    },
  },
  'Mutation.createOrganizationSet': {
    'input.name': {
      query: mutation('createOrganizationSet', 'CreateOrganizationSetInput', 'name'),
      foreign: () => 'acme Inc.',
      unknown: fresh('Name'),
      variables: (name) => ({
        input: { name, base: fresh('made')(), project: 'p', regions: ['eucentral'], environments: [] },
      }),
      names: true,
    },
  },
  'Mutation.updateOrganization': {
    'input.settings.branding.supportEmail': {
      query: mutation('updateOrganization', 'UpdateOrganizationInput', 'name'),
      foreign: (acme) => acme.owner.email,
      unknown: () => `${fresh('nobody')()}@nowhere.example`,
      variables: (supportEmail) => ({ input: { settings: { branding: { supportEmail } } } }),
      names: true,
    },
    'input.name': {
      query: mutation('updateOrganization', 'UpdateOrganizationInput', 'name'),
      foreign: () => 'acme Inc.',
      unknown: fresh('Name'),
      ...input({}, 'name'),
      names: true,
    },
    'input.slug': {
      query: mutation('updateOrganization', 'UpdateOrganizationInput', 'name'),
      ...slug,
      unknown: () => 'taken-by-nobody-in-particular',
      ...input({}, 'slug'),
    },
  },
  'Query.verifyAuditChain': {
    organizationId: {
      query: 'query ($id: ID) { verifyAuditChain(organizationId: $id) { ok } }',
      ...organization,
      ...byId,
      uncontrolled: FOR_ADMINISTRATORS,
    },
  },
  'Mutation.registerExecutor': {
    'input.name': {
      query: mutation('registerExecutor', 'RegisterExecutorInput', 'token'),
      foreign: () => 'acme Inc.',
      unknown: fresh('Executor'),
      ...input({}, 'name'),
      uncontrolled: FOR_ADMINISTRATORS,
    },
  },
  'Mutation.rotateExecutorToken': {
    id: {
      query: 'mutation ($id: ID!) { rotateExecutorToken(id: $id) { token } }',
      foreign: never('exr'),
      unknown: never('exr'),
      ...byId,
      uncontrolled: FOR_ADMINISTRATORS,
    },
  },
  'Mutation.revokeExecutor': {
    id: {
      query: 'mutation ($id: ID!) { revokeExecutor(id: $id) { pool } }',
      foreign: never('exr'),
      unknown: never('exr'),
      ...byId,
      uncontrolled: FOR_ADMINISTRATORS,
    },
  },
  'Mutation.claimRuns': {
    'input.agentIds': {
      query: 'mutation ($input: ClaimRunsInput!) { claimRuns(input: $input) { runs { attempt } } }',
      ...agent,
      variables: (id) => ({ input: { agentIds: [id] } }),
    },
  },
  'Mutation.releaseSlug': {
    slug: {
      query: 'mutation ($slug: String!) { releaseSlug(slug: $slug) { name } }',
      foreign: async (_acme, db) => {
        const name = fresh('former')();
        await db.address.create({ name, kind: 'SLUG' });
        await db.address.update({ name }, { givenUpAt: new Date() });
        return name;
      },
      unknown: fresh('former'),
      variables: (value) => ({ slug: value }),
    },
  },
  'Mutation.setEntitlements': {
    'input.organizationId': {
      query: mutation('setEntitlements', 'SetEntitlementsInput', 'id slug'),
      ...organization,
      ...input({ features: [] }, 'organizationId'),
      uncontrolled: FOR_ADMINISTRATORS,
    },
    'input.features.name': {
      query: mutation('setEntitlements', 'SetEntitlementsInput', 'id slug'),
      foreign: () => 'webhooks',
      unknown: fresh('feature'),
      variables: (name, own) => ({ input: { organizationId: own.id, features: [{ name, enabled: true }] } }),
      uncontrolled: FOR_ADMINISTRATORS,
    },
    'input.limits.name': {
      query: mutation('setEntitlements', 'SetEntitlementsInput', 'id slug'),
      foreign: () => 'seats',
      unknown: fresh('limit'),
      variables: (name, own) => ({ input: { organizationId: own.id, limits: [{ name, max: 1 }] } }),
      uncontrolled: FOR_ADMINISTRATORS,
    },
  },
  'Mutation.suspendOrganization': {
    organizationId: {
      query: 'mutation ($id: ID!) { suspendOrganization(organizationId: $id, reason: "x") { id } }',
      ...organization,
      ...byId,
      uncontrolled: FOR_ADMINISTRATORS,
    },
  },
  'Mutation.resumeOrganization': {
    organizationId: {
      query: 'mutation ($id: ID!) { resumeOrganization(organizationId: $id) { id } }',
      ...organization,
      ...byId,
      uncontrolled: FOR_ADMINISTRATORS,
    },
  },
  'Mutation.updateSubscription': {
    'input.organizationId': {
      query: mutation('updateSubscription', 'UpdateSubscriptionInput', 'id slug'),
      ...organization,
      ...input({ plan: 'TEAM' }, 'organizationId'),
      uncontrolled: FOR_ADMINISTRATORS,
    },
  },
  'Mutation.switchOrganization': {
    organizationId: {
      query: 'mutation ($id: ID!) { switchOrganization(organizationId: $id) { currentOrganization { name } token } }',
      ...organization,
      ...byId,
    },
  },
  'Mutation.setDefaultOrganization': {
    organizationId: {
      query: 'mutation ($id: ID) { setDefaultOrganization(organizationId: $id) { role } }',
      ...slug,
      ...byId,
    },
  },
  'Mutation.inviteUser': {
    'input.email': {
      query: mutation('inviteUser', 'InviteUserInput', 'role permissions user { name }'),
      foreign: (acme) => acme.owner.email,
      unknown: () => `${fresh('nobody')()}@nowhere.example`,
      ...input({ name: 'Someone', role: 'VIEWER' }, 'email'),
    },
    'input.name': {
      query: mutation('inviteUser', 'InviteUserInput', 'role user { name }'),
      foreign: () => 'OWNER of acme',
      unknown: fresh('Name'),
      variables: (name) => ({ input: { name, role: 'VIEWER', email: `${fresh('new')()}@nowhere.example` } }),
      names: true,
    },
  },
  'Mutation.updateMemberRole': {
    userId: {
      query: 'mutation ($id: ID!) { updateMemberRole(userId: $id, role: VIEWER) { role } }',
      ...person,
      ...byId,
    },
  },
  'Mutation.removeMember': {
    userId: { query: 'mutation ($id: ID!) { removeMember(userId: $id) { status } }', ...person, ...byId },
  },
  'Mutation.createRepository': {
    'input.name': {
      query: mutation('createRepository', 'CreateRepositoryInput', 'name'),
      foreign: () => `acme-only`,
      unknown: fresh('repository'),
      ...input({ gitUrl }, 'name'),
      names: true,
    },
  },
  'Mutation.updateRepository': {
    'input.id': { query: UPDATE_REPOSITORY, ...repository, ...input({ name: 'stolen' }, 'id') },
    'input.name': {
      query: UPDATE_REPOSITORY,
      foreign: () => 'acme-only',
      unknown: fresh('repository'),
      variables: (name, own) => ({ input: { id: own.repositoryId, name } }),
      names: true,
    },
  },
  'Mutation.deleteRepository': {
    id: { query: 'mutation ($id: ID!) { deleteRepository(id: $id) }', ...repository, ...byId },
  },
  'Mutation.createAgent': {
    'input.repositoryId': {
      query: mutation('createAgent', 'CreateAgentInput', 'id'),
      ...repository,
      variables: (repositoryId) => ({ input: { repositoryId, name: fresh('agent')() } }),
    },
    'input.name': {
      query: mutation('createAgent', 'CreateAgentInput', 'name'),
      foreign: () => 'AcmeOnly',
      unknown: fresh('agent'),
      variables: (name, own) => ({ input: { repositoryId: own.repositoryId, name } }),
      names: true,
    },
  },
  'Mutation.updateAgent': {
    'input.id': { query: UPDATE_AGENT, ...agent, ...input({ name: 'stolen' }, 'id') },
    'input.repositoryId': {
      query: UPDATE_AGENT,
      ...repository,
      variables: (repositoryId, own) => ({ input: { id: own.agentId, repositoryId } }),
    },
    'input.name': {
      query: UPDATE_AGENT,
      foreign: () => 'AcmeOnly',
      unknown: fresh('agent'),
      variables: (name, own) => ({ input: { id: own.agentId, name } }),
      names: true,
    },
  },
  'Mutation.deleteAgent': {
    id: { query: 'mutation ($id: ID!) { deleteAgent(id: $id) }', ...agent, ...byId },
  },
  'Mutation.startRun': {
    'input.agentId': { query: START_RUN, ...agent, ...input({}, 'agentId') },
    'input.idempotencyKey': {
      query: START_RUN,
      foreign: (acme) => `key-${acme.slug}`,
      unknown: fresh('key'),
      variables: (idempotencyKey, own) => ({ input: { agentId: own.agentId, idempotencyKey } }),
    },
  },
  'Mutation.recordRunProgress': {
    id: {
      query: 'mutation ($id: ID!) { recordRunProgress(id: $id, input: { totalTokens: 5 }) { status } }',
      ...run,
      ...byId,
    },
  },
  'Query.mySessions': pages('mySessions', 'sessions'),
  'Mutation.revokeSession': {
    id: {
      query: 'mutation ($id: ID!) { revokeSession(id: $id) }',
      foreign: ({ sessionId }) => sessionId,
      unknown: never('ses'),
      ...byId,
    },
  },
  'Mutation.cancelRun': { id: { query: 'mutation ($id: ID!) { cancelRun(id: $id) { status } }', ...run, ...byId } },
};

const ofRepositories = (selection: string) => `repositories { nodes { ${selection} } }`;

/** Arguments of fields below the root. */
const NESTED_CASES: Attempts = {
  ...nestedPages('Organization.members', 'members', inCurrent),
  ...nestedPages('Organization.repositories', 'repositories', inCurrent),
  ...nestedPages('Organization.agents', 'agents', inCurrent),
  'Organization.agents.filter.repositoryId': {
    query: `query ($filter: AgentFilter) { ${inCurrent('agents(filter: $filter) { totalCount nodes { id } }')} }`,
    ...repository,
    ...filtered('repositoryId'),
  },
  'AgentRepository.agents.filter.repositoryId': {
    query: `query ($filter: AgentFilter) { ${ofRepositories('agents(filter: $filter) { totalCount nodes { id } }')} }`,
    ...repository,
    ...filtered('repositoryId'),
  },
  ...nestedPages('Organization.runs', 'runs', inCurrent),
  'Organization.runs.filter.agentId': { query: NESTED_RUNS, ...agent, ...filtered('agentId') },
  'Organization.runs.filter.repositoryId': { query: NESTED_RUNS, ...repository, ...filtered('repositoryId') },
  'Organization.runs.filter.createdById': { query: NESTED_RUNS, ...person, ...filtered('createdById') },
  ...nestedPages('AgentRepository.agents', 'agents', ofRepositories),
  ...nestedPages('AgentRepository.runs', 'runs', ofRepositories),
  ...nestedPages('Agent.runs', 'runs', (selection) => `agents { nodes { ${selection} } }`),
  ...nestedPages('Viewer.memberships', 'memberships', (selection) => `viewer { ${selection} }`),
};

/** All of them, by the full path of the argument. */
export const CASES: Attempts = Object.fromEntries([
  ...Object.entries(ROOT_CASES).flatMap(([field, cases]) =>
    Object.entries(cases).map(([path, attempt]) => [`${field}.${path}`, attempt] as const),
  ),
  ...Object.entries(NESTED_CASES),
]);
