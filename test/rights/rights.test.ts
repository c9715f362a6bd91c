import { describe, expect, test } from '@jest/globals';
import type { GraphQLObjectType } from 'graphql';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { ROLES } from '../../src/permissions/catalogue.js';
import { givenKey } from '../support/api-key.js';
import { givenEverything, type GivenEverything } from '../support/given-everything.js';
import { givenMember, givenOrganization, unique } from '../support/given.js';
import { MUTATIONS, type Operation } from '../support/mutations.js';
import { attemptsOfDomainTests } from '../support/identifying-arguments.js';
import { type Client, codeOf, useServer } from '../support/server.js';

/** There is no name server at this port, and whoever asks is told at once. */
const server = useServer({ env: { DNS_SERVERS: '127.0.0.1:9' } });

/** Every query on what belongs to an organization. */
const QUERIES: Record<string, Operation> = {
  auditLog: { permission: 'audit:read', from: 'ADMIN', text: () => 'auditLog { totalCount }' },
  verifyAuditChain: { permission: 'audit:read', from: 'ADMIN', text: () => 'verifyAuditChain { ok }' },
  auditCheckpoint: { permission: 'audit:read', from: 'ADMIN', text: () => 'auditCheckpoint' },
  currentOrganization: {
    permission: 'organization:read',
    from: 'VIEWER',
    text: () => 'currentOrganization { settings { featureFlags } }',
  },
  settingsVersions: {
    permission: 'organization:read',
    from: 'VIEWER',
    text: () => 'settingsVersions { totalCount }',
  },
  webhookEventTypes: { permission: 'webhook:manage', from: 'ADMIN', text: () => 'webhookEventTypes { name }' },
  members: { permission: 'member:read', from: 'VIEWER', text: () => 'members { totalCount }' },
  repositories: { permission: 'repository:read', from: 'VIEWER', text: () => 'repositories { totalCount }' },
  repository: {
    permission: 'repository:read',
    from: 'VIEWER',
    text: ({ repositoryId }) => `repository(id: "${repositoryId}") { id }`,
  },
  agents: { permission: 'agent:read', from: 'VIEWER', text: () => 'agents { totalCount }' },
  agent: { permission: 'agent:read', from: 'VIEWER', text: ({ agentId }) => `agent(id: "${agentId}") { id }` },
  providerHealth: { permission: 'run:read', from: 'VIEWER', text: () => 'providerHealth { healthy }' },
  runs: { permission: 'run:read', from: 'VIEWER', text: () => 'runs { totalCount }' },
  run: { permission: 'run:read', from: 'VIEWER', text: ({ runId }) => `run(id: "${runId}") { id }` },
  organizationUsage: { permission: 'usage:read', from: 'VIEWER', text: () => 'organizationUsage { totalRuns }' },
  usageStatement: {
    permission: 'usage:read',
    from: 'VIEWER',
    text: () => 'usageStatement(period: "2026-10") { isClosed }',
  },
  usageByDay: {
    permission: 'usage:read',
    from: 'VIEWER',
    text: () => 'usageByDay(from: "2026-10-01", to: "2026-10-02", by: METRIC) { day }',
  },
  usageEvents: { permission: 'usage:read', from: 'VIEWER', text: () => 'usageEvents { nodes { id } }' },
  usageAlerts: { permission: 'usage:read', from: 'VIEWER', text: () => 'usageAlerts { threshold }' },
  apiKeys: { permission: 'api-key:read', from: 'VIEWER', text: () => 'apiKeys { totalCount }' },
  serviceAccounts: { permission: 'service-account:read', from: 'VIEWER', text: () => 'serviceAccounts { totalCount }' },
  node: { permission: 'organization:read', from: 'VIEWER', text: ({ runId }) => `node(id: "${runId}") { id }` },
  nodes: { permission: 'organization:read', from: 'VIEWER', text: ({ runId }) => `nodes(ids: ["${runId}"]) { id }` },
  previewMemberRemoval: {
    permission: 'member:remove',
    from: 'ADMIN',
    text: ({ viewerId }) => `previewMemberRemoval(userId: "${viewerId}") { sessions }`,
  },
  approvals: {
    permission: 'approval:read',
    from: 'VIEWER',
    text: () => 'approvals { totalCount nodes { inputHash waitsFor { id } } }',
  },
  invitations: { permission: 'member:invite', from: 'ADMIN', text: () => 'invitations { totalCount }' },
  joinRequests: { permission: 'member:invite', from: 'ADMIN', text: () => 'joinRequests { totalCount }' },
  domains: { permission: 'domain:read', from: 'ADMIN', text: () => 'domains { totalCount }' },
  identityProviders: {
    permission: 'identity-provider:manage',
    from: 'OWNER',
    text: () => 'identityProviders { totalCount }',
  },
  identityProvider: {
    permission: 'identity-provider:manage',
    from: 'OWNER',
    text: ({ identityProviderId }) => `identityProvider(id: "${identityProviderId}") { id }`,
  },
  scimDirectories: { permission: 'scim:manage', from: 'OWNER', text: () => 'scimDirectories { totalCount }' },
};

