import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { givenOrganization, unique } from '../support/given.js';
import { raw } from '../support/raw.js';
import { startServer, useServer } from '../support/server.js';

const DATA_DIR = await mkdtemp(path.join(tmpdir(), 'orgate-test-'));
afterAll(() => rm(DATA_DIR, { recursive: true, force: true }));
const server = useServer({ env: { DATA_DIR } });

const form = (fields: Record<string, string>, headers: Record<string, string> = {}, url = server.url) =>
  raw(`${url}/dev/dns`, {
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(fields).toString(),
  });
const VERIFY = 'mutation ($id: ID!) { verifyDomain(id: $id) { status lastCheck { found problem } } }';

test('a newcomer proves a domain on their own machine: publishes, verifies, withdraws', async () => {
  const { admin } = await givenOrganization(server);
  const added = await admin('mutation ($name: String!) { addDomain(name: $name) { id record { name value } } }', {
    name: `${unique('acme')}.example`,
  });
  const { id, record } = added.data.addDomain;
  const verify = async () => (await admin(VERIFY, { id })).data.verifyDomain;
  expect(await verify()).toEqual({ status: 'PENDING', lastCheck: { found: [], problem: 'NO_SUCH_NAME' } });

  const published = await form({ ...record, action: 'publish' });
  expect([published.status, published.headers.location]).toEqual([303, '/dev/dns']);
  expect((await raw(`${server.url}/dev/dns`)).text).toContain(record.value);
  expect(await verify()).toEqual({ status: 'VERIFIED', lastCheck: { found: [record.value], problem: null } });

  await form({ ...record, action: 'withdraw' });
  expect((await raw(`${server.url}/dev/dns`)).text).not.toContain(record.value);
  expect(await verify()).toMatchObject({ lastCheck: { problem: 'NO_SUCH_NAME' } });
});

test('what is published is escaped in the page, and no other name is taken', async () => {
  await form({ name: 'x.test', value: '<b>"&', action: 'publish' });
  const { text } = await raw(`${server.url}/dev/dns`);
  expect(text).toContain('&lt;b&gt;&quot;&amp;');
  expect(text).not.toContain('<b>');
  for (const fields of [
    { name: 'acme.com', value: 'x', action: 'publish' },
    { name: 'x.test', value: '', action: 'publish' },
    { name: 'x.test', value: 'x', action: 'steal' },
  ]) {
    expect((await form(fields)).status).toBe(400);
  }
});

test('pages elsewhere, and names that lead here from elsewhere, neither read nor write', async () => {
  const record = { name: 'x.test', value: 'stolen', action: 'publish' };
  const host = `localhost:${new URL(server.url).port}`;
  for (const headers of [{ host: 'orgate.example' }, { host, origin: 'https://evil.example' }]) {
    expect((await form(record, headers)).status).toBe(404);
    expect((await raw(`${server.url}/dev/dns`, { headers })).status).toBe(404);
  }
  expect((await raw(`${server.url}/dev/dns`)).text).not.toContain('stolen');
});

test('records are kept from one start to the next; with DNS_SERVERS there are none', async () => {
  await form({ name: 'kept.test', value: 'kept', action: 'publish' });
  for (const [env, status] of [
    [{ DATA_DIR }, 200],
    [{ DATA_DIR, DNS_SERVERS: '127.0.0.1:5353' }, 404],
  ] as const) {
    const other = await startServer({ env });
    try {
      const page = await raw(`${other.url}/dev/dns`);
      expect(page.status).toBe(status);
      if (status === 200) expect(page.text).toContain('kept.test');
    } finally {
      await other.close();
    }
  }
});
