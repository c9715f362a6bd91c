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

/** The embedded database gave itself up, as PostgreSQL does when its disk is full under the log of what it writes. */
class CrashedError extends Error {
  override readonly name = 'CrashedError';
}

/**
 * Opens PostgreSQL inside this process, stored under `dataDirectory` (in memory when null), and serves it on a Unix
 * socket, so that one data path serves the embedded and the real database. It serves one connection at a time: all its
 * connections would share one backend, and one implicit transaction.
 *
 * @param onCrash told once when it has crashed: it answers nothing any more, and only another process can open it again
 * @throws DataDirectoryInUseError when another process has the directory open
 */
export async function openEmbeddedDatabase(
  dataDirectory: string | null,
  onCrash: () => void = () => undefined,
): Promise<EmbeddedDatabase> {
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
    let isCrashed = false;
    leaveAloneOnceCrashed(db, () => {
      isCrashed = true;
      onCrash();
    });
    const server = new PGLiteSocketServer({ db, path: path.join(socketDirectory, '.s.PGSQL.5432') });
    await server.start();
    return {
      socketDirectory,
      close: async () => {
        await server.stop();
        if (!isCrashed) await db.close();
        await closeFiles();
      },
    };
  } catch (error) {
    await closeFiles();
    throw error;
  }
}

/** The severity in PostgreSQL's answer. No row holds it: a text has no zero bytes. */
const PANIC = Buffer.from('\0VPANIC\0');

/**
 * Elsewhere a PANIC ends the server's process, and another begins. Here it goes on within this one, and whatever is asked
 * of it next never returns, and stops everything with it.
 */
function leaveAloneOnceCrashed(db: PGlite, onCrash: () => void): void {
  const run = db.execProtocolRawStream.bind(db);
  const isInTransaction = db.isInTransaction.bind(db);
  let isCrashed = false;
  db.execProtocolRawStream = async (message, options) => {
    if (isCrashed) throw new CrashedError();
    await run(message, {
      ...options,
      onRawData: (data) => {
        options.onRawData(data);
        if (isCrashed || !Buffer.from(data.buffer, data.byteOffset, data.byteLength).includes(PANIC)) return;
        isCrashed = true;
        onCrash();
      },
    });
  };
  // Asked before what is open is rolled back.
  db.isInTransaction = () => !isCrashed && isInTransaction();
}
