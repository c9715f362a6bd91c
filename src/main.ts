import { once } from 'node:events';
import { createServer as createSocketServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import closeWithGrace from 'close-with-grace';
import { readArguments } from './commands/read-arguments.js';
import { type Config, ConfigError, readConfig } from './config/config.js';
import { EnvironmentFileError } from './config/environment.js';
import type { Database } from './data/database.js';
import { DataDirectoryInUseError } from './data/start/data-directory-lock.js';
import { DatabaseAwayError, DatabaseRefusalError } from './data/start/database-away.js';
import { UnsafeDatabaseError } from './data/start/isolation-check.js';
import { MigrationError } from './data/start/migrate.js';
import { PoolerError } from './data/start/pooler-check.js';
import { createMetrics, type Metrics } from './gateway/http/metrics.js';
import { SigningKeyError } from './identity/signing-keys.js';
import { openConfiguredDatabase } from './open-database.js';
import { createServer } from './server.js';
import { asError, codeOf } from './thrown.js';

/** What its user can mend: told in one paragraph, without a stack. */
const EXPECTED = [
  ConfigError,
  DataDirectoryInUseError,
  DatabaseAwayError,
  DatabaseRefusalError,
  EnvironmentFileError,
  MigrationError,
  PoolerError,
  SigningKeyError,
  UnsafeDatabaseError,
];

const USAGE = `usage: npm start [-- --wait]

  --wait   waits for a PostgreSQL that is not there yet

Settings are environment variables, or lines of a file .env beside it; .env.example lists them.`;

const ASK_AGAIN_MS = 1000;
const LAST_ANSWERS_MS = 300;
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

// A disk that is full under what is printed costs lines and not the gateway.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

try {
  await main();
} catch (error) {
  if (EXPECTED.some((kind) => error instanceof kind)) console.error(`orgate cannot start. ${asError(error).message}`);
  else if (isAddressInUse(error)) {
    const { port } = error;
    console.error(
      `orgate cannot start. Port ${port} is taken, perhaps by an orgate that runs already. Set PORT, or METRICS_PORT if that is the one, to another.`,
    );
  } else console.error('orgate cannot start.', error);
  process.exit(1);
}

async function main(): Promise<void> {
  const { values } = readArguments(USAGE, { options: { wait: { type: 'boolean', default: false } } });
  const config = readConfig();
  // The first process of a container gets no signal that it does not ask for, however long it takes to start.
  const leave = () => process.exit(0);
  for (const signal of SIGNALS) process.on(signal, leave);
  await tryPort(config.host, config.port);
  if (config.metrics && config.production) await tryPort(config.metrics.host, config.metrics.port);
  const metrics = createMetrics();
  if (!config.production) console.log(config.databaseUrl ? 'Opening PostgreSQL …' : 'Opening the embedded database …');
  const database = await openPatiently(config, metrics, values.wait);
  const server = await createServer({ config, database, metrics }).catch(async (error: unknown) => {
    await database.close();
    throw error;
  });
  closeWithGrace({ delay: config.shutdownDelayMs + 15_000 }, async ({ err }) => {
    if (err) console.error(err);
    await server.close();
  });
  for (const signal of SIGNALS) process.off(signal, leave);
  if (!config.production) console.log(banner(server.url.replace('127.0.0.1', 'localhost'), config.development));
}

/** Whether it is free is known before the database is opened, which may take long. @throws what listening throws */
async function tryPort(host: string, port: number): Promise<void> {
  const server = createSocketServer().listen(port, host);
  await once(server, 'listening');
  server.close();
  await once(server, 'close');
}

/** Opens the database. One that is away is asked for again and again where it is worth waiting for. */
async function openPatiently(config: Config, metrics: Metrics, isPatient: boolean): Promise<Database> {
  const tellOfOther = () => console.error('Another process migrates the database. Waiting until it is done.');
  let isWaiting = false;
  for (;;) {
    try {
      const tellStep = (step: string, ms: number) => {
        if (!config.production && ms > 50) console.log(`  ${step} (${(ms / 1000).toFixed(1)} s)`);
      };
      return await openConfiguredDatabase(config, metrics, tellStep, tellOfOther, endOnCrash);
    } catch (error) {
      if (!isPatient || !(error instanceof DatabaseAwayError)) throw error;
      if (!isWaiting) console.error(`${error.message}. Waiting until it is there.`);
      isWaiting = true;
      await wait(ASK_AGAIN_MS);
    }
  }
}

/** Whoever was asking is told, and then it ends: nothing can be answered any more. */
function endOnCrash(): void {
  console.error(
    'The embedded database has crashed, and orgate ends with it. Nothing that was answered is lost: mend what is wrong, ' +
      'such as a full disk, and start orgate again.',
  );
  setTimeout(() => process.exit(1), LAST_ANSWERS_MS);
}

function banner(url: string, development: boolean): string {
  const tryIt = development
    ? `  Sign in   ${url}/auth
  Mail      ${url}/dev/mail
  Webhooks  ${url}/dev/webhooks

  Try   curl ${url}/graphql -H "authorization: Bearer $(npm run --silent token -- ann@acme.example --org acme)" \\
          -H 'content-type: application/json' -d '{"query":"{ repositories { nodes { name gitUrl } } }"}'
`
    : '';
  return `
  orgate is ready.

  GraphiQL  ${url}/
  GraphQL   ${url}/graphql
${tryIt}`;
}

function isAddressInUse(error: unknown): error is { port: number } {
  return codeOf(error) === 'EADDRINUSE';
}
