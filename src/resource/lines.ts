/** How rows are written down as text, and what stands ahead of the first. */
export interface Lines<T> {
  readonly mediaType: string;
  readonly head: string;
  readonly write: (row: T) => string;
}

/** The same fields in either form. */
export function linesOf<T, C extends string>(
  columns: readonly C[],
  fieldsOf: (row: T) => Readonly<Record<C, unknown>>,
): Readonly<Record<'NDJSON' | 'CSV', Lines<T>>> {
  return {
    NDJSON: {
      mediaType: 'application/x-ndjson',
      head: '',
      write: (row) => {
        const fields = fieldsOf(row);
        return `${JSON.stringify(Object.fromEntries(columns.map((column) => [column, fields[column]])))}\n`;
      },
    },
    CSV: {
      mediaType: 'text/csv; charset=utf-8; header=present',
      head: `${columns.join(',')}\r\n`,
      write: (row) => {
        const fields = fieldsOf(row);
        return `${columns.map((column) => cell(fields[column])).join(',')}\r\n`;
      },
    },
  };
}

/** Text that a spreadsheet would take for a formula is no longer one; nor does it begin a cell or a row of its own. */
function cell(value: unknown): string {
  if (value == null) return '';
  // A number below zero is one.
  if (typeof value === 'number') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const harmless = /^[\s\p{Cc}]*[=+\-@\t\r\n＝＋－＠|%]/u.test(text) ? `'${text}` : text;
  return /[",\r\n']/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
