import pg from 'pg';
import '../../../.config/typescript.js';

/** Closes what the runner opened, once the doctor found sound what the tests left behind; else the run fails. */
export default async function teardown() {
  const { testDatabases = [] } = globalThis;
  try {
    for (const { url } of testDatabases) if (await isMigrated(url)) await examineWhatIsLeft(url);
  } finally {
    for (const database of testDatabases) await database.close();
  }
}

/** On a server, by the first test that needed it. */
async function isMigrated(url) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(`select to_regclass('organization') is not null as found`)).rows[0].found;
  } finally {
    await client.end();
  }
}

async function examineWhatIsLeft(databaseUrl) {
  const { assertHealthy, examine } = await import('../../../src/data/start/doctor.ts');
  const strictness = {
    production: false,
    preparedStatements: true,
    statementTimeoutMs: 60_000,
    baseDomain: null,
    publicUrl: null,
  };
  assertHealthy(await examine({ databaseUrl, dataDirectory: '', ...strictness }));
}
