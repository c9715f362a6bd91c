import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { openDevelopmentIssuer } from '../../src/development/issuer.js';
import { PRODUCTION } from '../support/production.js';
import { raw } from '../support/raw.js';
import { startServer } from '../support/server.js';

// Servers with settings of their own, one at a time: the embedded database serves one connection.

const json = { 'content-type': 'application/json' };

test.each<[string, NodeJS.ProcessEnv]>([
  ['in production', PRODUCTION],
  ['in production with GraphiQL switched on', { ...PRODUCTION, GRAPHIQL: 'true' }],
  ['where HOST is no loopback address', { HOST: '0.0.0.0' }],
])('%s there is no person chooser, and no development issuer', async (_, env) => {
  const DATA_DIR = await mkdtemp(path.join(tmpdir(), 'orgate-test-'));
  const { issue } = await openDevelopmentIssuer(DATA_DIR);
  // Left there by development.
  await writeFile(path.join(DATA_DIR, 'development-clock.json'), '{"movedMs":86400000}');
  const authorization = `Bearer ${await issue('ann@acme.example', null, 'acme')}`;
  const server = await startServer({ env: { ...env, DATA_DIR } });
  try {
    const url = `http://127.0.0.1:${new URL(server.url).port}`;
    for (const name of ['people', 'token', 'dns', 'mail', 'clock']) {
      for (const body of [undefined, '{"email":"ann@acme.example"}', '{"advanceMs":1}']) {
        const answer = await raw(`${url}/dev/${name}`, { headers: json, ...(body && { body }) });
        expect(answer.status).toBe(404);
        expect(JSON.parse(answer.text)).toMatchObject({
          errors: [{ message: 'No such path.', extensions: { code: 'NOT_FOUND' } }],
        });
      }
    }
    const signedIn = await raw(`${url}/graphql`, {
      headers: { ...json, authorization },
      body: '{"query":"{ viewer { role } }"}',
    });
    expect(signedIn.status).toBe(401);
    expect(server.database.pool.clock.movedMs).toBe(0);
  } finally {
    await server.close();
    await rm(DATA_DIR, { recursive: true, force: true });
  }
});

test.each(['127.0.0.1', '10.0.0.0/8, 127.0.0.0/8', '10.0.0.0/8', ''])(
  'what was forwarded is no development request, whoever is in TRUST_PROXY=%s',
  async (TRUST_PROXY) => {
    const server = await startServer({ env: { TRUST_PROXY } });
    try {
      const port = new URL(server.url).port;
      for (const forwarded of ['orgate.example', 'localhost', `localhost:${port}`, '127.0.0.1']) {
        for (const host of ['orgate.example', `localhost:${port}`]) {
          const headers = { host, 'x-forwarded-host': forwarded };
          expect((await raw(`${server.url}/dev/people`, { headers })).status).toBe(404);
        }
      }
      expect((await raw(`${server.url}/dev/people`)).status).toBe(200);
    } finally {
      await server.close();
    }
  },
);

test('why a request is no development request is logged once for each reason, and told where it matters', async () => {
  const server = await startServer();
  try {
    const warned = () =>
      server.logs
        .map((line) => JSON.parse(line) as { header?: string; msg: string })
        .filter(({ msg }) => msg.startsWith('no development request'))
        .map(({ header }) => header);
    const { text } = await raw(`${server.url}/dev/token`, { headers: json, body: '{"email":"ann@acme.example"}' });
    const authorization = `Bearer ${(JSON.parse(text) as { token: string }).token}`;
    expect(warned()).toEqual([]);
    const elsewhere: [string, Record<string, string>][] = [
      ['host', { host: 'orgate.example' }],
      ['x-forwarded-for', { 'x-forwarded-for': '203.0.113.7' }],
      ['forwarded', { forwarded: 'for=203.0.113.7' }],
      ['x-real-ip', { 'x-real-ip': '203.0.113.7' }],
      ['via', { via: '1.1 proxy' }],
    ];
    for (const [name, headers] of elsewhere) {
      const asked = { headers: { ...json, ...headers, authorization }, body: '{"query":"{ viewer { role } }"}' };
      const refused = await raw(`${server.url}/graphql`, asked);
      expect([refused.status, refused.text]).toEqual([401, expect.stringContaining('A development token counts only')]);
      // GraphiQL's page reads it.
      expect((await raw(`${server.url}/dev/people`, { headers })).headers['x-not-development']).toBe(name);
    }
    const names = elsewhere.map(([name]) => name);
    expect(warned()).toEqual(names);
    for (let each = 0; each < 20; each += 1) await raw(server.url, { headers: { [`x-forwarded-${each}`]: 'x' } });
    expect(warned()).toEqual(names);
    expect((await raw(`${server.url}/dev/people`)).headers['x-not-development']).toBeUndefined();
  } finally {
    await server.close();
  }
});

test('production says nothing of it', async () => {
  const server = await startServer({ env: PRODUCTION });
  try {
    const answer = await raw(`${server.url}/dev/people`, { headers: { host: 'orgate.example', via: '1.1 proxy' } });
    expect([answer.status, answer.headers['x-not-development']]).toEqual([404, undefined]);
    expect(server.logs.join('')).not.toContain('no development request');
  } finally {
    await server.close();
  }
});
