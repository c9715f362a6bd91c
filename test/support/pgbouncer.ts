import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { freePort } from './process.js';

const PGBOUNCER = '/usr/sbin/pgbouncer';

/** A pooler in transaction mode of its own, which a test may kill and start again at the same address. */
export interface TestPgBouncer {
  readonly url: string;
  start(): Promise<void>;
  kill(): Promise<void>;
  /** Kills it, and leaves nothing behind. */
  close(): Promise<void>;
}

/**
 * By default two server connections, of which each transaction gets whichever is free.
 *
 * @param url of the database behind it
 * @param settings of its own
 */
export async function startPgBouncer(
  url: URL,
  settings: Readonly<Record<string, string | number>> = {},
): Promise<TestPgBouncer> {
  const directory = await mkdtemp(path.join(tmpdir(), 'orgate-pgbouncer-'));
  const port = await freePort();
  const database = url.pathname.slice(1);
  const ini = path.join(directory, 'pgbouncer.ini');
  const all = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    auth_type: 'any',
    pool_mode: 'transaction',
    default_pool_size: 2,
    max_client_conn: 100,
    unix_socket_dir: '',
    ...settings,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`);
  const to = `host=${url.hostname} port=${url.port || 5432} dbname=${database} user=${url.username}`;
  await writeFile(ini, ['[databases]', `${database} = ${to}`, '[pgbouncer]', ...lines, ''].join('\n'));
  // It refuses to run as root.
  const isRoot = userInfo().uid === 0;
  await chmod(directory, 0o755);
  if (isRoot) await chown(directory, 65_534, 65_534);
  let child: ChildProcess | undefined;
  const bouncer: TestPgBouncer = {
    url: `postgres://${url.username}@127.0.0.1:${port}/${database}`,
    async start() {
      child = spawn(PGBOUNCER, [...(isRoot ? ['-u', 'nobody'] : []), ini], { stdio: 'ignore' });
      child.once('error', () => undefined); // not installed: nothing will answer, and the test says so
      for (let attempt = 0; !(await accepts(port)); attempt += 1) {
        if (child.pid === undefined || child.exitCode !== null || attempt === 400)
          throw new Error('pgbouncer did not start');
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    },
    async kill() {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
    async close() {
      await bouncer.kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
  await bouncer.start();
  return bouncer;
}

/** The setting with which it keeps no prepared statements; before 1.21 it does not know how to. */
export function keepingNoStatements(): Record<string, number> {
  const [, minor] = /PgBouncer 1\.(\d+)/.exec(execFileSync(PGBOUNCER, ['--version']).toString()) ?? [];
  return Number(minor) < 21 ? {} : { max_prepared_statements: 0 };
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.destroy());
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  });
