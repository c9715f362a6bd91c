import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import pg from 'pg';
import type { AdoptionMap } from '../../src/adopt/map.js';

/** A deployment that one organization had to itself, in a database of its own beside the test's. */
export interface SingleTenant {
  readonly url: string;
  /** The map that docs/adopt.md has, for an organization and people that no other test has. */
  readonly map: AdoptionMap;
  /** By how people are called there before the `@`. */
  readonly emailOf: (name: string) => string;
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

export async function givenSingleTenant(): Promise<SingleTenant> {
  const home = process.env['ORGATE_TEST_URL'] as string;
  const mark = randomBytes(5).toString('hex');
  const name = `single_tenant_${mark}`;
  const owner = new pg.Client({ connectionString: home });
  await owner.connect();
  await owner.query(`create database ${name}`);
  const url = Object.assign(new URL(home), { pathname: `/${name}` }).href;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(await readFile(new URL('single-tenant/schema.sql', import.meta.url), 'utf8'));
  const domain = `initech-${mark}.example`;
  await client.query(`update shaman.app_user set email = replace(email, 'initech.example', $1)`, [domain]);
  const docs = await readFile(new URL('../../docs/adopt.md', import.meta.url), 'utf8');
  const printed = /```json map\n([\s\S]*?)```/.exec(docs)?.[1] ?? '';
  const map = JSON.parse(printed.replaceAll('initech.example', domain)) as AdoptionMap;
  return {
    url,
    map: { ...map, organization: { ...map.organization, slug: `initech-${mark}` } },
    emailOf: (who) => `${who}@${domain}`,
    sql: async (text, values) => (await client.query<Record<string, unknown>>(text, values)).rows,
    close: async () => {
      await client.end();
      await owner.query(`drop database ${name} with (force)`);
      await owner.end();
    },
  };
}
