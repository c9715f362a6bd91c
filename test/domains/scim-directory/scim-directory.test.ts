import { expect, test } from '@jest/globals';
import { newId } from '../../../src/data/id.js';
import type { OrganizationDb } from '../../../src/data/organization/organization-db.js';
import { givenMember, givenOrganization, unique, personId } from '../../support/given.js';
import { describeIsolation, END, fromCursor, never, type Target } from '../../support/isolation.js';
import { givenDirectory, withScimToken } from '../../support/scim.js';
import { codeOf, useServer } from '../../support/server.js';

const server = useServer({ env: { PUBLIC_URL: 'https://orgate.example' } });

const FIELDS = 'id name defaultRole baseUrl tokenLastFour userCount groups { totalCount nodes { displayName role } }';
const CREATE = `mutation ($input: CreateScimDirectoryInput!) {
  createScimDirectory(input: $input) { token directory { ${FIELDS} } }
}`;
const UPDATE = `mutation ($input: UpdateScimDirectoryInput!) { updateScimDirectory(input: $input) { ${FIELDS} } }`;
const REPLACE = 'mutation ($id: ID!) { replaceScimToken(id: $id) { token directory { tokenLastFour } } }';
const DELETE = 'mutation ($id: ID!) { deleteScimDirectory(id: $id) }';
const SET_ROLE = 'mutation ($input: SetScimGroupRoleInput!) { setScimGroupRole(input: $input) { role } }';

test('an OWNER adds, changes and ends a directory; its token is shown once and kept as a hash', async () => {
  const { owner } = await givenOrganization(server);
  const made = await owner(CREATE, { input: { name: 'Entra ID' } });
  const { token, directory } = made.data.createScimDirectory;
  expect(token).toMatch(/^og_scim_[0-9a-v]{26}_[0-9a-v]{32}_[0-9a-v]{7}$/);
  expect(directory).toEqual({
    id: expect.stringMatching(/^scm_/),
    name: 'Entra ID',
    defaultRole: 'VIEWER',
    baseUrl: 'https://orgate.example/scim/v2',
    tokenLastFour: token.slice(-4),
    userCount: 0,
    groups: { totalCount: 0, nodes: [] },
  });
  const { rows } = await server.database.pool.queryAsLoginRole('select * from scim_directory where id = $1', [
    directory.id,
  ]);
  expect(JSON.stringify(rows)).not.toContain(token.slice(-20));
  expect(server.logs.join('')).not.toContain(token);
  const { id } = directory;
  const changed = await owner(UPDATE, { input: { id, name: 'Okta', defaultRole: 'DEVELOPER' } });
  expect(changed.data.updateScimDirectory).toMatchObject({ name: 'Okta', defaultRole: 'DEVELOPER' });
  expect((await owner('{ scimDirectories { totalCount nodes { name } } }')).data.scimDirectories).toEqual({
    totalCount: 1,
    nodes: [{ name: 'Okta' }],
  });
  expect((await owner('query ($id: ID!) { node(id: $id) { id } }', { id })).data.node).toEqual({ id });
  expect((await owner(DELETE, { id })).data).toEqual({ deleteScimDirectory: id });
  expect((await withScimToken(server, token)('GET', '/Users')).status).toBe(401);
});

test('a token that was replaced ends at once, and its directory goes on', async () => {
  const acme = await givenOrganization(server);
  const directory = await givenDirectory(server, acme);
  const { body } = await directory('POST', '/Users', { userName: `jo@${directory.domain}` });
  const { data } = await acme.owner(REPLACE, { id: directory.id });
  const { token } = data.replaceScimToken;
  expect(data.replaceScimToken.directory.tokenLastFour).toBe(token.slice(-4));
  expect((await directory('GET', '/Users')).status).toBe(401);
  expect((await withScimToken(server, token)('GET', `/Users/${body.id}`)).status).toBe(200);
  const used = await acme.owner('{ scimDirectories { nodes { lastUsedAt } } }');
  expect(Date.now() - Date.parse(used.data.scimDirectories.nodes[0].lastUsedAt)).toBeLessThan(60_000);
});

test('whom an ended directory made stays as they are', async () => {
  const acme = await givenOrganization(server);
  const directory = await givenDirectory(server, acme);
  const email = `jo@${directory.domain}`;
  const { body } = await directory('POST', '/Users', { userName: email });
  const group = await directory('POST', '/Groups', { displayName: 'All', members: [{ value: body.id }] });
  await acme.owner(SET_ROLE, { input: { groupId: group.body.id, role: 'ADMIN' } });
  await acme.owner(DELETE, { id: directory.id });
  expect((await (await server.as(email, acme.slug))('{ viewer { role } }')).data.viewer.role).toBe('ADMIN');
});

test('a default role counts at once for those whom no group gives more', async () => {
  const acme = await givenOrganization(server);
  const directory = await givenDirectory(server, acme);
  const people = [`a@${directory.domain}`, `b@${directory.domain}`];
  const ids = [];
  for (const userName of people) ids.push((await directory('POST', '/Users', { userName })).body.id);
  const group = await directory('POST', '/Groups', { displayName: 'Admins', members: [{ value: ids[0] }] });
  await acme.owner(SET_ROLE, { input: { groupId: group.body.id, role: 'ADMIN' } });
  await acme.owner(UPDATE, { input: { id: directory.id, defaultRole: 'DEVELOPER' } });
  const roles = [];
  for (const email of people) {
    roles.push((await (await server.as(email, acme.slug))('{ viewer { role } }')).data.viewer.role);
  }
  expect(roles).toEqual(['ADMIN', 'DEVELOPER']);
});

