import pg from 'pg';
import { isTooMany } from '../connection/pool-size.js';

/** Whether the database answers. Fails when it does not, and never takes longer than two seconds to say so. */
export interface Readiness {
  check(): Promise<void>;
  close(): Promise<void>;
}

const LIMIT_MS = 2000;

/**
 * Asks over a connection of its own, which no request can take: whether the pool is full or a table locked says nothing
 * of whether the database is there. Whoever asks meanwhile shares the answer, so that asking often costs nothing more.
 *
 * @param url null for the embedded database, which has one connection for everything
 * @param askPool asks over a connection of the pool, for the embedded database, and where the server has none to spare
 */
export function createReadiness(url: string | null, askPool: () => Promise<void>): Readiness {
  let asking: Promise<void> | undefined;
  let kept: pg.Client | undefined;
  const drop = (client: pg.Client | undefined) => {
    if (kept === client) kept = undefined;
    client?.end().catch(() => undefined);
  };
  const open = (connectionString: string): pg.Client => {
    const client = new pg.Client({
      connectionString,
      application_name: 'orgate-readiness',
      connectionTimeoutMillis: LIMIT_MS,
    });
    client.on('error', () => drop(client));
    return client;
  };
  const ask = async (): Promise<void> => {
    if (url === null) return askPool();
    const isNew = kept === undefined;
    const client = (kept ??= open(url));
    try {
      if (isNew) await client.connect();
      await client.query('select');
    } catch (error) {
      drop(client);
      if (isTooMany(error)) return askPool();
      throw error;
    }
  };
  const check = async (): Promise<void> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        drop(kept);
        reject(new Error(`the database did not answer within ${LIMIT_MS} ms`));
      }, LIMIT_MS);
    });
    await Promise.race([ask(), late]).finally(() => clearTimeout(timer));
  };
  return {
    check: () => (asking ??= check().finally(() => (asking = undefined))),
    async close() {
      await asking?.catch(() => undefined);
      drop(kept);
    },
  };
}
