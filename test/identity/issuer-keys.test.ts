import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, expect, jest, test } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { unique } from '../support/given.js';
import { eventually } from '../support/mail.js';
import { type Answer, codeOf, startServer, type TestServer } from '../support/server.js';

type Reply = { status: number; body: string } | 'silence' | 'hang up';

/** An identity provider whose key set a test can change, break and take away. */
async function givenIssuer() {
  const world = { reply: { status: 200, body: '' } as Reply, fetches: 0, held: () => held.size };
  const held = new Set<Socket>();
  const listen = (port: number) =>
    new Promise<HttpServer>((resolve) => {
      const http = createServer((request, response) => {
        world.fetches += 1;
        if (world.reply === 'hang up') request.socket.destroy();
        else if (world.reply === 'silence') {
          held.add(request.socket);
          request.socket.once('close', () => held.delete(request.socket));
        } else response.writeHead(world.reply.status).end(world.reply.body);
      });
      http.listen(port, '127.0.0.1', () => resolve(http));
    });
  let http = await listen(0);
  const { port } = http.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;
  const stop = () =>
    new Promise<void>((resolve) => {
      http.closeAllConnections();
      http.close(() => resolve());
    });
  const server = await startServer({
    env: { AUTH_ISSUERS: JSON.stringify([{ issuer, jwksUri: `${issuer}/jwks`, audience: 'orgate' }]) },
  });
  closers.push(async () => {
    await server.close();
    await stop();
  });
  return { world, server, issuer, stop, start: async () => void (http = await listen(port)) };
}

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  jest.restoreAllMocks();
  for (const close of closers.splice(0)) await close();
});

async function givenKey(issuer: string, kid: string) {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: 'ES256' };
  const sign = () => {
    const email = `${unique('ann')}@acme.example`;
    return new SignJWT({ sub: email, email, email_verified: true })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid })
      .setIssuer(issuer)
      .setAudience('orgate')
      .setExpirationTime('10m')
      .sign(privateKey);
  };
  return { jwk, sign };
}

const keySet = (...keys: object[]): Reply => ({ status: 200, body: JSON.stringify({ keys }) });
const ask = (server: TestServer, token: string): Promise<Answer> =>
  server.withToken(token)('{ viewer { user { id } } }');

/** Key sets are not fetched again within half a minute, so that unknown key ids cannot flood the issuer. */
const halfAMinuteLater = (): void => later(31_000);
function later(ms: number): void {
  jest.restoreAllMocks();
  const real = Date.now;
  jest.spyOn(Date, 'now').mockImplementation(() => real() + ms);
}

test('keys are fetched once, and again when a token names a key not seen before', async () => {
  const { world, server, issuer } = await givenIssuer();
  const [old, fresh] = [await givenKey(issuer, 'old'), await givenKey(issuer, 'fresh')];
  world.reply = keySet(old.jwk);
  expect((await ask(server, await old.sign())).status).toBe(200);
  expect((await ask(server, await old.sign())).status).toBe(200);
  expect(world.fetches).toBe(1);

  world.reply = keySet(fresh.jwk);
  halfAMinuteLater();
  expect((await ask(server, await fresh.sign())).status).toBe(200);
  expect(world.fetches).toBe(2);
  // The key that was withdrawn signs nobody in any more.
  expect((await ask(server, await old.sign())).status).toBe(401);
});

test('tokens with made-up key ids are refused without asking the issuer each time', async () => {
  const { world, server, issuer } = await givenIssuer();
  const known = await givenKey(issuer, 'known');
  world.reply = keySet(known.jwk);
  await ask(server, await known.sign());
  for (const kid of ['a', 'b', 'c', 'd']) {
    const { sign } = await givenKey(issuer, kid);
    expect((await ask(server, await sign())).status).toBe(401);
  }
  expect(world.fetches).toBe(1);
});

