import type pg from 'pg';
import { translateDatabaseError } from '../database-error.js';
import type { Act } from './act.js';
import { inFrame, type ScopedPool } from './org-connection.js';
import type { Frame } from './frame.js';
import { ROW_TYPES } from './pg-types.js';

/** Outside every organization: what stands behind such a statement is named in one of the files beside this one. */
export const DIRECTORY: Frame = { role: 'orgate_directory' };

/** Runs one statement as the directory; errors are told in the closed vocabulary. `act` is for what is recorded. */
export type DirectoryQuery = <Row extends pg.QueryResultRow>(
  text: string,
  values?: unknown[],
  act?: Act,
) => Promise<Row[]>;

export const createDirectoryQuery =
  (pool: ScopedPool): DirectoryQuery =>
  async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = [], act?: Act) => {
    try {
      const { rows } = await inFrame(act ? { ...DIRECTORY, act } : DIRECTORY, () =>
        pool.query<Row>({ text, values, types: ROW_TYPES }),
      );
      return rows;
    } catch (error) {
      throw translateDatabaseError(error);
    }
  };
