import pg from 'pg';
import { asError, codeOf } from '../../thrown.js';

/** The database is not there, or not yet: it may be in a while. */
export class DatabaseAwayError extends Error {
  override readonly name = 'DatabaseAwayError';
}

/** The database is there and does not let this login in. */
export class DatabaseRefusalError extends Error {
  override readonly name = 'DatabaseRefusalError';
}

/** No connection, none to spare, no room on its disk, starting up, shutting down or a standby: as SQLSTATE and as the system's own code. */
const AWAY =
  /^(08|53|57P0|25006|25P03)|^(ECONN|EPIPE|ETIMEDOUT|ENOENT|EMFILE|ENFILE|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ENOTFOUND)/;
/** The driver's own words, where it gives no code. */
const AWAY_MESSAGES =
  /timeout expired|timeout exceeded when trying to connect|Query read timeout|Connection terminated|is not queryable/;
/** A wrong password or user, or no database of this name. */
const REFUSED = /^(28|3D)/;

/** Whether what the driver or the server says means that the database cannot be reached, or has no connection to spare. */
export const saysAway = (code: string, message: string): boolean => AWAY.test(code) || AWAY_MESSAGES.test(message);

/** Says of what broke while the database was opened where it was looked for, without user or password. */
export async function reaching<T>(url: string | null, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (url === null) throw error;
    const code = codeOf(error);
    const { host, port, database } = new pg.Client({ connectionString: url });
    const said = describe(asError(error), code);
    if (saysAway(code, said)) {
      throw new DatabaseAwayError(`The database at ${host}:${port} cannot be reached: ${said}`, { cause: error });
    }
    if (REFUSED.test(code)) {
      const where = `The database ${database ?? ''} at ${host}:${port}`;
      throw new DatabaseRefusalError(`${where} lets nobody in with this URL: ${said}`, { cause: error });
    }
    throw error;
  }
}

/** A name with several addresses fails with one error for each, and no words of its own. */
function describe(error: Error, code: string): string {
  const all = error instanceof AggregateError ? error.errors.map((each: unknown) => asError(each).message) : [];
  return error.message || all.join(', ') || code;
}
