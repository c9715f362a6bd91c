import { once } from 'node:events';
import { afterEach, expect, test } from '@jest/globals';
import { BodyBudget } from '../../../../src/gateway/http/bodies/body-budget.js';
import { type Events, openEvents } from '../../../support/events.js';
import { givenOrganization, unique } from '../../../support/given.js';
import { begin, leaveBegun, raw } from '../../../support/raw.js';
import { useServer } from '../../../support/server.js';
import { until } from '../../../support/until.js';

const server = useServer();

const KIB = 1024;
const JSON_TYPE = { 'content-type': 'application/json' };
const at = (path: string) => `${server.url}${path}`;
const query = (length: number) => JSON.stringify({ query: `{ __typename } #${'x'.repeat(length)}` });

afterEach(async () => {
  leaveBegun();
  // The server gives back what they held once it has seen that they are gone.
  await until(() => isServed(200 * KIB));
});

/** Announces a body and sends all of it but the end. */
const hold = (path: string, bytes: number, from = '127.0.0.1', token = 'x') =>
  begin(
    server.url,
    [
      `POST ${path} HTTP/1.1`,
      'Host: x',
      `Content-Type: ${path.endsWith('/acs') ? 'application/x-www-form-urlencoded' : 'application/json'}`,
      `Authorization: Bearer ${token}`,
      `Content-Length: ${bytes}`,
    ],
    { from, body: 'x'.repeat(bytes - 1) },
  );

const isServed = async (length: number) => {
  const body = query(length);
  const headers = { ...JSON_TYPE, cookie: '__Host-orgate=x', origin: 'https://elsewhere.example' };
  return ![413, 503].includes((await raw(at('/graphql'), { headers, body })).status);
};

test.each(['/graphql', '/auth/saml/idp_x/acs', '/scim/v2/Users', '/nope'])(
  'bodies of one address that never end hold 4 MiB of this process and no more: %s',
  async (path) => {
    const { token } = await server.as(`${unique('ann')}@acme.example`);
    const held = await Promise.all(Array.from({ length: 40 }, () => hold(path, 256 * KIB, '127.0.0.1', token)));
    // Where nothing is read of a body, nothing waits for its end either.
    const waiting = path === '/nope' || path.startsWith('/scim') ? 0 : 16;
    const refused = () => held.filter(({ socket }) => socket.destroyed).length;
    await until(() => refused() >= 40 - waiting);
    expect(refused()).toBe(40 - waiting);
    for (const { answer } of held.filter(({ socket }) => socket.destroyed)) {
      if (answer() === '') continue; // reset while it was still sending
      expect(answer()).toMatch(/^HTTP\/1\.1 (503|404|401|415) /);
      expect(answer()).toMatch(/\r\nconnection: close\r\n/i);
    }
    if (waiting === 0) return;
    expect(await isServed(200 * KIB)).toBe(false);
    const other = await hold('/graphql', 64 * KIB, '127.0.0.2', token);
    other.socket.write('x');
    await until(() => other.answer() !== '');
    expect(other.answer()).toMatch(/^HTTP\/1\.1 400 /);
    for (const { socket } of held) socket.destroy();
    await until(() => isServed(200 * KIB));
  },
);

test('whoever finds no room is told when to come again, in the shape of all refusals', async () => {
  const { token } = await server.as(`${unique('ann')}@acme.example`);
  await Promise.all(Array.from({ length: 16 }, () => hold('/graphql', 256 * KIB, '127.0.0.1', token)));
  await until(async () => !(await isServed(200 * KIB)));
  const headers = { ...JSON_TYPE, authorization: 'Bearer x' };
  const answer = await raw(at('/graphql'), { headers, body: query(0) });
  expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1']);
  expect(JSON.parse(answer.text)).toMatchObject({ errors: [{ extensions: { code: 'SERVICE_UNAVAILABLE' } }] });
  expect(server.logs.filter((line) => line.includes('"level":50'))).toEqual([]);
});

test('a path that does not exist reads nothing: it is answered before a body comes', async () => {
  for (const length of ['Content-Length: 262144', 'Transfer-Encoding: chunked']) {
    const head = ['POST /nope HTTP/1.1', 'Host: x', 'Content-Type: application/json', length];
    const { socket, answer } = await begin(server.url, head);
    await once(socket, 'close');
    const text = answer();
    expect(text).toMatch(/^HTTP\/1\.1 404 /);
    expect(text).toContain('"code":"NOT_FOUND"');
  }
});

