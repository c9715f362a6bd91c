import { describe, expect, test } from '@jest/globals';
import { newId } from '../../../src/data/id.js';
import { makeApiKey } from '../../../src/secrets/api-key-format.js';
import { givenKey, givenServiceAccount } from '../../support/api-key.js';
import {
  type GivenOrganization,
  givenHeldDomain,
  givenMember,
  givenOrganization,
  givenTwoOrganizations,
  personId,
} from '../../support/given.js';
import { describeIsolation, fromCursor, never, type Target } from '../../support/isolation.js';
import { secretFor } from '../../support/mail.js';
import { type Client, codeOf, useServer, withoutRequestId } from '../../support/server.js';
import { byTest } from '../../support/act.js';

const server = useServer();
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

const FIELDS = `id name permissions effectivePermissions status lastFour createdAt expiresAt lastUsedAt revokedAt
  owner { id name } serviceAccount { id } createdBy { id }`;
const CREATE = `mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret apiKey { ${FIELDS} } } }`;
const ROTATE = `mutation ($id: ID!, $overlap: Int, $expiresAt: DateTime) {
  rotateApiKey(id: $id, overlap: $overlap, expiresAt: $expiresAt) { secret apiKey { ${FIELDS} } } }`;
const REVOKE = `mutation ($id: ID!) { revokeApiKey(id: $id) { ${FIELDS} } }`;
const LIST = `query ($ownerId: ID) { apiKeys(ownerId: $ownerId) { totalCount nodes { ${FIELDS} } } }`;
const START = 'mutation ($id: ID!) { startRun(input: { agentId: $id }) { id createdBy { id name email } } }';
const UPDATE_ROLE =
  'mutation ($id: ID!, $role: OrganizationRole!) { updateMemberRole(userId: $id, role: $role) { role } }';
const REPOSITORIES = '{ repositories { totalCount } }';

const DAY_MS = 86_400_000;
const inDays = (days: number) => new Date(Date.now() + days * DAY_MS);
const daysUntil = (instant: string) => (new Date(instant).getTime() - Date.now()) / DAY_MS;
const revoke = (client: Client, id: string) => client(REVOKE, { id });
const listedKeys = async (client: Client, ownerId?: string) => (await client(LIST, { ownerId })).data.apiKeys;
const statusOf = async (client: Client, id: string) =>
  (await client('query ($id: ID!) { node(id: $id) { ... on ApiKey { status effectivePermissions } } }', { id })).data
    .node;

/** What a key that is none gets, whatever the reason; that, and which key it was, stands in the log. */
async function expectRefused(client: Client, why: string): Promise<void> {
  const answer = await client(REPOSITORIES);
  const { requestId } = answer.errors[0]?.extensions ?? {};
  expect([answer.status, withoutRequestId(answer)]).toEqual([
    401,
    '{"errors":[{"message":"Send a valid API key.","extensions":{"code":"UNAUTHENTICATED","requestId":""}}]}',
  ]);
  const find = () =>
    server.logs.find((line) => line.includes(`"requestId":"${String(requestId)}"`) && line.includes('"msg":"graphql"'));
  while (!find()) await new Promise(setImmediate);
  const id = /^og_(?:live|test)_([0-9a-v]{26})_[0-9a-v]{32}_[0-9a-v]{7}$/.exec(client.token)?.[1];
  const line = find() ?? '';
  expect(JSON.parse(line)).toMatchObject({ status: 401, refusedKey: { id: id ? `key_${id}` : null, why } });
  expect(line).not.toContain(client.token.slice(35));
}

