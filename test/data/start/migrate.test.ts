import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { openEmbeddedDatabase } from '../../../src/data/start/embedded.js';
import { migrate } from '../../../src/data/start/migrate.js';
import { isPostgres } from '../../support/server.js';

/** A database of its own for each test, since migrations are what is tested. */
async function givenDatabase(): Promise<{ connection: pg.ClientConfig; close: () => Promise<void> }> {
  const server = process.env['ORGATE_TEST_URL'];
  if (!server) {
    const { socketDirectory, close } = await openEmbeddedDatabase(null);
    return { connection: { host: socketDirectory, user: 'postgres', database: 'postgres' }, close };
  }
  const admin = new pg.Client({ connectionString: server });
  await admin.connect();
  const name = `orgate_migrate_${randomUUID().slice(0, 8)}`;
  await admin.query(`create database ${name}`);
  const url = new URL(server);
  url.pathname = name;
  const close = async () => {
    await admin.query(`drop database ${name} with (force)`);
    await admin.end();
  };
  return { connection: { connectionString: url.href }, close };
}

async function givenMigrations(migrations: Record<string, string>): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'orgate-migrations-'));
  for (const [name, sql] of Object.entries(migrations)) {
    await mkdir(path.join(directory, name));
    await writeFile(path.join(directory, name, 'migration.sql'), sql);
  }
  return directory;
}

async function query(connection: pg.ClientConfig, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    return (await client.query(text)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

describe('the migration runner', () => {
  let database: Awaited<ReturnType<typeof givenDatabase>>;
  beforeAll(async () => {
    database = await givenDatabase();
  });
  afterAll(() => database.close());

  test('applies what is missing, in order, and records it as Prisma does', async () => {
    const { connection } = database;
    const directory = await givenMigrations({
      '2_second': 'alter table one add column b int;',
      '1_first': 'create table one (a int);',
    });
    expect(await migrate(connection, directory)).toEqual(['1_first', '2_second']);
    expect(await migrate(connection, directory)).toEqual([]);
    const [first] = await query(connection, `select * from _prisma_migrations where migration_name = '1_first'`);
    expect(first).toMatchObject({ applied_steps_count: 1, logs: null, rolled_back_at: null });
    expect(first?.['checksum']).toMatch(/^[0-9a-f]{64}$/);

    await writeFile(path.join(directory, '1_first', 'migration.sql'), 'create table one (a bigint);');
    await expect(migrate(connection, directory)).rejects.toThrow('migration 1_first was edited after it was applied');
  });

  test('a migration that fails leaves nothing behind, and says which it was', async () => {
    const { connection } = database;
    const directory = await givenMigrations({ '3_fails': 'create table half (a int); select nothing_like_this;' });
    await expect(migrate(connection, directory)).rejects.toThrow(
      'migration 3_fails failed: column "nothing_like_this" does not exist',
    );
    expect(await query(connection, `select to_regclass('half') as half`)).toEqual([{ half: null }]);
    expect(await query(connection, `select 1 from _prisma_migrations where migration_name = '3_fails'`)).toEqual([]);
  });

  (isPostgres ? test : test.skip)('two runners at once apply each migration once (PostgreSQL)', async () => {
    const { connection, close } = await givenDatabase();
    const directory = new URL('../../../prisma/migrations', import.meta.url).pathname;
    const applied = await Promise.all([
      migrate(connection, directory),
      migrate(connection, directory),
      migrate(connection, directory),
    ]);
    expect(applied.flat()).toHaveLength(new Set(applied.flat()).size);
    await close();
  });
});

test('the migrations folder says that it is for PostgreSQL, as Prisma asks', async () => {
  const lock = await readFile(new URL('../../../prisma/migrations/migration_lock.toml', import.meta.url), 'utf8');
  expect(lock).toContain('provider = "postgresql"');
});
