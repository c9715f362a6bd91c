import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { expect, test } from '@jest/globals';
import { givenOrganization, unique } from '../../support/given.js';
import { raw, rawBytes } from '../../support/raw.js';
import { givenDirectory } from '../../support/scim.js';
import { type Client, useServer } from '../../support/server.js';
import { until } from '../../support/until.js';

const server = useServer({ env: { RATE_LIMIT_ADDRESS: '100000', GRAPHIQL: 'true' } });

/** Sends bytes and is gone: the connection is reset, and nothing that comes back is read. */
async function sendAndLeave(bytes: string, afterMs: number, from = '127.0.0.1'): Promise<void> {
  const { hostname: host, port } = new URL(server.url);
  const socket = connect({ host, port: Number(port), localAddress: from });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(bytes);
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  socket.resetAndDestroy();
}

const post = (path: string, body: string, headers: string) =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

const mutation = (name: string, { token }: Client) =>
  post(
    '/graphql',
    JSON.stringify({
      query: `mutation Leave { createRepository(input: { name: "${name}", gitUrl: "https://git.example/x" }) { id } }`,
    }),
    `Content-Type: application/json\r\nAuthorization: Bearer ${token}`,
  );

test('a connection runs one request at a time: whoever sends more before the answer is cut off, and those do not run', async () => {
  const { owner } = await givenOrganization(server);
  const names = Array.from({ length: 10 }, () => unique('piped'));
  await rawBytes(server.url, names.map((name) => mutation(name, owner)).join(''));
  const { data } = await owner('{ repositories(first: 50) { nodes { name } } }');
  const made = (data.repositories.nodes as { name: string }[]).map(({ name }) => name);
  expect(names.slice(1).filter((name) => made.includes(name))).toEqual([]);
});

test('requests one after the other share a connection', async () => {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  for (let times = 0; times < 20; times += 1) {
    socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 /);
  }
  socket.destroy();
});

test('bodies of clients that went away hold nothing', async () => {
  const bodies = `GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n${'POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n'.repeat(16)}`;
  for (let times = 0; times < 12; times += 1) await sendAndLeave(bodies, times % 4, '127.0.0.3');
  await until(async () => {
    const { hostname: host, port } = new URL(server.url);
    const socket = connect({ host, port: Number(port), localAddress: '127.0.0.3' });
    const query = JSON.stringify({ query: `{ __typename } #${'x'.repeat(200_000)}` });
    socket.write(post('/graphql', query, 'Content-Type: application/json\r\nAuthorization: Bearer x'));
    const [answer] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    return answer.toString().startsWith('HTTP/1.1 401 ');
  });
});

test('large bodies of directories that went away hold nothing', async () => {
  const directories = await Promise.all(
    [1, 2, 3].map(async () => givenDirectory(server, await givenOrganization(server))),
  );
  const [victim, ...leaving] = directories as [(typeof directories)[0], ...typeof directories];
  const head = (token: string) =>
    `POST /scim/v2/Groups HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n` +
    'Content-Type: application/scim+json\r\nContent-Length: 8000000\r\n\r\n{';
  await Promise.all(
    leaving.map(async ({ token }) => {
      for (let times = 0; times < 40; times += 1) await sendAndLeave(head(token), times % 8);
    }),
  );
  for (const { token } of [victim, ...leaving]) {
    const body = JSON.stringify({ displayName: '', externalId: 'x'.repeat(500_000) });
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json' };
    await until(async () => (await raw(`${server.url}/scim/v2/Groups`, { headers, body })).status === 400);
  }
});

test('what is done for whoever does not wait for the answer is logged and counted like all else', async () => {
  const { owner, id } = await givenOrganization(server);
  const lines = () => server.logs.filter((line) => line.includes('"Leave"') && line.includes(id));
  const counted = async () =>
    (await server.metrics.requests.get()).values
      .filter(({ labels }) => labels['operation'] === 'mutation')
      .reduce((sum, { value }) => sum + value, 0);
  const before = await counted();
  const names = Array.from({ length: 10 }, () => unique('gone'));
  for (const [index, name] of names.entries()) await sendAndLeave(mutation(name, owner), index % 5);
  await until(async () => {
    const { data } = await owner('{ repositories(first: 50) { nodes { name } } }');
    const made = (data.repositories.nodes as { name: string }[]).filter(({ name }) => names.includes(name)).length;
    return made > 0 && lines().length === made && (await counted()) - before === made;
  });
  const left = lines().map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(left.some(({ clientLeft }) => clientLeft === true)).toBe(true);
});

test('requests of a connection that is gone are not answered, nor logged', async () => {
  const before = server.logs.length;
  const burst = 'GET /nope HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2000);
  await Promise.all(Array.from({ length: 20 }, (_, index) => sendAndLeave(burst, index % 4)));
  await until(async () => (await raw(`${server.url}/livez`)).status === 200);
  expect(server.logs.slice(before).filter((line) => line.includes('unexpected error'))).toEqual([]);
});

test('few answers are compressed at once; the others go as they are', async () => {
  const directory = new URL('../../../dist/graphiql/assets/', import.meta.url);
  const largest = readdirSync(directory).find((file) => /^index-.*\.css$/.test(file)) as string;
  const ask = () => raw(`${server.url}/graphiql/assets/${largest}`, { headers: { 'accept-encoding': 'br' } });
  const encodings = (await Promise.all(Array.from({ length: 48 }, ask))).map(
    ({ headers }) => headers['content-encoding'] ?? 'none',
  );
  expect(encodings.filter((each) => each === 'none').length).toBeGreaterThan(0);
  expect((await ask()).headers['content-encoding']).toBe('br');
});
