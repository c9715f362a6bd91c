import type { Config } from './config/config.js';
import { type Database, openDatabase } from './data/database.js';
import type { Metrics } from './gateway/http/metrics.js';
import { loadDevelopment } from './load-development.js';

/** Opens the database that the configuration names. */
export async function openConfiguredDatabase(
  config: Config,
  metrics: Metrics,
  onStep: (step: string, ms: number) => void = () => undefined,
  onWaiting: () => void = () => undefined,
  onCrash: () => void = () => undefined,
): Promise<Database> {
  // Told before anything is opened, where it was left out.
  const development = await loadDevelopment(config);
  const counts = {
    orgate_app: metrics.statements.labels('orgate_app'),
    orgate_directory: metrics.statements.labels('orgate_directory'),
    orgate_sealer: metrics.statements.labels('orgate_sealer'),
    orgate_purger: metrics.statements.labels('orgate_purger'),
  };
  const database = await openDatabase({
    store:
      config.databaseUrl === null
        ? { dataDirectory: config.dataDirectory }
        : { url: config.databaseUrl, migrationUrl: config.migrationDatabaseUrl },
    poolSize: config.databasePoolSize,
    statementTimeoutMs: config.statementTimeoutMs,
    lockTimeoutMs: config.lockTimeoutMs,
    preparedStatements: config.preparedStatements,
    requireSeparateLogin: config.production,
    onStatement: (_text, { role }) => counts[role].inc(),
    onStep,
    onWaiting,
    onCrash,
  });
  if (config.databaseUrl === null) {
    const began = performance.now();
    if (await development?.loadDemoIfEmpty(database, config)) onStep('loaded the demo data', performance.now() - began);
  }
  return database;
}
