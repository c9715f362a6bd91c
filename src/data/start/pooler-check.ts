import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { isTooMany } from '../connection/pool-size.js';
import { SMALL_CHECK_MS } from './migrate.js';

/** Prepared statements get lost on the way to the database. */
export class PoolerError extends Error {
  override readonly name = 'PoolerError';
}

const LOST =
  'DATABASE_URL leads through a pooler that loses prepared statements: PgBouncer in transaction mode before 1.21, or ' +
  'with max_prepared_statements = 0. Set DATABASE_PREPARED_STATEMENTS=false, or let the pooler keep them.';

const PATIENCE_MS = 1000;

/**
 * Tries whether what one connection prepares stays with it, before requests find out: while another connection holds a
 * transaction, a pooler that hands out its own connections gives the first a different one.
 *
 * @throws PoolerError
 */
export async function checkPreparedStatements(url: string): Promise<void> {
  const options = {
    connectionString: url,
    application_name: 'orgate-check',
    connectionTimeoutMillis: 10_000,
    query_timeout: SMALL_CHECK_MS,
  };
  const [first, second] = [new pg.Client(options), new pg.Client(options)];
  for (const client of [first, second]) client.on('error', () => undefined); // reported by the statement it breaks
  const name = `orgate_check_${randomBytes(6).toString('hex')}`;
  const prepared = { name, text: 'select' };
  try {
    await first.connect();
    await first.query(prepared);
    // One that has a single connection for this login cannot mix up two.
    if (!(await connects(second))) return;
    await second.query('begin');
    const seen = await second.query('select from pg_prepared_statements where name = $1', [name]);
    if (seen.rowCount !== 0) throw new PoolerError(LOST);
    const again = first.query(prepared);
    again.catch(() => undefined); // heard below, unless the other one broke first
    // A pooler that has a single connection is waiting for the transaction's end.
    await Promise.race([again, wait(PATIENCE_MS, undefined, { ref: false })]);
    await second.query('rollback');
    await again;
  } catch (error) {
    throw error instanceof pg.DatabaseError && error.code === '26000' ? new PoolerError(LOST, { cause: error }) : error;
  } finally {
    await Promise.all([first, second].map((client) => client.end().catch(() => undefined)));
  }
}

async function connects(client: pg.Client): Promise<boolean> {
  try {
    await client.connect();
    return true;
  } catch (error) {
    if (isTooMany(error)) return false;
    throw error;
  }
}
