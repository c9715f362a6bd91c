import type pg from 'pg';
import { OrgateError } from '../../errors.js';
import { asError, codeOf } from '../../thrown.js';
import { translateDatabaseError } from '../database-error.js';
import type { Act } from './act.js';
import { holdingOne, inFrame, type ScopedPool } from './org-connection.js';
import type { Frame } from './frame.js';
import { ROW_TYPES } from './pg-types.js';
import type { OwnStatement, Planning } from './statement.js';

/** Outside every organization: what stands behind such a statement is named in one of the files beside this one. */
export const DIRECTORY: Frame = { role: 'orgate_directory' };

/** Runs one statement as the directory; errors are told in the closed vocabulary. `act` is for what is recorded. */
export type DirectoryQuery = <Row extends pg.QueryResultRow>(
  text: string,
  values?: unknown[],
  act?: Act,
) => Promise<Row[]>;

export const createDirectoryQuery = (pool: ScopedPool, planning: Planning = {}): DirectoryQuery =>
  asDirectory((own) => pool.query({ ...own, ...planning }));

/** The same in the transaction that it is called in, on its connection. */
export const createHeldDirectoryQuery = (pool: ScopedPool): DirectoryQuery => asDirectory((own) => pool.queryHeld(own));

/** Runs statements as the directory in one transaction: what is read behind a lock is as whoever held it before left it. */
export const inDirectoryTransaction = <T>(pool: ScopedPool, work: (query: DirectoryQuery) => Promise<T>): Promise<T> =>
  holdingOne(async () => {
    const client = await pool.connect();
    try {
      await client.query({ text: 'BEGIN' });
      const done = await work(createHeldDirectoryQuery(pool));
      await client.query({ text: 'COMMIT' });
      return done;
    } catch (error) {
      await client.query({ text: 'ROLLBACK' }).catch(() => undefined);
      throw error instanceof OrgateError ? error : translateDatabaseError(error);
    } finally {
      client.release();
    }
  });

const asDirectory =
  (run: (own: OwnStatement) => Promise<pg.QueryResult>): DirectoryQuery =>
  async (text: string, values: unknown[] = [], act?: Act) => {
    try {
      const frame = act ? { ...DIRECTORY, act } : DIRECTORY;
      const { rows } = await inFrame(frame, () => run({ text, values, types: ROW_TYPES }));
      return rows;
    } catch (error) {
      throw translateDatabaseError(codeOf(error) === '42501' ? withAdvice(asError(error)) : error);
    }
  };

/** Whoever wrote the statement is told what it lacks. */
function withAdvice(error: Error): Error {
  error.message +=
    ': a migration grants orgate_directory the columns that it names, and gives the table a policy for it';
  return error;
}
