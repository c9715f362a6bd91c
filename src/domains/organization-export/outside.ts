import { createDirectoryQuery } from '../../data/connection/directory-query.js';
import { inFrame, type ScopedPool } from '../../data/connection/org-connection.js';
import type { OrgId } from '../../data/id.js';
import { conflict, type OrgateError } from '../../errors.js';
import { PAGE_BYTES } from '../../page-bytes.js';
import type { Exported } from './exported.js';

/** A table that is exported, and what its rows are told apart by: the rest of the primary key, if there is any. */
export interface Source extends Exported {
  readonly orgColumn: string;
  readonly keys: readonly { readonly name: string; readonly type: string }[];
}

/** Some rows as lines, in the order of their keys. */
export interface ExportPage {
  readonly lines: readonly string[];
  /** In bytes, as lines. */
  readonly bytes: number;
  /** Of the last of them; null when there are no more. */
  readonly behind: readonly string[] | null;
  /** How many rows are worth asking for next. */
  readonly rows: number;
}

/** Reads all that an organization has, some rows at a time. */
export interface Exporting {
  /** How each of these tables is read, by the catalogue. */
  sources(tables: readonly Exported[]): Promise<Source[]>;
  /**
   * The next rows behind a key, in that organization's own frame: so many, or as many as are not too large together, or one.
   *
   * @throws CONFLICT once the organization is being purged: nobody knows what is gone already
   */
  page(orgId: OrgId, source: Source, behind: readonly string[] | null, rows: number): Promise<ExportPage>;
}

/** Rows that are read at once at the most. */
export const PAGE = 100;

const KEYS = `
  select c.relname as table, a.attname as name, format_type(a.atttypid, a.atttypmod) as type
  from pg_index i join pg_class c on c.oid = i.indrelid
    cross join unnest(i.indkey::int2[]) with ordinality as key (attnum, place)
    join pg_attribute a on a.attrelid = c.oid and a.attnum = key.attnum
  where i.indisprimary and c.relnamespace = 'public'::regnamespace and c.relname = any ($1)
    and (a.attname <> 'org_id' or i.indnkeyatts = 1)
  order by c.relname, key.place`;

export const beingPurged = (): OrgateError =>
  conflict('The organization is being deleted; nothing vouches for what is left of it.');

const list = (texts: readonly string[]): string => texts.join(', ');

/** Names of tables and columns are those of the catalogue. */
function write({ type, table, orgColumn, keys }: Source, isFirst: boolean): string {
  const columns = keys.map(({ name }) => `t."${name}"`);
  const past = keys.map((key, index) => `$${index + 4}::${key.type}`);
  return `
    with page as (
      select jsonb_build_object('type', '${type}', 'row', to_jsonb(t) - $2::text[])::text as line,
        array[${list(columns.map((column) => `${column}::text`))}] as key, row_number() over (order by ${list(columns)}) as place
      from "${table}" t where t."${orgColumn}" = $1 ${isFirst ? '' : `and (${list(columns)}) > (${list(past)})`}
      order by ${list(columns)} limit $3
    ), summed as (
      select line, key, place, sum(octet_length(line)) over (order by place) as bytes, count(*) over () as found from page
    )
    select line, key, found::int as found from summed where bytes <= ${PAGE_BYTES} or place = 1 order by place`;
}

const IS_WHOLE = 'select from organization where id = $1 and purge_began_at is null';

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

    page(orgId, source, behind, wanted) {
      const values = [orgId, source.without, wanted, ...(behind ?? [])];
      const text = write(source, behind === null);
      return inFrame({ role: 'orgate_app', orgId }, async () => {
        const { rows } = await pool.query<{ line: string; key: string[]; found: number }>({ text, values });
        // After what was read, so that all of it was there before anything went.
        const isWhole = (await pool.query({ text: IS_WHOLE, values: [orgId] })).rows.length > 0;
        if (!isWhole) throw beingPurged();
        const lines = rows.map(({ line }) => `${line}\n`);
        const found = rows[0]?.found ?? 0;
        return {
          lines,
          bytes: lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0),
          behind: lines.length === found && found < wanted ? null : (rows.at(-1)?.key ?? null),
          // What was read in vain is read again, so of large rows few are asked for.
          rows: Math.min(Math.max(lines.length < found ? lines.length : 2 * wanted, 1), PAGE),
        };
      });
    },
  };
}
