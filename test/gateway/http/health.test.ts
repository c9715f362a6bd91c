import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import { expect, test } from '@jest/globals';
import pg from 'pg';
import { type DatabaseOptions, openDatabase } from '../../../src/data/database.js';
import { givenOrganization, unique } from '../../support/given.js';
import { raw } from '../../support/raw.js';
import { codeOf, isPostgres, startServer } from '../../support/server.js';

/** A database of its own that a test can take away, and give back where it can come back. */
async function givenDatabase(): Promise<{
  store: DatabaseOptions['store'];
  takeAway(): Promise<void>;
  giveBack: (() => Promise<void>) | null;
  close(): Promise<void>;
}> {
  const url = process.env['ORGATE_TEST_URL'];
  if (!url) {
    const socketDirectory = await mkdtemp(path.join(tmpdir(), 'orgate-test-'));
    const db = await PGlite.create();
    const socket = new PGLiteSocketServer({ db, path: path.join(socketDirectory, '.s.PGSQL.5432') });
    await socket.start();
    return {
      store: { socketDirectory },
      takeAway: () => socket.stop(),
      giveBack: null,
      close: async () => {
        await db.close();
        await rm(socketDirectory, { recursive: true, force: true });
      },
    };
  }
  const name = unique('orgate_health').replaceAll('-', '_');
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  await admin.query(`create database ${name}`);
  const own = new URL(url);
  own.pathname = name;
  return {
    store: { url: own.href, migrationUrl: null },
    takeAway: async () => {
      await admin.query(`alter database ${name} allow_connections false`);
      await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
    },
    giveBack: async () => void (await admin.query(`alter database ${name} allow_connections true`)),
    close: async () => {
      await admin.query(`drop database ${name} with (force)`);
      await admin.end();
    },
  };
}

test('/readyz follows the database, /livez does not; requests are told to try again, in GraphQL’s shape', async () => {
  const { store, takeAway, giveBack, close } = await givenDatabase();
  const database = await openDatabase({
    store,
    poolSize: 2,
    statementTimeoutMs: 10_000,
    preparedStatements: true,
    requireSeparateLogin: false,
    onStep: () => undefined,
  });
  const server = await startServer({ wrap: () => database });
  const probe = async () => [(await raw(`${server.url}/livez`)).status, (await raw(`${server.url}/readyz`)).status];
  try {
    const ann = await server.as(`${unique('ann')}@acme.example`);
    expect((await ann('{ viewer { systemRole } }')).errors).toEqual([]);
    expect(await probe()).toEqual([200, 200]);

    await takeAway();
    // A connection that just broke may be noticed by the statement that tries it.
    for (let attempt = 0; attempt < 3; attempt += 1) await probe();
    expect(await probe()).toEqual([200, 503]);
    expect(JSON.parse((await raw(`${server.url}/readyz`)).text)).toEqual({ status: 'unavailable' });
    expect(server.logs.filter((line) => line.includes('not ready'))).toHaveLength(1);
    const refused = await ann('{ viewer { systemRole } }');
    expect(refused.status).toBe(503);
    expect(codeOf(refused)).toBe('SERVICE_UNAVAILABLE');
    expect(refused.headers.get('retry-after')).toBe('1');
    expect((await server.post('{"query":"{ __typename }"}')).data).toEqual({ __typename: 'Query' });

    if (giveBack) {
      await giveBack();
      expect(await probe()).toEqual([200, 200]);
      expect((await ann('{ viewer { systemRole } }')).errors).toEqual([]);
    }
    expect(isPostgres).toBe(giveBack !== null);
  } finally {
    await server.close();
    await close();
  }
});

(isPostgres ? test : test.skip)('/readyz does not wait for a pool that is full', async () => {
  const server = await startServer({ poolSize: 1, env: { DATABASE_STATEMENT_TIMEOUT_MS: '60000' } });
  const outside = new pg.Client({ connectionString: process.env['ORGATE_TEST_URL'] });
  await outside.connect();
  const { owner } = await givenOrganization(server);
  await outside.query('begin; lock table repository in access exclusive mode');
  const waiting = Array.from({ length: 4 }, () => owner('{ repositories { totalCount } }'));
  const watcher = new pg.Client({ connectionString: process.env['ORGATE_TEST_URL'] });
  await watcher.connect();
  const stuck = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  while ((await watcher.query(stuck)).rowCount === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  expect((await raw(`${server.url}/readyz`)).status).toBe(200);
  await outside.query('rollback');
  for (const { errors } of await Promise.all(waiting)) expect(errors).toEqual([]);
  await Promise.all([outside.end(), watcher.end(), server.close()]);
});

test('a server that is about to stop says so first, and goes on serving until then', async () => {
  const server = await startServer({ env: { SHUTDOWN_DELAY_MS: '3000' } });
  expect((await raw(`${server.url}/readyz`)).status).toBe(200);
  const closed = server.close();
  expect((await raw(`${server.url}/readyz`)).status).toBe(503);
  expect((await raw(`${server.url}/livez`)).status).toBe(200);
  expect((await server.post('{"query":"{ __typename }"}')).status).toBe(200);
  await closed;
  await expect(raw(`${server.url}/livez`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('health is told to anyone, without a credential and without a word about why', async () => {
  const server = await startServer();
  for (const name of ['livez', 'readyz']) {
    const { status, text } = await raw(`${server.url}/${name}`, { headers: { authorization: 'Bearer nonsense' } });
    expect([status, text]).toEqual([200, '{"status":"ok"}']);
  }
  await server.close();
});
