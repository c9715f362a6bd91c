/** @alone: what it starts and takes away leaves others little of the machine. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { eventually } from '../support/mail.js';
import { keepingNoStatements, startPgBouncer } from '../support/pgbouncer.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { newDirectory, type Process, start } from '../support/process.js';
import { isPostgres } from '../support/server.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

(isPostgres ? describe : describe.skip)('a database that is not there when orgate starts', () => {
  let postgres: TestPostgres;

  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres?.close());

  const environment = async (url: string, more: NodeJS.ProcessEnv = {}): Promise<NodeJS.ProcessEnv> => ({
    DATABASE_URL: url.replace('postgres@', 'postgres:secret@'),
    ORGATE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
    ...more,
    DATA_DIR: await newDirectory(),
  });
  /** What a start that fails prints on standard error: one paragraph, without a stack or a password. */
  async function refusal(url: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
    const refused = await start(await environment(url, env));
    expect(await refused.end()).toBe(1);
    expect(refused.output()).not.toMatch(/secret|\n +at /);
    return refused
      .output()
      .replace('Opening PostgreSQL …\n', '')
      .replaceAll(/^ {2}.*\n/gm, '')
      .trim();
  }

  test('one line says that it cannot be reached, and where it was looked for', async () => {
    await postgres.stop();
    expect(await refusal(postgres.url)).toMatch(
      /^orgate cannot start\. The database at 127\.0\.0\.1:\d+ cannot be reached: connect ECONNREFUSED [^\n]*$/,
    );
    await postgres.start();
  });

  test('one that hangs up while it is asked is away, too', async () => {
    const silent = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    expect(await refusal(`postgres://postgres@127.0.0.1:${port}/orgate`)).toMatch(
      /^orgate cannot start\. The database at 127\.0\.0\.1:\d+ cannot be reached: [^\n]+$/,
    );
    silent.close();
  });

  test('one line says that there is no such database', async () => {
    expect(await refusal(postgres.url.replace(/orgate$/, 'nowhere'))).toMatch(
      /^orgate cannot start\. The database nowhere at 127\.0\.0\.1:\d+ lets nobody in with this URL: [^\n]+$/,
    );
  });

  test('with --wait it says so once, and begins when the database is there', async () => {
    await postgres.stop('immediate');
    let begun: Process | undefined;
    const onBegun = (process: Process) => (begun = process);
    const starting = start(await environment(postgres.url), { args: ['--wait'], onBegun });
    while (!begun?.output().includes('Waiting until')) await new Promise((resolve) => setTimeout(resolve, 50));
    await postgres.start();
    const server = await starting;
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    expect(server.output().match(/Waiting until it is there\./g)).toHaveLength(1);
    expect(server.output()).toContain('orgate is ready.');
    expect(await server.end()).toBe(0);
  });

  describe('while another process migrates', () => {
    let other: pg.Client;
    beforeEach(async () => {
      other = new pg.Client({ connectionString: postgres.url });
      await other.connect();
      await other.query('select pg_advisory_lock(72707369)');
    });
    afterEach(() => other.end());
    const WAITING = 'Another process migrates the database. Waiting until it is done.';
    /** A start that has said that it waits. */
    async function waitingStart(url: string): Promise<{ begun: Process; started: Promise<Process> }> {
      const env = await environment(url);
      let started: Promise<Process> | undefined;
      const begun = await new Promise<Process>((onBegun) => {
        started = start(env, { onBegun });
      });
      await eventually(() => begun.output().includes(WAITING) || undefined);
      return { begun, started: started as Promise<Process> };
    }

    test('it says so once, and begins when that is done', async () => {
      const { begun, started } = await waitingStart(postgres.url);
      await other.query('select pg_advisory_unlock_all()');
      await started;
      expect(begun.output().split(WAITING)).toHaveLength(2);
      expect(begun.output()).toContain('orgate is ready.');
      expect(await begun.end()).toBe(0);
    });

    test('a signal that it asked for ends it', async () => {
      const { begun } = await waitingStart(postgres.url);
      // Not by the signal itself, which the first process of a container would not get.
      expect(await begun.end()).toBe(0);
    });

    test('a database that falls silent is away', async () => {
      const proxy = await startTcpProxy(postgres.port);
      const { begun, started } = await waitingStart(`postgres://postgres@127.0.0.1:${proxy.port}/orgate`);
      proxy.lose();
      await started;
      expect(begun.child.exitCode).toBe(1);
      expect(begun.output()).toMatch(/cannot be reached: Query read timeout\n/);
      await proxy.close();
    });
  });

  test('a pooler that loses prepared statements is told of at the start, with the variable that mends it', async () => {
    const bouncer = await startPgBouncer(new URL(postgres.url), keepingNoStatements());
    try {
      const MIGRATION_DATABASE_URL = postgres.url; // what migrations hold belongs to a session
      const said = await refusal(bouncer.url, { MIGRATION_DATABASE_URL });
      expect(said).toMatch(
        /^orgate cannot start\. DATABASE_URL leads through a pooler that loses prepared statements: /,
      );
      expect(said).toContain('DATABASE_PREPARED_STATEMENTS=false');
      const more = { MIGRATION_DATABASE_URL, DATABASE_PREPARED_STATEMENTS: 'false' };
      const server = await start(await environment(bouncer.url, more));
      expect(server.output()).toContain('orgate is ready.');
      expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
      expect(await server.end()).toBe(0);
    } finally {
      await bouncer.close();
    }
  });
});
