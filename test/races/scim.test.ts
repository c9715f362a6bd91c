import { expect } from '@jest/globals';
import { givenOrganization, unique } from '../support/given.js';
import { givenDirectory, type ScimClient } from '../support/scim.js';
import { useServer } from '../support/server.js';
import { race } from './race.js';
import { byTest } from '../support/act.js';

const server = useServer({ poolSize: 12 });

const create = async (directory: ScimClient): Promise<string> =>
  (await directory('POST', '/Users', { userName: `${unique('jo')}@${directory.domain}` })).body.id as string;
const activate = (directory: ScimClient, id: string, value: boolean) =>
  directory('PATCH', `/Users/${id}`, { Operations: [{ op: 'replace', path: 'active', value }] });
const statuses = (answers: readonly { status: number }[]): string =>
  answers
    .map(({ status }) => String(status))
    .toSorted()
    .join();

race('a directory ends two owners at once, 50 times over: one stays each time', async () => {
  const acme = await givenOrganization(server);
  const directory = await givenDirectory(server, acme);
  const ids = [await create(directory), await create(directory)] as const;
  const group = await directory('POST', '/Groups', { displayName: 'Owners', members: ids.map((value) => ({ value })) });
  await acme.owner('mutation ($input: SetScimGroupRoleInput!) { setScimGroupRole(input: $input) { role } }', {
    input: { groupId: group.body.id, role: 'OWNER' },
  });
  const db = server.database.organizationDb(acme.id, byTest);
  await db.membership.update({ email: acme.owner.email }, { status: 'SUSPENDED' });
  for (let round = 0; round < 50; round += 1) {
    const answers = await Promise.all(ids.map((id) => activate(directory, id, false)));
    expect(statuses(answers)).toBe('200,409');
    expect(await db.membership.count({ role: 'OWNER', status: 'ACTIVE' })).toBe(1);
    for (const id of ids) await activate(directory, id, true);
  }
});

race('a directory sends the same user 20 times at once: they are made once', async () => {
  const acme = await givenOrganization(server);
  const directory = await givenDirectory(server, acme);
  const userName = `${unique('jo')}@${directory.domain}`;
  const answers = await Promise.all(Array.from({ length: 20 }, () => directory('POST', '/Users', { userName })));
  expect(statuses(answers)).toBe(['201', ...Array.from({ length: 19 }, () => '409')].join());
  expect((await directory('GET', '/Users')).body.totalResults).toBe(1);
});

race('directories and people who invite, all at once, never pass the seats together', async () => {
  const acme = await givenOrganization(server);
  const directory = await givenDirectory(server, acme);
  await server.database.pool.queryAsLoginRole('update organization set seat_limit = 8 where id = $1', [acme.id]);
  const invite = (email: string) =>
    acme.owner('mutation ($input: InviteUserInput!) { inviteUser(input: $input) { role } }', {
      input: { email, name: 'New', role: 'VIEWER' },
    });
  await Promise.all(
    Array.from({ length: 10 }, () => [
      directory('POST', '/Users', { userName: `${unique('jo')}@${directory.domain}` }),
      invite(`${unique('guest')}@x.example`),
    ]).flat(),
  );
  const db = server.database.organizationDb(acme.id, byTest);
  expect(await db.membership.count({ kind: 'PERSON', status: { in: ['ACTIVE', 'INVITED'] } })).toBe(8);
});

const SET_ROLE = 'mutation ($input: SetScimGroupRoleInput!) { setScimGroupRole(input: $input) { role } }';
const change = (directory: ScimClient, group: string, op: string, ids: readonly string[] = []) =>
  directory('PATCH', `/Groups/${group}`, {
    Operations: [{ op, path: 'members', ...(ids.length > 0 && { value: ids.map((value) => ({ value })) }) }],
  });

race('two groups each lose their only OWNER at once, 30 times over: one stays each time', async () => {
  const acme = await givenOrganization(server);
  const directory = await givenDirectory(server, acme);
  const owners: { user: string; group: string }[] = [];
  for (const displayName of ['one', 'other']) {
    const user = await create(directory);
    const { body } = await directory('POST', '/Groups', { displayName, members: [{ value: user }] });
    await acme.owner(SET_ROLE, { input: { groupId: body.id, role: 'OWNER' } });
    owners.push({ user, group: body.id });
  }
  const db = server.database.organizationDb(acme.id, byTest);
  await db.membership.update({ email: acme.owner.email }, { status: 'SUSPENDED' });
  for (let round = 0; round < 30; round += 1) {
    const answers = await Promise.all(owners.map(({ group }) => change(directory, group, 'remove')));
    expect(statuses(answers)).toBe('204,409');
    expect(await db.membership.count({ role: 'OWNER', status: 'ACTIVE' })).toBe(1);
    for (const { user, group } of owners) await change(directory, group, 'add', [user]);
    expect(await db.membership.count({ role: 'OWNER', status: 'ACTIVE' })).toBe(2);
  }
});

race('one group is changed by twenty requests at once: each does what it says, and nobody is in it twice', async () => {
  const acme = await givenOrganization(server);
  const directory = await givenDirectory(server, acme);
  const ids: string[] = [];
  for (let each = 0; each < 20; each += 1) ids.push(await create(directory));
  const [stays, goes] = [ids.slice(0, 10), ids.slice(10)];
  const { body } = await directory('POST', '/Groups', {
    displayName: 'All',
    members: goes.map((value) => ({ value })),
  });
  await acme.owner(SET_ROLE, { input: { groupId: body.id, role: 'DEVELOPER' } });
  const answers = await Promise.all([
    ...stays.map((id) => change(directory, body.id, 'add', [id, stays[0] as string])),
    ...goes.map((id) => change(directory, body.id, 'remove', [id])),
  ]);
  expect(statuses(answers)).toBe(answers.map(() => '204').join());
  const { members } = (await directory('GET', `/Groups/${body.id}`)).body;
  expect(members.map(({ value }: { value: string }) => value).toSorted()).toEqual(stays.toSorted());
  const db = server.database.organizationDb(acme.id, byTest);
  const developers = await db.scimUser.list({ where: { directoryId: directory.id }, orderBy: { id: 'asc' }, take: 20 });
  const userIds = developers.filter(({ id }) => stays.includes(id)).map(({ userId }) => userId);
  const theirs = developers.map(({ userId }) => userId);
  expect(await db.membership.count({ userId: { in: userIds }, role: 'DEVELOPER' })).toBe(10);
  expect(await db.membership.count({ userId: { in: theirs }, role: 'VIEWER' })).toBe(10);
});
