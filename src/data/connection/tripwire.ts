import type { OrgId } from '../id.js';

/** Something tried to cross organizations. Nothing crossed; but nothing should try. */
export interface IsolationAlarm {
  /** Refused here, before it was sent, or by PostgreSQL's policies and grants (SQLSTATE 42501). */
  readonly stoppedBy: 'tripwire' | 'database';
  readonly orgId: string | null;
  readonly statement: string;
}

/** A statement carried the id of another organization than its frame's; nothing was sent. */
export class IsolationAlarmError extends Error {
  override readonly name = 'IsolationAlarmError';
}

/**
 * Whatever made the statement: an organization that it names must be the one it runs in.
 *
 * @throws IsolationAlarmError
 */
export function checkTripwire(
  { text, values }: { readonly text: string; readonly values?: unknown[] | undefined },
  orgId: OrgId,
  onAlarm: ((alarm: IsolationAlarm) => void) | undefined,
): void {
  for (const position of organizationParameters(text)) {
    if (values?.[position - 1] === orgId) continue;
    onAlarm?.({ stoppedBy: 'tripwire', orgId, statement: text });
    throw new IsolationAlarmError('a statement named another organization than the one it runs in');
  }
}

/** Positions of parameters by SQL text. Texts differ only by the length of their lists, but those differ often. */
const known = new Map<string, readonly number[]>();
const MAX_KNOWN = 2000;

/**
 * Which parameters ($1 is 1) of a statement are compared with, or written to, a column that holds an organization:
 * `org_id` of any table, `id` of organization. Worked out once for each text.
 */
function organizationParameters(text: string): readonly number[] {
  const before = known.get(text);
  if (before) return before;
  const positions = [...compared(text), ...inserted(text)];
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(text, positions);
  return positions;
}

/** `"run"."org_id" = $1`, `org_id in ($1, $2)`, `set "org_id" = $1`, `"organization"."id" = $1`. */
function compared(text: string): number[] {
  const column = String.raw`(?:"?\borg_id"?|"organization"\."id")`;
  const pattern = new RegExp(String.raw`${column}\s*(?:=|<>|!=|in\b|=\s*any)\s*\(?\s*(\$\d+(?:\s*,\s*\$\d+)*)`, 'gi');
  return [...text.matchAll(pattern)].flatMap(([, list]) => parameters(list ?? ''));
}

const INSERT = /\binsert\s+into\s+(?:"?\w+"?\.)?"?(\w+)"?\s*\(([^)]*)\)\s*(values|select)\b/gi;

/** `insert into "public"."run" ("org_id", "id") values ($1, $2), ($3, $4)`, and `… select $1, given.* from …`; inside WITH, too. */
function inserted(text: string): number[] {
  return [...text.matchAll(INSERT)].flatMap(
    ({ 0: head, 1: table, 2: columnList = '', 3: source = '', index: start }) => {
      const columns = columnList.split(',').map((column) => column.replaceAll('"', '').trim().toLowerCase());
      const index = columns.indexOf(table?.toLowerCase() === 'organization' ? 'id' : 'org_id');
      if (index < 0) return [];
      const rows =
        source.toLowerCase() === 'select' ? [text.slice(start + head.length)] : tuples(text, start + head.length);
      return rows.flatMap((row) => parameters(itemsOf(row).items[index] ?? ''));
    },
  );
}

/** What stands behind the opening bracket of each row of a list of values. */
function tuples(text: string, from: number): string[] {
  const found: string[] = [];
  for (let at = from; ;) {
    const opened = /^[\s,]*\(/.exec(text.slice(at));
    if (!opened) return found;
    const row = text.slice(at + opened[0].length);
    found.push(row);
    at += opened[0].length + itemsOf(row).length + 1;
  }
}

/** What commas divide, up to the bracket that closes it or the word that goes on. Texts and brackets are passed over whole. */
function itemsOf(list: string): { items: string[]; length: number } {
  const items: string[] = [];
  let [depth, begun] = [0, 0];
  for (const { 0: token, index } of list.matchAll(
    /'(?:[^']|'')*'|"[^"]*"|[(),[\]]|\b(?:from|where|union|returning|on)\b/gi,
  )) {
    if (token === '(' || token === '[') depth += 1;
    else if (token === ']' || (token === ')' && depth > 0)) depth -= 1;
    else if (depth > 0 || token.startsWith("'") || token.startsWith('"')) continue;
    else if (token === ',') {
      items.push(list.slice(begun, index));
      begun = index + 1;
    } else return { items: [...items, list.slice(begun, index)], length: index };
  }
  return { items: [...items, list.slice(begun)], length: list.length };
}

const parameters = (text: string): number[] => [...text.matchAll(/\$(\d+)/g)].map(([, position]) => Number(position));
