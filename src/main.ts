import closeWithGrace from 'close-with-grace';
import { ConfigError, readConfig } from './config.js';
import { DataDirectoryInUseError } from './data/data-directory-lock.js';
import { UnsafeDatabaseError } from './data/isolation-check.js';
import { MigrationError } from './data/migrate.js';
import { SigningKeyError } from './data/signing-keys.js';
import { createMetrics } from './gateway/metrics.js';
import { createServer, openConfiguredDatabase } from './server.js';

/** What its user can mend: told in one paragraph, without a stack. */
const EXPECTED = [ConfigError, DataDirectoryInUseError, MigrationError, SigningKeyError, UnsafeDatabaseError];

try {
  await main();
} catch (error) {
  if (EXPECTED.some((kind) => error instanceof kind)) console.error(`orgate cannot start. ${(error as Error).message}`);
  else if (isAddressInUse(error)) {
    const { port } = error;
    console.error(
      `orgate cannot start. Port ${port} is taken. Set PORT, or METRICS_PORT if that is the one, to another.`,
    );
  } else console.error('orgate cannot start.', error);
  process.exit(1);
}

async function main(): Promise<void> {
  const config = readConfig();
  const metrics = createMetrics();
  if (!config.production) console.log(config.databaseUrl ? 'Opening PostgreSQL …' : 'Opening the embedded database …');
  const database = await openConfiguredDatabase(config, metrics, (step, ms) => {
    if (!config.production && ms > 50) console.log(`  ${step} (${(ms / 1000).toFixed(1)} s)`);
  });
  const server = await createServer({ config, database, metrics }).catch(async (error: unknown) => {
    await database.close();
    throw error;
  });
  closeWithGrace({ delay: config.shutdownDelayMs + 15_000 }, async ({ err }) => {
    if (err) console.error(err);
    await server.close();
  });
  if (!config.production) console.log(banner(server.url.replace('127.0.0.1', 'localhost'), config.development));
}

function banner(url: string, development: boolean): string {
  const tryIt = development
    ? `  Sign in   ${url}/auth

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
  return (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
}