describe('A key', () => {
  test('is shown once, and kept as a hash and its last four characters', async () => {
    const acme = await givenOrganization(server);
    const input = { name: ' Nightly build ', permissions: ['run:start', 'execute_agents', 'run:read'] };
    const { data } = await acme.developer(CREATE, { input });
    const { secret, apiKey } = data.createApiKey;
    expect(secret).toMatch(/^og_test_[0-9a-v]{26}_[0-9a-v]{32}_[0-9a-v]{7}$/);
    const id = await personId(acme.developer);
    expect(apiKey).toEqual({
      id: `key_${secret.split('_')[2]}`,
      name: 'Nightly build',
      permissions: ['run:start', 'run:read'],
      effectivePermissions: ['run:read', 'run:start'],
      status: 'ACTIVE',
      lastFour: secret.slice(-4),
      createdAt: expect.any(String),
      expiresAt: expect.any(String),
      lastUsedAt: null,
      revokedAt: null,
      owner: { id, name: `DEVELOPER of ${acme.slug}` },
      serviceAccount: null,
      createdBy: { id },
    });
    await server.withToken(secret)(REPOSITORIES);
    const { rows } = await sql('select to_jsonb(k)::text as row from api_key k where id = $1', [apiKey.id]);
    expect(rows[0].row).not.toContain(secret.split('_')[3]);
    expect(server.logs.join('\n')).not.toContain(secret.split('_')[3]);
    expect(JSON.stringify(await listedKeys(acme.developer))).not.toContain(secret);
  });

  test('tells, asked who it is: which organization, which key, which permissions, until when', async () => {
    const acme = await givenOrganization(server);
    const { client, id } = await givenKey(server, acme.developer, ['run:start', 'organization:read', 'api-key:read']);
    const { data } = await client(`{ viewer {
      user { id } systemRole role permissions organizationSource currentOrganization { id slug }
      apiKey { id name expiresAt owner { id } }
      memberships { totalCount nodes { role permissions organization { slug } } pageInfo { hasNextPage } }
    } }`);
    const permissions = ['api-key:read', 'organization:read', 'run:start'];
    expect(data.viewer).toEqual({
      user: null,
      systemRole: 'USER',
      role: 'DEVELOPER',
      permissions,
      organizationSource: 'API_KEY',
      currentOrganization: { id: acme.id, slug: acme.slug },
      apiKey: { id, name: 'CI', expiresAt: expect.any(String), owner: { id: await personId(acme.developer) } },
      memberships: {
        totalCount: 1,
        nodes: [{ role: 'DEVELOPER', permissions, organization: { slug: acme.slug } }],
        pageInfo: { hasNextPage: false },
      },
    });
  });

  test('does what it was given and nothing else, in the name of its owner', async () => {
    const acme = await givenOrganization(server);
    const { client } = await givenKey(server, acme.developer, ['run:start', 'member:read']);
    const started = await client(START, { id: acme.agentId });
    expect(started.data.startRun.createdBy.id).toBe(await personId(acme.developer));
    const refused = await client(REPOSITORIES);
    expect([codeOf(refused), refused.errors[0]?.extensions['requiredPermission']]).toEqual([
      'FORBIDDEN',
      'repository:read',
    ]);
  });

  test('is found with its owner and organization in one statement, once its use is noted', async () => {
    const acme = await givenOrganization(server);
    const { client, id } = await givenKey(server, acme.developer, ['repository:read']);
    await client('{ viewer { role } }');
    while (!(await listedKeys(acme.developer)).nodes[0].lastUsedAt) await new Promise(setImmediate);
    const before = server.statements.length;
    await client('{ viewer { role } }');
    expect(server.statements.slice(before)).toHaveLength(1);
    expect((await statusOf(acme.developer, id)).status).toBe('ACTIVE');
  });

  test('that is malformed is refused without a statement; whatever is wrong with one, the log alone says', async () => {
    const acme = await givenOrganization(server);
    const { secret, id } = await givenKey(server, acme.developer, ['repository:read']);
    const before = server.statements.length;
    const last = secret.at(-1) === '0' ? '1' : '0';
    for (const text of [
      secret.slice(0, -1) + last,
      secret.slice(0, -1),
      `${secret}0`,
      secret.replace('test', 'live'),
    ]) {
      await expectRefused(server.withToken(text), 'MALFORMED');
    }
    await expectRefused(server.withToken(makeApiKey('live', Date.now()).key), 'OTHER_ENVIRONMENT');
    expect(server.statements.slice(before)).toEqual([]);

    const stranger = makeApiKey('test', Date.now());
    await expectRefused(server.withToken(stranger.key), 'UNKNOWN');
    const unknown = server.statements.slice(before).map(({ text }) => text);
    // The right public id with another secret.
    await sql('update api_key set secret_hash = $2 where id = $1', [id, stranger.hash]);
    const then = server.statements.length;
    await expectRefused(server.withToken(secret), 'WRONG_SECRET');
    expect(server.statements.slice(then).map(({ text }) => text)).toEqual(unknown);
    expect(unknown).toHaveLength(1);
  });
});

