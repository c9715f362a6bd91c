import { beforeAll, expect, test } from '@jest/globals';
import type { OrganizationRole } from '../../../src/generated/enums.js';
import { givenOrganization, type GivenOrganization, unique } from '../../support/given.js';
import { givenDirectory, type ScimClient, withScimToken } from '../../support/scim.js';
import { isPostgres, startServer, useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

/** However slow the machine: how long it takes is measured elsewhere. */
const server = useServer({ poolSize: 10, env: { DATABASE_STATEMENT_TIMEOUT_MS: '60000' } });

/** As many as a group may have; fewer on the embedded database, where everything takes several times as long. */
const SIZE = isPostgres ? 50_000 : 2000;

let acme: GivenOrganization;
let directory: ScimClient;
let everyone: string[];
beforeAll(async () => {
  acme = await givenOrganization(server);
  directory = await givenDirectory(server, acme);
  everyone = await givenUsers(directory.id, SIZE);
});

/** Users of a directory, made straight in the store, as so many requests would take a while. */
async function givenUsers(directoryId: string, count: number): Promise<string[]> {
  const db = server.database.organizationDb(acme.id, byTest);
  const seed = unique('u');
  const numbers = Array.from({ length: count }, (_, index) => `${seed}-${String(index).padStart(5, '0')}`);
  for (let first = 0; first < count; first += 5000) {
    const some = numbers.slice(first, first + 5000);
    await db.membership.createMany(
      some.map((n) => ({ userId: `usr_${n}`, email: `${n}@x.example`, name: n, role: 'VIEWER', status: 'ACTIVE' })),
    );
    await db.scimUser.createMany(some.map((n) => ({ id: `scu_${n}`, directoryId, userId: `usr_${n}`, userName: n })));
  }
  return numbers.map((n) => `scu_${n}`);
}

const members = (ids: readonly string[]) => ids.map((value) => ({ value }));
const SET_ROLE = 'mutation ($input: SetScimGroupRoleInput!) { setScimGroupRole(input: $input) { role memberCount } }';
const countOf = (role: OrganizationRole) =>
  server.database.organizationDb(acme.id, byTest).membership.count({ role, email: { gt: 'u', lt: 'v' } });

(isPostgres ? test : test.skip)(
  'a group of 50,000 is made, and deleted, in the time that a statement has where nobody set another',
  async () => {
    // Another server than the others': their statements may take a minute.
    const asItComes = await startServer({ poolSize: 10 });
    try {
      const send = withScimToken(asItComes, directory.token);
      const made = await send('POST', '/Groups', { displayName: 'In time', members: members(everyone) });
      expect([made.status, made.body.members?.length]).toEqual([201, 50_000]);
      expect((await send('DELETE', `/Groups/${made.body.id}`)).status).toBe(204);
    } finally {
      await asItComes.close();
    }
  },
);

test(`a group of ${SIZE} is made, given a role, read, changed, replaced and deleted, and so is its directory`, async () => {
  const made = await directory('POST', '/Groups', { displayName: 'Everyone', members: members(everyone) });
  expect([made.status, made.body.members?.length]).toEqual([201, SIZE]);
  const group = `/Groups/${made.body.id}`;

  const mapped = await acme.owner(SET_ROLE, { input: { groupId: made.body.id, role: 'DEVELOPER' } });
  expect(mapped.errors).toEqual([]);
  expect(mapped.data.setScimGroupRole).toEqual({ role: 'DEVELOPER', memberCount: SIZE });
  expect(await countOf('DEVELOPER')).toBe(SIZE);

  // A second group with everyone in it: the higher role counts, whichever is read first.
  const admins = await directory('POST', '/Groups', { displayName: 'Also everyone', members: members(everyone) });
  await acme.owner(SET_ROLE, { input: { groupId: admins.body.id, role: 'ADMIN' } });
  expect(await countOf('ADMIN')).toBe(SIZE);
  expect((await directory('GET', '/Groups')).status).toBe(2 * SIZE > 50_000 ? 400 : 200);
  expect((await directory('GET', '/Groups?excludedAttributes=members')).body.totalResults).toBe(2);
  expect((await directory('DELETE', `/Groups/${admins.body.id}`)).status).toBe(204);
  expect(await countOf('DEVELOPER')).toBe(SIZE);

  const read = await directory('GET', group);
  expect(new Set(read.body.members.map(({ value }: { value: string }) => value))).toEqual(new Set(everyone));

  const [first, ...rest] = everyone as [string, ...string[]];
  const patched = await directory('PATCH', group, {
    Operations: [
      { op: 'remove', path: `members[value eq "${first}"]` },
      { op: 'add', path: 'members', value: members(rest) },
    ],
  });
  expect(patched.status).toBe(204);
  expect([await countOf('DEVELOPER'), await countOf('VIEWER')]).toEqual([SIZE - 1, 1]);

  const half = everyone.slice(SIZE / 2);
  const put = await directory('PUT', group, { displayName: 'Half', members: members(half) });
  expect([put.status, put.body.members?.length]).toEqual([200, SIZE / 2]);
  expect([await countOf('DEVELOPER'), await countOf('VIEWER')]).toEqual([SIZE / 2, SIZE / 2]);
  const others = { op: 'replace', path: 'members', value: members(everyone.slice(0, SIZE / 2)) };
  expect((await directory('PATCH', group, { Operations: [others] })).status).toBe(204);
  expect([await countOf('DEVELOPER'), await countOf('VIEWER')]).toEqual([SIZE / 2, SIZE / 2]);

  const removed = await acme.owner('mutation ($id: ID!) { deleteScimDirectory(id: $id) }', { id: directory.id });
  expect(removed.errors).toEqual([]);
  const db = server.database.organizationDb(acme.id, byTest);
  expect([await db.scimGroupMember.count({}), await db.scimUser.count({})]).toEqual([0, 0]);
});

test('a large group takes the last OWNER from nobody, and changes nothing then', async () => {
  const other = await givenDirectory(server, acme);
  const many = await givenUsers(other.id, 500);
  const owners = await other('POST', '/Groups', { displayName: 'Owners', members: members(many) });
  const nobody = await other('POST', '/Groups', { displayName: 'Nobody', members: [] });
  expect((await acme.owner(SET_ROLE, { input: { groupId: owners.body.id, role: 'OWNER' } })).errors).toEqual([]);
  const db = server.database.organizationDb(acme.id, byTest);
  await db.membership.update({ email: acme.owner.email }, { role: 'ADMIN' });
  expect((await other('DELETE', `/Groups/${owners.body.id}`)).status).toBe(409);
  expect((await db.membership.count({ role: 'OWNER' })) - 500).toBe(0);
  // Who becomes OWNER in the same change counts.
  const [one, ...rest] = many as [string, ...string[]];
  const moved = await other('PATCH', `/Groups/${owners.body.id}`, {
    Operations: [{ op: 'replace', path: 'members', value: members([one]) }],
  });
  expect(moved.status).toBe(204);
  expect(await db.membership.count({ role: 'OWNER' })).toBe(1);
  expect(
    (
      await other('PATCH', `/Groups/${nobody.body.id}`, {
        Operations: [{ op: 'add', path: 'members', value: members(rest) }],
      })
    ).status,
  ).toBe(204);
});
