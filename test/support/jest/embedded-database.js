import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';

/** An embedded database in memory, migrated, in a thread of its own: the others' work does not wait for it. */
const { directory, template, migrations } = workerData;
const isMade = existsSync(template);
const db = await PGlite.create(isMade ? { loadDataDir: read(template) } : { initDbStartParams: ['--wal-segsize=1'] });
// A file may have two servers open, one idle while the other works; at work at once they would mix their batches.
await new PGLiteSocketServer({ db, path: path.join(directory, '.s.PGSQL.5432'), maxConnections: 4 }).start();
if (!isMade) {
  await import('../../../.config/typescript.js');
  const { migrate } = await import('../../../src/data/start/migrate.ts');
  await migrate({ host: directory, user: 'postgres', database: 'postgres' }, migrations);
  await keep();
}
parentPort.postMessage('open');

/** All that PGlite asks of a Blob. One of Node's would hand the bytes over in small pieces, and copy each twice. */
function read(file) {
  const { buffer, byteOffset, byteLength } = readFileSync(file);
  return { type: 'application/x-tar', arrayBuffer: () => buffer.slice(byteOffset, byteOffset + byteLength) };
}

/**
 * Making a database takes four times as long as reading one. What is kept is little, for it is read before every test:
 * no database that nobody connects to, and no more memory to lay out than the tests fill. Others may do the same now;
 * nobody reads half of it.
 */
async function keep() {
  for (const unused of ['template0', 'template1']) {
    await db.exec(`alter database ${unused} is_template false`);
    await db.exec(`drop database ${unused}`);
  }
  await db.exec(`alter system set shared_buffers = '16MB'`);
  await db.exec('checkpoint');
  const bytes = Buffer.from(await (await db.dumpDataDir('none')).arrayBuffer());
  const cache = path.dirname(template);
  mkdirSync(cache, { recursive: true });
  for (const old of readdirSync(cache)) if (/^embedded-.*\.tar$/.test(old)) rmSync(path.join(cache, old));
  const written = path.join(cache, randomUUID());
  writeFileSync(written, bytes);
  renameSync(written, template);
}
