import { expect } from '@jest/globals';
import { givenOrganization, unique } from '../support/given.js';
import { givenDirectory, type ScimClient } from '../support/scim.js';
import { useServer } from '../support/server.js';
import { race } from './race.js';

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
  const db = server.database.organizationDb(acme.id);
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
  const db = server.database.organizationDb(acme.id);
  expect(await db.membership.count({ kind: 'PERSON', status: { in: ['ACTIVE', 'INVITED'] } })).toBe(8);
});
