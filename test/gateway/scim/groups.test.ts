import { beforeAll, describe, expect, test } from '@jest/globals';
import { givenOrganization, type GivenOrganization, unique } from '../../support/given.js';
import { givenDirectory, type ScimClient } from '../../support/scim.js';
import { codeOf, useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

const server = useServer();

let acme: GivenOrganization;
let directory: ScimClient;
beforeAll(async () => {
  acme = await givenOrganization(server);
  directory = await givenDirectory(server, acme);
});

const SET_ROLE = 'mutation ($input: SetScimGroupRoleInput!) { setScimGroupRole(input: $input) { role memberCount } }';
const patch = (...Operations: object[]) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations,
});
const given = async () => {
  const { body } = await directory('POST', '/Users', { userName: `${unique('jo')}@${directory.domain}` });
  return { id: body.id as string, email: body.userName as string };
};
const givenGroup = async (role: string | null, members: readonly { id: string }[] = []): Promise<string> => {
  const displayName = unique('group');
  const { status, body } = await directory('POST', '/Groups', {
    displayName,
    externalId: unique('ext'),
    members: members.map(({ id }) => ({ value: id })),
  });
  expect(status).toBe(201);
  const mapped = await acme.owner(SET_ROLE, { input: { groupId: body.id, role } });
  expect(mapped.errors).toEqual([]);
  return body.id as string;
};
const roleOf = async ({ email }: { email: string }): Promise<string> =>
  (await (await server.as(email, acme.slug))('{ viewer { role } }')).data.viewer.role;
const membersOf = async (id: string): Promise<string[]> =>
  (await directory('GET', `/Groups/${id}`)).body.members.map(({ value }: { value: string }) => value);

