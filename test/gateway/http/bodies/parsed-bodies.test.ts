import { request } from 'node:http';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fastify, { type FastifyInstance, type FastifyRequest, type preParsingHookHandler } from 'fastify';
import { OrgateError } from '../../../../src/errors.js';
import { receiveBodies } from '../../../../src/gateway/http/bodies/receive-bodies.js';
import { noteNetworks } from '../../../../src/gateway/http/network.js';
import { raw } from '../../../support/raw.js';
import { until } from '../../../support/until.js';

// Bodies alone, at a door that answers when the test says so: whoever is parsed waits, as for a turn.
let app: FastifyInstance;
let url: string;
const waiting: (() => void)[] = [];
/** Those that came whole, and are not read yet. */
const later: { readonly asked: FastifyRequest; readonly isGone: () => boolean; readonly goOn: () => void }[] = [];
beforeAll(async () => {
  app = fastify();
  noteNetworks(app);
  receiveBodies(app, 0);
  app.setErrorHandler((error, _request, reply) => {
    reply.code(error instanceof OrgateError && error.code === 'SERVICE_UNAVAILABLE' ? 503 : 500).send();
  });
  const answer = () => new Promise<string>((end) => waiting.push(() => end('read')));
  app.post('/', { bodyLimit: 262_144 }, answer);
  const preParsing: preParsingHookHandler = (asked, { raw: response }, payload, done) =>
    void later.push({ asked, isGone: () => response.closed, goOn: () => done(null, payload) });
  app.post('/later', { bodyLimit: 262_144, preParsing }, answer);
  url = await app.listen({ port: 0, host: '127.0.0.1' });
});
afterAll(async () => {
  for (const end of waiting) end();
  await app.close();
});

const post = async (body: string) => (await raw(url, { headers: { 'content-type': 'application/json' }, body })).status;

test('what is parsed, and waits, is held by what it takes in memory, and no longer than until it is answered', async () => {
  // 60 KB each; by their bytes alone an address could have seventy of them.
  const body = `[${'{},'.repeat(19_998)}{}]`;
  for (let times = 0; times < 2; times += 1) {
    const statuses: number[] = [];
    const all = Array.from({ length: 12 }, () => post(body).then((status) => statuses.push(status)));
    await until(() => waiting.length + statuses.length === 12);
    expect(waiting).toHaveLength(8);
    expect(statuses).toEqual([503, 503, 503, 503]);
    for (const end of waiting.splice(0)) end();
    await Promise.all(all);
    expect(statuses.slice(4)).toEqual(Array.from({ length: 8 }, () => 200));
  }
});

test('what is parsed once its client is gone takes no room, however long is worked at it', async () => {
  const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
  // 16 KB, which the server takes whole before it is read; parsed, so many of them are all that an address may have.
  const body = `[${'{},'.repeat(5000)}{}]`;
  for (let times = 0; times < 34; times += 1) {
    const asking = request(`${url}/later`, { method: 'POST', headers }).on('error', () => undefined);
    asking.end(body);
    await until(() => later.some(({ asked: { unannouncedBytes } }) => unannouncedBytes === body.length));
    await new Promise(setImmediate);
    const [came] = later.splice(0);
    asking.destroy();
    await until(() => came?.isGone() === true);
    came?.goOn();
    await until(() => waiting.length === times + 1);
  }
  const answered = post(body);
  let isOver = false;
  void answered.then(() => (isOver = true));
  await until(() => isOver || waiting.length > 34);
  for (const end of waiting.splice(0)) end();
  expect(await answered).toBe(200);
});
