import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Database } from '../../../src/data/database.js';
import { readModels } from '../../../src/data/organization/models.js';
import { createPrisma } from '../../../src/data/organization/scope.js';
import { WORDS } from '../../../src/generated/words.js';
import { openTestDatabase } from '../../support/server.js';

/**
 * prisma/schema.prisma gives the tables their types, the migrations make them. Here the two are held together: tables,
 * columns, types, nullability, what fills itself in (Prisma would, and our own statements leave it to the table), primary
 * keys, uniques, indexes and foreign keys.
 */
interface Table {
  columns: Record<string, string>;
  primaryKey: string[];
  uniques: string[];
  indexes: string[];
  foreignKeys: string[];
}

let database: Database;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const TYPES: Record<string, string> = {
  String: 'text',
  Boolean: 'boolean',
  Int: 'integer',
  BigInt: 'bigint',
  Json: 'jsonb',
  DateTime: 'timestamp(3) with time zone',
};

function declared(): Record<string, Table> {
  const directory = new URL('../../../prisma/models/', import.meta.url);
  const text = readdirSync(directory)
    .map((file) => readFileSync(new URL(file, directory), 'utf8'))
    .join('\n');
  const models = [...text.matchAll(/^model (\w+) \{\n([\s\S]*?)^\}/gm)].map(([, name, body]) => ({
    name: name as string,
    lines: (body as string)
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('//')),
  }));
  const columnsOf = new Map<string, Map<string, string>>();
  const tableOf = new Map<string, string>();
  for (const { name, lines } of models) {
    tableOf.set(name, lines.map((line) => /^@@map\("(\w+)"\)/.exec(line)?.[1]).find(Boolean) ?? name);
    const columns = new Map<string, string>();
    for (const line of lines) {
      const [, field, type] = /^(\w+)\s+(\w+)/.exec(line) ?? [];
      if (field && type && TYPES[type]) columns.set(field, /@map\("(\w+)"\)/.exec(line)?.[1] ?? field);
    }
    columnsOf.set(name, columns);
  }
  const tables: Record<string, Table> = {};
  for (const { name, lines } of models) {
    const columns = columnsOf.get(name) as Map<string, string>;
    const named = (list: string | undefined, of = columns) =>
      (list ?? '').split(',').map((field) => of.get(field.trim()) ?? field.trim());
    const table: Table = { columns: {}, primaryKey: [], uniques: [], indexes: [], foreignKeys: [] };
    for (const line of lines) {
      const [, field, type, mark] = /^(\w+)\s+(\w+)(\?|\[\])?/.exec(line) ?? [];
      if (field && type && TYPES[type]) {
        const column = columns.get(field) as string;
        const filled = /@default\(|@updatedAt/.test(line) ? ' default' : '';
        table.columns[column] = `${TYPES[type]}${mark === '[]' ? '[]' : ''}${mark === '?' ? '' : ' not null'}${filled}`;
        if (/\s@id\b/.test(line)) table.primaryKey = [column];
        if (/\s@unique\b/.test(line)) table.uniques.push(column);
      }
      const [, block, list] = /^@@(id|unique|index)\(\[([^\]]*)\]/.exec(line) ?? [];
      if (block === 'id') table.primaryKey = named(list);
      if (block === 'unique') table.uniques.push(named(list).join());
      if (block === 'index') table.indexes.push(named(list).join());
      const relation = /@relation\(.*fields: \[([^\]]*)\], references: \[([^\]]*)\], onDelete: (\w+)/.exec(line);
      if (relation && type) {
        const target = columnsOf.get(type) as Map<string, string>;
        // With a list of columns, which Prisma cannot say.
        const action = line.endsWith('// on delete set null') ? 'SetNull' : relation[3];
        table.foreignKeys.push(
          `${named(relation[1]).join()} -> ${tableOf.get(type)}(${named(relation[2], target).join()}) ${action}`,
        );
      }
    }
    tables[tableOf.get(name) as string] = table;
  }
  return tables;
}

/** Its own bookkeeping, what only the trigger and the sealer know, and the totals of the ledger. */
const NOT_PRISMAS = '{_prisma_migrations,audit_unsealed,usage_share,usage_tail,usage_total}';

/** What this release does not know any more, and the one before it does. */
const OF_BEFORE = [
  'organization.default_model',
  'organization.default_provider',
  'organization.external_agent_policy',
  'run_usage.total_tokens',
  'run_usage.total_cost_micros',
];

