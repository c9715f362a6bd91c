import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { givenOrganization, unique } from '../../support/given.js';
import { raw } from '../../support/raw.js';
import { givenDirectory, type ScimClient } from '../../support/scim.js';
import { startServer, type TestServer, useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

const server = useServer();

let directory: ScimClient;
beforeAll(async () => {
  directory = await givenDirectory(server, await givenOrganization(server));
});

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

const MIB = 1024 * 1024;
const USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
const ERROR = 'urn:ietf:params:scim:api:messages:2.0:Error';
const members = (count: number) => Array.from({ length: count }, (_, each) => `"${each.toString(36)}":1`).join(',');

async function send(method: string, path: string, body: string, headers: Record<string, string> = {}) {
  const { status, text } = await raw(`${server.url}/scim/v2${path}`, {
    method,
    headers: { authorization: `Bearer ${directory.token}`, 'content-type': 'application/scim+json', ...headers },
    body,
  });
  const answer = JSON.parse(text) as { schemas: string[]; status: string; detail: string };
  expect([answer.schemas, answer.status]).toEqual([[ERROR], String(status)]);
  // What is refused is refused for its size, not for what it says.
  if (status === 400)
    expect(answer.detail).toMatch(/A schema holds no schema|At most \d+ |could not be read|named __proto__/);
  return status;
}

test.each<[string, number, string, string, string]>([
  [
    'schemas around attributes',
    413,
    'POST',
    '/Users',
    `${`{"${USER}":`.repeat(500)}{${members(9000)}}${'}'.repeat(500)}`,
  ],
  ['a schema in a schema', 400, 'POST', '/Users', `{"${USER}":{"${USER}":{"userName":"x"}}}`],
  ['schemas without end', 413, 'POST', '/Users', `${`{"${USER}":`.repeat(4000)}1${'}'.repeat(4000)}`],
  ['a user of more than 256 KiB', 413, 'POST', '/Users', `{"userName":"${'x'.repeat(MIB / 4)}"}`],
  ['a list of nothings', 413, 'POST', '/Users', `{"a":[${'{},'.repeat(20_000)}{}]}`],
  ['attributes without end', 413, 'POST', '/Users', `{${members(5000)}}`],
  ['too many attributes', 400, 'POST', '/Users', `{${members(301)}}`],
  ['too many parts of a name', 400, 'POST', '/Users', `{"name":{${members(301)}}}`],
  [
    'too many members of nothing',
    413,
    'PATCH',
    '/Groups/none',
    `{"Operations":[{"op":"add","path":"members","value":[${'{},'.repeat(500_000)}{}]}]}`,
  ],
  [
    'too many changes',
    400,
    'PATCH',
    '/Groups/none',
    `{"Operations":[${Array.from({ length: 100 }, () => `{"op":"add","value":{${members(200)}}}`).join(',')}]}`,
  ],
  ['a prototype', 400, 'POST', '/Users', '{"userName":"x","__proto__":{}}'],
])('%s', async (_, status, method, path, body) => {
  for (const type of ['application/scim+json', 'application/json']) {
    expect(await send(method, path, body, { 'content-type': type })).toBe(status);
  }
});

test('a body that comes in chunks is no large one', async () => {
  const body = JSON.stringify({ displayName: 'x', externalId: 'x'.repeat(MIB / 2) });
  expect(await send('POST', '/Groups', body, { 'transfer-encoding': 'chunked' })).toBe(413);
});

test('attributes of one schema count as those of the resource', async () => {
  const { status, body } = await directory('POST', '/Users', {
    schemas: [USER],
    [USER]: { userName: `nested@${directory.domain}` },
  });
  expect([status, body.userName]).toEqual([201, `nested@${directory.domain}`]);
});

test('names of attributes are few', async () => {
  for (const parameter of ['attributes', 'excludedAttributes']) {
    for (const path of ['/Users', '/Groups', '/Users/none', '/Groups/none']) {
      for (const names of [`${'a,'.repeat(50)}a`, 'a'.repeat(2001)]) {
        const { status, body } = await directory('GET', `${path}?${parameter}=${names}`);
        expect([status, body.scimType]).toEqual([400, 'invalidValue']);
      }
    }
  }
  expect((await directory('GET', `/Groups?attributes=${'a,'.repeat(49)}a`)).status).toBe(200);
});

const LONGEST = 8 * MIB;

/** Begins the largest body that may come, and goes on with it, or not. */
async function begin(token: string, { goesOn }: { goesOn: boolean }): Promise<Socket> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  sockets.push(socket);
  socket.on('error', () => undefined).resume();
  await once(socket, 'connect');
  socket.write(
    `POST /scim/v2/Groups HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n` +
      `Content-Type: application/scim+json\r\nContent-Length: ${LONGEST}\r\n\r\n{`,
  );
  if (goesOn) {
    const more = setInterval(() => socket.write(' '.repeat(MIB / 8)), 500);
    socket.once('close', () => clearInterval(more));
  }
  return socket;
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('it never was so');
}

/** A body of a group that is large and wrong: it is read, and refused for what it says. */
async function sendLarge({ token }: ScimClient): Promise<number> {
  const body = JSON.stringify({ displayName: '', externalId: 'x'.repeat(MIB / 2) });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json' };
  const { status, headers: answered } = await raw(`${server.url}/scim/v2/Groups`, { method: 'POST', headers, body });
  if (status === 503) expect(answered['retry-after']).toBe('1');
  return status;
}

describe('large bodies', () => {
  let directories: ScimClient[];
  beforeAll(async () => {
    directories = [];
    for (let each = 0; each < 9; each += 1) {
      directories.push(await givenDirectory(server, await givenOrganization(server)));
    }
  });

  /** Another body of theirs may have been before it. */
  async function hold({ token }: ScimClient): Promise<Socket> {
    for (;;) {
      const socket = await begin(token, { goesOn: true });
      const refused = once(socket, 'close');
      const waited = new Promise((resolve) => setTimeout(resolve, 200));
      await Promise.race([refused, waited]);
      if (!socket.destroyed) return socket;
    }
  }

  test('come one at a time of an organization, and 64 MiB of all together', async () => {
    const [last, ...others] = directories as [ScimClient, ...ScimClient[]];
    const held: Socket[] = [];
    for (const each of others) held.push(await hold(each));
    for (const each of directories) expect(await sendLarge(each)).toBe(503);
    expect((await last('POST', '/Groups', { displayName: 'small' })).status).toBe(201);
    held[0]?.destroy();
    await until(async () => (await sendLarge(last)) === 400);
  });

  test('that stand still are cut off', async () => {
    const [one] = directories as [ScimClient];
    await until(async () => (await sendLarge(one)) === 400);
    const socket = await begin(one.token, { goesOn: false });
    await once(socket, 'close');
    await until(async () => (await sendLarge(one)) === 400);
  });

  test('that came whole wait for each other', async () => {
    await until(async () => (await Promise.all(directories.map(sendLarge))).every((status) => status === 400));
  });
});

test('bytes cost points: what is sent when it comes, what is answered afterwards', async () => {
  const own: TestServer = await startServer({ env: { RATE_LIMIT_KEY_POINTS: '10000', QUERY_MAX_COST: '5000' } });
  try {
    const acme = await givenOrganization(own);
    const groups = await Promise.all([1, 2].map(() => givenDirectory(own, acme)));
    const [sends, reads] = groups as [ScimClient, ScimClient];
    const large = { displayName: '', externalId: 'x'.repeat(150_000) };
    expect((await sends('POST', '/Groups', large)).status).toBe(400);
    const refused = await sends('POST', '/Groups', large);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, expect.stringMatching(/^\d+$/)]);
    expect((await sends('POST', '/Groups', { displayName: 'little costs nothing' })).status).toBe(201);

    for (let each = 0; each < 60; each += 1) {
      const externalId = `${each}-${'x'.repeat(200)}`;
      expect((await reads('POST', '/Groups', { displayName: `group ${each}`, externalId })).status).toBe(201);
    }
    const statuses: number[] = [];
    for (let each = 0; each < 30; each += 1) statuses.push((await reads('GET', '/Groups')).status);
    expect(statuses).toEqual(statuses.map(() => 200));
    expect((await reads('POST', '/Groups', { ...large, externalId: 'x'.repeat(20_000) })).status).toBe(429);
  } finally {
    await own.close();
  }
});

