import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import pg from 'pg';

const fromHere = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const CACHE = fromHere('../../../node_modules/.cache/orgate/');
const MIGRATIONS = fromHere('../../../prisma/migrations/');
/** What an embedded database is when it was migrated depends on these. */
const MAKERS = [
  fromHere('../../../node_modules/@electric-sql/pglite/package.json'),
  fromHere('../../../src/data/start/migrate.ts'),
  ...readdirSync(MIGRATIONS, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.sql'))
    .toSorted()
    .map((file) => path.join(MIGRATIONS, file)),
];

/**
 * One database for each worker: a new one on the PostgreSQL server of TEST_DATABASE_URL, else an embedded one in
 * memory. Tests make their own organizations in it, and never clean up; the rounds of a server see no other's work.
 */
export async function openDatabases(count) {
  const server = process.env.TEST_DATABASE_URL;
  const template = templateFile();
  const open = () => (server ? createDatabase(server) : openEmbedded(template));
  const databases = [];
  // The first one makes the template, where there is none.
  if (!server && !existsSync(template)) databases.push(await open());
  databases.push(...(await Promise.all(Array.from({ length: count - databases.length }, open))));
  return databases;
}

async function createDatabase(server) {
  const name = `orgate_test_${randomUUID().slice(0, 8)}`;
  const admin = new pg.Client({ connectionString: server });
  await admin.connect();
  // Of template0, which nobody else copies or is connected to.
  await admin.query(`create database ${name} template template0`);
  const url = Object.assign(new URL(server), { pathname: name }).href;
  const close = async () => {
    await admin.query(`drop database ${name} with (force)`);
    await admin.end();
  };
  return { env: { ORGATE_TEST_URL: url }, url, close };
}

async function openEmbedded(template) {
  const directory = await mkdtemp(path.join(tmpdir(), 'orgate-test-'));
  const workerData = { directory, template, migrations: MIGRATIONS };
  const thread = new Worker(fromHere('embedded-database.js'), { workerData });
  await once(thread, 'message');
  const close = async () => {
    await thread.terminate();
    await rm(directory, { recursive: true, force: true });
  };
  const url = `postgres://postgres@localhost/postgres?host=${encodeURIComponent(directory)}`;
  return { env: { ORGATE_TEST_SOCKET: directory }, url, close };
}

/** Where a migrated database is kept for the next run, until a migration or what migrates is another. */
function templateFile() {
  const hash = createHash('sha256');
  for (const file of MAKERS)
    hash.update(JSON.stringify([path.basename(path.dirname(file)), readFileSync(file, 'utf8')]));
  return path.join(CACHE, `embedded-${hash.digest('hex')}.tar`);
}
