import pg from 'pg';
import { SMALL_CHECK_MS } from './migrate.js';

/** How long a server that does not answer is waited for. */
export const CONNECT_MS = 10_000;

/** Asks over a connection of its own. */
export async function asking<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: SMALL_CHECK_MS,
  });
  client.on('error', () => undefined); // reported by the statement it breaks
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
