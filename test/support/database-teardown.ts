import { execFile } from 'node:child_process';
import path from 'node:path';
import pg from 'pg';
import type { TestDatabase } from './database-setup.js';

/** Closes what database-setup opened, once the doctor found sound what the tests left behind; else the run fails. */
export default async function teardown(): Promise<void> {
  const { databases = [] } = globalThis as { databases?: readonly TestDatabase[] };
  try {
    for (const { url } of databases) await examineWhatIsLeft(url);
  } finally {
    for (const database of databases) await database.close();
  }
}

/** By the built program, which needs no help of Jest's to run. */
async function examineWhatIsLeft(url: string): Promise<void> {
  if (!(await isInUse(url))) return;
  const doctor = path.resolve('dist/commands/doctor.js');
  await new Promise<void>((resolve, reject) => {
    execFile(
      process.execPath,
      [doctor],
      { env: { PATH: process.env['PATH'], DATABASE_URL: url }, timeout: 60_000 },
      (error, stdout) => {
        if (error)
          reject(new Error(`the tests left a database that the doctor finds unsound\n${stdout || error.message}`));
        else resolve();
      },
    );
  });
}

/** Whether any test opened it. */
async function isInUse(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(`select to_regclass('organization') is not null as found`)).rows[0].found as boolean;
  } finally {
    await client.end();
  }
}