test('whoever shows no credential sends little', async () => {
  const status = async (length: number, headers: Record<string, string> = {}) =>
    (await raw(at('/graphql'), { headers: { ...JSON_TYPE, ...headers }, body: query(length) })).status;
  expect(await status(4000)).toBe(200);
  expect(await status(16 * KIB)).toBe(413);
  expect(await status(16 * KIB, { 'transfer-encoding': 'chunked' })).toBe(413);
  expect(await status(4000, { 'transfer-encoding': 'chunked' })).toBe(200);
  expect(await status(16 * KIB, { authorization: 'Bearer x' })).toBe(401);
  const { owner } = await givenOrganization(server);
  const signedIn = { authorization: `Bearer ${owner.token}` };
  expect(await status(60_000, signedIn)).toBe(200);
  expect(await status(60_000, { ...signedIn, 'transfer-encoding': 'chunked' })).toBe(200);
  expect(await status(256 * KIB, { ...signedIn, 'transfer-encoding': 'chunked' })).toBe(413);
});

test.each(['{ "a": [', ''])('whoever is not known is refused before a large body is read: %j', async (begin) => {
  const headers = { ...JSON_TYPE, accept: 'application/json' };
  const body = `${begin}${'{},'.repeat(19_000)}`;
  for (const credential of [
    { authorization: 'Bearer x' },
    { authorization: `Bearer ${await server.issuer.sign({ sub: 'x', aud: 'another' })}` },
    { cookie: '__Host-orgate=x', 'sec-fetch-site': 'same-origin' },
    { authorization: 'Bearer x', 'transfer-encoding': 'chunked' },
  ]) {
    const {
      status,
      text,
      headers: answered,
    } = await raw(at('/graphql'), { headers: { ...headers, ...credential }, body });
    expect([status, /"code":"(\w+)"/.exec(text)?.[1]]).toEqual([401, 'UNAUTHENTICATED']);
    expect(answered['www-authenticate']).toContain('Bearer');
  }
  const token = await raw(at('/auth/token'), { headers, body });
  expect(token.status).toBe(413);
});

test('a large body costs points before it is read, however its length is told', async () => {
  const { token } = await server.as(`${unique('ann')}@acme.example`);
  const headers = { ...JSON_TYPE, authorization: `Bearer ${token}` };
  const costs: number[] = [];
  for (const more of [{}, { 'transfer-encoding': 'chunked' }]) {
    const body = JSON.stringify({ query: '{ rateLimit { cost } }', variables: { a: 'x'.repeat(116_384) } });
    const { text } = await raw(at('/graphql'), { headers: { ...headers, ...more }, body });
    costs.push((JSON.parse(text) as { data: { rateLimit: { cost: number } } }).data.rateLimit.cost);
  }
  const small = JSON.stringify({ query: '{ rateLimit { cost } }' });
  const least = JSON.parse((await raw(at('/graphql'), { headers, body: small })).text).data.rateLimit.cost as number;
  expect(costs.map((cost) => cost - least)).toEqual([2002, 2002]);
});

test('JSON of more parts than an operation has is refused unparsed; the largest argument passes', async () => {
  const { owner } = await givenOrganization(server);
  const headers = { ...JSON_TYPE, authorization: `Bearer ${owner.token}` };
  const send = async (a: string) => {
    const { status, text } = await raw(at('/graphql'), {
      headers,
      body: `{"query":"{ __typename }","variables":{"a":${a}}}`,
    });
    return [status, /"code":"(\w+)"/.exec(text)?.[1] ?? null];
  };
  const tooMuch = [413, 'PAYLOAD_TOO_LARGE'];
  expect(await send(`[${'{},'.repeat(80_000)}{}]`)).toEqual(tooMuch);
  expect(await send(`["constructor",${'{},'.repeat(80_000)}{}]`)).toEqual(tooMuch);
  expect(await send(`${'['.repeat(50_000)}${']'.repeat(50_000)}`)).toEqual(tooMuch);
  const names = Array.from({ length: 20_000 }, (_, each) => `"${each}":1`).join(',');
  expect(await send(`{${names}}`)).toEqual(tooMuch);
  expect(await send('{"b":[{"__proto__":{}}]}')).toEqual([400, 'BAD_REQUEST']);
  expect(await send('{"b":[{"\\u005f_proto__":{}}]}')).toEqual([400, 'BAD_REQUEST']);
  expect(await send('{"constructor":{"prototype":1}}')).toEqual([200, null]);
  expect(await send(`[${'1,'.repeat(32_000)}1]`)).toEqual([200, null]);
  expect(await send(`${'['.repeat(100)}${']'.repeat(100)}`)).toEqual([200, null]);
  const marked = await raw(at('/graphql'), { headers: JSON_TYPE, body: '\uFEFF{"query":"{ __typename }"}' });
  expect(marked.status).toBe(200);
});

