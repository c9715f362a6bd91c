import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { openDatabase } from '../../src/data/database.js';
import { addDemoWorld } from '../../src/development/demo.js';
import { unique } from '../support/given.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { command, newDirectory, start } from '../support/process.js';
import { isPostgres, startIssuer, type TestIssuer } from '../support/server.js';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** What docs/operations.md tells an operator to run. */
async function blockOf(name: 'backup' | 'restore'): Promise<string> {
  const page = await readFile(path.join(ROOT, 'docs/operations.md'), 'utf8');
  const block = new RegExp(`^\`\`\`sh ${name}\\n([^]*?)^\`\`\``, 'm').exec(page)?.[1] ?? '';
  expect(block).not.toBe('');
  return block.replaceAll('npm run', `npm --prefix ${ROOT} run`);
}

(isPostgres ? describe : describe.skip)('A backup', () => {
  const admin = new pg.Client({ connectionString: process.env['ORGATE_TEST_URL'] });
  const name = (prefix: string): string => unique(prefix).replaceAll('-', '_');
  const [database, owner, backup] = [name('orgate_source'), name('orgate_owner'), name('orgate_backup')];
  const urlOf = (user: string) =>
    Object.assign(new URL(process.env['ORGATE_TEST_URL'] ?? ''), {
      pathname: database,
      username: user,
      password: 'secret',
    }).href;
  let elsewhere: TestPostgres;
  let issuer: TestIssuer;
  let directory = '';

  beforeAll(async () => {
    [elsewhere, issuer, directory] = await Promise.all([startPostgres(), startIssuer(), newDirectory()]);
    await admin.connect();
    await admin.query(`create role ${owner} login password 'secret' createrole`);
    await admin
      .query(`grant orgate_app, orgate_directory, orgate_sealer, orgate_purger to ${owner} with admin option`)
      .catch(() => undefined);
    await admin.query(`create role ${backup} login password 'secret' bypassrls`);
    await admin.query(`grant pg_read_all_data to ${backup}`);
    await admin.query(`create database ${database} owner ${owner}`);
    const source = await openDatabase({
      store: {
        url: Object.assign(new URL(process.env['ORGATE_TEST_URL'] ?? ''), { pathname: database }).href,
        migrationUrl: urlOf(owner),
      },
      poolSize: 2,
      statementTimeoutMs: 30_000,
      preparedStatements: true,
      requireSeparateLogin: false,
      onStep: () => undefined,
    });
    await addDemoWorld(source);
    await source.close();
  });
  afterAll(async () => {
    await admin.query(`drop database if exists ${database} with (force)`);
    for (const role of [owner, backup]) {
      await admin.query(`drop owned by ${role}`);
      await admin.query(`drop role ${role}`);
    }
    await Promise.all([admin.end(), elsewhere.close(), issuer.close(), rm(directory, { recursive: true })]);
  });

  const shell = (script: string, env: NodeJS.ProcessEnv) =>
    run('sh', ['-ec', script], { cwd: directory, env: { PATH: process.env['PATH'], ...env } });

  test('of the owner fails and, made to succeed, lacks the rows of organizations', async () => {
    await expect(shell('pg_dump "$URL"', { URL: urlOf(owner) })).rejects.toThrow(
      'query would be affected by row-level security policy',
    );
    const { stdout } = await shell('pg_dump --enable-row-security "$URL"', { URL: urlOf(owner) });
    expect(stdout).toMatch(/^COPY public\.repository .*\n\\\.$/m);
    expect(stdout).not.toMatch(/^COPY public\.person .*\n\\\.$/m);
  });

  test('is made and restored as docs/operations.md says: the doctor finds the copy sound, and it answers', async () => {
    await shell(await blockOf('backup'), { BACKUP_URL: urlOf(backup) });

    // Another server, on which there is nothing but an empty database of the owner's.
    await elsewhere.query(`create role orgate_owner login password 'secret' createrole`);
    await elsewhere.query(`create role orgate_gateway login password 'secret' nosuperuser nobypassrls noinherit`);
    await elsewhere.query('alter database orgate owner to orgate_owner');
    const at = (user: string) => Object.assign(new URL(elsewhere.url), { username: user, password: 'secret' }).href;
    const gateway = {
      NODE_ENV: 'production',
      ORGATE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
      PUBLIC_URL: 'https://orgate.example',
      AUTH_ISSUERS: JSON.stringify([{ issuer: issuer.issuer, jwksUri: issuer.jwksUri, audience: 'orgate' }]),
      DATABASE_URL: at('orgate_gateway'),
      SHUTDOWN_DELAY_MS: '0',
    };
    const { stdout } = await shell(await blockOf('restore'), {
      ...gateway,
      MIGRATION_DATABASE_URL: at('orgate_owner'),
    });
    expect(stdout).toContain('Every migration of this release was applied already.');
    expect(stdout).toMatch(/All \d+ checks hold\./);

    const server = await start(gateway);
    const token = await issuer.sign({ sub: 'ann', email: 'ann@acme.example', email_verified: true });
    const ask = async (organization: string) => {
      const headers = {
        'content-type': 'application/json',
        authorization: `Bearer ${token}`,
        'x-organization-id': organization,
      };
      const body = JSON.stringify({ query: '{ viewer { role } repositories { totalCount } }' });
      return (await fetch(`${server.url}/graphql`, { method: 'POST', headers, body })).json();
    };
    try {
      expect(await ask('acme')).toEqual({ data: { viewer: { role: 'OWNER' }, repositories: { totalCount: 3 } } });
      expect(await ask('initech')).toMatchObject({ errors: [{ extensions: { code: 'NOT_FOUND' } }] });
    } finally {
      expect(await server.end()).toBe(0);
    }

    // What is missing is found, and not only what is there.
    await elsewhere.query('alter table repository no force row level security');
    const { code, stdout: found } = await command('doctor', [], gateway);
    expect([code, found]).toEqual([1, expect.stringContaining('FAIL')]);
  });
});
