import { createDirectoryQuery } from '../../data/connection/directory-query.js';
import { inFrame, type ScopedPool } from '../../data/connection/org-connection.js';
import type { OrgId } from '../../data/id.js';
import type { Exported } from './exported.js';

/** A table that is exported, and what its rows are told apart by: the rest of the primary key, if there is any. */
export interface Source extends Exported {
  readonly orgColumn: string;
  readonly keys: readonly { readonly name: string; readonly type: string }[];
}

/** Some rows as lines, in the order of their keys. */
export interface ExportPage {
  readonly lines: readonly string[];
  /** Of the last of them; null when there are no more. */
  readonly behind: readonly string[] | null;
}

/** Reads all that an organization has, some rows at a time. */
export interface Exporting {
  /** How each of these tables is read, by the catalogue. */
  sources(tables: readonly Exported[]): Promise<Source[]>;
  /** The next rows behind a key, in that organization's own frame. */
  page(orgId: OrgId, source: Source, behind: readonly string[] | null): Promise<ExportPage>;
}

/** Rows that are read at once: of runs, with what went in and came out, some megabytes. */
export const PAGE = 100;

const KEYS = `
  select c.relname as table, a.attname as name, format_type(a.atttypid, a.atttypmod) as type
  from pg_index i join pg_class c on c.oid = i.indrelid
    cross join unnest(i.indkey::int2[]) with ordinality as key (attnum, place)
    join pg_attribute a on a.attrelid = c.oid and a.attnum = key.attnum
  where i.indisprimary and c.relnamespace = 'public'::regnamespace and c.relname = any ($1)
    and (a.attname <> 'org_id' or i.indnkeyatts = 1)
  order by c.relname, key.place`;

const list = (texts: readonly string[]): string => texts.join(', ');

/** Names of tables and columns are those of the catalogue. */
function write({ type, table, orgColumn, keys }: Source, isFirst: boolean): string {
  const columns = keys.map(({ name }) => `t."${name}"`);
  const past = keys.map((key, index) => `$${index + 3}::${key.type}`);
  return `
    select jsonb_build_object('type', '${type}', 'row', to_jsonb(t) - $2::text[])::text as line,
      array[${list(columns.map((column) => `${column}::text`))}] as key
    from "${table}" t where t."${orgColumn}" = $1 ${isFirst ? '' : `and (${list(columns)}) > (${list(past)})`}
    order by ${list(columns)} limit ${PAGE}`;
}

export function openExporting(pool: ScopedPool): Exporting {
  const query = createDirectoryQuery(pool);
  return {
    async sources(tables) {
      const keys = await query<{ table: string; name: string; type: string }>(KEYS, [tables.map(({ table }) => table)]);
      return tables.map((each) => ({
        ...each,
        orgColumn: each.table === 'organization' ? 'id' : 'org_id',
        keys: keys.filter(({ table }) => table === each.table),
      }));
    },

    async page(orgId, source, behind) {
      const values = [orgId, source.without, ...(behind ?? [])];
      const text = write(source, behind === null);
      const { rows } = await inFrame({ role: 'orgate_app', orgId }, () =>
        pool.query<{ line: string; key: string[] }>({ text, values }),
      );
      return {
        lines: rows.map(({ line }) => `${line}\n`),
        behind: rows.length < PAGE ? null : (rows.at(-1)?.key ?? null),
      };
    },
  };
}
