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
