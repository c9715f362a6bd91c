import '../../../.config/typescript.js';

/** Closes what the runner opened, once the doctor found sound what the tests left behind; else the run fails. */
export default async function teardown() {
  const { testDatabases = [] } = globalThis;
  try {
    for (const { url } of testDatabases) await examineWhatIsLeft(url);
  } finally {
    for (const database of testDatabases) await database.close();
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
