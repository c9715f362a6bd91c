import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isPostgres, startServer, type TestServer } from '../../support/server.js';

// It waits for limits of the product itself, so it runs once: with the suite on PostgreSQL.
(isPostgres ? describe : describe.skip)('clients that hold connections', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.close());

  async function hold(bytes: string): Promise<{ socket: Socket; answer: Promise<string> }> {
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.write(bytes);
    let text = '';
    socket.on('error', () => undefined).on('data', (chunk) => (text += chunk.toString()));
    return { socket, answer: once(socket, 'close').then(() => text) };
  }

  // Node looks for what is overdue every 30 seconds by default: 30 became 60, and the head's 10 became 30.
  test('a head of a byte a second, and a body of a byte a second, are let go when their time is over', async () => {
    const head = await hold('POST /graphql HTTP/1.1\r\nHost: x\r\n');
    const body = await hold(
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n',
    );
    const drip = setInterval(() => {
      head.socket.write('x');
      body.socket.write(' ');
    }, 1000);
    const others = async () => (await server.post('{"query":"{ __typename }"}')).status;
    try {
      expect(await head.answer).toMatch(/^HTTP\/1\.1 408 /);
      expect(body.socket.destroyed).toBe(false);
      expect(await others()).toBe(200);
      expect(await body.answer).toMatch(/^HTTP\/1\.1 408 /);
      expect(await others()).toBe(200);
    } finally {
      clearInterval(drip);
    }
  });
});
