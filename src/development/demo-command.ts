import { readArguments } from '../commands/read-arguments.js';
import { readConfig } from '../config/config.js';
import { createMetrics } from '../gateway/http/metrics.js';
import { openConfiguredDatabase } from '../open-database.js';
import { asError } from '../thrown.js';
import { loadDemo } from './load-demo.js';

const USAGE = `usage: npm run demo

Loads the demo world into the database that the environment names, in development only; unless it is there.`;

/** Loads the demo world into the configured database, unless it is there. */
async function main(): Promise<void> {
  readArguments(USAGE, { options: {} });
  const config = readConfig();
  if (!config.development)
    throw new Error('Demo data exists only where NODE_ENV is not production and HOST is a loopback address.');
  const database = await openConfiguredDatabase(config, createMetrics());
  try {
    const loaded = await loadDemo(database, config);
    console.log(loaded ? 'The demo world is loaded.' : 'The demo world is there already; nothing was changed.');
  } finally {
    await database.close();
  }
}

main().catch((error: unknown) => {
  console.error(asError(error).message);
  process.exit(1);
});
