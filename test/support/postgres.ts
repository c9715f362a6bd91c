import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePort } from './process.js';

const run = promisify(execFile);

/** A PostgreSQL of its own, which a test may stop, crash and start again at the same address. */
export interface TestPostgres {
  /** As its superuser, of its database `orgate`. */
  readonly url: string;
  readonly port: number;
  /** Resolves when it accepts connections. */
  start(): Promise<void>;
  /** `immediate` is a crash: it has to recover when it starts. */
  stop(how?: 'fast' | 'immediate'): Promise<void>;
  /** One statement as the superuser, over a connection of its own. */
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Stops it, and leaves nothing behind. */
  close(): Promise<void>;
}

/**
 * @param settings of postgresql.conf
 * @param parent of its directory: a disk of its own, say
 */
export async function startPostgres(
  settings: Readonly<Record<string, string>> = {},
  parent = tmpdir(),
): Promise<TestPostgres> {
  const bin = await findBinaries();
  const directory = await mkdtemp(path.join(parent, 'orgate-postgres-'));
  const identity = await otherThanRoot();
  if (identity) await chown(directory, identity.uid, identity.gid);
  const data = path.join(directory, 'data');
  // It is crashed, never the machine: what it wrote without a sync is still there.
  const init = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  await run(path.join(bin, 'initdb'), init, { ...identity, cwd: directory });
  const port = await freePort();
  const all = { listen_addresses: '127.0.0.1', unix_socket_directories: '', fsync: 'off', ...settings };
  const options = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  let child: ChildProcess | undefined;

  const query = async <Row extends pg.QueryResultRow>(text: string, values?: unknown[], database = 'orgate') => {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database });
    client.on('error', () => undefined); // reported by the statement it breaks
    await client.connect();
    try {
      return (await client.query<Row>(text, values)).rows;
    } finally {
      await client.end();
    }
  };
  const postgres: TestPostgres = {
    url: `postgres://postgres@127.0.0.1:${port}/orgate`,
    port,
    async start() {
      const args = ['-D', data, '-p', String(port), ...options];
      child = spawn(path.join(bin, 'postgres'), args, { ...identity, cwd: directory, stdio: 'ignore' });
      // What answers is known to be up: one that is still recovering refuses.
      for (let attempt = 0; ; attempt += 1) {
        if (child.exitCode !== null || attempt === 600) throw new Error('postgres did not start');
        if (await query('select', [], 'postgres').catch(() => null)) return;
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    },
    async stop(how = 'fast') {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
      await gone;
    },
    query: (text, values) => query(text, values),
    async close() {
      await postgres.stop('immediate');
      await rm(directory, { recursive: true, force: true });
    },
  };
  try {
    await postgres.start();
    await query('create database orgate', [], 'postgres');
    return postgres;
  } catch (error) {
    await postgres.close();
    throw error;
  }
}

/** The newest that is installed. */
async function findBinaries(): Promise<string> {
  const versions = await readdir('/usr/lib/postgresql');
  const newest = Math.max(...versions.map(Number).filter(Number.isFinite));
  return `/usr/lib/postgresql/${newest}/bin`;
}

/** PostgreSQL refuses to run as root. */
async function otherThanRoot(): Promise<{ uid: number; gid: number } | null> {
  if (userInfo().uid !== 0) return null;
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, 'postgres'])).stdout)),
  );
  return { uid: uid as number, gid: gid as number };
}
