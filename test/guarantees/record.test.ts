import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { ACTIONS } from '../../src/domains/audit-entry/actions.js';
import { UNRECORDED } from '../../src/domains/audit-entry/unrecorded.js';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { useServer } from '../support/server.js';

const server = useServer();
const { access } = createContract();
const sql = async <Row>(text: string): Promise<Row[]> =>
  (await server.database.pool.queryAsLoginRole(text)).rows as Row[];

interface RecordedTable {
  readonly table: string;
  readonly called: string;
  readonly silent: readonly string[];
  readonly isWhole: boolean;
}

/** The tables whose changes the database writes down, as the functions of their triggers say. */
async function recordedTables(): Promise<RecordedTable[]> {
  const rows = await sql<{ table: string; source: string; isWhole: boolean; columns: string[] }>(`
    select t.tgrelid::regclass::text as table, string_agg(p.prosrc, ' ') as source,
      bool_and(p.proname like 'record\\_%') as "isWhole",
      array(select attname::text from pg_attribute a where a.attrelid = t.tgrelid and a.attnum > 0 and not a.attisdropped) as columns
    from pg_trigger t join pg_proc p on p.oid = t.tgfoid where t.tgname like 'record\\_%' group by t.tgrelid order by 1`);
  return rows.map(({ table, source, isWhole, columns }) => ({
    table,
    called: /'(\w+)\.' \|\|/.exec(source)?.[1] ?? '',
    isWhole,
    silent: columns.filter(
      (column) =>
        isWhole &&
        !['created_at', 'updated_at'].includes(column) &&
        !new RegExp(`\\b(?:new|old)\\.${column}\\b`).test(source),
    ),
  }));
}

describe('The list of actions', () => {
  test('MUST have every word that a change can be called', async () => {
    const recorded = (await recordedTables()).filter(({ isWhole }) => isWhole);
    expect(recorded.length).toBeGreaterThan(15);
    const words = recorded.flatMap(({ called }) =>
      ['created', 'updated', 'deleted'].map((verb) => `${called}.${verb}`),
    );
    const statuses = await sql<{ table: string; status: string }>(`
      select c.conrelid::regclass::text as table, lower(word[1]) as status
      from pg_constraint c, regexp_matches(pg_get_constraintdef(c.oid), '''([A-Z_]+)''', 'g') word
      where c.contype = 'c' and pg_get_constraintdef(c.oid) ~ '^CHECK \\(+status'`);
    const called = new Map(recorded.map((each) => [each.table, each.called]));
    const changed = statuses.flatMap(({ table, status }) =>
      called.has(table) ? [`${called.get(table)}.${status}`] : [],
    );
    expect(changed.length).toBeGreaterThan(20);
    const missing = [...words, ...changed].filter((word) => !(word in ACTIONS));
    expect(missing.map((word) => `say in ACTIONS what ${word} means`)).toEqual([]);
  });

  test('MUST have a word for whatever is refused to be read', () => {
    const asked = [...access]
      .filter(([type]) => type !== 'Mutation')
      .flatMap(([, fields]) => [...fields.values()].flatMap(({ permission }) => (permission ? [permission] : [])));
    const words = new Set(asked.map((permission) => permission.replaceAll('-', '_').replace(':', '.')));
    expect([...words].filter((word) => !(word in ACTIONS))).toEqual([]);
    const told = Object.keys(ACTIONS).filter((word) => /\.(read|manage|invite|remove)$/.test(word));
    expect(told.filter((word) => !words.has(word))).toEqual([]);
  });

  test('MUST be printed in docs/audit.md, and nothing else', () => {
    expect(tableOf('actions')).toEqual(Object.entries(ACTIONS).map(([word, what]) => [`\`${word}\``, what]));
  });
});

describe('What is not recorded singly', () => {
  test('MUST stand in one list: every table, and every column, is there or is recorded', async () => {
    const recorded = await recordedTables();
    const tables = await sql<{ table: string }>(
      `select oid::regclass::text as table from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace`,
    );
    const silent = recorded.flatMap(({ table, silent: columns }) => columns.map((column) => `${table}.${column}`));
    const unrecorded = tables
      .map(({ table }) => table)
      .filter((table) => !recorded.some((each) => each.table === table));
    expect(UNRECORDED.flatMap(({ tables: listed = [] }) => listed).toSorted()).toEqual(unrecorded.toSorted());
    expect(UNRECORDED.flatMap(({ columns: listed = [] }) => listed).toSorted()).toEqual(silent.toSorted());
  });

  test('MUST be printed in docs/audit.md, with the reasons', () => {
    expect(tableOf('not told')).toEqual(UNRECORDED.map(({ what, because }) => [what, because]));
  });
});

/** The rows of the table of docs/audit.md that stands behind `<!-- name -->`. */
function tableOf(name: string): string[][] {
  const text = readFileSync(new URL('../../docs/audit.md', import.meta.url), 'utf8');
  const [, after = ''] = text.split(`<!-- ${name} -->`);
  const rows = /^\n+((?:\|.*\n)+)/.exec(after)?.[1]?.trim().split('\n') ?? [];
  return rows.slice(2).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}
