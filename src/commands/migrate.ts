import { readDatabaseUrls } from '../config/config.js';
import { migrateDatabase } from '../data/start/migrate-database.js';
import { asError } from '../thrown.js';
import { readArguments } from './read-arguments.js';

const USAGE = `usage: npm run migrate

Applies this release's migrations to the database of MIGRATION_DATABASE_URL, as its owner, and lets the login of
DATABASE_URL act. What is applied already stays as it is; of several at once one migrates, and the others wait.`;

/** Brings a database up to this release, so that whoever serves need not know its owner. */
async function main(): Promise<void> {
  readArguments(USAGE, { options: {} });
  const applied = await migrateDatabase(readDatabaseUrls(), () =>
    console.error('Another process migrates the database. Waiting until it is done.'),
  );
  for (const name of applied) console.log(`applied ${name}`);
  console.log(
    applied.length === 0 ? 'Every migration of this release was applied already.' : 'The database is up to date.',
  );
}

main().catch((error: unknown) => {
  console.error(asError(error).message);
  process.exit(1);
});
