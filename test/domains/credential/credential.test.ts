import { expect, test } from '@jest/globals';
import { newId } from '../../../src/data/id.js';
import { createOrganizationSeal } from '../../../src/secrets/organization-seal.js';
import { createSeal } from '../../../src/secrets/seal.js';
import { byTest } from '../../support/act.js';
import { givenKey } from '../../support/api-key.js';
import { givenOrganization, unique } from '../../support/given.js';
import { type Answer, codeOf, useServer } from '../../support/server.js';

const server = useServer();

const SECRET = 'ghp_0123456789abcdefghij-very-secret';
const CREATE = `mutation ($input: CreateCredentialInput!) {
  createCredential(input: $input) { id kind name provider enabled config lastFour lastUsedAt rotatedAt updatedAt }
}`;
const UPDATE = `mutation ($input: UpdateCredentialInput!) {
  updateCredential(input: $input) { name enabled config rotatedAt updatedAt }
}`;
const REPLACE =
  'mutation ($id: ID!, $secret: String!) { replaceCredentialSecret(id: $id, secret: $secret) { lastFour rotatedAt } }';
const DELETE = 'mutation ($id: ID!) { deleteCredential(id: $id) }';
const LEND = `mutation ($id: ID!, $credentialId: ID, $expectedUpdatedAt: DateTime) {
  setRepositoryCredential(id: $id, credentialId: $credentialId, expectedUpdatedAt: $expectedUpdatedAt) {
    updatedAt credential { id }
  }
}`;
const LENT = 'query ($id: ID!) { repository(id: $id) { gitUrl credential { id name } } }';

const github = (more: object = {}) => ({
  input: { kind: 'GIT', name: unique('github'), provider: 'github', secret: SECRET, config: { user: 'bot' }, ...more },
});
const argumentOf = (answer: Answer): unknown => answer.errors[0]?.extensions['argument'];

test('an ADMIN makes, changes, replaces and deletes one, and nothing ever shows its secret', async () => {
  const { admin, id: orgId } = await givenOrganization(server);
  const created = await admin(CREATE, github());
  const { id, updatedAt, rotatedAt } = created.data.createCredential;
  expect(created.data.createCredential).toMatchObject({
    kind: 'GIT',
    provider: 'github',
    enabled: true,
    config: { user: 'bot' },
    lastFour: 'cret',
    lastUsedAt: null,
  });

  const changed = await admin(UPDATE, { input: { id, enabled: false, config: {}, expectedUpdatedAt: updatedAt } });
  expect(changed.data.updateCredential).toMatchObject({ enabled: false, config: {}, rotatedAt });
  const stale = await admin(UPDATE, { input: { id, name: 'x', expectedUpdatedAt: updatedAt } });
  expect([codeOf(stale), argumentOf(stale)]).toEqual(['CONFLICT', 'input.expectedUpdatedAt']);

  const next = 'sk-next-0123456789-also-secret-9876';
  const replaced = await admin(REPLACE, { id, secret: next });
  expect(replaced.data.replaceCredentialSecret.lastFour).toBe('9876');
  expect(replaced.data.replaceCredentialSecret.rotatedAt > rotatedAt).toBe(true);

  const db = server.database.organizationDb(orgId, byTest);
  const { secret } = await db.credential.get({ id });
  const seal = createOrganizationSeal(createSeal(server.config.secretKeys ?? []));
  expect(await seal.open(db, secret, { orgId, table: 'credential', id })).toBe(next);

  const log = await admin(
    'query ($id: ID!) { auditLog(filter: { targetId: $id }) { nodes { action changes { path before after } } } }',
    { id },
  );
  expect(log.data.auditLog.nodes.map(({ action }) => action)).toEqual([
    'credential.updated',
    'credential.updated',
    'credential.created',
  ]);
  const gone = await admin(DELETE, { id });
  expect(gone.data.deleteCredential).toBe(id);
  expect(codeOf(await admin('query ($id: ID!) { credential(id: $id) { id } }', { id }))).toBe('NOT_FOUND');
  const told = [created, changed, replaced, log, gone].map(({ text }) => text).join('\n') + server.logs.join('\n');
  for (const part of [SECRET, next, 'ghp_0123', 'also-secret', secret]) expect(told).not.toContain(part);
});

test('of a short secret, or one of several lines, no character is shown', async () => {
  const { admin } = await givenOrganization(server);
  for (const secret of ['hunter2', '-----BEGIN KEY-----\nAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n-----END KEY-----\n']) {
    expect((await admin(CREATE, github({ secret }))).data.createCredential.lastFour).toBeNull();
  }
});

test('a secret of the length that the contract says is taken, and a config that speaks of characters, as they were given', async () => {
  const { admin } = await givenOrganization(server);
  const config = { pattern: String.raw`[^\u0000]+`, deep: [{ n: null, f: 0.5 }] };
  const made = await admin(CREATE, github({ secret: `${'x'.repeat(9_999)}\n`, config }));
  expect(made.data.createCredential).toMatchObject({ config, lastFour: null });
});

test.each([
  ['secret', { secret: '' }],
  ['secret', { secret: '   ' }],
  ['secret', { secret: 'x'.repeat(10_001) }],
  ['secret', { secret: 'hunter2\0' }],
  ['config', { config: { long: 'x'.repeat(4096) } }],
  ['config', { config: { zero: '\0' } }],
  ['name', { name: ' ' }],
  ['provider', { provider: 'x'.repeat(101) }],
])('%s is refused as %j, and not echoed', async (field, more) => {
  const { admin } = await givenOrganization(server);
  const refused = await admin(CREATE, github(more));
  expect([codeOf(refused), argumentOf(refused)]).toEqual(['BAD_USER_INPUT', `input.${field}`]);
  expect(refused.text).not.toMatch(/hunter2|xxxx/);
});

