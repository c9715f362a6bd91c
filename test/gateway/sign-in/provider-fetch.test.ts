import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createProviderFetch, lookupPublic } from '../../../src/egress/provider-fetch.js';
import { startNameServer } from '../../support/dns.js';

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
  await expect(createProviderFetch(false)(`${origin}:${port}/`, get)).rejects.toMatchObject({
    name: 'PrivateAddressError',
  });
  expect(asked).toHaveLength(before);
});

test.each(['http://203.0.113.7', 'http://[2606:4700::1111]'])('%s is no private address', async (origin) => {
  const nothingIsSent = AbortSignal.abort();
  await expect(createProviderFetch(false)(origin, { ...get, signal: nothingIsSent })).rejects.toMatchObject({
    name: 'AbortError',
  });
});

test('names are asked of name servers, without a thread of the system’s that all names share', async () => {
  const isAsked = () => process.getActiveResourcesInfo().includes('GetAddrInfoReqWrap');
  const fetching = createProviderFetch(false)('https://idp.example/', { ...get, signal: AbortSignal.timeout(100) });
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

test('where private addresses are allowed, it is a fetch', async () => {
  const fetch = createProviderFetch(true);
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
  const fetch = createProviderFetch(true);
  expect((await fetch(`http://127.0.0.1:${port}/away`, get)).status).toBe(302);
  expect(asked).not.toContain('/secret');
  await expect(fetch(`http://127.0.0.1:${port}/long`, get)).rejects.toThrow('too long');
  await expect(fetch(`http://127.0.0.1:${port}/parts`, get)).rejects.toThrow('too many parts');
  await expect(fetch(`http://127.0.0.1:${port}/`, { ...get, signal: AbortSignal.abort() })).rejects.toThrow();
});

// What is thrown while an answer comes in is caught by nobody, and ends the process.
test('a status that is no status is a failure like any other', async () => {
  const fetch = createProviderFetch(true);
  for (const status of [600, 999]) {
    await expect(fetch(`http://127.0.0.1:${port}/status/${status}`, get)).rejects.toThrow('range');
  }
  expect((await fetch(`http://127.0.0.1:${port}/status/205`, get)).status).toBe(205);
});

test('an answer that ends HTTP, and none at all, are failures like any other', async () => {
  const fetch = createProviderFetch(true);
  const closed = new Promise<void>((resolve) =>
    inside.once('request', ({ socket }) => socket.once('close', () => resolve())),
  );
  await expect(fetch(`http://127.0.0.1:${port}/switch`, get)).rejects.toThrow('another protocol');
  await closed;
  await expect(fetch(`http://127.0.0.1:${port}/gone`, get)).rejects.toThrow();
  expect((await fetch(`http://127.0.0.1:${port}/`, get)).status).toBe(200);
});
