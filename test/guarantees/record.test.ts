import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { domains } from '../../src/domains/index.js';
import { eventsOf } from '../../src/domains/webhook/event.js';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { composeRecord } from '../../src/resource/record.js';
import { useServer } from '../support/server.js';

const server = useServer();
const { access } = createContract();
const { actions, untold } = composeRecord(domains);
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
    const missing = [...words, ...changed].filter((word) => !actions.has(word));
    expect(missing.map((word) => `say in the record of its domain what ${word} means`)).toEqual([]);
  });

  test('MUST have a word for whatever is refused to be read', () => {
    const asked = [...access]
      .filter(([type]) => type !== 'Mutation')
      .flatMap(([, fields]) => [...fields.values()].flatMap(({ permission }) => (permission ? [permission] : [])));
    const words = new Set(asked.map((permission) => permission.replaceAll('-', '_').replace(':', '.')));
    expect([...words].filter((word) => !actions.has(word))).toEqual([]);
    const told = [...actions.keys()].filter((word) => /\.(read|manage|invite|remove)$/.test(word));
    expect(told.filter((word) => !words.has(word))).toEqual([]);
    const never = new Set([...words, 'approval.pending', 'domain.pending', 'run.awaiting_approval']);
    expect(eventsOf(composeRecord(domains)).filter((word) => never.has(word))).toEqual([]);
  });

  test('MUST be printed in docs/audit.md, and nothing else', () => {
    expectPrinted(
      'actions',
      ['action', 'what happened'],
      [...actions].map(([word, what]) => [`\`${word}\``, what]),
    );
  });
});

test('a word that two domains give a meaning MUST stop the start', () => {
  const domain = { record: { actions: { 'run.created': 'A run was started.' } } };
  expect(() => composeRecord([domain, domain])).toThrow('two domains say in their record what run.created is');
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
    expect(untold.flatMap(({ tables: listed = [] }) => listed).toSorted()).toEqual(unrecorded.toSorted());
    expect(untold.flatMap(({ columns: listed = [] }) => listed).toSorted()).toEqual(silent.toSorted());
  });

  test('MUST be printed in docs/audit.md, with the reasons', () => {
    expectPrinted(
      'not told',
      ['what', 'because'],
      untold.map(({ what, because }) => [what, because]),
    );
  });
});

const AUDIT = new URL('../../docs/audit.md', import.meta.url);

/** The table of docs/audit.md that stands behind `<!-- name -->` is this one; as with any snapshot, `-u` makes it so. */
function expectPrinted(name: string, head: readonly string[], rows: readonly (readonly string[])[]): void {
  const text = readFileSync(AUDIT, 'utf8');
  const there = new RegExp(`(?<=<!-- ${name} -->\\n\\n)(?:\\|.*\\n)+`);
  const printed = print([head, ...rows]);
  const { snapshotState } = expect.getState() as { snapshotState?: { _updateSnapshot?: string } };
  if (snapshotState?._updateSnapshot === 'all')
    writeFileSync(
      AUDIT,
      text.replace(there, () => printed),
    );
  else expect(there.exec(text)?.[0]).toBe(printed);
}

/** As prettier has it. */
function print(rows: readonly (readonly string[])[]): string {
  const [head = []] = rows;
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)));
  return [lines[0] ?? [], widths.map((width) => '-'.repeat(width)), ...lines.slice(1)]
    .map((cells) => `| ${cells.join(' | ')} |\n`)
    .join('');
}
