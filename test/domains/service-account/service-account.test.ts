import { describe, expect, test } from '@jest/globals';
import { givenKey, givenServiceAccount } from '../../support/api-key.js';
import { givenMember, givenOrganization, givenTwoOrganizations, personId } from '../../support/given.js';
import { describeIsolation, fromCursor, never } from '../../support/isolation.js';
import { type Client, codeOf, useServer } from '../../support/server.js';

const server = useServer();
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

const CREATE = `mutation ($input: CreateServiceAccountInput!) { createServiceAccount(input: $input) {
  id name role permissions status createdAt } }`;
const UPDATE = `mutation ($input: UpdateServiceAccountInput!) { updateServiceAccount(input: $input) {
  name role permissions } }`;
const REMOVE = 'mutation ($id: ID!) { removeServiceAccount(id: $id) { status } }';
const LIST = '{ serviceAccounts { totalCount nodes { id name role status } } }';
const START = 'mutation ($id: ID!) { startRun(input: { agentId: $id }) { createdBy { id name email } } }';
const CREATE_KEY = 'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } } }';

const listed = async (client: Client) => (await client(LIST)).data.serviceAccounts;

describe('A service account', () => {
  test('has a role of its own, acts with keys, and stands for itself in what it did', async () => {
    const acme = await givenOrganization(server);
    const { data } = await acme.admin(CREATE, {
      input: { name: ' Deployer ', role: 'VIEWER', permissions: ['run:start'], withheldPermissions: ['usage:read'] },
    });
    const account = data.createServiceAccount;
    expect(account).toMatchObject({ name: 'Deployer', role: 'VIEWER', status: 'ACTIVE' });
    expect(account.permissions).toContain('run:start');
    expect(account.permissions).not.toContain('usage:read');
    const { client, id } = await givenKey(server, acme.admin, ['run:start', 'run:read'], {
      serviceAccountId: account.id,
    });
    const { createdBy } = (await client(START, { id: acme.agentId })).data.startRun;
    expect(createdBy).toEqual({
      id: account.id,
      name: 'Deployer',
      email: `${account.id}@service-account.invalid`,
    });
    const { viewer } = (await client('{ viewer { user { id } role apiKey { id serviceAccount { name } } } }')).data;
    expect(viewer).toEqual({
      user: null,
      role: 'VIEWER',
      apiKey: { id, serviceAccount: { name: 'Deployer' } },
    });
    const runs = await acme.viewer('query ($id: ID) { runs(filter: { createdById: $id }) { totalCount } }', {
      id: account.id,
    });
    expect(runs.data.runs.totalCount).toBe(1);
  });

  test('is not among the people, takes no seat, and is no member to be changed as one', async () => {
    const acme = await givenOrganization(server);
    await sql('update organization set seat_limit = 5 where id = $1', [acme.id]);
    const ids = [await givenServiceAccount(acme.admin, 'VIEWER'), await givenServiceAccount(acme.admin, 'ADMIN')];
    expect((await acme.viewer('{ members { totalCount } }')).data.members.totalCount).toBe(4);
    const invite = 'mutation { inviteUser(input: { email: "new@acme.example", name: "New", role: VIEWER }) { role } }';
    expect((await acme.admin(invite)).errors).toEqual([]);
    const [id] = ids;
    const update = 'mutation ($id: ID!) { updateMemberRole(userId: $id, role: DEVELOPER) { role } }';
    const remove = 'mutation ($id: ID!) { removeMember(userId: $id) { status } }';
    for (const text of [update, remove]) expect(codeOf(await acme.owner(text, { id }))).toBe('NOT_FOUND');
    expect((await listed(acme.viewer)).nodes).toEqual([
      { id: ids[0], name: 'Deployer', role: 'VIEWER', status: 'ACTIVE' },
      { id: ids[1], name: 'Deployer', role: 'ADMIN', status: 'ACTIVE' },
    ]);
  });

  test('gets no more than whoever makes or changes it holds, and is never OWNER', async () => {
    const acme = await givenOrganization(server);
    const create = (client: Client, input: object) => client(CREATE, { input: { name: 'x', ...input } });
    const refused = await create(acme.owner, { role: 'OWNER' });
    expect([codeOf(refused), refused.errors[0]?.extensions['argument']]).toEqual(['BAD_USER_INPUT', 'input.role']);
    expect(codeOf(await create(acme.admin, { role: 'VIEWER', permissions: ['billing:manage'] }))).toBe(
      'ROLE_ESCALATION',
    );
    expect(codeOf(await create(acme.developer, { role: 'VIEWER' }))).toBe('FORBIDDEN');
    const narrowed = await givenMember(server, acme, 'ADMIN', { withheld: ['run:start'] });
    expect(codeOf(await create(narrowed, { role: 'DEVELOPER' }))).toBe('ROLE_ESCALATION');
    const id = await givenServiceAccount(acme.admin, 'DEVELOPER');
    for (const [text, variables] of [
      [UPDATE, { input: { id, role: 'VIEWER' } }],
      [REMOVE, { id }],
      [CREATE_KEY, { input: { name: 'x', permissions: ['run:start'], serviceAccountId: id } }],
    ] as const) {
      expect([text, codeOf(await narrowed(text, variables))]).toEqual([text, 'ROLE_ESCALATION']);
    }
    const owners = `update membership set role = 'OWNER' where org_id = $1 and user_id = $2`;
    await expect(sql(owners, [acme.id, id])).rejects.toThrow('owner_is_a_person');
  });

  test('changes, and its keys follow at once', async () => {
    const acme = await givenOrganization(server);
    const id = await givenServiceAccount(acme.admin, 'DEVELOPER');
    const { client } = await givenKey(server, acme.admin, ['run:start'], { serviceAccountId: id });
    const update = async (input: object) => (await acme.admin(UPDATE, { input: { id, ...input } })).data;
    expect((await client(START, { id: acme.agentId })).errors).toEqual([]);
    expect((await update({ role: 'VIEWER' })).updateServiceAccount).toMatchObject({ name: 'Deployer', role: 'VIEWER' });
    expect(codeOf(await client(START, { id: acme.agentId }))).toBe('FORBIDDEN');
    const { updateServiceAccount } = await update({ name: 'Starter', permissions: ['execute_agents'] });
    expect(updateServiceAccount).toMatchObject({ name: 'Starter', role: 'VIEWER' });
    expect((await client(START, { id: acme.agentId })).data.startRun.createdBy.name).toBe('Starter');
  });

  test('and its keys survive whoever made them, and end with it', async () => {
    const acme = await givenOrganization(server);
    const id = await givenServiceAccount(acme.admin, 'DEVELOPER');
    const { client } = await givenKey(server, acme.admin, ['run:start'], { serviceAccountId: id });
    await acme.owner('mutation ($id: ID!) { removeMember(userId: $id) { status } }', {
      id: await personId(acme.admin),
    });
    expect((await client(START, { id: acme.agentId })).errors).toEqual([]);
    expect((await acme.owner(REMOVE, { id })).data.removeServiceAccount.status).toBe('REMOVED');
    expect((await client(START, { id: acme.agentId })).status).toBe(401);
    expect((await listed(acme.owner)).totalCount).toBe(0);
    expect(codeOf(await acme.owner(REMOVE, { id }))).toBe('NOT_FOUND');
    const created = await acme.owner(CREATE_KEY, {
      input: { name: 'x', permissions: ['run:start'], serviceAccountId: id },
    });
    expect(codeOf(created)).toBe('NOT_FOUND');
    const { data } = await acme.viewer('{ runs { nodes { createdBy { name } } } }');
    expect(data.runs.nodes).toContainEqual({ createdBy: { name: 'Deployer' } });
  });

  test("has keys that whoever manages it makes and rotates, never stronger than it is; a person's id is no account", async () => {
    const acme = await givenOrganization(server);
    const id = await givenServiceAccount(acme.admin, 'DEVELOPER');
    const create = (client: Client, permissions: string[], serviceAccountId = id) =>
      client(CREATE_KEY, { input: { name: 'x', permissions, serviceAccountId } });
    expect(codeOf(await create(acme.admin, ['member:invite']))).toBe('ROLE_ESCALATION');
    expect(codeOf(await create(acme.developer, ['run:start']))).toBe('FORBIDDEN');
    expect(codeOf(await create(acme.admin, ['run:start'], await personId(acme.developer)))).toBe('NOT_FOUND');
    const { data } = await create(acme.admin, ['run:start']);
    const ROTATE = 'mutation ($id: ID!) { rotateApiKey(id: $id) { apiKey { owner { id } createdBy { id } } } }';
    const rotated = await acme.owner(ROTATE, { id: data.createApiKey.apiKey.id });
    expect(rotated.data.rotateApiKey.apiKey).toEqual({ owner: { id }, createdBy: { id: await personId(acme.owner) } });
    expect(codeOf(await acme.developer(ROTATE, { id: data.createApiKey.apiKey.id }))).toBe('FORBIDDEN');
  });

  test('is found by its id, in its organization', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const id = await givenServiceAccount(acme.admin, 'VIEWER');
    const NODE = 'query ($id: ID!) { node(id: $id) { ... on ServiceAccount { name } } }';
    expect((await acme.viewer(NODE, { id })).data.node).toEqual({ name: 'Deployer' });
    expect((await globex.owner(NODE, { id })).data.node).toBeNull();
  });
});

