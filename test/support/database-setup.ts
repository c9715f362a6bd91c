import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import pg from 'pg';

/** Jest runs the teardown in this process too; this is how it finds what the setup opened. */
const world = globalThis as { closeDatabase?: () => Promise<void> };

/**
 * One database for the whole run: a new one on the PostgreSQL server of TEST_DATABASE_URL, else an embedded one in
 * memory. Tests make their own organizations in it, and never clean up.
 */
export default async function setup(): Promise<void> {
  const server = process.env['TEST_DATABASE_URL'];
  if (!server) {
    const directory = await mkdtemp(path.join(tmpdir(), 'orgate-test-'));
    const db = await PGlite.create();
    // A file may have two servers open, one idle while the other works; at work at once they would mix their batches.
    const socket = new PGLiteSocketServer({ db, path: path.join(directory, '.s.PGSQL.5432'), maxConnections: 4 });
    await socket.start();
    process.env['ORGATE_TEST_SOCKET'] = directory;
    world.closeDatabase = async () => {
      await socket.stop();
      await db.close();
      await rm(directory, { recursive: true, force: true });
    };
    return;
  }
  const name = `orgate_test_${randomUUID().slice(0, 8)}`;
  const admin = new pg.Client({ connectionString: server });
  await admin.connect();
  await admin.query(`create database ${name}`);
  const url = new URL(server);
  url.pathname = name;
  process.env['ORGATE_TEST_URL'] = url.href;
  world.closeDatabase = async () => {
    await admin.query(`drop database ${name} with (force)`);
    await admin.end();
  };
}
