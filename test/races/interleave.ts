import pg from 'pg';
import { countWaitingTurns } from '../support/server.js';

/** A connection of its own, beside every pool, as the owner of the database. */
export async function connectBeside(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: process.env['ORGATE_TEST_URL'] });
  await client.connect();
  return client;
}

/** Whoever touches the table waits until the work is done. */
export async function whileLocked<T>(outside: pg.Client, table: string, work: () => Promise<T>): Promise<T> {
  await outside.query(`begin; lock table ${table} in access exclusive mode`);
  try {
    return await work();
  } finally {
    await outside.query('rollback');
  }
}

/**
 * Starts each step while a row is locked, the next one only once those before it wait for a lock or for their turn, and
 * lets them all go at once: PostgreSQL and the turns serve those who wait in the order in which they came.
 *
 * @param lock a statement that takes the lock
 * @param meanwhile what else happens before the lock is given back
 * @returns the answers of the steps
 */
export async function inOrder<T>(
  lock: { text: string; values: unknown[] },
  steps: (() => Promise<T>)[],
  meanwhile: (client: pg.Client) => Promise<unknown> = async () => undefined,
): Promise<T[]> {
  const client = await connectBeside();
  try {
    await client.query('begin');
    await client.query(lock);
    const running: Promise<T>[] = [];
    let finished = 0;
    for (const step of steps) {
      running.push(step().finally(() => (finished += 1)));
      while ((await countWaiting(client)) < running.length) {
        if (finished > 0) throw new Error('a step finished without waiting for the lock');
      }
    }
    await meanwhile(client);
    await client.query('commit');
    return await Promise.all(running);
  } finally {
    await client.end();
  }
}

async function countWaiting(client: pg.Client): Promise<number> {
  // Within a transaction the statistics would stay those of its first look.
  await client.query('select pg_stat_clear_snapshot()');
  const { rowCount } = await client.query(
    `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  );
  return (rowCount ?? 0) + countWaitingTurns();
}

export const organizationRow = (id: string) => ({
  text: 'select from organization where id = $1 for no key update',
  values: [id],
});

export const runRow = (id: string) => ({ text: 'select from run where id = $1 for update', values: [id] });