const OUTSIDE = [
  'createAccount',
  'addAccountAdministrator',
  'removeAccountAdministrator',
  'acceptOrganization',
  'createOrganization',
  'createOrganizationSet',
  'extendOrganizationSet', // test/domains/organization-set tries it in every role
  'setEntitlements',
  'suspendOrganization',
  'resumeOrganization',
  'updateSubscription',
  'registerExecutor',
  'rotateExecutorToken',
  'revokeExecutor',
  'resolveProvider', // with the token of a claim alone: test/domains/provider
  'switchOrganization',
  'setDefaultOrganization',
  'leaveOrganization',
  'requestToJoin',
  'acceptInvitation',
  'declineInvitation',
  'requestNewInvitation',
  'revokeSession',
  'signOut',
  'signOutEverywhere',
  'setNotificationPreferences', // every member's own: test/domains/notification
];
const ABOUT_ONESELF = [
  'account',
  'accounts',
  'viewer',
  'branding', // anybody's to know, before they sign in
  'myOrganizations',
  'organization',
  'organizations',
  'regions',
  'checkOrganizationNames',
  'deploymentCheckpoint',
  'deploymentLog',
  'executors',
  'claimedRun',
  'joinableOrganizations',
  'mySessions',
  'notificationPreferences',
  'rateLimit',
  'permissionCatalogue',
  'verifyDeploymentChain',
];

/** One's own keys, for which test/domains/api-key/api-key.test.ts makes some for each. */
const OWN_KEYS = ['rotateApiKey', 'revokeApiKey'];

const given = async (): Promise<GivenEverything> => givenEverything(server, await givenOrganization(server));

async function expectForbidden(client: Client, text: string, requiredPermission: string): Promise<void> {
  const refused = await client(text);
  expect([text, codeOf(refused)]).toEqual([text, 'FORBIDDEN']);
  expect(refused.errors[0]?.extensions['requiredPermission']).toBe(requiredPermission);
}

async function expectAllowed(client: Client, text: string): Promise<void> {
  expect([text, (await client(text)).errors]).toEqual([text, []]);
}

test('every operation stands in these tables, or describeIsolation tries it in every role', () => {
  const { schema } = createContract();
  const tried = new Set(attemptsOfDomainTests().map((path) => path.split('.', 2).join('.')));
  const expectAll = (type: GraphQLObjectType | null | undefined, table: string, listed: readonly string[]) => {
    const names = Object.keys(type?.getFields() ?? {});
    const missing = names.filter((name) => !listed.includes(name) && !tried.has(`${type?.name}.${name}`));
    expect(missing.map((name) => `${name}: add it to ${table} of test/rights/rights.test.ts`)).toEqual([]);
    expect(listed.filter((name) => !names.includes(name))).toEqual([]);
  };
  expectAll(schema.getMutationType(), 'MUTATIONS', [...Object.keys(MUTATIONS), ...OWN_KEYS, ...OUTSIDE]);
  expectAll(schema.getQueryType(), 'QUERIES', [...Object.keys(QUERIES), ...ABOUT_ONESELF]);
});