describe('a group', () => {
  test('gives its members its role, the highest of several, and takes it with it', async () => {
    const [jo, ann] = [await given(), await given()];
    const developers = await givenGroup('DEVELOPER', [jo, ann]);
    const admins = await givenGroup('ADMIN', [jo]);
    expect([await roleOf(jo), await roleOf(ann)]).toEqual(['ADMIN', 'DEVELOPER']);
    await directory('PATCH', `/Groups/${admins}`, patch({ op: 'remove', path: `members[value eq "${jo.id}"]` }));
    expect(await roleOf(jo)).toBe('DEVELOPER');
    expect((await directory('DELETE', `/Groups/${developers}`)).status).toBe(204);
    expect([await roleOf(jo), await roleOf(ann)]).toEqual(['VIEWER', 'VIEWER']);
    expect((await directory('GET', `/Groups/${developers}`)).status).toBe(404);
  });

  test('means nothing until an OWNER gives it a role, and nothing again when they take it', async () => {
    const jo = await given();
    const group = await givenGroup(null, [jo]);
    expect(await roleOf(jo)).toBe('VIEWER');
    for (const role of ['ADMIN', null, 'DEVELOPER']) {
      const { data } = await acme.owner(SET_ROLE, { input: { groupId: group, role } });
      expect(data.setScimGroupRole).toEqual({ role, memberCount: 1 });
      expect(await roleOf(jo)).toBe(role ?? 'VIEWER');
    }
    for (const client of [acme.admin, acme.developer, acme.viewer]) {
      expect(codeOf(await client(SET_ROLE, { input: { groupId: group, role: 'ADMIN' } }))).toBe('FORBIDDEN');
    }
  });

  test.each<[string, (ids: readonly string[]) => object[], readonly number[]]>([
    ['Entra ID adds', ([a]) => [{ op: 'Add', path: 'members', value: [{ $ref: null, value: a }] }], [0, 1, 2]],
    [
      'Entra ID removes by value',
      ([, b]) => [{ op: 'Remove', path: 'members', value: [{ $ref: null, value: b }] }],
      [2],
    ],
    ['Entra ID removes by path', ([, b]) => [{ op: 'Remove', path: `members[value eq "${b}"]` }], [2]],
    ['Okta adds', ([a]) => [{ op: 'add', path: 'members', value: [{ value: a, display: 'jo@acme.com' }] }], [0, 1, 2]],
    ['Okta removes', ([, b]) => [{ op: 'remove', path: `members[value eq "${b}"]` }], [2]],
    ['Okta replaces', ([a]) => [{ op: 'replace', path: 'members', value: [{ value: a }] }], [0]],
    ['without a path', ([a]) => [{ op: 'add', value: { members: [{ value: a }] } }], [0, 1, 2]],
    ['everyone goes', () => [{ op: 'remove', path: 'members' }], []],
    [
      'several at once',
      ([a, b]) => [
        { op: 'remove', path: `members[value eq "${b}"]` },
        { op: 'add', path: 'members', value: [{ value: a }] },
        { op: 'replace', value: { displayName: 'Renamed' } },
      ],
      [0, 2],
    ],
  ])('changes its members: %s', async (_, operations, expected) => {
    const users = [await given(), await given(), await given()];
    const ids = users.map(({ id }) => id);
    const group = await givenGroup('DEVELOPER', users.slice(1));
    const answer = await directory('PATCH', `/Groups/${group}`, patch(...operations(ids)));
    expect([answer.status, answer.body]).toEqual([204, null]);
    expect(new Set(await membersOf(group))).toEqual(new Set(expected.map((index) => ids[index])));
    for (const [index, user] of users.entries()) {
      expect(await roleOf(user)).toBe(expected.includes(index) ? 'DEVELOPER' : 'VIEWER');
    }
  });

  test('is renamed, found and replaced; members are left out where they are not wanted', async () => {
    const jo = await given();
    const group = await givenGroup('DEVELOPER', [jo]);
    const displayName = unique('Renamed');
    const renamed = { op: 'replace', value: { id: group, displayName } };
    expect((await directory('PATCH', `/Groups/${group}`, patch(renamed))).status).toBe(204);
    const filter = encodeURIComponent(`displayName eq "${displayName}"`);
    const found = (await directory('GET', `/Groups?excludedAttributes=members&filter=${filter}`)).body;
    expect([found.totalResults, found.Resources[0].id, found.Resources[0].members]).toEqual([1, group, undefined]);
    const isIn = async (id: string, user: string) =>
      (await directory('GET', `/Groups?filter=${encodeURIComponent(`id eq "${id}" and members eq "${user}"`)}`)).body;
    expect((await isIn(group, jo.id)).totalResults).toBe(1);
    expect((await isIn(await givenGroup(null), jo.id)).totalResults).toBe(0);
    const put = await directory('PUT', `/Groups/${group}`, { displayName: 'Put', members: [] });
    expect([put.status, put.body.displayName, put.body.members]).toEqual([200, 'Put', []]);
    expect(await roleOf(jo)).toBe('VIEWER');
    await directory('PUT', `/Groups/${group}`, { displayName: 'Put', members: [{ value: jo.id }] });
    await directory('PUT', `/Groups/${group}`, { displayName: 'Silent' });
    expect(await membersOf(group)).toEqual([jo.id]);
  });

  test('takes users of its own directory only: unknown and foreign ids are refused alike, and nothing is changed', async () => {
    const jo = await given();
    const group = await givenGroup('ADMIN', [jo]);
    const globex = await givenOrganization(server, 'globex');
    const theirs = await givenDirectory(server, globex);
    const foreign = (await theirs('POST', '/Users', { userName: `x@${theirs.domain}` })).body.id as string;
    const add = (value: string) =>
      directory('PATCH', `/Groups/${group}`, patch({ op: 'add', path: 'members', value: [{ value }] }));
    const [tried, missed] = [await add(foreign), await add('scu_00000000000000000000000000')];
    expect([tried.status, tried.body]).toEqual([400, missed.body]);
    expect(await membersOf(group)).toEqual([jo.id]);
    for (const method of ['GET', 'DELETE'] as const) {
      expect((await theirs(method, `/Groups/${group}`)).status).toBe(404);
    }
    expect((await theirs('PATCH', `/Groups/${group}`, patch({ op: 'remove', path: 'members' }))).status).toBe(404);
    expect(await roleOf(jo)).toBe('ADMIN');
  });

  test('never takes the last OWNER away', async () => {
    const jo = await given();
    const owners = await givenGroup('OWNER', [jo]);
    expect(await roleOf(jo)).toBe('OWNER');
    await server.database
      .organizationDb(acme.id, byTest)
      .membership.update({ email: acme.owner.email }, { status: 'SUSPENDED' });
    try {
      const off = patch({ op: 'replace', path: 'active', value: false });
      for (const refused of [
        await directory('PATCH', `/Groups/${owners}`, patch({ op: 'remove', path: 'members' })),
        await directory('DELETE', `/Groups/${owners}`),
        await directory('PATCH', `/Users/${jo.id}`, off),
        await directory('DELETE', `/Users/${jo.id}`),
      ]) {
        expect([refused.status, refused.body.detail]).toEqual([409, expect.stringContaining('OWNER')]);
      }
      expect(await membersOf(owners)).toEqual([jo.id]);
      // One goes and another comes in the same change: there is always one.
      const ann = await given();
      const members = [{ value: ann.id }];
      expect((await directory('PUT', `/Groups/${owners}`, { displayName: 'Owners', members })).status).toBe(200);
      expect([await roleOf(jo), await roleOf(ann)]).toEqual(['VIEWER', 'OWNER']);
    } finally {
      await server.database
        .organizationDb(acme.id, byTest)
        .membership.update({ email: acme.owner.email }, { status: 'ACTIVE' });
    }
  });

  test('whoever is deleted leaves it', async () => {
    const jo = await given();
    const group = await givenGroup('ADMIN', [jo]);
    await directory('DELETE', `/Users/${jo.id}`);
    expect(await membersOf(group)).toEqual([]);
    await directory('POST', '/Users', { userName: jo.email });
    expect(await roleOf(jo)).toBe('VIEWER');
  });
});
