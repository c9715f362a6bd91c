import type { Model } from './models.js';
import { type ScopedPool, UnscopedStatementError } from './org-connection.js';
import { ROW_TYPES } from './pg-types.js';
import type { AnyRow } from './table.js';

/** Which rows of one organization, and how many: what `forceOrganization` let through. */
export type RowQuery = {
  readonly where?: Readonly<Record<string, unknown>>;
  readonly orderBy?: Readonly<Record<string, 'asc' | 'desc'>>;
  readonly take?: number;
  readonly skip?: number;
};

/**
 * Reads rows by a statement of our own: most requests do nothing else, and Prisma's way from call to rows takes more CPU
 * than all the rest of such a request's database work. It is written so that PostgreSQL plans it once for a connection,
 * and not for each request: limits stand in the text, in a few sizes, because behind a parameter every plan seems dear.
 */
export async function readRows(
  pool: ScopedPool,
  model: Model,
  { where = {}, orderBy = {}, take, skip }: RowQuery,
): Promise<AnyRow[]> {
  if (!where[model.orgField]) throw new UnscopedStatementError(`${model.name} was about to be read of no organization`);
  const values: unknown[] = [];
  const conditions = Object.entries(where).flatMap(([field, filter]) =>
    conditionsOf(columnOf(model, field), filter, values),
  );
  const order = Object.entries(orderBy).map(
    ([field, direction]) => `${columnOf(model, field)} ${direction === 'desc' ? 'desc' : 'asc'}`,
  );
  const limit = take === undefined ? undefined : (LIMITS.find((size) => size >= take) ?? `$${values.push(take)}`);
  const text =
    `select ${model.selected} from ${quote(model.table)} where ${conditions.join(' and ')}` +
    `${order.length > 0 ? ` order by ${order.join(', ')}` : ''}${limit === undefined ? '' : ` limit ${limit}`}` +
    `${skip === undefined ? '' : ` offset $${values.push(skip)}`}`;
  const { rows } = (await pool.query({ text, values, types: ROW_TYPES })) as { rows: AnyRow[] };
  return take !== undefined && rows.length > take ? rows.slice(0, take) : rows;
}

/** One row, and pages of 5, 10, 20, 50 and 100 with the row beyond them. What was read too much is left out again. */
const LIMITS = [1, 2, 6, 11, 21, 51, 101];

const OPERATORS: Readonly<Record<string, string>> = {
  equals: '=',
  not: '<>',
  lt: '<',
  lte: '<=',
  gt: '>',
  gte: '>=',
};

function conditionsOf(column: string, filter: unknown, values: unknown[]): string[] {
  if (typeof filter !== 'object' || filter instanceof Date || Array.isArray(filter)) {
    return [`${column} = $${values.push(filter)}`];
  }
  if (filter === null) return [`${column} is null`];
  return Object.entries(filter).map(([operator, operand]) => {
    if (operator === 'in') return oneOf(column, operand as unknown[], values);
    if (operand === null) return `${column} is ${operator === 'not' ? 'not null' : 'null'}`;
    return `${column} ${OPERATORS[operator]} $${values.push(operand)}`;
  });
}

/** Lists are filled up to a power of two by their last value: a text, and a plan, for each size and not for each length. */
function oneOf(column: string, list: readonly unknown[], values: unknown[]): string {
  if (list.length === 0) return 'false';
  if (list.length > MAX_LISTED) return `${column} = any($${values.push(list)})`;
  const size = 2 ** Math.ceil(Math.log2(list.length));
  const parameters = Array.from({ length: size }, (_, index) => `$${values.push(list[index] ?? list.at(-1))}`);
  return `${column} in (${parameters.join(',')})`;
}

const MAX_LISTED = 128;

export const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** With its table: the tripwire knows an organization's own id by it. */
export function columnOf(model: Model, field: string): string {
  const found = model.fields.get(field);
  if (!found) throw new Error(`${model.name} has no field ${field}`);
  return `${quote(model.table)}.${quote(found.column)}`;
}
