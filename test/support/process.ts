import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { cp, mkdtemp, symlink } from 'node:fs/promises';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AnswerTo, Checked } from './server.js';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));

/** orgate as its user runs it: the built program, in a process of its own. */
export interface Process {
  readonly url: string;
  readonly child: ChildProcess;
  /** All that it printed so far. */
  output(): string;
  /** Sends the signal and waits for the end. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

const environment = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  METRICS_PORT: 'off',
  GRAPHIQL: 'false',
  ...env,
});

export const newDirectory = (): Promise<string> => mkdtemp(path.join(tmpdir(), 'orgate-start-'));

/** Where the system hands out no ports by itself, and the other worker takes none. */
const FIRST_PORT = 20_000 + 2000 * (Number(process.env['JEST_WORKER_ID'] ?? 0) % 6);

/**
 * A port that nobody listens at, and nobody will who asks the system for any: of what a test starts, others answered at a
 * port that it had given back a moment before.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer().listen(FIRST_PORT + randomInt(2000), '127.0.0.1');
    const { port } = await once(server, 'listening').then(
      () => server.address() as AddressInfo,
      () => ({ port: null }),
    );
    if (port === null) continue; // taken
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** The folder of the built program as a production image has it: without what exists in development only. */
export async function imageWithoutDevelopment(): Promise<string> {
  const root = await newDirectory();
  const source = path.resolve(DIST, '..');
  const left = path.join(DIST, 'development');
  await cp(DIST, path.join(root, 'dist'), { recursive: true, filter: (from) => from !== left });
  await cp(path.join(source, 'package.json'), path.join(root, 'package.json'));
  for (const folder of ['node_modules', 'prisma', 'schema']) {
    await symlink(path.join(source, folder), path.join(root, folder));
  }
  return path.join(root, 'dist/');
}

/**
 * Starts the program; resolves once it answers, or has ended.
 *
 * @param options its arguments, a file that its standard output goes to instead, where another build of it is, or
 *   what else is started, where, by which command that becomes it, and who is told that it has begun
 */
export async function start(
  env: NodeJS.ProcessEnv,
  {
    args = [],
    output = 'pipe',
    cwd,
    dist = DIST,
    program = `${dist}main.js`,
    through = [],
    onBegun = () => undefined,
  }: {
    args?: readonly string[];
    output?: number | 'pipe';
    cwd?: string;
    dist?: string;
    program?: string;
    through?: readonly string[];
    onBegun?: (process: Process) => void;
  } = {},
): Promise<Process> {
  const port = await freePort();
  const [command = '', ...rest] = [...through, process.execPath, program, ...args];
  const child = spawn(command, rest, {
    // Where nobody left a .env.
    cwd: cwd ?? (await newDirectory()),
    env: environment({ PORT: String(port), ...env }),
    stdio: ['ignore', output, 'pipe'],
  });
  let printed = '';
  child.stdout?.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const started: Process = {
    url: `http://localhost:${port}`,
    child,
    output: () => printed,
    end: (signal = 'SIGTERM') => {
      child.kill(signal);
      return ended;
    },
  };
  onBegun(started);
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) break;
    if ((await fetch(`${started.url}/readyz`).catch(() => null))?.ok) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return started;
}

const PROGRAMS = {
  main: 'main',
  doctor: 'commands/doctor',
  migrate: 'commands/migrate',
  schema: 'commands/schema',
  'rotate-keys': 'commands/rotate-keys',
  'system-admin': 'commands/system-admin',
  adopt: 'commands/adopt',
  demo: 'development/demo-command',
  token: 'development/token-command',
} as const;

/** Where it stands. */
export const program = (name: keyof typeof PROGRAMS): string => `${DIST}${PROGRAMS[name]}.js`;

/** Runs a program of the package to its end. */
export async function command(
  name: keyof typeof PROGRAMS,
  args: string[],
  env: NodeJS.ProcessEnv,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const cwd = await newDirectory();
  return new Promise((resolve) => {
    execFile(process.execPath, [program(name), ...args], { cwd, env: environment(env) }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

/** Sends an operation as a person of the demo world. */
export async function ask<Text extends string>(
  server: Process,
  token: string,
  query: Text & Checked<Text>,
): Promise<AnswerTo<Text>['data']> {
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
  });
  return ((await response.json()) as AnswerTo<Text>).data;
}
