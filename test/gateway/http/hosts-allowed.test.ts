import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { byTest } from '../../support/act.js';
import { givenHeldDomain, givenOrganization } from '../../support/given.js';
import { createMetrics } from '../../../src/gateway/http/metrics.js';
import { serveMetrics } from '../../../src/gateway/http/serve-metrics.js';
import { rawBytes } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';
import { until } from '../../support/until.js';

let server: TestServer;
let metrics: string;
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  return port;
}
beforeAll(async () => {
  const port = await freePort();
  metrics = `http://127.0.0.1:${port}`;
  server = await startServer({
    env: { METRICS_PORT: String(port), PUBLIC_URL: 'https://app.orgate.example', BASE_DOMAIN: 'orgate.example' },
  });
});
afterAll(() => server.close());

const allowed = async (domain: string) =>
  (await fetch(`${metrics}/hosts/allowed?domain=${encodeURIComponent(domain)}`)).status;

test('a proxy is told for which hosts it may have certificates issued: those that lead somewhere', async () => {
  const acme = await givenOrganization(server);
  const { id, name } = await givenHeldDomain(server, acme);
  const db = server.database.organizationDb(acme.id, byTest);
  expect(await allowed(name)).toBe(404);
  await db.organizationDomain.update({ id }, { serving: true });
  for (const host of [name, `${acme.slug}.orgate.example`, 'app.orgate.example']) {
    // However it is written: as a request at it is read.
    for (const same of [host, host.toUpperCase(), `${host}.`, `${host}:443`, `${host}.:443`]) {
      expect([same, await allowed(same)]).toEqual([same, 200]);
    }
  }
  await db.organizationDomain.update({ id }, { serving: false });
  for (const host of [name, 'nobody.orgate.example', 'nobody.example', '192.0.2.1', 'localhost', '', "a'b"]) {
    expect(await allowed(host)).toBe(404);
  }
  expect((await fetch(`${metrics}/metrics`)).status).toBe(200);
});

// What is thrown while a request is looked at is caught by nobody there, and ends the process.
test.each(['//', '//[', '*', 'http://', '//x:99999/hosts/allowed', '/hosts/allowed?domain=%', '/hosts/allowed'])(
  '%s is answered',
  async (path) => {
    const answer = await rawBytes(metrics, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect((await fetch(`${metrics}/metrics`)).status).toBe(200);
  },
);

test('eight names are asked for at once, and whoever comes beyond that is to come again', async () => {
  const port = await freePort();
  const waiting: ((isOne: boolean) => void)[] = [];
  const isServed = () => new Promise<boolean>((resolve) => waiting.push(resolve));
  const config = { ...server.config, metrics: { host: '127.0.0.1', port } };
  const close = await serveMetrics(createMetrics(), config, isServed, { warn: () => undefined } as never);
  const ask = async () => (await fetch(`http://127.0.0.1:${port}/hosts/allowed?domain=a.example`)).status;
  try {
    const eight = Array.from({ length: 8 }, ask);
    await until(() => waiting.length === 8);
    expect(await ask()).toBe(503);
    for (const answer of waiting.splice(0)) answer(true);
    expect(await Promise.all(eight)).toEqual(Array.from({ length: 8 }, () => 200));
    const next = ask();
    await until(() => waiting.length === 1);
    waiting[0]?.(false);
    expect(await next).toBe(404);
  } finally {
    close();
  }
});