describe('What a key may', () => {
  test('is at most what its maker holds', async () => {
    const acme = await givenOrganization(server);
    for (const permission of ['member:invite', 'organization:update', 'billing:manage']) {
      const refused = await acme.developer(CREATE, { input: { name: 'x', permissions: ['run:read', permission] } });
      expect(codeOf(refused)).toBe('ROLE_ESCALATION');
    }
    const narrowed = await givenMember(server, acme, 'DEVELOPER', { withheld: ['run:start'] });
    expect(codeOf(await narrowed(CREATE, { input: { name: 'x', permissions: ['run:start'] } }))).toBe(
      'ROLE_ESCALATION',
    );
    expect(codeOf(await acme.viewer(CREATE, { input: { name: 'x', permissions: ['run:read'] } }))).toBe('FORBIDDEN');
    for (const [permissions, argument] of [
      [[], 'input.permissions'],
      [['run:read', 'run:fly'], 'input.permissions.1'],
    ] as const) {
      const refused = await acme.developer(CREATE, { input: { name: 'x', permissions } });
      expect([codeOf(refused), refused.errors[0]?.extensions['argument']]).toEqual(['BAD_USER_INPUT', argument]);
    }
  });

  test('follows its owner at once: demoted, narrowed, promoted', async () => {
    const acme = await givenOrganization(server);
    const { client, id } = await givenKey(server, acme.developer, ['run:start', 'run:read']);
    const ownerId = await personId(acme.developer);
    const runs = () => client('{ runs { totalCount } }');
    await acme.owner(UPDATE_ROLE, { id: ownerId, role: 'VIEWER' });
    expect(codeOf(await client(START, { id: acme.agentId }))).toBe('FORBIDDEN');
    expect((await runs()).errors).toEqual([]);
    expect((await statusOf(acme.developer, id)).effectivePermissions).toEqual(['run:read']);
    await sql(`update membership set withheld = '{run:read}' where org_id = $1 and user_id = $2`, [acme.id, ownerId]);
    expect(codeOf(await runs())).toBe('FORBIDDEN');
    await sql(`update membership set withheld = '{}' where org_id = $1 and user_id = $2`, [acme.id, ownerId]);
    await acme.owner(UPDATE_ROLE, { id: ownerId, role: 'ADMIN' });
    expect((await client(START, { id: acme.agentId })).errors).toEqual([]);
    expect((await client('{ viewer { permissions } }')).data.viewer.permissions).toEqual(['run:read', 'run:start']);
  });

  test('ends with its owner: suspended for as long, removed for good, also when they come back', async () => {
    const acme = await givenOrganization(server);
    const { client, id } = await givenKey(server, acme.developer, ['repository:read']);
    const ownerId = await personId(acme.developer);
    const change = async (field: string) =>
      expect(
        (await acme.owner(`mutation ($id: ID!) { ${field}(userId: $id) { status } }`, { id: ownerId })).errors,
      ).toEqual([]);
    await change('suspendMember');
    await expectRefused(client, 'OWNER_INACTIVE');
    expect(await statusOf(acme.admin, id)).toEqual({ status: 'SUSPENDED', effectivePermissions: [] });
    await change('reinstateMember');
    expect((await client(REPOSITORIES)).errors).toEqual([]);
    await change('removeMember');
    await expectRefused(client, 'OWNER_INACTIVE');
    const { email } = acme.developer;
    await acme.admin(
      'mutation ($email: String!) { inviteUser(input: { email: $email, name: "Dev", role: DEVELOPER }) { role } }',
      { email },
    );
    await expectRefused(client, 'OWNER_INACTIVE');
    const accepted = await (
      await server.as(email)
    )('mutation ($secret: String!) { acceptInvitation(secret: $secret) { outcome } }', {
      secret: await secretFor(server, email),
    });
    expect(accepted.data.acceptInvitation.outcome).toBe('ACCEPTED');
    await expectRefused(client, 'REVOKED');
    expect((await statusOf(acme.admin, id)).status).toBe('REVOKED');
    const fresh = await givenKey(server, acme.developer, ['repository:read']);
    expect((await fresh.client(REPOSITORIES)).errors).toEqual([]);
  });

  test('ends when the deployment disables the person', async () => {
    const acme = await givenOrganization(server);
    const { client } = await givenKey(server, acme.developer, ['repository:read']);
    await sql(`update person set status = 'DISABLED' where id = $1`, [await personId(acme.developer)]);
    await expectRefused(client, 'OWNER_INACTIVE');
  });

  test("is never what only an OWNER may, nor to make what would outlive it, with an OWNER's key as well", async () => {
    const acme = await givenOrganization(server);
    const held = (await acme.owner('{ viewer { permissions } }')).data.viewer.permissions as string[];
    const admins = (await acme.admin('{ viewer { permissions } }')).data.viewer.permissions as string[];
    const given: string[] = [];
    for (const permission of held) {
      const answer = await acme.owner(CREATE, { input: { name: 'x', permissions: [permission] } });
      if (answer.errors.length === 0) given.push(permission);
      else expect(codeOf(answer)).toBe('ROLE_ESCALATION');
    }
    expect(given).toEqual(admins);

    const { client, id } = await givenKey(server, acme.owner, given);
    expect((await client('{ viewer { role } }')).data.viewer.role).toBe('ADMIN');
    // Nor once such a permission stands in its row, whoever wrote it there.
    await sql('update api_key set permissions = $2 where id = $1', [id, held]);
    expect((await client('{ viewer { permissions } }')).data.viewer.permissions).toEqual(given);
    const removed = 'mutation ($id: ID!) { removeMember(userId: $id) { status } }';
    expect(codeOf(await client(removed, { id: await personId(acme.owner) }))).toBe('ROLE_ESCALATION');
    const refused = [
      [CREATE, { input: { name: 'x', permissions: ['run:read'] } }],
      [ROTATE, { id }],
      ['mutation { createServiceAccount(input: { name: "x", role: VIEWER }) { id } }', {}],
      ['mutation { createOrganization(input: { name: "x", slug: "made-by-a-key" }) { id } }', {}],
      ['mutation ($id: ID!) { switchOrganization(organizationId: $id) { token } }', { id: acme.id }],
      ['mutation ($id: ID!) { setDefaultOrganization(organizationId: $id) { role } }', { id: acme.id }],
      ['{ myOrganizations { totalCount } }', {}],
      ['query ($id: ID!) { organization(id: $id) { id } }', { id: acme.id }],
      ['{ organizations { totalCount } }', {}],
    ] as const;
    for (const [query, variables] of refused) {
      expect([query, codeOf(await client(query, variables))]).toEqual([query, 'FORBIDDEN']);
    }
  });

  test('is never to make anyone a member, more of one, or one again: they would outlive the key', async () => {
    const acme = await givenOrganization(server);
    const db = server.database.organizationDb(acme.id, byTest);
    const { id: joinRequestId } = await db.joinRequest.create({
      id: newId('jrq'),
      personId: newId('usr'),
      email: `${newId('usr')}@wants.example`,
      name: 'Wants in',
      domain: 'wants.example',
      status: 'PENDING',
    });
    const { id: domainId } = await givenHeldDomain(server, acme);
    const [gone, waiting, viewer] = [
      await personId(await givenMember(server, acme, 'VIEWER', { status: 'REMOVED' })),
      await personId(await givenMember(server, acme, 'VIEWER', { status: 'SUSPENDED' })),
      await personId(acme.viewer),
    ];
    const invited = await acme.admin(
      'mutation { inviteUser(input: { email: "z@acme.example", name: "z", role: VIEWER }) { invitation { id } } }',
    );
    const { id: invitationId } = invited.data.inviteUser.invitation;
    const mutations = [
      'inviteUser(input: { email: "y@acme.example", name: "y", role: ADMIN }) { role }',
      `resendInvitation(id: "${invitationId}") { id }`,
      `approveJoinRequest(id: "${joinRequestId}") { role }`,
      `clearRemoval(userId: "${gone}") { role }`,
      `reinstateMember(userId: "${waiting}") { role }`,
      `updateMemberRole(userId: "${viewer}", role: DEVELOPER) { role }`,
      `updateMemberPermissions(userId: "${viewer}", permissions: ["member:invite"], withheldPermissions: []) { role }`,
      `setDomainJoining(id: "${domainId}", joining: AUTO, role: DEVELOPER) { joining }`,
    ];
    const all = (await acme.admin('{ viewer { permissions } }')).data.viewer.permissions as string[];
    const serviceAccountId = await givenServiceAccount(acme.owner, 'ADMIN');
    const machine = (await givenKey(server, acme.admin, all, { serviceAccountId })).client;
    const personal = (await givenKey(server, acme.owner, all)).client;
    for (const mutation of mutations) {
      for (const client of [machine, personal]) {
        const answer = await client(`mutation { ${mutation} }`);
        expect([mutation, codeOf(answer)]).toEqual([mutation, 'FORBIDDEN']);
        expect(answer.errors[0]?.message).toBe('Only a person can do this, no key.');
      }
      expect([mutation, (await acme.admin(`mutation { ${mutation} }`)).errors]).toEqual([mutation, []]);
    }
  });

  test('stays within its permissions when it acts on others: it grants no more than the key itself has', async () => {
    const acme = await givenOrganization(server);
    const { client } = await givenKey(server, acme.owner, ['member:update', 'member:remove']);
    const suspend = 'mutation ($id: ID!) { suspendMember(userId: $id) { status } }';
    expect(codeOf(await client(suspend, { id: await personId(acme.viewer) }))).toBe('ROLE_ESCALATION');
    const remove = 'mutation ($id: ID!) { removeMember(userId: $id) { status } }';
    expect(codeOf(await client(remove, { id: await personId(acme.viewer) }))).toBe('ROLE_ESCALATION');
  });
});

