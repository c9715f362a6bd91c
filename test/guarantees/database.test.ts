import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asLoginRole } from '../../src/data/connection/org-connection.js';
import type { Database } from '../../src/data/database.js';
import { lintCatalogue } from '../../src/data/start/catalogue-lint.js';
import { probeIsolation } from '../../src/data/start/isolation-check.js';
import { openTestDatabase } from '../support/server.js';

let database: Database;
beforeAll(async () => {
  database = await openTestDatabase();
}, 60_000);
afterAll(() => database.close());

test('the catalogue MUST keep organizations apart, rule by rule', async () => {
  const results = await lintCatalogue((text, values) => database.pool.queryAsLoginRole(text, values));
  expect(results.length).toBeGreaterThan(10);
  expect(results.filter(({ broken }) => broken.length > 0)).toEqual([]);
});

/** A lint that cannot fail is none: each rule is broken once, and the transaction rolled back. */
test.each([
  ['row-level security enabled', 'alter table repository disable row level security'],
  ['row-level security enabled', 'alter table repository no force row level security'],
  ['a policy for every command', 'drop policy isolation on repository'],
  ['no other permissive policy', 'create policy wide on repository for select to public using (true)'],
  ['org-owned or on the list', 'create table stray (id text primary key)'],
  ['primary keys begin', 'create table stray (id text primary key, org_id text not null)'],
  ['every unique index holds', 'create unique index stray on repository (id)'],
  [
    'every foreign key between',
    'alter table repository add unique (id); alter table agent add constraint stray foreign key (repository_id) references repository (id)',
  ],
  [
    'nothing cascades',
    'alter table agent add constraint stray foreign key (org_id, repository_id) references repository (org_id, id) on delete cascade',
  ],
  [
    'the organization stays',
    'alter table agent add constraint stray foreign key (org_id, repository_id) references repository (org_id, id) on delete set null',
  ],
  ['every view runs', 'create view stray as select * from repository'],
  ["owner's rights", "create function stray() returns int language sql security definer as 'select 1'"],
  ["the gateway's roles cannot", 'alter role orgate_app createrole'],
  ['orgate_app has no rights', 'grant select on person to orgate_app'],
])('the lint MUST tell when "%s" is broken', async (rule, sql) => {
  const client = await database.pool.connect();
  try {
    await client.query(asLoginRole('begin'));
    for (const statement of sql.split(';')) await client.query(asLoginRole(statement));
    const results = await lintCatalogue((text, values) => client.query(asLoginRole(text, values)));
    const broken = results.filter((result) => result.broken.length > 0).map((result) => result.rule);
    expect(broken.join('\n')).toContain(rule);
  } finally {
    await client.query(asLoginRole('rollback'));
    client.release();
  }
});

test('the probe MUST find every wall standing, and leave nothing behind', async () => {
  const count = async () =>
    (await database.pool.queryAsLoginRole(`select count(*) from organization where name = 'probe'`)).rows;
  const before = await count();
  const checks = await probeIsolation(database.pool);
  expect(checks.filter(({ ok }) => !ok)).toEqual([]);
  expect(checks).toHaveLength(7);
  expect(await count()).toEqual(before);
});