test.each(ROLES)('%s may what the role table says, and nothing else', async (role) => {
  const acme = await given();
  const client = { OWNER: acme.owner, ADMIN: acme.admin, DEVELOPER: acme.developer, VIEWER: acme.viewer }[role];
  const asked = [
    ...Object.values(QUERIES).map((each) => ({ ...each, document: `{ ${each.text(acme)} }` })),
    ...Object.values(MUTATIONS).map((each) => ({ ...each, document: `mutation { ${each.text(acme)} }` })),
  ];
  for (const { permission, from, document } of asked) {
    if (ROLES.indexOf(role) >= ROLES.indexOf(from)) await expectAllowed(client, document);
    else await expectForbidden(client, document, permission);
  }
});

test.each([
  ...Object.entries(MUTATIONS).map(([name, operation]) => ({ name, kind: 'mutation', ...operation })),
  ...Object.entries(QUERIES).map(([name, operation]) => ({ name, kind: 'query', ...operation })),
])('$name is open to a VIEWER with $permission, and closed to an ADMIN without', async (operation) => {
  const { kind, permission, besides, ownersOnly, alone, text } = operation;
  const acme = await given();
  const narrowed = await givenMember(server, acme, 'ADMIN', { withheld: [permission] });
  const widened = await givenMember(server, acme, 'VIEWER', { granted: [permission, ...(besides ? [besides] : [])] });
  await expectForbidden(narrowed, `${kind} { ${text(acme)} }`, permission);
  if (besides) {
    const half = await givenMember(server, acme, 'VIEWER', { granted: [permission] });
    await expectForbidden(half, `${kind} { ${text(acme)} }`, besides);
  }
  if (alone) expect(codeOf(await widened(`${kind} { ${text(acme)} }`))).toBe(alone);
  else if (!ownersOnly) await expectAllowed(widened, `${kind} { ${text(acme)} }`);
  else expect(['FORBIDDEN', 'ROLE_ESCALATION']).toContain(codeOf(await widened(`${kind} { ${text(acme)} }`)));
});

test.each([
  ['member:read', 'currentOrganization { members { totalCount } }'],
  ['repository:read', 'currentOrganization { repositories { totalCount } }'],
  ['repository:read', 'agents { nodes { repository { id } } }'],
  ['repository:read', 'runs { nodes { repository { id } } }'],
  ['agent:read', 'currentOrganization { agents { totalCount } }'],
  ['agent:read', 'repositories { nodes { agents { totalCount } } }'],
  ['agent:read', 'runs { nodes { agent { id } } }'],
  ['run:read', 'currentOrganization { runs { totalCount } }'],
  ['run:read', 'repositories { nodes { runs { totalCount } } }'],
  ['run:read', 'agents { nodes { runs { totalCount } } }'],
  ['usage:read', 'currentOrganization { usage { totalRuns } }'],
])('whoever lacks %s does not read it from within another object either: %s', async (permission, text) => {
  const acme = await given();
  await expectAllowed(acme.viewer, `{ ${text} }`);
  const without = await givenMember(server, acme, 'ADMIN', { withheld: [permission] });
  await expectForbidden(without, `{ ${text} }`, permission);
});

