import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asLoginRole } from '../../src/data/connection/org-connection.js';
import type { Database } from '../../src/data/database.js';
import { type LintResult, lintCatalogue } from '../../src/data/start/catalogue-lint.js';
import { probeIsolation } from '../../src/data/start/isolation-check.js';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { openTestDatabase } from '../support/server.js';

let database: Database;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

test('the catalogue MUST keep organizations apart, rule by rule', async () => {
  const results = await lintCatalogue((text, values) => database.pool.queryAsLoginRole(text, values));
  expect(results.length).toBeGreaterThan(10);
  expect(results.filter(({ broken }) => broken.length > 0)).toEqual([]);
});

/** The rules that some statements break, in a transaction that is rolled back. */
async function brokenBy(sql: string): Promise<LintResult[]> {
  const client = await database.pool.connect();
  try {
    await client.query(asLoginRole('begin'));
    for (const statement of sql.split(';')) await client.query(asLoginRole(statement));
    const results = await lintCatalogue((text, values) => client.query(asLoginRole(text, values)));
    return results.filter(({ broken }) => broken.length > 0);
  } finally {
    await client.query(asLoginRole('rollback'));
    client.release();
  }
}

/** A lint that cannot fail is none: each rule is broken once, and the transaction rolled back. */
test.each([
  ['row-level security enabled', 'alter table repository disable row level security'],
  ['row-level security enabled', 'alter table repository no force row level security'],
  ['a policy for every command', 'drop policy isolation on repository'],
  ['no other permissive policy', 'create policy wide on repository for select to public using (true)'],
  ['no rights in a table', 'create table stray (id text primary key); grant select on stray to orgate_app'],
  ['no rights in a table', 'create table stray (id text primary key); grant update (id) on stray to orgate_app'],
  ['no rights in a table', 'create table stray (id text primary key); grant insert on stray to public'],
  ['primary keys begin', 'create table stray (id text primary key, org_id text not null)'],
  ['every unique index holds', 'truncate repository cascade; create unique index stray on repository (id)'],
  [
    'every foreign key between',
    'truncate repository cascade; alter table repository add unique (id); alter table agent add constraint stray foreign key (repository_id) references repository (id)',
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
  ['no rights in a table', 'grant select (email) on person to orgate_app'],
  ['nobody has rights by default', 'grant select on repository to public'],
])('the lint MUST tell when "%s" is broken', async (rule, sql) => {
  const broken = (await brokenBy(sql)).map((result) => result.rule);
  expect(broken.join('\n')).toContain(rule);
});

test('a table that only a newer release knows MUST NOT keep this one from starting again', async () => {
  expect(
    await brokenBy(
      'create table newer (id text primary key); grant select, insert, update on newer to orgate_directory',
    ),
  ).toEqual([]);
});

const NEWER =
  "create table newer (org_id text not null references organization (id) on delete cascade, number text primary key); call orgate_isolate('newer')";

test('a key across organizations that only a newer release knows MUST NOT keep this one from starting again', async () => {
  expect(
    await brokenBy(`${NEWER}; comment on index newer_pkey is 'across organizations: a number has one holder'`),
  ).toEqual([]);
  for (const comment of ['', "; comment on table newer is 'across organizations: a number has one holder'"]) {
    const broken = await brokenBy(`${NEWER}${comment}`);
    expect(broken).toEqual([
      { rule: expect.stringContaining('primary keys begin'), broken: ['newer'] },
      { rule: expect.stringContaining('every unique index'), broken: ['newer_pkey'] },
    ]);
  }
});

test('what is unique across organizations MUST be these keys, each with its reason', async () => {
  const { rows } = await database.pool.queryAsLoginRole(`
    select i.indexrelid::regclass::text as name, obj_description(i.indexrelid, 'pg_class') as reason
    from pg_index i where obj_description(i.indexrelid, 'pg_class') like 'across organizations: %' order by 1`);
  expect(rows).toEqual([
    {
      name: 'address_pkey',
      reason: 'across organizations: slugs are host names and a domain has one holder, so both are claimed here',
    },
    { name: 'organization_set_id_region_environment_idx', reason: 'across organizations: a set has each place once' },
  ]);
});

test.each([
  ['on delete cascade', 'stray: write `on delete set null (repository_id)`'],
  ['on delete set null', 'stray: write `on delete set null (repository_id)`'],
])('whoever writes `%s` MUST be told what to write instead', async (action, instead) => {
  const key = `alter table agent add constraint stray foreign key (org_id, repository_id) references repository (org_id, id) ${action}`;
  expect((await brokenBy(key)).flatMap(({ broken }) => broken)).toEqual([expect.stringContaining(instead)]);
});

test('whoever forgets the wall of a table MUST be told how it is built', async () => {
  const bare =
    'create table stray (org_id text not null references organization (id), id text, primary key (org_id, id))';
  const told = (await brokenBy(bare)).flatMap(({ broken }) => broken);
  expect(told).toEqual(Array(3).fill("stray: write `call orgate_isolate('stray')` in its migration"));
});

test('the probe MUST find every wall assignment, and leave nothing behind', async () => {
  const count = async () =>
    (await database.pool.queryAsLoginRole(`select count(*) from organization where name = 'probe'`)).rows;
  const before = await count();
  const checks = await probeIsolation(database.pool);
  expect(checks.filter(({ ok }) => !ok)).toEqual([]);
  expect(checks).toHaveLength(7);
  expect(await count()).toEqual(before);
});

/** References that nothing is found by, and that no deletion looks for among many. */
const WITHOUT_INDEX: Record<string, string> = {
  'organization_domain (org_id, held_name)': 'an organization claims 100 domains at most',
  'scim_directory (org_id, created_by)': 'an organization has 10 at most, and memberships are never deleted',
  'scim_directory (org_id, token_made_by)': 'the same',
  'identity_provider (org_id, created_by)': 'the same',
  'identity_provider (org_id, keyed_by)': 'the same',
  'webhook (org_id, created_by)': 'an organization has 20 at most, and memberships are never deleted',
  'join_request (org_id, decided_by)': 'memberships are never deleted, and requests are not listed by who decided them',
};

/** Foreign keys that no index begins with: to delete what they refer to, PostgreSQL reads the whole table. */
const UNINDEXED = `
  select k.conrelid::regclass::text as table,
    array(select a.attname from unnest(k.conkey) with ordinality c(n, o)
          join pg_attribute a on a.attrelid = k.conrelid and a.attnum = c.n order by o)::text[] as columns
  from pg_constraint k
  where k.contype = 'f' and k.connamespace = 'public'::regnamespace and not exists (
    select from pg_index i where i.indrelid = k.conrelid and i.indpred is null
      and k.conkey <@ (i.indkey::int2[])[0:cardinality(k.conkey) - 1])
  order by 1, 2`;

const unindexed = async (query: (text: string) => Promise<{ rows: unknown[] }>): Promise<string[]> =>
  ((await query(UNINDEXED)).rows as { table: string; columns: string[] }[]).map(
    ({ table, columns }) => `${table} (${columns.join(', ')})`,
  );

test('an index MUST begin with what a foreign key holds', async () => {
  const found = await unindexed((text) => database.pool.queryAsLoginRole(text));
  const missing = found.filter((key) => !(key in WITHOUT_INDEX));
  expect(missing.map((key) => `write \`create index on ${key}\`, and @@index in its model`)).toEqual([]);
  expect(Object.keys(WITHOUT_INDEX).filter((key) => !found.includes(key))).toEqual([]);
});

test('a foreign key without an index MUST be found', async () => {
  const client = await database.pool.connect();
  try {
    for (const text of ['begin', 'drop index agent_org_id_repository_id_name_idx']) {
      await client.query(asLoginRole(text));
    }
    expect(await unindexed((text) => client.query(asLoginRole(text)))).toContain('agent (org_id, repository_id)');
  } finally {
    await client.query(asLoginRole('rollback'));
    client.release();
  }
});

/** Tables with one row for a thing that somebody made and may delete, or a few for each; all others grow. */
const BOUNDED = `account account_administrator account_organization address budget executor known_host
  notification_preference organization organization_domain organization_elsewhere organization_set run_queue run_turn
  run_usage scim_group_member`.split(/\s+/);

/** A table whose rows the contract lets their makers delete: `deleteWebhook`, `webhook`. */
const deletable = (): string[] =>
  Object.keys(createContract().schema.getMutationType()?.getFields() ?? {}).flatMap((name) => {
    const [, noun] = /^delete(\w+)$/.exec(name) ?? [];
    return noun === undefined ? [] : [noun.replaceAll(/(?<!^)[A-Z]/g, '_$&').toLowerCase()];
  });

test('docs/operations.md MUST say of every other table what ends its growth', async () => {
  const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const [, table = ''] = /^## What grows$([\s\S]*?)^## /m.exec(page) ?? [];
  const told = [...table.matchAll(/^\| (`.*?`) +\|/gm)].flatMap(([, names = '']) =>
    names.replaceAll('`', '').split(', '),
  );
  const { rows } = await database.pool.queryAsLoginRole(
    `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')`,
  );
  expect(rows.map(({ name }) => name as string).toSorted()).toEqual([...BOUNDED, ...deletable(), ...told].toSorted());
});