describe('The organization of a key', () => {
  test('is its own: a header may repeat it, and anything else is ORG_CONTEXT_CONFLICT, foreign and unknown alike', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    // The same person is a member of both.
    await givenMember(server, globex, 'DEVELOPER', { email: acme.developer.email });
    const { client } = await givenKey(server, acme.developer, ['repository:read']);
    for (const name of [acme.id, acme.slug]) {
      for (const header of ['x-organization-id', 'x-tenant-id']) {
        expect((await client(REPOSITORIES, {}, { [header]: name })).errors).toEqual([]);
      }
    }
    const answers = new Set<string>();
    for (const name of [globex.id, globex.slug, `org_${'0'.repeat(26)}`, 'no-such-organization', '', '../etc']) {
      for (const headers of [{ 'x-organization-id': name }, { 'x-organization-id': acme.id, 'x-tenant-id': name }]) {
        const answer = await client(REPOSITORIES, {}, headers as unknown as Record<string, string>);
        expect([codeOf(answer), answer.data]).toEqual(['ORG_CONTEXT_CONFLICT', null]);
        answers.add(`${answer.status} ${answer.text.replaceAll(/"requestId":"[^"]+"/g, '')}`);
      }
    }
    expect(answers.size).toBe(1);
  });

  test('shows nothing of another, by id or list', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const { client } = await givenKey(server, globex.admin, ['repository:read', 'organization:read', 'api-key:read']);
    const theirs = await givenKey(server, acme.admin, ['repository:read']);
    expect((await client('query ($id: ID!) { node(id: $id) { id } }', { id: theirs.id })).data.node).toBeNull();
    const found = await client('query ($id: ID!) { repository(id: $id) { id } }', { id: acme.repositoryId });
    expect(codeOf(found)).toBe('NOT_FOUND');
  });
});

