import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import type { Database } from '../../../src/data/database.js';
import { createDeadline } from '../../../src/jobs/deadline.js';
import { raw } from '../../support/raw.js';
import { NOTHING_SCHEDULED, startServer, type TestServer } from '../../support/server.js';

/** A connection that the server has accepted, with these bytes sent on it. */
async function connection(server: TestServer, bytes = ''): Promise<Socket> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  if (bytes) socket.write(bytes);
  // Whoever came later was answered, so this one was accepted and its bytes were read.
  for (let round = 0; round < 2; round += 1) await raw(`${server.url}/livez`);
  return socket;
}

const warnings = (server: TestServer): string[] => server.logs.filter((line) => line.includes('closing'));

test.each([
  ['nothing was ever sent', ''],
  ['half a head was sent', 'POST /graphql HTTP/1.1\r\nHost: x\r\n'],
  ['an answer was sent, and no more was asked', 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n'],
])(
  'a connection on which %s does not keep the server from closing',
  async (_, bytes) => {
    const server = await startServer();
    const socket = await connection(server, bytes);
    const closed = once(socket, 'close');
    socket.resume();
    await server.close();
    await closed;
    expect(warnings(server)).toEqual([]);
  },
  20_000,
);

test('a request that does not end is cut off after the grace, and the log says which it was', async () => {
  const server = await startServer({ closeGraceMs: 300 });
  const head = 'POST /graphql?secret=1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  const socket = await connection(server, `${head}X-Request-Id: slow-body-1\r\nContent-Length: 100\r\n\r\n{`);
  const closed = once(socket, 'close');
  socket.resume();
  await server.close();
  await closed;
  const lines = warnings(server).map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines).toEqual([
    expect.objectContaining({
      msg: 'closing: requests were cut off',
      requests: [
        {
          requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
          clientRequestId: 'slow-body-1',
          method: 'POST',
          path: '/graphql',
          ms: expect.any(Number),
        },
      ],
    }),
  ]);
});

test('a request in flight is answered, and its connection closed', async () => {
  const server = await startServer();
  const body = JSON.stringify({ query: '{ __typename }' });
  const head = `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
  const socket = await connection(server, head + body.slice(0, 5));
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  const ended = once(socket, 'end');
  const closed = server.close();
  socket.write(body.slice(5));
  await ended;
  socket.end();
  await closed;
  expect(answer).toMatch(/^HTTP\/1\.1 200 [^]*{"data":{"__typename":"Query"}}$/);
  expect(warnings(server)).toEqual([]);
});

/** A server whose database tells when it was asked to close, and then does as it is told. */
const withDatabase = (onClose: (close: () => Promise<void>) => Promise<void>) => (database: Database) => ({
  ...database,
  close: () => onClose(() => database.close()),
});
const never = () => new Promise<void>(() => undefined);

test('scheduled work and a database that do not end are waited for no longer, and the log says that it was they', async () => {
  let closeDatabase = () => Promise.resolve();
  const server = await startServer({
    closeGraceMs: 200,
    schedule: { ...NOTHING_SCHEDULED, close: never },
    wrap: withDatabase((close) => {
      closeDatabase = close;
      return never();
    }),
  });
  await server.close();
  await closeDatabase();
  const lines = warnings(server).map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines).toMatchObject([
    { msg: 'closing: cut off', what: 'scheduled work' },
    { msg: 'closing: cut off', what: 'the database' },
  ]);
});

test('whatever fails while it closes, requests are finished and the database is closed; then it is told', async () => {
  let isClosed = false;
  const server = await startServer({
    schedule: { ...NOTHING_SCHEDULED, close: () => Promise.reject(new Error('lost its clock')) },
    wrap: withDatabase(async (close) => {
      await close();
      isClosed = true;
      throw new Error('lost its connections');
    }),
  });
  await expect(server.close()).rejects.toMatchObject({
    message: 'closing failed: scheduled work, the database',
    errors: [new Error('lost its clock'), new Error('lost its connections')],
  });
  expect(isClosed).toBe(true);
  await expect(raw(`${server.url}/livez`)).rejects.toThrow('ECONNREFUSED');
});

test('what throws before there is anything to wait for is told as well, and what comes after it has its turn', async () => {
  const { end, tellFailures } = createDeadline(0, () => undefined);
  const ended: string[] = [];
  await end('doors', () => {
    throw new Error('they jam');
  });
  await end('windows', () => ended.push('windows'));
  expect(ended).toEqual(['windows']);
  expect(tellFailures).toThrow('closing failed: doors');
});