test('a name is taken once in an organization, and an organization has 500 at most', async () => {
  const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
  const one = github();
  expect((await acme.admin(CREATE, one)).errors).toEqual([]);
  expect((await globex.admin(CREATE, one)).errors).toEqual([]);
  const taken = await acme.admin(CREATE, one);
  expect([codeOf(taken), argumentOf(taken)]).toEqual(['CONFLICT', 'input.name']);
  const rows = Array.from({ length: 499 }, (_, each) => ({
    id: newId('crd'),
    kind: 'AGENT' as const,
    name: `agent ${each}`,
    provider: 'x',
    secret: 'x',
    rotatedAt: new Date(),
  }));
  await server.database.organizationDb(acme.id, byTest).credential.createMany(rows);
  expect(codeOf(await acme.admin(CREATE, github()))).toBe('CONFLICT');
});

test('a DEVELOPER neither sees nor changes one; no key makes one', async () => {
  const { admin, developer, owner, repositoryId } = await givenOrganization(server);
  const { id } = (await admin(CREATE, github())).data.createCredential;
  await admin(LEND, { id: repositoryId, credentialId: id });
  const refused = [
    await developer('{ credentials { nodes { id } } }'),
    await developer('query ($id: ID!) { credential(id: $id) { id } }', { id }),
    await developer('query ($id: ID!) { node(id: $id) { id } }', { id }),
    await developer(CREATE, github()),
    await developer(UPDATE, { input: { id, enabled: false } }),
    await developer(REPLACE, { id, secret: 'mine' }),
    await developer(DELETE, { id }),
    await developer(LEND, { id: repositoryId, credentialId: id }),
  ];
  expect(refused.map(codeOf)).toEqual(refused.map(() => 'FORBIDDEN'));
  const read = await developer(LENT, { id: repositoryId });
  expect([codeOf(read), read.text.includes(id)]).toEqual(['FORBIDDEN', false]);
  const { client } = await givenKey(server, owner, ['credential:read', 'credential:manage']);
  expect((await client('{ credentials { nodes { id } } }')).data.credentials.nodes).toEqual([{ id }]);
  expect(codeOf(await client(CREATE, github()))).toBe('FORBIDDEN');
});

test('it is lent to an address: at another one the repository has none, whoever changed it', async () => {
  const { admin, developer, repositoryId } = await givenOrganization(server);
  const { id } = (await admin(CREATE, github())).data.createCredential;
  const lent = await admin(LEND, { id: repositoryId, credentialId: id });
  expect(lent.data.setRepositoryCredential.credential).toEqual({ id });
  const change = (input: object) =>
    developer('mutation ($input: UpdateRepositoryInput!) { updateRepository(input: $input) { id } }', {
      input: { id: repositoryId, ...input },
    });
  const { gitUrl } = (await admin(LENT, { id: repositoryId })).data.repository;
  await change({ gitUrl, branch: 'next', description: 'x' });
  expect((await admin(LENT, { id: repositoryId })).data.repository.credential).toMatchObject({ id });
  await change({ gitUrl: 'https://evil.example/x.git' });
  expect((await admin(LENT, { id: repositoryId })).data.repository.credential).toBeNull();
  // Whoever saw the repository before that lends it nothing by mistake.
  const { updatedAt: expectedUpdatedAt } = lent.data.setRepositoryCredential;
  const stale = await admin(LEND, { id: repositoryId, credentialId: id, expectedUpdatedAt });
  expect([codeOf(stale), argumentOf(stale)]).toEqual(['CONFLICT', 'expectedUpdatedAt']);
});

test('a repository takes one of kind GIT, and none once that is deleted or taken away', async () => {
  const { admin, repositoryId } = await givenOrganization(server);
  const other = (await admin(CREATE, github({ kind: 'LLM_PROVIDER' }))).data.createCredential;
  const refused = await admin(LEND, { id: repositoryId, credentialId: other.id });
  expect([codeOf(refused), argumentOf(refused)]).toEqual(['BAD_USER_INPUT', 'credentialId']);
  const { id } = (await admin(CREATE, github())).data.createCredential;
  await admin(LEND, { id: repositoryId, credentialId: id });
  expect((await admin(LEND, { id: repositoryId })).data.setRepositoryCredential.credential).toBeNull();
  await admin(LEND, { id: repositoryId, credentialId: id });
  expect((await admin(DELETE, { id })).errors).toEqual([]);
  expect((await admin(LENT, { id: repositoryId })).data.repository.credential).toBeNull();
});

test('of whoever has several organizations and named none, credentials are not read', async () => {
  const acme = await givenOrganization(server);
  const { id } = (await acme.admin(CREATE, github())).data.createCredential;
  const { data } = await acme.admin(
    `mutation { createOrganization(input: { name: "Other", slug: "${unique('other')}" }) { id } }`,
  );
  expect(data.createOrganization).not.toBeNull();
  await acme.admin('mutation ($id: ID!) { setDefaultOrganization(organizationId: $id) { user { id } } }', {
    id: acme.id,
  });
  const unnamed = await server.as(acme.admin.email);
  for (const query of [
    '{ credentials { nodes { id } } }',
    `{ node(id: "${id}") { id } }`,
    `{ credential(id: "${id}") { id } }`,
  ]) {
    expect(codeOf(await unnamed(query as '{ credentials { nodes { id } } }'))).toBe('ORG_CONTEXT_REQUIRED');
  }
});