describe('The end of a key', () => {
  test('comes after 90 days, or when it was asked to, within a year', async () => {
    const acme = await givenOrganization(server);
    const create = (expiresAt: Date | null) =>
      acme.developer(CREATE, { input: { name: 'x', permissions: ['run:read'], expiresAt } });
    const lifeOf = async (expiresAt: Date | null) =>
      Math.round(daysUntil((await create(expiresAt)).data.createApiKey.apiKey.expiresAt));
    expect([await lifeOf(null), await lifeOf(inDays(1)), await lifeOf(inDays(364))]).toEqual([90, 1, 364]);
    for (const expiresAt of [inDays(366), inDays(-1)]) {
      const refused = await create(expiresAt);
      expect([codeOf(refused), refused.errors[0]?.extensions['argument']]).toEqual([
        'BAD_USER_INPUT',
        'input.expiresAt',
      ]);
    }
  });

  test('comes as late as the organization says', async () => {
    const acme = await givenOrganization(server);
    const allow = (days: number) =>
      acme.admin(
        `mutation ($days: Int!) { updateOrganization(input: { settings: { security: { apiKeyMaxDays: $days } } }) {
          settings { security { apiKeyMaxDays } } } }`,
        { days },
      );
    const create = (expiresAt: Date | null) =>
      acme.developer(CREATE, { input: { name: 'x', permissions: ['run:read'], expiresAt } });
    expect((await allow(30)).data.updateOrganization.settings.security.apiKeyMaxDays).toBe(30);
    expect(codeOf(await create(inDays(31)))).toBe('BAD_USER_INPUT');
    expect(Math.round(daysUntil((await create(null)).data.createApiKey.apiKey.expiresAt))).toBe(30);
    await allow(1000);
    expect((await create(inDays(999))).errors).toEqual([]);
    for (const days of [0, 3651]) expect(codeOf(await allow(days))).toBe('BAD_USER_INPUT');
  });

  test('is the end', async () => {
    const acme = await givenOrganization(server);
    const { client, id } = await givenKey(server, acme.developer, ['repository:read']);
    await sql(`update api_key set expires_at = current_timestamp - interval '1 second' where id = $1`, [id]);
    await expectRefused(client, 'EXPIRED');
    expect(await statusOf(acme.developer, id)).toEqual({ status: 'EXPIRED', effectivePermissions: [] });
  });

  test('comes at once when it is revoked: by its owner, or by whoever manages keys and holds what it may', async () => {
    const acme = await givenOrganization(server);
    for (const revoker of [acme.developer, acme.admin, acme.owner]) {
      const { client, id } = await givenKey(server, acme.developer, ['repository:read']);
      expect(codeOf(await revoke(acme.viewer, id))).toBe('NOT_FOUND');
      const { data } = await revoke(revoker, id);
      expect(data.revokeApiKey).toMatchObject({ status: 'REVOKED', effectivePermissions: [] });
      await expectRefused(client, 'REVOKED');
      expect((await revoke(revoker, id)).data.revokeApiKey.revokedAt).toBe(data.revokeApiKey.revokedAt);
    }
    const strong = await givenKey(server, acme.owner, ['organization:update']);
    const weak = await givenMember(server, acme, 'DEVELOPER', { granted: ['api-key:manage'] });
    expect(codeOf(await revoke(weak, strong.id))).toBe('ROLE_ESCALATION');
    const demoted = await givenMember(server, acme, 'DEVELOPER');
    const own = await givenKey(server, demoted, ['run:start']);
    await acme.owner(UPDATE_ROLE, { id: await personId(demoted), role: 'VIEWER' });
    expect((await revoke(demoted, own.id)).data.revokeApiKey.status).toBe('REVOKED');
  });
});

