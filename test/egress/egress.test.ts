import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parseEgressRule } from '../../src/egress/allow.js';
import { createEgress, type Egress, lookupPublic } from '../../src/egress/egress.js';
import { startNameServer } from '../support/dns.js';

/** A head that comes before an answer, of which there may be many. */
const HINT = 'HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n';

let port: number;
const asked: string[] = [];
const inside = createServer((request, response) => {
  asked.push(request.url ?? '');
  if (request.url === '/long') return void response.end('x'.repeat(300_000));
  if (request.url === '/parts') return void response.end(`[${'{},'.repeat(10_000)}{}]`);
  if (request.url === '/away') return void response.writeHead(302, { location: '/secret' }).end();
  if (request.url === '/switch') {
    return void request.socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
  }
  if (request.url === '/heads') {
    const { socket } = request;
    const write = () => void (socket.writable && socket.write(HINT.repeat(100), write));
    return write();
  }
  if (request.url === '/gone') return void request.socket.end();
  const [, status] = /^\/status\/(\d+)$/.exec(request.url ?? '') ?? [];
  if (status) return void response.writeHead(Number(status)).end('x');
  request.setEncoding('utf8').on('data', (body: string) => response.write(body));
  return void request.on('end', () => response.end('inside'));
});
beforeAll(async () => {
  await new Promise<void>((resolve) => inside.listen(0, resolve));
  port = (inside.address() as AddressInfo).port;
});
afterAll(() => void inside.close());

const whom = { purpose: 'identity-provider', orgId: null } as const;
const guarded = createEgress([]);
const open = (rule: string): Egress => createEgress([parseEgressRule(rule) ?? fail(rule)]);
const fail = (rule: string): never => {
  throw new Error(rule);
};
/** Where the server of these tests is named. */
const named = () =>
  createEgress(
    ['localhost', '127.0.0.1'].map((host) => parseEgressRule(`identity-provider:*=${host}:${port}`) ?? fail(host)),
  );

const get = { method: 'GET', headers: {}, body: null, redirect: 'manual' } as const;

test.each([
  'http://127.0.0.1',
  'http://127.8.8.8',
  'http://localhost',
  'http://[::1]',
  'http://[::ffff:127.0.0.1]',
  'http://[::ffff:7f00:1]',
  'http://0.0.0.0',
  'http://2130706433',
  'http://0x7f.1',
  'http://10.0.0.1',
  'http://172.16.0.1',
  'http://192.168.1.1',
  'http://169.254.169.254',
  'http://100.64.0.1',
  'http://[fd00::1]',
  'http://[fe80::1]',
  'http://[64:ff9b::7f00:1]',
  'http://[2002:7f00:1::]',
])('nothing is asked of %s', async (origin) => {
  const before = asked.length;
  await expect(guarded.fetchFor(whom)(`${origin}:${port}/`, get)).rejects.toMatchObject({
    name: 'PrivateAddressError',
  });
  expect(asked).toHaveLength(before);
});

test.each(['http://203.0.113.7', 'http://[2606:4700::1111]'])('%s is no private address', async (origin) => {
  const nothingIsSent = AbortSignal.abort();
  await expect(guarded.fetchFor(whom)(origin, { ...get, signal: nothingIsSent })).rejects.toMatchObject({
    name: 'AbortError',
  });
});

test('names are asked of name servers, without a thread of the system’s that all names share', async () => {
  const isAsked = () => process.getActiveResourcesInfo().includes('GetAddrInfoReqWrap');
  const fetching = guarded.fetchFor(whom)('https://idp.example/', { ...get, signal: AbortSignal.timeout(100) });
  expect(isAsked()).toBe(false);
  await expect(fetching).rejects.toThrow();

  const server = await startNameServer();
  const lookup = (name: string) =>
    new Promise<unknown>((resolve) => {
      lookupPublic([server.address])(name, { all: true }, (error, found) => resolve(error ?? found));
    });
  server.zones.set('public.example', { a: ['203.0.113.7', '203.0.113.8'] });
  server.zones.set('inside.example', { a: ['203.0.113.7', '10.1.2.3'] });
  server.zones.set('empty.example', {});
  server.zones.set('silent.example', { failure: 'no answer' });
  // However many are silent, the next name is answered.
  const silent = Promise.all(Array.from({ length: 20 }, () => lookup('silent.example')));
  expect(await lookup('public.example')).toEqual([
    { address: '203.0.113.7', family: 4 },
    { address: '203.0.113.8', family: 4 },
  ]);
  expect(await lookup('inside.example')).toMatchObject({ name: 'PrivateAddressError' });
  expect(await lookup('empty.example')).toMatchObject({ code: 'ENODATA' });
  expect(await lookup('nowhere.example')).toMatchObject({ code: 'ENOTFOUND' });
  for (const failure of await silent) expect(failure).toMatchObject({ code: 'ETIMEOUT' });
  await server.close();
});

test('where a host is named, it is a fetch', async () => {
  const fetch = named().fetchFor(whom);
  expect(await (await fetch(`http://localhost:${port}/`, get)).text()).toBe('inside');
  const posted = await fetch(`http://127.0.0.1:${port}/`, {
    ...get,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ code: 'a b' }),
  });
  expect(await posted.text()).toBe('code=a+binside');
});

test('redirects are not followed, long answers are cut off, and slow ones are left', async () => {
  const fetch = named().fetchFor(whom);
  expect((await fetch(`http://127.0.0.1:${port}/away`, get)).status).toBe(302);
  expect(asked).not.toContain('/secret');
  await expect(fetch(`http://127.0.0.1:${port}/long`, get)).rejects.toThrow('too long');
  await expect(fetch(`http://127.0.0.1:${port}/parts`, get)).rejects.toThrow('too many parts');
  await expect(fetch(`http://127.0.0.1:${port}/`, { ...get, signal: AbortSignal.abort() })).rejects.toThrow();
});