const theirs = {
  foreign: (acme: { owner: Client }) => givenServiceAccount(acme.owner, 'VIEWER'),
  unknown: never('svc'),
  variables: (id: string) => ({ id }),
};

describeIsolation({
  'Mutation.updateServiceAccount.input.id': {
    query: 'mutation ($id: ID!) { updateServiceAccount(input: { id: $id, name: "stolen" }) { name } }',
    ...theirs,
  },
  'Mutation.removeServiceAccount.id': {
    query: 'mutation ($id: ID!) { removeServiceAccount(id: $id) { name } }',
    ...theirs,
  },
  'Mutation.updateServiceAccount.input.name': {
    query: `mutation ($id: ID!, $name: String!) { updateServiceAccount(input: { id: $id, name: $name }) { name } }`,
    foreign: async (acme) => {
      await givenServiceAccount(acme.owner, 'VIEWER', { name: 'acme only' });
      return 'acme only';
    },
    unknown: never('svc'),
    variables: async (name, own) => ({ id: await givenServiceAccount(own.owner, 'VIEWER'), name }),
    names: true,
  },
  'Mutation.createServiceAccount.input.name': {
    query: 'mutation ($name: String!) { createServiceAccount(input: { name: $name, role: VIEWER }) { name } }',
    foreign: async (acme) => {
      await givenServiceAccount(acme.owner, 'VIEWER', { name: 'acme only' });
      return 'acme only';
    },
    unknown: never('svc'),
    variables: (name) => ({ name }),
    names: true,
  },
  'Query.serviceAccounts.after': fromCursor('after', 'serviceAccounts', 'service accounts CREATED_AT ASC', 'x'),
  'Query.serviceAccounts.before': fromCursor('before', 'serviceAccounts', 'service accounts CREATED_AT ASC', 'x'),
});