test('nobody but an OWNER sees or changes them, not even an ADMIN who was given the permission', async () => {
  const acme = await givenOrganization(server);
  const { id } = await givenDirectory(server, acme);
  for (const client of [acme.admin, acme.developer, acme.viewer]) {
    expect(codeOf(await client('{ scimDirectories { nodes { id } } }'))).toBe('FORBIDDEN');
    expect(codeOf(await client(CREATE, { input: { name: 'Mine' } }))).toBe('FORBIDDEN');
  }
  const granted = await givenMember(server, acme, 'ADMIN', { granted: ['scim:manage'] });
  for (const refused of [
    await granted(CREATE, { input: { name: 'Mine' } }),
    await granted(UPDATE, { input: { id, defaultRole: 'DEVELOPER' } }),
    await granted(REPLACE, { id }),
    await granted(DELETE, { id }),
  ]) {
    expect(codeOf(refused)).toBe('FORBIDDEN');
  }
});

test.each([
  [{ name: ' ' }, 'input.name'],
  [{ name: 'x', defaultRole: 'ADMIN' }, 'input.defaultRole'],
  [{ name: 'x', defaultRole: 'OWNER' }, 'input.defaultRole'],
])('a directory is not made of %j', async (input, argument) => {
  const { owner } = await givenOrganization(server);
  const refused = await owner(CREATE, { input });
  expect([codeOf(refused), refused.errors[0]?.extensions['argument']]).toEqual(['BAD_USER_INPUT', argument]);
});

test('an organization has at most ten, each with a name of its own', async () => {
  const { owner } = await givenOrganization(server);
  for (let index = 0; index < 10; index += 1) await owner(CREATE, { input: { name: `Directory ${index}` } });
  expect(codeOf(await owner(CREATE, { input: { name: 'One more' } }))).toBe('CONFLICT');
  const { data } = await owner('{ scimDirectories { totalCount nodes { id } } }');
  expect(data.scimDirectories.totalCount).toBe(10);
  const taken = await owner(UPDATE, { input: { id: data.scimDirectories.nodes[0].id, name: 'Directory 1' } });
  expect([codeOf(taken), taken.errors[0]?.extensions['argument']]).toEqual(['CONFLICT', 'input.name']);
});

const directoryOf = async ({ ownerId }: Pick<Target, 'ownerId'>, db: OrganizationDb, name = newId('scm')) =>
  db.scimDirectory.create({
    id: newId('scm'),
    name,
    defaultRole: 'VIEWER',
    tokenHash: unique('hash'),
    tokenLastFour: '0000',
    createdBy: ownerId,
    tokenMadeBy: ownerId,
  });
const theirs = {
  foreign: async (acme: Target, db: OrganizationDb) => (await directoryOf(acme, db)).id,
  unknown: never('scm'),
};
const named = {
  foreign: async (acme: Target, db: OrganizationDb) => (await directoryOf(acme, db)).name,
  unknown: never('scm'),
  names: true,
};
const ofGroups = (argument: 'after' | 'before') => ({
  ...fromCursor(argument, 'groups', 'scimGroups CREATED_AT ASC', 'A'),
  query: `mutation ($name: String!, $cursor: String) {
    createScimDirectory(input: { name: $name }) {
      directory { groups(${END[argument]}, ${argument}: $cursor) { nodes { id } } }
    }
  }`,
  variables: (cursor: string) => ({ cursor, name: newId('scm') }),
});

describeIsolation({
  'Query.scimDirectories.after': fromCursor('after', 'scimDirectories', 'scimDirectories CREATED_AT ASC', 'A'),
  'Query.scimDirectories.before': fromCursor('before', 'scimDirectories', 'scimDirectories CREATED_AT ASC', 'A'),
  'ScimDirectory.groups.after': ofGroups('after'),
  'ScimDirectory.groups.before': ofGroups('before'),
  'Mutation.createScimDirectory.input.name': {
    query: 'mutation ($name: String!) { createScimDirectory(input: { name: $name }) { directory { name } } }',
    ...named,
    variables: (name) => ({ name }),
  },
  'Mutation.updateScimDirectory.input.id': {
    query: UPDATE,
    ...theirs,
    variables: (id) => ({ input: { id, name: 'stolen', defaultRole: 'DEVELOPER' } }),
  },
  'Mutation.updateScimDirectory.input.name': {
    query: UPDATE,
    ...named,
    variables: async (name, own, db) => {
      const { id } = await directoryOf({ ownerId: await personId(own.owner) }, db);
      return { input: { id, name } };
    },
  },
  'Mutation.setScimGroupRole.input.groupId': {
    query: SET_ROLE,
    foreign: async (acme, db) => {
      const { id: directoryId } = await directoryOf(acme, db);
      return (await db.scimGroup.create({ id: newId('scg'), directoryId, displayName: 'Admins' })).id;
    },
    unknown: never('scg'),
    variables: (groupId) => ({ input: { groupId, role: 'ADMIN' } }),
  },
  'Mutation.replaceScimToken.id': { query: REPLACE, ...theirs, variables: (id) => ({ id }) },
  'Mutation.deleteScimDirectory.id': { query: DELETE, ...theirs, variables: (id) => ({ id }) },
});
