import { Worker } from 'node:worker_threads';
import { afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { givenOrganization } from '../../support/given.js';
import { raw } from '../../support/raw.js';
import { givenDirectory, type ScimClient } from '../../support/scim.js';
import { useServer } from '../../support/server.js';

const server = useServer();

/** So many bytes of a body are read where everything else is; more, in a thread of their own. */
const READ_HERE = 128 * 1024;

let directory: ScimClient;
let group: string;
let user: string;
beforeAll(async () => {
  directory = await givenDirectory(server, await givenOrganization(server));
  user = (await directory('POST', '/Users', { userName: `jo@${directory.domain}` })).body.id;
  group = (await directory('POST', '/Groups', { displayName: 'All', members: [{ value: user }] })).body.id;
});

afterEach(() => {
  jest.restoreAllMocks();
});

async function send(method: string, path: string, body: string) {
  const headers = {
    authorization: `Bearer ${directory.token}`,
    'content-type': 'application/scim+json',
    'content-length': Buffer.byteLength(body),
  };
  const answer = await raw(`${server.url}/scim/v2${path}`, { method, headers, body });
  return { status: answer.status, connection: answer.headers['connection'], body: answer.text };
}

/** The same body, as one that is read in the thread. */
const enlarged = (body: string): string => body + ' '.repeat(READ_HERE);

const LONE = String.raw`\ud800`;
const patch = (operation: string) => `{"Operations":[${operation}]}`;
const members = (...entries: string[]) => `{"displayName":"x","members":[${entries.join(',')}]}`;

test.each<[string, string, string, number]>([
  ['no JSON', 'POST', '{"displayName":', 400],
  ['no object', 'POST', '[]', 400],
  ['nothing', 'PUT', 'null', 400],
  ['a prototype', 'PATCH', '{"__proto__":{}}', 400],
  ['too many levels', 'POST', `${'['.repeat(17)}${']'.repeat(17)}`, 413],
  ['too many members of one object', 'PUT', `{${Array.from({ length: 1001 }, (_, n) => `"${n}":1`).join(',')}}`, 413],
  ['too many attributes', 'PUT', `{${Array.from({ length: 301 }, (_, n) => `"${n}":1`).join(',')}}`, 400],
  ['no name', 'POST', '{"displayName":" "}', 400],
  ['a name that is no text', 'PUT', '{"displayName":1}', 400],
  ['a name that is no whole text', 'POST', `{"displayName":"${LONE}"}`, 400],
  ['a member that is no text', 'POST', members('{"value":5}'), 400],
  ['a member that is no whole text', 'POST', members(`{"value":"${LONE}"}`), 400],
  ['a member without a value', 'PUT', members('{}'), 400],
  ['a member that is nothing', 'PUT', members('null'), 400],
  ['a member that is nobody', 'POST', members('{"value":"scu_nobody"}'), 400],
  ['members of two lines', 'POST', members(String.raw`{"value":"scu_x\nscu_y"}`), 400],
  ['no operations', 'PATCH', '{}', 400],
  ['an operation of no kind', 'PATCH', patch('{"op":"move","path":"members"}'), 400],
  ['nothing to remove', 'PATCH', patch('{"op":"remove"}'), 400],
  ['a path that is too long', 'PATCH', patch(`{"op":"add","path":"${'x'.repeat(501)}","value":1}`), 400],
  ['a schema in a schema', 'PATCH', patch(`{"op":"add","value":{"${GROUP()}":{"${GROUP()}":{}}}}`), 400],
])('a body is refused alike, whatever its size: %s', async (_, method, body, status) => {
  const path = method === 'POST' ? '/Groups' : `/Groups/${group}`;
  const [small, large] = [await send(method, path, body), await send(method, path, enlarged(body))];
  expect([small.status, large]).toEqual([status, small]);
});

function GROUP(): string {
  return 'urn:ietf:params:scim:schemas:core:2.0:Group';
}

describe.each<[string, (body: string) => string]>([
  ['small', (body) => body],
  ['large', enlarged],
])('a %s body', (_, sized) => {
  const read = async () => (await directory('GET', `/Groups/${group}`)).body;

  test('changes a group', async () => {
    const made = await send(
      'POST',
      '/Groups',
      sized(`\uFEFF${JSON.stringify({ displayName: 'Ünï ☃', externalId: '☃' })}`),
    );
    const { id, displayName, externalId } = JSON.parse(made.body) as Record<string, string>;
    expect([made.status, displayName, externalId]).toEqual([201, 'Ünï ☃', '☃']);
    const added = patch(`{"op":"add","path":"members","value":[{"value":"${user}"}]}`);
    expect((await send('PATCH', `/Groups/${id}`, sized(added))).status).toBe(204);
    const put = await send('PUT', `/Groups/${id}`, sized('{"displayName":"Put"}'));
    expect(JSON.parse(put.body)).toMatchObject({ displayName: 'Put', members: [{ value: user }] });
    expect(put.body).not.toContain('externalId');
    expect((await send('DELETE', `/Groups/${id}`, sized('["nobody reads it"]'))).status).toBe(204);
    expect((await send('DELETE', `/Groups/${id}`, sized('no JSON'))).status).toBe(400);
  });

  test('of nothing but open brackets, as paths and names, changes nothing', async () => {
    const before = await read();
    const brackets = '['.repeat(500);
    const paths = [brackets, `members${'['.repeat(493)}`, `name.${'['.repeat(495)}`];
    const operations = paths.map((path) => `{"op":"replace","path":"${path}","value":[]}`);
    const many = Array.from({ length: 200 }, () => `{"op":"replace","path":"${brackets}","value":{}}`);
    for (const each of [patch(operations[0] ?? ''), patch(operations[2] ?? ''), patch(many.join(','))]) {
      expect((await send('PATCH', `/Groups/${group}`, sized(each))).status).toBe(204);
    }
    const { meta: _meta, ...rest } = await read();
    expect(before).toMatchObject(rest);
    expect(
      (await send('PATCH', `/Groups/${group}`, sized(patch(`{"op":"remove","path":"${brackets}["}`)))).status,
    ).toBe(400);
    for (const path of paths) {
      const body = patch(`{"op":"replace","path":"${path}","value":{}}`);
      expect((await directory('PATCH', `/Users/${user}`, JSON.parse(body) as object)).status).toBe(200);
    }
    const found = await directory('GET', `/Groups?filter=${encodeURIComponent(`${brackets} eq "x"`)}`);
    expect([found.status, found.body.scimType]).toEqual([400, 'invalidFilter']);
  });
});

test('a large body whose thread died is to be sent again, and then does what it says', async () => {
  const body = enlarged('{"displayName":"again"}');
  const died = jest.spyOn(Worker.prototype, 'postMessage').mockImplementationOnce(function (this: Worker) {
    void this.terminate();
  });
  const refused = await send('POST', '/Groups', body);
  expect(died).toHaveBeenCalledTimes(1);
  expect([refused.status, JSON.parse(refused.body)]).toMatchObject([503, { status: '503' }]);
  expect(server.logs.filter((line) => line.includes('the thread that reads large groups ended'))).toHaveLength(1);
  expect((await send('POST', '/Groups', body)).status).toBe(201);
});

test('members of an answer are as many as asked for, in JSON, whatever their number', async () => {
  for (const query of ['excludedAttributes=members', 'attributes=displayName']) {
    expect((await directory('GET', `/Groups/${group}?${query}`)).body.members).toBeUndefined();
    expect((await directory('GET', `/Groups?${query}`)).body.Resources[0].members).toBeUndefined();
  }
  const { body } = await directory('GET', `/Groups/${group}?attributes=members`);
  const one = { value: user, type: 'User', $ref: expect.stringMatching(new RegExp(`/scim/v2/Users/${user}$`)) };
  expect(body).toEqual({ schemas: [GROUP()], id: group, members: [one] });
  const listed = await directory('GET', '/Groups?attributes=members&count=1');
  expect(listed.body).toMatchObject({ itemsPerPage: 1, Resources: [body] });
  const nobody = await directory('POST', '/Groups', { displayName: 'Nobody' });
  expect([nobody.body.members, nobody.headers.get('content-type')]).toEqual([
    [],
    'application/scim+json; charset=utf-8',
  ]);
});
