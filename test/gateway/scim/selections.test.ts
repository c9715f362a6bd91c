import { beforeAll, describe, expect, test } from '@jest/globals';
import { givenOrganization, unique } from '../../support/given.js';
import { givenDirectory, type ScimClient } from '../../support/scim.js';
import { useServer } from '../../support/server.js';

const server = useServer();

let directory: ScimClient;
let [ann, bob] = ['', ''];
beforeAll(async () => {
  directory = await givenDirectory(server, await givenOrganization(server));
  const make = async () =>
    (await directory('POST', '/Users', { userName: `${unique('jo')}@${directory.domain}` })).body.id as string;
  [ann, bob] = [await make(), await make()];
});

const givenGroup = async (): Promise<string> =>
  (await directory('POST', '/Groups', { displayName: unique('All'), members: [{ value: ann }, { value: bob }] })).body
    .id as string;
const membersOf = async (group: string): Promise<string[]> =>
  ((await directory('GET', `/Groups/${group}`)).body.members as { value: string }[])
    .map(({ value }) => value)
    .toSorted();

describe('A selection among the members of a group', () => {
  test.each([
    ['remove', 'members[type eq "User"]'],
    ['remove', 'members[display eq "Ann"]'],
    ['remove', 'members[value ne "ANN"]'],
    ['remove', 'members[value eq "ANN" or value eq "nobody"]'],
    ['remove', 'members[value eq "a\\"b"]'],
    ['remove', 'members[value sw "scu_"]'],
    ['remove', 'members[value eq ANN]'],
    ['remove', 'members[]'],
    ['replace', 'members[type eq "User"]'],
    ['add', 'members[type eq "User"]'],
  ])('that is not understood is refused, and nobody leaves: %s %s', async (op, path) => {
    const group = await givenGroup();
    const operation = { op, path: path.replace('ANN', ann), ...(op !== 'remove' && { value: [] }) };
    const { status } = await directory('PATCH', `/Groups/${group}`, { Operations: [operation] });
    expect(await membersOf(group)).toEqual([ann, bob].toSorted());
    expect(status).toBe(400);
  });

  test('that is replaced leaves the others where they are', async () => {
    const group = await givenGroup();
    const operation = { op: 'replace', path: `members[value eq "${ann}"]`, value: { value: ann } };
    await directory('PATCH', `/Groups/${group}`, { Operations: [operation] });
    expect(await membersOf(group)).toEqual([ann, bob].toSorted());
  });
});

describe('What the database cannot hold is no fault of ours:', () => {
  const NUL = encodeURIComponent(String.raw`"\u0000"`);
  const HALF = encodeURIComponent(String.raw`"\ud800"`);
  test.each(['userName', 'id', 'externalId', 'emails', 'emails.value'])('Users by %s', async (name) => {
    for (const value of [NUL, HALF]) {
      const { status } = await directory('GET', `/Users?filter=${name}%20eq%20${value}`);
      expect([200, 400]).toContain(status);
    }
  });
  test.each(['displayName', 'id', 'externalId', 'members', 'members.value'])('Groups by %s', async (name) => {
    for (const value of [NUL, HALF]) {
      const { status } = await directory('GET', `/Groups?filter=${name}%20eq%20${value}`);
      expect([200, 400]).toContain(status);
    }
  });
  test.each(['/Users/%00', '/Groups/%00', '/Users/a%00b'])('%s', async (path) => {
    expect((await directory('GET', path)).status).toBe(404);
  });
  test.each(['\u0000', 'a\nb', '\ud800'])('the selection of %j', async (id) => {
    const group = await givenGroup();
    for (const op of ['remove', 'add', 'replace']) {
      const { status } = await directory('PATCH', `/Groups/${group}`, {
        Operations: [{ op, path: `members[value eq "${id}"]` }],
      });
      expect([204, 400]).toContain(status);
    }
    expect((await membersOf(group)).length).toBeGreaterThan(1);
  });
  test.each(['\u0000', 'a\nb', '\ud800', `A\nB`])('a member of id %j', async (id) => {
    const value = id.replace('A', ann).replace('B', bob);
    for (const op of ['remove', 'add', 'replace']) {
      const group = await givenGroup();
      const { status } = await directory('PATCH', `/Groups/${group}`, {
        Operations: [{ op, path: 'members', value: [{ value }] }],
      });
      expect(status).toBe(op === 'remove' && id.includes('\n') ? 204 : 400);
      expect((await membersOf(group)).length).toBe(2);
    }
  });
});
