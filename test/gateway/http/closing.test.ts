import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { raw } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

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
