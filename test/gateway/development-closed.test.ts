import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { openDevelopmentIssuer } from '../../src/context/development-issuer.js';
import { raw } from '../support/raw.js';
import { startServer } from '../support/server.js';

// Servers with settings of their own, one at a time: the embedded database serves one connection.

const json = { 'content-type': 'application/json' };
const PRODUCTION = {
  NODE_ENV: 'production',
  ORGATE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
  PUBLIC_URL: 'https://orgate.example',
  DATABASE_URL: 'postgres://tests-open-their-own.example/db',
  MIGRATION_DATABASE_URL: 'postgres://tests-open-their-own.example/db',
  SHUTDOWN_DELAY_MS: '0',
};

test.each<[string, NodeJS.ProcessEnv]>([
  ['in production', PRODUCTION],
  ['in production with GraphiQL switched on', { ...PRODUCTION, GRAPHIQL: 'true' }],
  ['where HOST is no loopback address', { HOST: '0.0.0.0' }],
])('%s there is no person chooser, and no development issuer', async (_, env) => {
  const DATA_DIR = await mkdtemp(path.join(tmpdir(), 'orgate-test-'));
  const { issue } = await openDevelopmentIssuer(DATA_DIR);
  const authorization = `Bearer ${await issue('ann@acme.example', null, 'acme')}`;
  const server = await startServer({ env: { ...env, DATA_DIR } });
  try {
    const url = `http://127.0.0.1:${new URL(server.url).port}`;
    for (const name of ['people', 'token', 'dns', 'mail']) {
      for (const body of [undefined, '{"email":"ann@acme.example"}']) {
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
  } finally {
    await server.close();
    await rm(DATA_DIR, { recursive: true, force: true });
  }
});

test.each([
  ['127.0.0.1', 404],
  ['10.0.0.0/8, 127.0.0.0/8', 404],
  ['10.0.0.0/8', 200],
  ['', 200],
])('a forwarded host is believed of the proxies in TRUST_PROXY=%s only', async (TRUST_PROXY, status) => {
  const server = await startServer({ env: { TRUST_PROXY } });
  try {
    // Asked from 127.0.0.1 at a local host name, forwarded from a foreign one.
    const headers = { 'x-forwarded-host': 'orgate.example' };
    expect((await raw(`${server.url}/dev/people`, { headers })).status).toBe(status);
  } finally {
    await server.close();
  }
});