describe('Rotation', () => {
  test('makes a key of the same name, owner and permissions; the old one goes on for the overlap', async () => {
    const acme = await givenOrganization(server);
    const old = await givenKey(server, acme.developer, ['repository:read', 'run:read']);
    const { data } = await acme.developer(ROTATE, { id: old.id, overlap: 60 });
    const { secret, apiKey } = data.rotateApiKey;
    expect([apiKey.id === old.id, secret === old.secret]).toEqual([false, false]);
    expect(apiKey).toMatchObject({ name: 'CI', permissions: ['repository:read', 'run:read'], status: 'ACTIVE' });
    for (const each of [old.client, server.withToken(secret)]) expect((await each(REPOSITORIES)).errors).toEqual([]);
    const { nodes } = await listedKeys(acme.developer);
    const ends = nodes.find(({ id }) => id === old.id)?.expiresAt as string;
    expect(daysUntil(ends) * 24).toBeCloseTo(1, 1);
  });

  test('without overlap ends the old one at once, and never makes it live longer', async () => {
    const acme = await givenOrganization(server);
    const old = await givenKey(server, acme.developer, ['repository:read']);
    await acme.developer(ROTATE, { id: old.id, overlap: 0 });
    await expectRefused(old.client, 'EXPIRED');
    const { data } = await acme.developer(ROTATE, { id: old.id, overlap: 10_080 });
    expect(data.rotateApiKey.apiKey.status).toBe('ACTIVE');
    await expectRefused(old.client, 'EXPIRED');
    for (const overlap of [-1, 10_081]) {
      const refused = await acme.developer(ROTATE, { id: old.id, overlap });
      expect([codeOf(refused), refused.errors[0]?.extensions['argument']]).toEqual(['BAD_USER_INPUT', 'overlap']);
    }
  });

  test("is its owner's alone: whoever has a key's secret acts as its owner", async () => {
    const acme = await givenOrganization(server);
    const { id } = await givenKey(server, acme.developer, ['repository:read']);
    expect(codeOf(await acme.owner(ROTATE, { id }))).toBe('FORBIDDEN');
    expect(codeOf(await (await givenMember(server, acme, 'DEVELOPER'))(ROTATE, { id }))).toBe('NOT_FOUND');
    await revoke(acme.developer, id);
    expect(codeOf(await acme.developer(ROTATE, { id }))).toBe('CONFLICT');
  });

  test('gives nothing that its owner no longer holds', async () => {
    const acme = await givenOrganization(server);
    const { id } = await givenKey(server, acme.admin, ['member:invite']);
    await acme.owner(UPDATE_ROLE, { id: await personId(acme.admin), role: 'DEVELOPER' });
    expect(codeOf(await acme.admin(ROTATE, { id }))).toBe('ROLE_ESCALATION');
  });
});

