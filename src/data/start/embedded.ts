import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { lockDataDirectory } from './data-directory-lock.js';

export interface EmbeddedDatabase {
  /** Where node-postgres finds it: the directory of its Unix socket, which only this user may enter. */
  readonly socketDirectory: string;
  close(): Promise<void>;
}

/**
 * Opens PostgreSQL inside this process, stored under `dataDirectory` (in memory when null), and serves it on a Unix
 * socket, so that one data path serves the embedded and the real database. It serves one connection at a time: all its
 * connections would share one backend, and one implicit transaction.
 *
 * @throws DataDirectoryInUseError when another process has the directory open
 */
export async function openEmbeddedDatabase(dataDirectory: string | null): Promise<EmbeddedDatabase> {
  let release = async () => {};
  let files: string | undefined;
  if (dataDirectory !== null) {
    await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
    release = await lockDataDirectory(dataDirectory);
    files = path.join(dataDirectory, 'postgres');
  }
  const socketDirectory = await mkdtemp(path.join(tmpdir(), 'orgate-'));
  const closeFiles = async () => {
    await rm(socketDirectory, { recursive: true, force: true });
    await release();
  };
  try {
    const db = await PGlite.create({ ...(files !== undefined && { dataDir: files }) });
    const server = new PGLiteSocketServer({ db, path: path.join(socketDirectory, '.s.PGSQL.5432') });
    await server.start();
    return {
      socketDirectory,
      close: async () => {
        await server.stop();
        await db.close();
        await closeFiles();
      },
    };
  } catch (error) {
    await closeFiles();
    throw error;
  }
}
