import pg from 'pg';
import { reaching } from './database-away.js';

const CONNECT_MS = 10_000;

/**
 * Does something as the owner of the database, on a connection of its own.
 *
 * @throws DataDirectoryInUseError, DatabaseAwayError, DatabaseRefusalError
 */
export async function asOwner<T>(
  store: { readonly url: string } | { readonly dataDirectory: string },
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  if ('url' in store) {
    const connection = { connectionString: store.url, connectionTimeoutMillis: CONNECT_MS };
    return reaching(store.url, () => connected(connection, work));
  }
  const { openEmbeddedDatabase } = await import('./embedded.js');
  const embedded = await openEmbeddedDatabase(store.dataDirectory);
  try {
    return await connected({ host: embedded.socketDirectory, user: 'postgres', database: 'postgres' }, work);
  } finally {
    await embedded.close();
  }
}

async function connected<T>(connection: pg.ClientConfig, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(connection);
  client.on('error', () => undefined); // reported by the statement it breaks
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