// What is thrown while an answer comes in is caught by nobody, and ends the process.
test('a status that is no status is a failure like any other', async () => {
  const fetch = named().fetchFor(whom);
  for (const status of [600, 999]) {
    await expect(fetch(`http://127.0.0.1:${port}/status/${status}`, get)).rejects.toThrow('range');
  }
  expect((await fetch(`http://127.0.0.1:${port}/status/205`, get)).status).toBe(205);
});

test('an answer that ends HTTP, and none at all, are failures like any other', async () => {
  const fetch = named().fetchFor(whom);
  const closed = new Promise<void>((resolve) =>
    inside.once('request', ({ socket }) => socket.once('close', () => resolve())),
  );
  await expect(fetch(`http://127.0.0.1:${port}/switch`, get)).rejects.toThrow('another protocol');
  await closed;
  await expect(fetch(`http://127.0.0.1:${port}/gone`, get)).rejects.toThrow();
  expect((await fetch(`http://127.0.0.1:${port}/`, get)).status).toBe(200);
});

test('heads without end before an answer are a failure, and a few of them are none', async () => {
  const fetch = named().fetchFor(whom);
  const late = AbortSignal.timeout(20_000);
  await expect(fetch(`http://127.0.0.1:${port}/heads`, { ...get, signal: late })).rejects.toThrow(
    'nothing but heads comes',
  );
  expect(late.aborted).toBe(false);
  inside.prependOnceListener('request', (_request, { socket }) => socket?.write(HINT.repeat(3)));
  expect((await fetch(`http://127.0.0.1:${port}/status/200`, get)).status).toBe(200);
});

test.each([
  ['identity-provider:*=127.0.0.1:*', true],
  ['identity-provider:org_a=127.0.0.1:*', true],
  ['identity-provider:org_a=127.0.0.1:1', false],
  ['identity-provider:org_b=127.0.0.1:*', false],
  ['identity-provider:*=localhost:*', false],
  ['webhook:*=127.0.0.1:*', false],
])('%s opens a host for that alone: %s', async (rule, isOpen) => {
  const url = new URL(`http://0x7f.1:${port}/`); // as URLs read it, 127.0.0.1
  const organization = { ...whom, orgId: 'org_a' };
  const egress = open(rule);
  expect(egress.isNamed(url, organization)).toBe(isOpen);
  expect(await egress.leadsInside(url, organization)).toBe(!isOpen);
  const sent = egress.send(url, { ...get, headers: {} }, 4, organization);
  if (isOpen) expect((await sent).body.toString()).toBe('insi');
  else await expect(sent).rejects.toMatchObject({ name: 'PrivateAddressError' });
});

test('what cannot be a rule is none', () => {
  for (const rule of [
    'webhook:*=host',
    'webhook=host:1',
    'mail:*=host:1',
    'webhook:*=host:70000',
    'webhook:*=a b:1',
    '*',
    'webhook:*=:1',
  ]) {
    expect([rule, parseEgressRule(rule)]).toEqual([rule, null]);
  }
  expect(parseEgressRule('webhook:org_1=[::1]:8443')).toEqual({
    purpose: 'webhook',
    orgId: 'org_1',
    host: '[::1]',
    port: 8443,
  });
});

test('a connection that is kept open for whoever may have it is handed to nobody else', async () => {
  const url = new URL(`http://localhost:${port}/`);
  const egress = open(`webhook:org_a=localhost:${port}`);
  const ask = (orgId: string) => egress.send(url, { ...get, headers: {} }, 100, { purpose: 'webhook', orgId });
  expect((await ask('org_a')).status).toBe(200);
  await expect(ask('org_b')).rejects.toMatchObject({ name: 'PrivateAddressError' });
});

test('what is to be saved is looked up, and the answer is not waited for', async () => {
  const server = await startNameServer();
  server.zones.set('inside.example', { a: ['203.0.113.7', '10.1.2.3'] });
  server.zones.set('public.example', { a: ['203.0.113.7'] });
  server.zones.set('silent.example', { failure: 'no answer' });
  const egress = createEgress([], [server.address]);
  const leads = (text: string) => egress.leadsInside(new URL(text), whom);
  expect(await leads('https://inside.example/')).toBe(true);
  expect(await leads('https://localhost/')).toBe(true);
  expect(await leads('https://[::ffff:127.0.0.1]/')).toBe(true);
  expect(await leads('https://public.example/')).toBe(false);
  expect(await leads('https://nowhere.example/')).toBe(false);
  const lookup = lookupPublic([server.address]);
  const silent = new Promise((resolve) => lookup('silent.example', { all: true }, () => resolve('looked up')));
  expect(await Promise.race([silent, leads('https://silent.example/')])).toBe(false);
  await silent;
  await server.close();
});

test('of many that are looked up at once before they are saved, those beyond fifty are looked at when they are connected to', async () => {
  const server = await startNameServer();
  server.zones.set('inside.example', { a: ['10.1.2.3'] });
  server.zones.set('silent.example', { failure: 'no answer' });
  const egress = createEgress([], [server.address]);
  const leads = (text: string) => egress.leadsInside(new URL(text), whom);
  const silent = Array.from({ length: 49 }, () => leads('https://silent.example/'));
  expect(await leads('https://inside.example/')).toBe(true);
  silent.push(leads('https://silent.example/'));
  expect(await leads('https://inside.example/')).toBe(false);
  await Promise.all(silent);
  await server.close();
});
