import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { unique } from '../support/given.js';
import {
  ask,
  command,
  freePort,
  imageWithoutDevelopment,
  newDirectory,
  type Process,
  start,
} from '../support/process.js';
import { isPostgres, startIssuer, type TestIssuer } from '../support/server.js';

const name = (prefix: string): string => unique(prefix).replaceAll('-', '_');

/** Roles belong to the whole cluster, so each run makes its own and drops them. */
(isPostgres ? describe : describe.skip)('in production, on PostgreSQL', () => {
  const admin = new pg.Client({ connectionString: process.env['ORGATE_TEST_URL'] });
  const [database, owner, gateway] = [name('orgate_production'), name('orgate_owner'), name('orgate_gateway')];
  let issuer: TestIssuer;

  const url = (user: string) => {
    const its = new URL(process.env['ORGATE_TEST_URL'] as string);
    its.pathname = database;
    if (user) [its.username, its.password] = [user, 'secret'];
    return its.href;
  };
  const environment = async (more: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv> => ({
    NODE_ENV: 'production',
    ORGATE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
    PUBLIC_URL: 'https://orgate.example',
    DATA_DIR: await newDirectory(),
    SHUTDOWN_DELAY_MS: '0',
    MIGRATION_DATABASE_URL: url(owner),
    AUTH_ISSUERS: JSON.stringify([{ issuer: issuer.issuer, jwksUri: issuer.jwksUri, audience: 'orgate' }]),
    ...more,
  });
  const token = (email: string) => issuer.sign({ sub: email, email, email_verified: true });

  beforeAll(async () => {
    issuer = await startIssuer();
    await admin.connect();
    await admin.query(`create role ${owner} login password 'secret' createrole`);
    await admin.query(`create database ${database} owner ${owner}`);
    // The two roles exist once for the cluster; whoever owns a database must be allowed to hand them on.
    await admin
      .query(`grant orgate_app, orgate_directory, orgate_sealer, orgate_purger to ${owner} with admin option`)
      .catch(() => undefined);
  });
  afterAll(async () => {
    await admin.query(`drop database ${database} with (force)`);
    for (const role of [gateway, owner]) {
      await admin.query(`drop owned by ${role}`).catch(() => undefined);
      await admin.query(`drop role if exists ${role}`);
    }
    await admin.end();
    await issuer.close();
  });

  async function expectRefusal(DATABASE_URL: string, more: NodeJS.ProcessEnv = {}): Promise<string> {
    const refused = await start(await environment({ DATABASE_URL, ...more }));
    expect(await refused.end()).toBe(1);
    expect(refused.output()).toMatch(/^orgate cannot start\. /m);
    expect(refused.output()).not.toMatch(/secret|\n +at /);
    return refused.output();
  }

  /** The statements that a refusal offers, for the role and password of this test. */
  const mend = (output: string): string[] =>
    output
      .split('\n')
      .filter((line) => /^ {2}\S.*;$/.test(line))
      .map((line) => line.replaceAll(/"?orgate_gateway"?/g, gateway).replace("'…'", "'secret'"));

  let server: Process;

  test('a superuser, or the owner of the tables, is refused as the gateway’s login, with the SQL that mends it', async () => {
    expect(await expectRefusal(url(''))).toContain('owns the tables or bypasses row-level security');
    const output = await expectRefusal(url(owner));
    expect(output).toContain(`DATABASE_URL signs in as ${owner}`);
    const statements = mend(output);
    expect(statements).toHaveLength(2);
    const asOwner = new pg.Client({ connectionString: url(owner) });
    await asOwner.connect();
    for (const statement of statements) await asOwner.query(statement);
    await asOwner.end();
  });

  test('a login that owns nothing serves', async () => {
    const METRICS_PORT = String(await freePort());
    server = await start(await environment({ DATABASE_URL: url(gateway), METRICS_PORT }));
    const ann = await token('ann@acme.example');
    const slug = unique('acme');
    const made = await ask(
      server,
      ann,
      `mutation { createOrganization(input: { name: "Acme", slug: "${slug}" }) { slug viewerRole } }`,
    );
    expect(made['createOrganization']).toEqual({ slug, viewerRole: 'OWNER' });
    expect(await ask(server, ann, '{ repositories { totalCount } }')).toEqual({ repositories: { totalCount: 0 } });

    const metrics = await (await fetch(`http://127.0.0.1:${METRICS_PORT}/metrics`)).text();
    expect(metrics).toMatch(/orgate_sql_statements_total\{role="orgate_app"\} [1-9]/);
    expect(metrics).toMatch(/orgate_sql_statements_total\{role="orgate_directory"\} [1-9]/);
  });

  test('two URLs of two databases are refused, by the names that the server gives them, and nothing is migrated', async () => {
    const other = name('orgate_other');
    await admin.query(`create database ${other} owner ${owner}`);
    const its = new URL(url(owner));
    its.pathname = other;
    const inside = new pg.Client({ connectionString: its.href });
    try {
      const output = await expectRefusal(url(gateway), { MIGRATION_DATABASE_URL: its.href });
      expect(output).toContain(
        `MIGRATION_DATABASE_URL leads to the database ${other}, and DATABASE_URL to ${database}. Name one database in both.`,
      );
      await inside.connect();
      expect((await inside.query("select from pg_tables where schemaname = 'public'")).rowCount).toBe(0);
    } finally {
      await inside.end();
      await admin.query(`drop database ${other} with (force)`);
    }
  });

  test('whoever serves need not know the owner: migrations are a step of their own, and are asked for until it was made', async () => {
    const other = name('orgate_other');
    await admin.query(`create database ${other} owner ${owner}`);
    const at = (user: string) => Object.assign(new URL(url(user)), { pathname: other }).href;
    const inside = new pg.Client({ connectionString: at('') });
    const urls = { DATABASE_URL: at(gateway), MIGRATION_DATABASE_URL: at(owner) };
    const serving = { MIGRATION_DATABASE_URL: '' };
    try {
      expect(await expectRefusal(at(gateway), serving)).toMatch(
        /lacks migrations of this release: \d+ of them\. Run npm run migrate/,
      );
      // Nor on a machine for development, where whoever owns the database migrates it by starting.
      const trying = { ...serving, NODE_ENV: 'development' };
      expect(await expectRefusal(at(gateway), trying)).toMatch(/lacks migrations .* or set MIGRATION_DATABASE_URL\.$/m);
      const migrated = await command('migrate', [], urls);
      expect([migrated.code, migrated.stderr]).toEqual([0, '']);
      expect(migrated.stdout).toMatch(/^applied \d+_foundation\n[^]*\nThe database is up to date\.\n$/);
      expect((await command('migrate', [], urls)).stdout).toBe(
        'Every migration of this release was applied already.\n',
      );

      await inside.connect();
      const [last] = (await inside.query('select * from _prisma_migrations order by migration_name desc limit 1')).rows;
      await inside.query('delete from _prisma_migrations where id = $1', [last.id]);
      expect(await expectRefusal(at(gateway), serving)).toContain(
        `lacks migrations of this release: ${last.migration_name}.`,
      );
      await inside.query(
        `insert into _prisma_migrations (id, checksum, migration_name, finished_at)
         values ($1, $2, $3, now()), ('newer', '', '99991231235959_newer', now())`,
        [last.id, last.checksum, last.migration_name],
      );
      for (const mode of [serving, trying]) {
        const serves = await start(await environment({ DATABASE_URL: at(gateway), ...mode }));
        expect(await ask(serves, await token('eve@acme.example'), '{ viewer { user { email } } }')).toEqual({
          viewer: { user: { email: 'eve@acme.example' } },
        });
        expect(await serves.end()).toBe(0);
      }
    } finally {
      await inside.end();
      await admin.query(`drop database ${other} with (force)`);
    }
  });

  test('there is no demo world in it, and nobody can be anybody', async () => {
    const { rows } = await admin.query('select 1').then(async () => {
      const inside = new pg.Client({ connectionString: url('') });
      await inside.connect();
      const found = await inside.query(`select name from address where name in ('acme', 'globex', 'initech')`);
      await inside.end();
      return found;
    });
    expect(rows).toEqual([]);
    for (const path of ['/', '/graphiql', '/dev/people', '/dev/token']) {
      expect([path, (await fetch(server.url + path)).status]).toEqual([path, 404]);
    }
    expect(server.output()).not.toContain('curl');
  });

  test('what is in flight when it is asked to end is finished, and it ends well', async () => {
    const inside = new pg.Client({ connectionString: url('') });
    await inside.connect();
    await inside.query('begin; lock table repository in access exclusive mode');
    const answer = ask(server, await token('ann@acme.example'), '{ repositories { totalCount } }');
    const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    while ((await inside.query(waiting)).rowCount === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const ended = server.end('SIGTERM');
    while (await fetch(`${server.url}/livez`).catch(() => null))
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(server.child.exitCode).toBeNull();
    await inside.query('rollback');
    expect(await answer).toEqual({ repositories: { totalCount: 0 } });
    expect(await ended).toBe(0);
    await inside.end();
  });

  test('an image without development/ serves in production, and says what is wrong anywhere else', async () => {
    const dist = await imageWithoutDevelopment();
    const its = await environment({ DATABASE_URL: url(gateway) });
    const image = await start(its, { dist });
    const answer = await ask(image, await token('ann@acme.example'), '{ viewer { user { email } } }');
    expect(answer).toEqual({ viewer: { user: { email: 'ann@acme.example' } } });
    expect(await image.end()).toBe(0);
    for (const DATABASE_URL of [url(''), '']) {
      const refused = await start({ DATA_DIR: await newDirectory(), DATABASE_URL }, { dist });
      expect(await refused.end()).toBe(1);
      expect(refused.output()).toMatch(
        /^orgate cannot start\. This is an image for production, without development\/: set NODE_ENV=production\.$/m,
      );
    }
  });

  test('a login that bypasses row-level security is refused', async () => {
    await admin.query(`alter role ${gateway} bypassrls`);
    expect(await expectRefusal(url(gateway))).toContain('bypasses row-level security');
    await admin.query(`alter role ${gateway} nobypassrls`);
  });

  test('a table with organizations in it but without a policy keeps it from starting', async () => {
    const asOwner = new pg.Client({ connectionString: url(owner) });
    await asOwner.connect();
    await asOwner.query('create table forgotten (org_id text not null)');
    const output = await expectRefusal(url(gateway));
    expect(output).toContain('forgotten');
    await asOwner.query('drop table forgotten');
    await asOwner.end();
  });
});
