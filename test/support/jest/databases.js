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
/** What a database is when it was migrated depends on these. */
const MAKERS = [
  fromHere('../../../src/data/start/migrate.ts'),
  ...readdirSync(MIGRATIONS, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.sql'))
    .toSorted()
    .map((file) => path.join(MIGRATIONS, file)),
];
const EMBEDDED_MAKERS = [
  fromHere('../../../node_modules/@electric-sql/pglite/package.json'),
  fromHere('embedded-database.js'),
  ...MAKERS,
];

/**
 * One database for each worker, migrated: a new one on the PostgreSQL server of TEST_DATABASE_URL, else an embedded one
 * in memory. Tests make their own organizations in it, and never clean up; the rounds of a server see no other's work.
 */
export async function openDatabases(count) {
  const server = process.env.TEST_DATABASE_URL;
  const template = path.join(CACHE, `embedded-${hashOf(EMBEDDED_MAKERS)}.tar`);
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
  try {
    // One makes the template, others wait for it; whoever is killed lets go.
    await admin.query(`select pg_advisory_lock(hashtext('orgate tests'))`);
    await admin.query(`create database ${name} template ${await makeTemplate(admin, server)}`);
    await admin.query('select pg_advisory_unlock_all()');
  } catch (error) {
    await admin.end();
    throw error;
  }
  const url = urlOf(server, name);
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

/**
 * Copying a database takes a small part of what migrating one does. The server keeps the newest one that was migrated; it has
 * its name once it is whole, so what a killed run left behind is never copied.
 */
async function makeTemplate(admin, server) {
  const template = `orgate_template_${hashOf(MAKERS).slice(0, 16)}`;
  const { rows } = await admin.query(
    `select datname as name from pg_database where datname like 'orgate\\_template\\_%'`,
  );
  if (rows.some(({ name }) => name === template)) return template;
  for (const { name } of rows) await admin.query(`drop database ${name} with (force)`);
  const unfinished = 'orgate_template_unfinished';
  // Of template0, which nobody else copies or is connected to.
  await admin.query(`create database ${unfinished} template template0`);
  const { migrate } = await import('../../../src/data/start/migrate.ts');
  await migrate({ connectionString: urlOf(server, unfinished) }, MIGRATIONS);
  await admin.query(`alter database ${unfinished} rename to ${template}`);
  return template;
}

const urlOf = (server, name) => Object.assign(new URL(server), { pathname: name }).href;

/** Of what a migrated database is made by: it is kept until a migration or what migrates is another. */
function hashOf(makers) {
  const hash = createHash('sha256');
  for (const file of makers)
    hash.update(JSON.stringify([path.basename(path.dirname(file)), readFileSync(file, 'utf8')]));
  return hash.digest('hex');
}
