import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { type Database, openDatabase } from '../../../src/data/database.js';
import { assertHealthy, examine, examineDatabase } from '../../../src/data/start/doctor.js';
import { addDemoWorld } from '../../../src/development/demo.js';
import { isPostgres, openTestDatabase } from '../../support/server.js';

const failed = async ({ pool }: Database) => (await examineDatabase(pool, false)).filter(({ ok }) => !ok);

describe('The doctor', () => {
  let database: Database;
  const sql = (text: string, values: unknown[] = []) => database.pool.queryAsLoginRole(text, values);
  beforeAll(async () => {
    database = await openTestDatabase({ ownDatabase: true });
    expect(await addDemoWorld(database)).toBe(true);
  });
  afterAll(() => database.close());

  test('finds the demo world sound, whose organizations hold domains', async () => {
    expect((await sql("select from address where kind = 'DOMAIN'")).rowCount).toBeGreaterThan(0);
    expect(await failed(database)).toEqual([]);
  });

  test('finds an address that leads to an organization which does not know it', async () => {
    await sql(`insert into address (name, kind, org_id) select 'stray', 'SLUG', id from organization limit 1`);
    const found = await failed(database);
    expect(found).toMatchObject([
      { check: 'every organization has its address, and no two share one', detail: 'stray' },
    ]);
    expect(() => assertHealthy(found)).toThrow('stray');
    await sql("delete from address where name = 'stray'");
    expect(await failed(database)).toEqual([]);
  });

  test('finds no fault in migrations of a newer release, and tells of them', async () => {
    await sql(
      "insert into _prisma_migrations (id, checksum, finished_at, migration_name) values ('newer', '', now(), '2999_newer')",
    );
    await sql('create table newer (id text primary key)');
    expect(await failed(database)).toEqual([]);
    const all = await examineDatabase(database.pool, false);
    expect(all.map(({ detail }) => detail)).toContain('of a newer release: 2999_newer');
    await sql('drop table newer');
    await sql("delete from _prisma_migrations where id = 'newer'");
  });

  test('finds a table that lost its isolation', async () => {
    await sql('alter table repository no force row level security');
    expect((await failed(database)).length).toBeGreaterThan(0);
    await sql('alter table repository force row level security');
    expect(await failed(database)).toEqual([]);
  });
});

const onPostgres = isPostgres ? test : test.skip;

onPostgres('finds a copy sound that was dumped by a superuser and restored into another database', async () => {
  const admin = new pg.Client({ connectionString: process.env['ORGATE_TEST_URL'] });
  await admin.connect();
  const names = [`orgate_dump_${randomUUID().slice(0, 8)}`, `orgate_restore_${randomUUID().slice(0, 8)}`];
  const [from, to] = names.map(
    (name) => Object.assign(new URL(process.env['ORGATE_TEST_URL'] ?? ''), { pathname: name }).href,
  );
  try {
    for (const name of names) await admin.query(`create database ${name}`);
    const settings = { poolSize: 2, statementTimeoutMs: 30_000, preparedStatements: true };
    const source = await openDatabase({
      ...settings,
      store: { url: from as string, migrationUrl: null },
      requireSeparateLogin: false,
      onStep: () => undefined,
    });
    await addDemoWorld(source);
    await source.close();
    await copy(from as string, to as string);
    const checks = await examine({
      ...settings,
      databaseUrl: to as string,
      dataDirectory: '',
      production: false,
      baseDomain: null,
      publicUrl: null,
    });
    expect(checks.length).toBeGreaterThan(10);
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    const client = new pg.Client({ connectionString: to as string });
    await client.connect();
    expect((await client.query('select from organization')).rowCount).toBe(4);
    await client.end();
  } finally {
    for (const name of names) await admin.query(`drop database if exists ${name} with (force)`);
    await admin.end();
  }
});

/** `pg_dump | psql`, as an administrator would. */
function copy(from: string, to: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const restore = spawn('psql', ['--quiet', '--set=ON_ERROR_STOP=1', '--output=/dev/null', to]);
    let problems = '';
    restore.stderr.on('data', (chunk: Buffer) => (problems += chunk.toString()));
    restore.on('error', reject);
    restore.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(problems))));
    const dump = execFile('pg_dump', [from], { maxBuffer: 2 ** 28 }, (error) => {
      if (error) reject(error);
    });
    dump.stdout?.pipe(restore.stdin);
  });
}