test('what is reserved is given back once, and never more than was taken', () => {
  const budget = new BodyBudget({ everybody: 10, address: 4 });
  const first = budget.reserve('a', 4);
  expect(budget.reserve('a', 1)).toBeNull();
  const second = budget.reserve('b', 4);
  expect(budget.reserve('c', 3)).toBeNull();
  first?.release();
  first?.release();
  const third = budget.reserve('a', 4);
  expect(budget.reserve('c', 3)).toBeNull();
  expect(budget.reserve('c', 2)).not.toBeNull();
  for (const each of [second, third]) each?.release();
  expect(budget.reserve('c', 3)).toBeNull();
  expect(budget.reserve('d', 4)).not.toBeNull();
});

test('where there is no room those who hold most give way, as far as they have not sent all', () => {
  const budget = new BodyBudget({ everybody: 10, address: 6 });
  const gave: string[] = [];
  const holding =
    (name: string, isComplete = false) =>
    () => {
      if (isComplete) return false;
      gave.push(name);
      return true;
    };
  budget.reserve('a', 3, holding('a1', true));
  budget.reserve('a', 3, holding('a2'));
  const third = budget.reserve('b', 4, holding('b1'));
  expect(budget.reserve('c', 2, holding('c1'))).not.toBeNull();
  expect(gave).toEqual(['a2']);
  // Now nobody holds more than whoever asks would.
  expect(budget.reserve('d', 5)).toBeNull();
  third?.release();
  expect(budget.reserve('d', 5)).not.toBeNull();
  expect(gave).toEqual(['a2']);
});

test('a stream that goes on holds nothing of what it was asked with', async () => {
  const { owner } = await givenOrganization(server);
  const filler = { filler: 'x'.repeat(255 * KIB) };
  const subscription = 'subscription { organizationRunUpdates { status } }';
  const opened: Events[] = [];
  for (let index = 0; index < 17; index += 1)
    opened.push(await openEvents({ url: server.url, token: owner.token }, subscription, filler));
  expect(opened.map(({ status }) => status)).toEqual(opened.map(() => 200));
  expect(await isServed(200 * KIB)).toBe(true);
  for (const each of opened) each.close();
});

test('a few addresses that announce all there is keep nobody else out', async () => {
  const { token } = await server.as(`${unique('ann')}@acme.example`);
  const addresses = Array.from({ length: 9 }, (_, index) => `127.0.0.${20 + index}`);
  const held = await Promise.all(
    addresses.flatMap((from) => Array.from({ length: 16 }, () => hold('/graphql', 256 * KIB, from, token))),
  );
  await until(() => held.some(({ socket }) => socket.destroyed));
  for (let times = 0; times < 5; times += 1) expect(await isServed(200 * KIB)).toBe(true);
});

test('whoever holds little has room beyond what those who hold much may take, though these have sent all', () => {
  const budget = new BodyBudget({ everybody: 100, address: 30, little: 2 });
  const much = ['a', 'b', 'c', 'd'].map((address) => budget.reserve(address, 25));
  expect(much.map((each) => each !== null)).toEqual([true, true, true, false]);
  expect(budget.reserve('d', 3)).toBeNull();
  for (let address = 0; address < 12; address += 1) expect(budget.reserve(`few ${address}`, 2)).not.toBeNull();
  // Nobody gets there bit by bit.
  expect(budget.reserve('few 0', 1)).toBeNull();
  expect(budget.reserve('a', 1)).toBeNull();
  expect(budget.reserve('few 12', 2)).toBeNull();
  much[0]?.release();
  expect(budget.reserve('few 12', 2)).not.toBeNull();
  expect(budget.reserve('d', 3)).toBeNull();
});
