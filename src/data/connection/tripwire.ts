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

/** `insert into "public"."run" ("org_id", "id") values ($1, $2), ($3, $4)`, and `… select $1, given.* from …` */
function inserted(text: string): number[] {
  const match =
    /^\s*insert\s+into\s+(?:"?\w+"?\.)?"?(\w+)"?\s*\(([^)]*)\)\s*(?:values\s*([\s\S]*)|select\s+(.*?)\s+from\s[\s\S]*)$/i.exec(
      text,
    );
  if (!match) return [];
  const [, table, columnList = '', tuples = '', selected] = match;
  const columns = columnList.split(',').map((column) => column.replaceAll('"', '').trim().toLowerCase());
  const index = columns.indexOf(table === 'organization' ? 'id' : 'org_id');
  if (index < 0) return [];
  if (selected !== undefined) return parameters(selected.split(',')[index] ?? '');
  return [...tuples.matchAll(/\(([^)]*)\)/g)].flatMap(([, tuple = '']) => parameters(tuple.split(',')[index] ?? ''));
}

const parameters = (text: string): number[] => [...text.matchAll(/\$(\d+)/g)].map(([, position]) => Number(position));
