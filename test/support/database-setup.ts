import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import pg from 'pg';

export interface TestDatabase {
  /** How the files of its worker find it (jest/run-file.js). */
  readonly env: { ORGATE_TEST_URL: string } | { ORGATE_TEST_SOCKET: string };
  readonly url: string;
  close(): Promise<void>;
}

/** Jest runs the teardown in this process too; this is how it finds what the setup opened. */
const world = globalThis as { databases?: readonly TestDatabase[] };

/**
 * One database for each worker: a new one on the PostgreSQL server of TEST_DATABASE_URL, else an embedded one in
 * memory. Tests make their own organizations in it, and never clean up; the rounds of a server see no other's work.
 */
export default async function setup({ maxWorkers }: { maxWorkers: number }): Promise<void> {
  const server = process.env['TEST_DATABASE_URL'];
  const create = () => (server ? createDatabase(server) : openEmbedded());
  world.databases = await Promise.all(Array.from({ length: maxWorkers }, create));
  process.env['ORGATE_TEST_DATABASES'] = JSON.stringify(world.databases.map(({ env }) => env));
}

async function createDatabase(server: string): Promise<TestDatabase> {
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

async function openEmbedded(): Promise<TestDatabase> {
  const directory = await mkdtemp(path.join(tmpdir(), 'orgate-test-'));
  const thread = new Worker(path.resolve('test/support/jest/embedded-database.js'), { workerData: directory });
  await once(thread, 'message');
  const close = async () => {
    await thread.terminate();
    await rm(directory, { recursive: true, force: true });
  };
  const url = `postgres://postgres@localhost/postgres?host=${encodeURIComponent(directory)}`;
  return { env: { ORGATE_TEST_SOCKET: directory }, url, close };
}