describe('The list of keys', () => {
  test("has one's own, and everyone's for whoever manages them; the newest first", async () => {
    const acme = await givenOrganization(server);
    const first = await givenKey(server, acme.developer, ['run:read']);
    const second = await givenKey(server, acme.developer, ['run:read']);
    const admins = await givenKey(server, acme.admin, ['run:read']);
    const ids = async (client: Client, ownerId?: string) =>
      (await listedKeys(client, ownerId)).nodes.map(({ id }: { id: string }) => id);
    const [developerId, adminId] = [await personId(acme.developer), await personId(acme.admin)];
    expect(await ids(acme.developer)).toEqual([second.id, first.id]);
    expect(await ids(acme.developer, adminId)).toEqual([]);
    expect(await ids(acme.developer, developerId)).toEqual([second.id, first.id]);
    expect(await ids(acme.owner)).toEqual([admins.id, second.id, first.id]);
    expect(await ids(acme.owner, adminId)).toEqual([admins.id]);
    expect((await listedKeys(acme.viewer)).totalCount).toBe(0);
    expect((await acme.viewer('query ($id: ID!) { node(id: $id) { id } }', { id: first.id })).data.node).toBeNull();
  });
});

describe('The last use of a key', () => {
  test('is noted without anyone waiting, at most once a minute', async () => {
    const acme = await givenOrganization(server);
    const { client, id } = await givenKey(server, acme.developer, ['repository:read']);
    const notes = () => server.statements.filter(({ text }) => text.includes('set last_used_at')).length;
    const lastUse = async () =>
      (await sql('select last_used_at as at from api_key where id = $1', [id])).rows[0].at as Date | null;
    const before = notes();
    await Promise.all(Array.from({ length: 10 }, () => client(REPOSITORIES)));
    while (!(await lastUse())) await new Promise(setImmediate);
    const noted = await lastUse();
    for (let round = 0; round < 5; round += 1) await client(REPOSITORIES);
    expect(await lastUse()).toEqual(noted);
    expect(notes()).toBeLessThanOrEqual(before + 10);
    const sent = notes();
    await client(REPOSITORIES);
    expect(notes()).toBe(sent);
    await sql(`update api_key set last_used_at = last_used_at - interval '2 minutes' where id = $1`, [id]);
    await client(REPOSITORIES);
    while (((await lastUse()) as Date) < (noted as Date)) await new Promise(setImmediate);
  });

  test('is not noted for a secret that is wrong', async () => {
    const acme = await givenOrganization(server);
    const { secret, id } = await givenKey(server, acme.developer, ['repository:read']);
    await sql('update api_key set secret_hash = $2 where id = $1', [id, 'A'.repeat(43)]);
    const sent = server.statements.length;
    await server.withToken(secret)(REPOSITORIES);
    expect(server.statements.slice(sent)).toHaveLength(1);
  });
});

