import type { AuditExportFormat } from '../../generated/graphql.js';
import { DIGESTED } from './chain.js';
import type { SealedEntry } from './read-stretch.js';

/** How entries are written down, and what stands ahead of the first. */
export interface Lines {
  readonly mediaType: string;
  readonly head: string;
  readonly write: (sealed: SealedEntry) => string;
}

const COLUMNS = ['sequence', 'at', 'action', 'outcome', ...DIGESTED, 'salts', 'hash'] as const;

const fieldsOf = ({ entry, seal }: SealedEntry): Readonly<Record<(typeof COLUMNS)[number], unknown>> => ({
  ...entry,
  sequence: Number(seal.sequence),
  at: entry.at.toISOString(),
  salts: seal.salts,
  hash: seal.hash,
});

/** All that `verify-audit.mjs` needs, in the words of docs/audit.md. */
const NDJSON: Lines = {
  mediaType: 'application/x-ndjson',
  head: '',
  write: (sealed) => {
    const fields = fieldsOf(sealed);
    return `${JSON.stringify(Object.fromEntries(COLUMNS.map((column) => [column, fields[column]])))}\n`;
  },
};

const CSV: Lines = {
  mediaType: 'text/csv; charset=utf-8; header=present',
  head: `${COLUMNS.join(',')}\r\n`,
  write: (sealed) => {
    const fields = fieldsOf(sealed);
    return `${COLUMNS.map((column) => cell(fields[column])).join(',')}\r\n`;
  },
};

/** Text that a spreadsheet would take for a formula is no longer one; nor does it begin a cell or a row of its own. */
function cell(value: unknown): string {
  if (value == null) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const harmless = /^[\s\p{Cc}]*[=+\-@\t\r\n＝＋－＠|%]/u.test(text) ? `'${text}` : text;
  return /[",\r\n']/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

export const LINES: Readonly<Record<AuditExportFormat, Lines>> = { NDJSON, CSV };
