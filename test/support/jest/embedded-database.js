import path from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';

/** An embedded database in memory, in a thread of its own: the others' work does not wait for it. */
const db = await PGlite.create();
// A file may have two servers open, one idle while the other works; at work at once they would mix their batches.
await new PGLiteSocketServer({ db, path: path.join(workerData, '.s.PGSQL.5432'), maxConnections: 4 }).start();
parentPort.postMessage('open');
