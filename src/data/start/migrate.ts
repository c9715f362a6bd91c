import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { asError } from '../../thrown.js';

/** How long what is asked before and after migrations may take. They themselves take as long as they take. */
export const SMALL_CHECK_MS = 30_000;
const END_MS = 5000;
const ASK_FOR_LOCK_MS = 1000;
const TELL_OF_LOCK_MS = 3000;

/** The advisory lock that Prisma Migrate takes, so that the two never run at once. */
const PRISMA_MIGRATE_LOCK = 72_707_369;

const HISTORY = `create table if not exists _prisma_migrations (
  id                  varchar(36) primary key not null,
  checksum            varchar(64) not null,
  finished_at         timestamptz,
  migration_name      varchar(255) not null,
  logs                text,
  rolled_back_at      timestamptz,
  started_at          timestamptz not null default now(),
  applied_steps_count integer not null default 0
)`;

export class MigrationError extends Error {
  override readonly name = 'MigrationError';
}

/**
 * Applies the migrations that a database does not have, in order, each in a transaction of its own, under Prisma's lock
 * and with Prisma's bookkeeping: `prisma migrate deploy` finds nothing left to do.
 *
 * @param directory the folder of `<stamp>_<name>/migration.sql`
 * @param onWaiting told once when another process migrates, and is waited for
 * @returns the names of those applied now
 * @throws MigrationError when a migration fails, or one already applied was edited since
 */
export async function migrate(
  connection: pg.ClientConfig,
  directory: string,
  onWaiting: () => void = () => undefined,
): Promise<string[]> {
  const client = new pg.Client({ application_name: 'orgate-migrate', ...connection });
  client.on('error', () => undefined); // reported by the statement it breaks
  await client.connect();
  try {
    await takeLock(client, onWaiting);
    const { rows: exists } = await client.query(small(`select to_regclass('_prisma_migrations') is not null as it`));
    if (!exists[0].it) await client.query(small(HISTORY));
    const { rows } = await client.query(
      small(
        'select migration_name as name, checksum, finished_at from _prisma_migrations where rolled_back_at is null',
      ),
    );
    const done = new Map(rows.map((row) => [String(row.name), row]));
    const applied: string[] = [];
    for (const name of await migrationNames(directory)) {
      const { sql, checksum } = await readMigration(directory, name);
      const before = done.get(name);
      if (before && !before.finished_at)
        throw new MigrationError(`migration ${name} began and never finished; see _prisma_migrations`);
      if (before && before.checksum !== checksum)
        throw new MigrationError(`migration ${name} was edited after it was applied`);
      if (before) continue;
      await apply(client, name, sql, checksum);
      applied.push(name);
    }
    return applied;
  } finally {
    await client.query(small('select pg_advisory_unlock_all()', [], END_MS)).catch(() => undefined);
    await Promise.race([client.end(), wait(END_MS, undefined, { ref: false })]);
  }
}

const small = (text: string, values: unknown[] = [], ms = SMALL_CHECK_MS) => ({ text, values, query_timeout: ms });

/** Asks for the lock again and again, so that a server that has gone silent is told from one that is held up. */
async function takeLock(client: pg.Client, onWaiting: () => void): Promise<void> {
  for (let waited = 0; ; waited += ASK_FOR_LOCK_MS) {
    const { rows } = await client.query(small('select pg_try_advisory_lock($1) as taken', [PRISMA_MIGRATE_LOCK]));
    if (rows[0].taken) return;
    if (waited === TELL_OF_LOCK_MS) onWaiting();
    await wait(ASK_FOR_LOCK_MS);
  }
}

export interface MigrationStatus {
  readonly pending: readonly string[];
  /** Applied, and edited since. */
  readonly edited: readonly string[];
  /** Begun, and never finished. */
  readonly failed: readonly string[];
  /** Applied by a newer release. */
  readonly unknown: readonly string[];
}

/** Compares what was applied with the migrations of this release. Read-only. */
export async function migrationStatus(
  query: (text: string) => Promise<pg.QueryResult>,
  directory: string,
): Promise<MigrationStatus> {
  const { rows } = await query(
    'select migration_name as name, checksum, finished_at from _prisma_migrations where rolled_back_at is null',
  );
  const wanted = new Map<string, string>();
  for (const name of await migrationNames(directory)) wanted.set(name, (await readMigration(directory, name)).checksum);
  const names = (test: (row: { name: string; checksum: string; finished_at: Date | null }) => boolean) =>
    rows.filter((row) => test(row)).map((row) => String(row.name));
  return {
    pending: [...wanted.keys()].filter((name) => !rows.some((row) => row.name === name)),
    edited: names(({ name, checksum }) => wanted.has(name) && wanted.get(name) !== checksum),
    failed: names(({ finished_at: finishedAt }) => finishedAt === null),
    unknown: names(({ name }) => !wanted.has(name)),
  };
}

async function readMigration(directory: string, name: string): Promise<{ sql: string; checksum: string }> {
  const sql = await readFile(path.join(directory, name, 'migration.sql'), 'utf8');
  return { sql, checksum: createHash('sha256').update(sql).digest('hex') };
}

async function migrationNames(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

async function apply(client: pg.Client, name: string, sql: string, checksum: string): Promise<void> {
  try {
    await client.query('begin');
    await client.query(sql);
    await client.query(
      `insert into _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count)
       values ($1, $2, now(), $3, 1)`,
      [randomUUID(), checksum, name],
    );
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw new MigrationError(`migration ${name} failed: ${asError(error).message}`, { cause: error });
  }
}
