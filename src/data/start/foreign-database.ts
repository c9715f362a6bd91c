import pg from 'pg';
import { reaching } from './database-away.js';

const CONNECT_MS = 10_000;
const BATCH = 500;

/** How a column is read: as text, as an instant (of UTC where its type says none), or as JSON. */
export type ReadAs = 'text' | 'instant' | 'json';

/** A column of a foreign table, and what it is called in the rows that are read. */
export interface ForeignColumn {
  readonly field: string;
  readonly column: string;
  readonly as: ReadAs;
}

export type ForeignRow = Readonly<Record<string, unknown>>;

/** A database that is no deployment's, as it was at one moment, and is only read. */
export interface ForeignDatabase {
  readonly name: string;
  /** The columns of a table, by name; null where there is no such table. */
  columnsOf(table: string): Promise<ReadonlySet<string> | null>;
  /** All rows by their key, which comes as text in `key`, some hundred at a time. */
  rows(table: string, key: string, columns: readonly ForeignColumn[]): AsyncGenerator<ForeignRow[]>;
}

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const quoteTable = (table: string): string => table.split('.').map(quote).join('.');

const CASTS: Readonly<Record<ReadAs, (column: string) => string>> = {
  text: (column) => `${column}::text`,
  instant: (column) => `${column}::timestamptz`,
  json: (column) => `to_jsonb(${column})`,
};

/**
 * Reads a foreign database.
 *
 * @throws DatabaseAwayError, DatabaseRefusalError
 */
export const readForeign = <T>(url: string, work: (database: ForeignDatabase) => Promise<T>): Promise<T> =>
  reaching(url, async () => {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MS });
    client.on('error', () => undefined); // reported by the statement it breaks
    await client.connect();
    try {
      await client.query(`begin transaction isolation level repeatable read read only`);
      await client.query(`set local time zone 'UTC'`);
      const { rows } = await client.query<{ name: string }>('select current_database() as name');
      return await work(openForeign(client, rows[0]?.name ?? ''));
    } finally {
      await client.end();
    }
  });

function openForeign(client: pg.Client, name: string): ForeignDatabase {
  let cursors = 0;
  return {
    name,

    async columnsOf(table) {
      const { rows } = await client.query<{ columns: string[] | null }>(
        `select array_agg(attname::text) as columns from pg_attribute
         where attrelid = to_regclass($1) and attnum > 0 and not attisdropped`,
        [quoteTable(table)],
      );
      return rows[0]?.columns ? new Set(rows[0].columns) : null;
    },

    async *rows(table, key, columns) {
      cursors += 1;
      const cursor = `adopt_${cursors}`;
      const selected = columns.map(({ field, column, as }) => `${CASTS[as](quote(column))} as ${quote(field)}`);
      await client.query(
        `declare ${cursor} no scroll cursor for select ${[`${quote(key)}::text as "key"`, ...selected].join(', ')}
         from ${quoteTable(table)} order by ${quote(key)}`,
      );
      for (;;) {
        const { rows } = await client.query<ForeignRow & pg.QueryResultRow>(`fetch ${BATCH} from ${cursor}`);
        if (rows.length > 0) yield rows;
        if (rows.length < BATCH) break;
      }
      await client.query(`close ${cursor}`);
    },
  };
}
