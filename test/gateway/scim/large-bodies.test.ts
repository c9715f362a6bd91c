import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fastify, { type FastifyInstance } from 'fastify';
import type { AddressInfo } from 'node:net';
import { boundBodies, LargeBodies } from '../../../src/gateway/scim/bound-bodies.js';
import { eventually } from '../../support/mail.js';
import { raw } from '../../support/raw.js';

const BODY = JSON.stringify({ filler: 'x'.repeat(300_000) });

// The bounds alone, with answers that no socket holds: groups of as many people take a while to make.
let app: FastifyInstance;
const sockets: Socket[] = [];
const received: string[] = [];
const announced: string[] = [];
beforeAll(async () => {
  app = fastify({ bodyLimit: 1_000_000 });
  const large = new LargeBodies();
  boundBodies(app);
  app.addHook('onRequest', (request, reply, done) => {
    large.take(String(request.headers['x-organization']), request, reply);
    announced.push(String(request.headers['x-organization']));
    done();
  });
  app.post('/Groups', async (request) => {
    received.push(String(request.headers['x-organization']));
    return 'x'.repeat(30_000_000);
  });
  await app.listen({ port: 0 });
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await app.close();
});

test('whoever does not take the answer keeps nobody else from sending', async () => {
  const { port } = app.server.address() as AddressInfo;
  for (const organization of ['a', 'b', 'c']) {
    const socket = connect(port, 'localhost');
    sockets.push(socket);
    socket.on('error', () => undefined).pause();
    await once(socket, 'connect');
    socket.write(
      `POST /Groups HTTP/1.1\r\nHost: x\r\nX-Organization: ${organization}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${BODY.length}\r\n\r\n${BODY}`,
    );
  }
  const headers = { 'x-organization': 'd', 'content-type': 'application/json' };
  const { status, text } = await raw(`http://localhost:${port}/Groups`, { headers, body: BODY });
  expect([status, text.length]).toEqual([200, 30_000_000]);
  expect(received.toSorted()).toEqual(['a', 'b', 'c', 'd']);
});

test('whoever sends slowly makes way where the others have no room', async () => {
  const { port } = app.server.address() as AddressInfo;
  const length = 8 * 1024 * 1024;
  const slow = Array.from({ length: 8 }, (_, each) => {
    const socket = connect(port, 'localhost');
    sockets.push(socket);
    socket.on('error', () => undefined).resume();
    socket.write(
      `POST /Groups HTTP/1.1\r\nHost: x\r\nX-Organization: slow ${each}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${length}\r\n\r\n`,
    );
    return socket;
  });
  // As much as is asked of them, all the time.
  const dripping = setInterval(() => {
    for (const socket of slow) socket.write('x'.repeat(100_000));
  }, 500);
  await eventually(() => announced.filter((organization) => organization.startsWith('slow')).length === 8 || undefined);
  const headers = { 'x-organization': 'other', 'content-type': 'application/json' };
  const statuses: number[] = [];
  while (statuses.at(-1) !== 200 && statuses.length < 8) {
    const { status } = await raw(`http://localhost:${port}/Groups`, { headers, body: BODY });
    statuses.push(status);
    await new Promise((resolve) => setTimeout(resolve, 1000)); // as `Retry-After` says
  }
  clearInterval(dripping);
  expect(statuses.at(-1)).toBe(200);
  // One made way, and no more than had to.
  expect(slow.filter(({ destroyed }) => destroyed).length).toBe(1);
});