test.each<[string, Reply]>([
  ['answers with an error', { status: 500, body: 'Internal error of the provider' }],
  ['redirects to nowhere', { status: 302, body: '' }],
  ['answers something else than JSON', { status: 200, body: '<html>maintenance</html>' }],
  ['answers JSON that is no key set', { status: 200, body: '{"error":"maintenance"}' }],
  ['hangs up', 'hang up'],
  ['never answers', 'silence'],
])('while the issuer %s a good token gives SERVICE_UNAVAILABLE, and is good again afterwards', async (_, reply) => {
  const { world, server, issuer } = await givenIssuer();
  const { jwk, sign } = await givenKey(issuer, 'key');
  const token = await sign();
  world.reply = reply;
  const answer = await ask(server, token);
  expect(answer.status).toBe(503);
  expect(codeOf(answer)).toBe('SERVICE_UNAVAILABLE');
  expect(answer.headers.get('retry-after')).toBe('1');
  expect(answer.headers.get('www-authenticate')).toBeNull();
  expect(answer.text).not.toContain('127.0.0.1');
  expect(answer.text).not.toMatch(/provider|maintenance|jwks/i);
  // Nobody is asked for a credential, so nothing else suffers.
  expect((await server.post('{"query":"{ __typename }"}')).data).toEqual({ __typename: 'Query' });

  world.reply = keySet(jwk);
  expect((await ask(server, token)).status).toBe(200);
});

test('an issuer that is down gives SERVICE_UNAVAILABLE, and what was verified before goes on working', async () => {
  const { world, server, issuer, stop, start } = await givenIssuer();
  const { jwk, sign } = await givenKey(issuer, 'key');
  const token = await sign();
  await stop();
  expect(codeOf(await ask(server, token))).toBe('SERVICE_UNAVAILABLE');
  world.reply = keySet(jwk);
  await start();
  expect((await ask(server, token)).status).toBe(200);
  await stop();
  expect((await ask(server, token)).status).toBe(200);
  await start();
});

const MINUTES = 60_000;

test.each<[string, Reply]>([
  ['never answers', 'silence'],
  ['hangs up', 'hang up'],
  ['answers with an error', { status: 500, body: '' }],
])('while the issuer %s its known keys count for a day, and it is asked every half a minute', async (_, reply) => {
  const { world, server, issuer } = await givenIssuer();
  const [known, other] = [await givenKey(issuer, 'known'), await givenKey(issuer, 'other')];
  world.reply = keySet(known.jwk);
  expect((await ask(server, await known.sign())).status).toBe(200);
  world.reply = reply;
  later(11 * MINUTES);
  const answers = await Promise.all(Array.from({ length: 10 }, async () => ask(server, await known.sign())));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect((await ask(server, await known.sign())).status).toBe(200);
  expect(world.fetches).toBe(2);
  // A key that nobody has heard of can be had from the issuer alone.
  expect(codeOf(await ask(server, await other.sign()))).toBe('SERVICE_UNAVAILABLE');
  later(23 * 60 * MINUTES);
  expect((await ask(server, await known.sign())).status).toBe(200);
  expect(world.fetches).toBeGreaterThan(2);
  later(25 * 60 * MINUTES);
  expect(codeOf(await ask(server, await known.sign()))).toBe('SERVICE_UNAVAILABLE');
  world.reply = keySet(other.jwk);
  expect((await ask(server, await other.sign())).status).toBe(200);
});

test('nobody whose key is known waits for an issuer that never answers', async () => {
  const { world, server, issuer } = await givenIssuer();
  const { jwk, sign } = await givenKey(issuer, 'known');
  world.reply = keySet(jwk);
  await ask(server, await sign());
  world.reply = 'silence';
  later(11 * MINUTES);
  const answered = ask(server, await sign());
  await eventually(() => (world.fetches === 2 ? true : undefined));
  expect((await answered).status).toBe(200);
  // The issuer has been asked, and has not even been given up.
  expect(world.held()).toBe(1);
});

test('a key that was withdrawn signs nobody in once the set is ten minutes old, however long nobody came', async () => {
  const { world, server, issuer } = await givenIssuer();
  const [old, fresh] = [await givenKey(issuer, 'old'), await givenKey(issuer, 'fresh')];
  world.reply = keySet(old.jwk);
  expect((await ask(server, await old.sign())).status).toBe(200);
  world.reply = keySet(fresh.jwk);
  later(11 * MINUTES);
  expect((await ask(server, await old.sign())).status).toBe(401);
});