test('what a directory reads is bounded while it comes, and told as too much', async () => {
  const bounded = await startServer({ env: { ANSWER_MAX_CHARACTERS: '10000' } });
  const organization = await givenOrganization(bounded);
  const theirs = await givenDirectory(bounded, organization);
  const db = bounded.database.organizationDb(organization.id, byTest);
  const seed = unique('u');
  const numbers = Array.from({ length: 1000 }, (_, index) => `${seed}-${index}`);
  await db.membership.createMany(
    numbers.map((n) => ({ userId: `usr_${n}`, email: `${n}@x.example`, name: n, role: 'VIEWER', status: 'ACTIVE' })),
  );
  await db.scimUser.createMany(
    numbers.map((n) => ({ id: `scu_${n}`, directoryId: theirs.id, userId: `usr_${n}`, userName: n })),
  );
  const made = await theirs('POST', '/Groups', {
    displayName: 'All',
    members: numbers.map((n) => ({ value: `scu_${n}` })),
  });
  expect([made.status, made.body.members.length]).toEqual([201, 1000]);
  const read = await theirs('GET', `/Groups/${made.body.id}`);
  expect([read.status, read.body.scimType]).toEqual([400, 'invalidValue']);
  expect((await theirs('GET', `/Groups?excludedAttributes=members`)).body.totalResults).toBe(1);
  expect(bounded.logs.filter((line) => line.includes('unexpected error'))).toEqual([]);
  await bounded.close();
});

describe('text that PostgreSQL cannot hold is refused, not failed on', () => {
  const literal = (name: string, list: string) => `/${list}?filter=${encodeURIComponent(`${name} eq "\\u0000"`)}`;

  test.each([
    ...['id', 'userName', 'externalId', 'emails.value'].map((name) => [400, 'GET', literal(name, 'Users')] as const),
    ...['id', 'displayName', 'externalId', 'members'].map((name) => [400, 'GET', literal(name, 'Groups')] as const),
    ...['Users', 'Groups'].flatMap((list) => ['GET', 'DELETE'].map((method) => [404, method, `/${list}/%00`] as const)),
  ])('%i for %s %s', async (status, method, path) => {
    expect((await directory(method, path)).status).toBe(status);
  });

  test.each(['add', 'remove'])('members that a path selects, to %s', async (op) => {
    const group = await directory('POST', '/Groups', { displayName: unique('group') });
    const operations = [{ op, path: 'members[value eq "\0"]' }];
    const { status, body } = await directory('PATCH', `/Groups/${group.body.id}`, { Operations: operations });
    expect([status, body.scimType]).toEqual([400, 'invalidPath']);
  });
});