const keyOf = (permissions: readonly string[]) => async (acme: GivenOrganization) =>
  (await givenKey(server, acme.owner, permissions)).id;
const owner = {
  foreign: async (acme: Target) => {
    await givenKey(server, acme.owner, ['run:read']);
    return acme.ownerId;
  },
  unknown: never('usr'),
  variables: (id: string) => ({ id }),
};
const theirs = { foreign: keyOf(['run:read']), unknown: never('key'), variables: (id: string) => ({ id }) };

describeIsolation({
  'Mutation.rotateApiKey.id': { query: 'mutation ($id: ID!) { rotateApiKey(id: $id) { apiKey { name } } }', ...theirs },
  'Mutation.revokeApiKey.id': { query: 'mutation ($id: ID!) { revokeApiKey(id: $id) { name } }', ...theirs },
  'Mutation.createApiKey.input.name': {
    query: `mutation ($name: String!) {
      createApiKey(input: { name: $name, permissions: ["run:read"] }) { apiKey { name } } }`,
    foreign: async (acme) => {
      await givenKey(server, acme.owner, ['run:read'], { name: 'acme only' });
      return 'acme only';
    },
    unknown: never('key'),
    variables: (name) => ({ name }),
    names: true,
  },
  'Mutation.createApiKey.input.serviceAccountId': {
    query: `mutation ($id: ID!) {
      createApiKey(input: { name: "x", permissions: ["run:read"], serviceAccountId: $id }) { apiKey { name } } }`,
    foreign: (acme) => givenServiceAccount(acme.owner, 'VIEWER'),
    unknown: never('svc'),
    variables: (id) => ({ id }),
  },
  'Query.apiKeys.ownerId': {
    query: 'query ($id: ID) { apiKeys(ownerId: $id) { totalCount nodes { name } } }',
    ...owner,
  },
  'Query.apiKeys.filter.ownerId': {
    query: 'query ($id: ID) { apiKeys(filter: { ownerId: $id }) { totalCount nodes { name } } }',
    ...owner,
  },
  'Query.apiKeys.after': fromCursor('after', 'apiKeys', 'API keys CREATED_AT DESC', 'x'),
  'Query.apiKeys.before': fromCursor('before', 'apiKeys', 'API keys CREATED_AT DESC', 'x'),
});