async function migrated(): Promise<Record<string, Table>> {
  const query = async <R>(text: string) => (await database.pool.queryAsLoginRole(text)).rows as R[];
  const columns = await query<Record<'table' | 'column' | 'type', string>>(`
    select c.relname as table, a.attname as column,
      case t.typtype when 'd' then format_type(t.typbasetype, t.typtypmod) else format_type(a.atttypid, a.atttypmod) end || case when a.attnotnull then ' not null' else '' end
      || case when a.atthasdef and a.attgenerated = '' then ' default' else '' end as type
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      join pg_type t on t.oid = a.atttypid
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname <> all ('${NOT_PRISMAS}')`);
  const indexes = await query<{ table: string; primary: boolean; unique: boolean; columns: string[] }>(`
    select c.relname as table, i.indisprimary as primary, i.indisunique as unique,
      array(select a.attname from unnest(i.indkey) with ordinality k(n, o) join pg_attribute a on a.attrelid = c.oid and a.attnum = k.n order by o)::text[] as columns
    from pg_index i join pg_class c on c.oid = i.indrelid
    where c.relnamespace = 'public'::regnamespace and c.relname <> all ('${NOT_PRISMAS}')`);
  const foreignKeys = await query<{
    table: string;
    name: string;
    target: string;
    action: string;
    near: string[];
    far: string[];
  }>(`
    select k.conrelid::regclass::text as table, k.conname as name, k.confrelid::regclass::text as target,
      case k.confdeltype when 'c' then 'Cascade' when 'n' then 'SetNull' else 'NoAction' end as action,
      array(select a.attname from unnest(k.conkey) with ordinality x(n, o) join pg_attribute a on a.attrelid = k.conrelid and a.attnum = x.n order by o)::text[] as near,
      array(select a.attname from unnest(k.confkey) with ordinality x(n, o) join pg_attribute a on a.attrelid = k.confrelid and a.attnum = x.n order by o)::text[] as far
    from pg_constraint k where k.contype = 'f' and k.connamespace = 'public'::regnamespace
      and k.conrelid <> all ('${NOT_PRISMAS}'::regclass[])`);
  const tables: Record<string, Table> = {};
  for (const { table, column, type } of columns.filter((each) => !OF_BEFORE.includes(`${each.table}.${each.column}`))) {
    tables[table] ??= { columns: {}, primaryKey: [], uniques: [], indexes: [], foreignKeys: [] };
    (tables[table] as Table).columns[column] = type;
  }
  for (const index of indexes) {
    const table = tables[index.table] as Table;
    const names = index.columns;
    if (index.primary) table.primaryKey = names;
    else if (index.unique) table.uniques.push(names.join());
    else table.indexes.push(names.join());
  }
  for (const { table, name, target, action, near, far } of foreignKeys) {
    // Deferred, and its own table's counterpart: Prisma cannot say it.
    if (name === 'organization_id_slug_fkey') continue;
    (tables[table] as Table).foreignKeys.push(`${near.join()} -> ${target}(${far.join()}) ${action}`);
  }
  return tables;
}

const sorted = (tables: Record<string, Table>) =>
  Object.fromEntries(
    Object.entries(tables)
      .toSorted(([a], [b]) => a.localeCompare(b))
      .map(([name, table]) => [
        name,
        {
          ...table,
          uniques: table.uniques.toSorted(),
          indexes: table.indexes.toSorted(),
          foreignKeys: table.foreignKeys.toSorted(),
        },
      ]),
  );

test('schema.prisma and the migrated database say the same', async () => {
  const schema = declared();
  expect(Object.keys(schema).length).toBeGreaterThanOrEqual(8);
  expect(sorted(await migrated())).toEqual(sorted(schema));
});

test('columns that hold one of a few words hold those of the contract, and their types say so', async () => {
  const { rows } = await database.pool.queryAsLoginRole(`
    select rel.relname as table, a.attname as column, pg_get_constraintdef(c.oid) as definition
    from pg_constraint c join pg_attribute a on (c.conrelid = a.attrelid and c.conkey = array[a.attnum]) or c.contypid = a.atttypid
      join pg_class rel on rel.oid = a.attrelid
    where c.contype = 'c' and not a.attisdropped and rel.relkind = 'r' and rel.relnamespace = 'public'::regnamespace`);
  const held: Record<string, string[]> = {};
  for (const { table, column, definition } of rows) {
    const [, list] =
      /= ANY \(\(?ARRAY\[(.*)\]/.exec(definition as string) ?? /= ('[A-Z_]+')/.exec(definition as string) ?? [];
    if (list) held[`${table}.${column}`] = [...list.matchAll(/'(\w+)'/g)].map(([, word]) => word as string).toSorted();
  }
  const owned = [...readModels(createPrisma(database.pool)).values()];
  const declaredWords: Record<string, string[]> = {};
  for (const [name, columns] of Object.entries<Record<string, Readonly<Record<string, string>>>>(WORDS)) {
    const model = owned.find((each) => each.name === name);
    for (const [field, words] of Object.entries(columns)) {
      declaredWords[`${model?.table}.${model?.fields.get(field)?.column}`] = Object.values(words).toSorted();
    }
  }
  const tables = new Set(owned.map(({ table }) => table));
  const ofOrganizations = Object.entries(held).filter(
    ([column]) => tables.has(column.split('.')[0] as string) && !OF_BEFORE.includes(column),
  );
  expect(declaredWords).toEqual(Object.fromEntries(ofOrganizations));
  expect(ofOrganizations.length).toBeGreaterThan(15);
});