describe('A mutation on what belongs to an organization', () => {
  test('needs one named, where the default is one of several', async () => {
    const [acme, globex] = [await given(), await given()];
    await givenMember(server, acme, 'OWNER', { email: globex.owner.email });
    const bare = await server.as(globex.owner.email);
    await bare('mutation ($id: ID!) { setDefaultOrganization(organizationId: $id) { role } }', { id: acme.id });
    // The record, and who used what, are not read because their organization happens to be the default.
    const sensitive = [QUERIES['usageByDay'], QUERIES['usageEvents']];
    const isSensitive = (each: Operation) => each.permission === 'audit:read' || sensitive.includes(each);
    const reading = Object.values(QUERIES);
    for (const { text } of reading.filter((each) => !isSensitive(each))) await expectAllowed(bare, `{ ${text(acme)} }`);
    for (const { text } of reading.filter(isSensitive)) {
      expect(codeOf(await bare(`{ ${text(acme)} }`))).toBe('ORG_CONTEXT_REQUIRED');
    }
    for (const { text } of Object.values(MUTATIONS)) {
      expect(codeOf(await bare(`mutation { ${text(acme)} }`))).toBe('ORG_CONTEXT_REQUIRED');
    }
  });

  test('is refused while it is SUSPENDED; reading goes on', async () => {
    const acme = await given();
    await server.database.pool.queryAsLoginRole(`update organization set status = 'SUSPENDED' where id = $1`, [
      acme.id,
    ]);
    for (const { text } of Object.values(QUERIES)) await expectAllowed(acme.owner, `{ ${text(acme)} }`);
    const { revokeSupportAccess: taken, ...refused } = MUTATIONS;
    for (const { text } of Object.values(refused)) {
      expect(codeOf(await acme.owner(`mutation { ${text(acme)} }`))).toBe('FORBIDDEN');
    }
    await expectAllowed(acme.owner, `mutation { ${taken?.text(acme)} }`);
  });

  test('is refused while it is PENDING_DELETION, but that this is cancelled and that others leave; only its OWNERs read', async () => {
    const acme = await given();
    const key = await givenKey(server, acme.owner, ['organization:read', 'run:read', 'run:start']);
    await expectAllowed(acme.owner, `mutation { requestOrganizationDeletion(confirm: "${acme.slug}") { status } }`);
    const expectPending = async (client: Client, text: string) => {
      const { errors } = await client(text);
      const told = errors.map(({ extensions }) => [extensions['code'], extensions['reason']]);
      expect([text, told]).toEqual([text, [['FORBIDDEN', 'PENDING_DELETION']]]);
    };
    const owners = { ...acme, owner: await server.as(acme.owner.email, acme.id) };
    for (const { text } of Object.values(QUERIES)) {
      await expectAllowed(owners.owner, `{ ${text(acme)} }`);
      for (const other of [acme.admin, acme.developer, acme.viewer, key.client]) {
        await expectPending(other, `{ ${text(acme)} }`);
      }
    }
    const {
      cancelOrganizationDeletion: cancel,
      exportOrganization: taken,
      revokeSupportAccess: revoked,
      ...refused
    } = MUTATIONS;
    await expectAllowed(owners.owner, `mutation { ${revoked?.text(acme)} }`);
    await expectAllowed(owners.owner, `mutation { ${taken?.text(acme)} }`);
    await expectPending(acme.admin, `mutation { ${taken?.text(acme)} }`);
    for (const { text } of Object.values(refused)) {
      await expectPending(owners.owner, `mutation { ${text(acme)} }`);
      await expectPending(acme.admin, `mutation { ${text(acme)} }`);
    }
    for (const { text } of Object.values(MUTATIONS)) await expectPending(key.client, `mutation { ${text(acme)} }`);
    // Nobody is kept from leaving, but the last who could take it back.
    const leave = 'mutation { leaveOrganization { status } }';
    expect(codeOf(await acme.owner(leave))).toBe('LAST_OWNER');
    await expectAllowed(acme.developer, leave);
    await expectPending(acme.admin, `mutation { ${cancel?.text(acme)} }`);
    await expectAllowed(owners.owner, `mutation { ${cancel?.text(acme)} }`);
    await expectAllowed(acme.viewer, '{ runs { totalCount } }');
    await expectAllowed(key.client, '{ runs { totalCount } }');
  });

  test('and every query too, is UNAUTHENTICATED without a credential, and needs an organization with one', async () => {
    const acme = await given();
    const stranger = await server.as(`${unique('stranger')}@nowhere.example`);
    const texts = [
      ...Object.values(QUERIES).map(({ text }) => `{ ${text(acme)} }`),
      ...Object.values(MUTATIONS).map(({ text }) => `mutation { ${text(acme)} }`),
    ];
    for (const query of texts) {
      const anonymous = await server.post(JSON.stringify({ query }));
      expect([query, anonymous.status, codeOf(anonymous)]).toEqual([query, 200, 'UNAUTHENTICATED']);
      expect([query, codeOf(await stranger(query))]).toEqual([query, 'ORG_CONTEXT_REQUIRED']);
    }
  });
});
