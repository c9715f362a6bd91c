import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Database, openDatabase } from '../../src/data/database.js';
import { newId } from '../../src/data/id.js';
import { asLoginRole } from '../../src/data/org-connection.js';
import { givenTwoOrganizations } from '../support/given.js';
import { isPostgres, startServer, type TestServer } from '../support/server.js';

const PGBOUNCER = '/usr/sbin/pgbouncer';

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** A pooler in transaction mode with two server connections, which hands each transaction whichever is free. */
async function startPgBouncer(url: URL): Promise<{ url: string; stop(): Promise<void> }> {
  const directory = await mkdtemp(path.join(tmpdir(), 'orgate-pgbouncer-'));
  const port = await freePort();
  const database = url.pathname.slice(1);
  const ini = path.join(directory, 'pgbouncer.ini');
  await writeFile(
    ini,
    `[databases]
${database} = host=${url.hostname} port=${url.port || 5432} dbname=${database} user=${url.username}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
auth_type = any
pool_mode = transaction
default_pool_size = 2
max_client_conn = 100
unix_socket_dir =
`,
  );
  // It refuses to run as root.
  const isRoot = userInfo().uid === 0;
  await chmod(directory, 0o755);
  if (isRoot) await chown(directory, 65_534, 65_534);
  const child: ChildProcess = spawn(PGBOUNCER, [...(isRoot ? ['-u', 'nobody'] : []), ini], { stdio: 'ignore' });
  return {
    url: `postgres://${url.username}@127.0.0.1:${port}/${database}`,
    stop: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill();
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

(isPostgres ? describe : describe.skip)('through PgBouncer in transaction mode, without prepared statements', () => {
  let bouncer: Awaited<ReturnType<typeof startPgBouncer>>;
  let server: TestServer;
  let pooled: Database;

  beforeAll(async () => {
    expect(existsSync(PGBOUNCER)).toBe(true);
    server = await startServer();
    bouncer = await startPgBouncer(new URL(process.env['ORGATE_TEST_URL'] as string));
    pooled = await connectPatiently(bouncer.url);
  }, 60_000);
  afterAll(async () => {
    await pooled.close();
    await bouncer.stop();
    await server.close();
  });

  async function connectPatiently(url: string, attempts = 50): Promise<Database> {
    try {
      return await openDatabase({
        store: { url, migrationUrl: null },
        poolSize: 10,
        statementTimeoutMs: 5000,
        preparedStatements: false,
        requireSeparateLogin: false,
        onStep: () => undefined,
      });
    } catch (error) {
      if (attempts === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return connectPatiently(url, attempts - 1);
    }
  }

  test('interleaved organizations MUST see their own rows, in and outside transactions, also after errors', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const work = Array.from({ length: 300 }, async (_, index) => {
      const [own, other] = index % 2 ? [acme, globex] : [globex, acme];
      const db = pooled.organizationDb(own.id);
      if (index % 7 === 3) {
        await expect(
          db.agent.create({ id: newId('agt'), name: newId('agt'), repositoryId: other.repositoryId }),
        ).rejects.toMatchObject({ code: 'NOT_FOUND' });
      }
      const read = async (from: typeof db) => [
        (await from.repository.list({ orderBy: { name: 'asc' }, take: 10 })).map(({ id }) => id),
        await from.repository.find({ id: other.repositoryId }),
      ];
      const seen = index % 5 === 0 ? await db.transaction((tx) => read(tx)) : await read(db);
      expect(seen).toEqual([[own.repositoryId], null]);
    });
    await Promise.all(work);
  }, 60_000);

  test('nothing MUST be left on the server connections', async () => {
    const { acme } = await givenTwoOrganizations(server);
    await Promise.all(
      Array.from({ length: 40 }, () => pooled.organizationDb(acme.id).repository.find({ id: acme.repositoryId })),
    );
    for (let index = 0; index < 20; index += 1) {
      const client = await pooled.pool.connect();
      const { rows } = await client.query(
        asLoginRole(
          `select current_user = session_user as "isLogin", coalesce(current_setting('app.org_id', true), '') as org`,
        ),
      );
      client.release();
      expect(rows).toEqual([{ isLogin: true, org: '' }]);
    }
  });
});
