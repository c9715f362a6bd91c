import { type ScopedPool, UnscopedStatementError } from '../connection/org-connection.js';
import { ROW_TYPES } from '../connection/pg-types.js';
import type { Planning } from '../connection/statement.js';
import { beyond, type PastRow } from '../past.js';
import { Ids, unpackParameter } from './ids.js';
import type { Model } from './models.js';
import { asLiteral, type Search } from './search.js';
import type { AnyRow } from './models.js';

type Where = Readonly<Record<string, unknown>>;

/** Which rows of one organization, and how many: what `forceOrganization` let through. */
export interface RowQuery {
  readonly where?: Where;
  readonly orderBy?: Readonly<Partial<Record<string, 'asc' | 'desc'>>>;
  readonly take?: number;
  readonly skip?: number;
  readonly search?: Search | undefined;
}

/** Where a page begins, in the order asked for. */
export interface Past {
  readonly past?: PastRow | undefined;
}

/** What a statement of our own can do beyond Prisma. */
export interface OwnQuery extends RowQuery, Past, Planning {
  /** These fields and no others. */
  readonly only?: readonly string[] | undefined;
}

/**
 * Reads rows by a statement of our own: most requests do nothing else, and Prisma's way from call to rows takes more CPU
 * than all the rest of such a request's database work. It is written so that PostgreSQL plans it once for a connection,
 * and not for each request: limits stand in the text, in a few sizes, because behind a parameter every plan seems dear.
 *
 * @param query what `forceOrganization` let through; the rest may come beside it
 */
export async function readRows(
  pool: Pick<ScopedPool, 'query'>,
  model: Model,
  query: OwnQuery,
  { past, only, isPlannedAnew }: Omit<OwnQuery, keyof RowQuery> = query,
): Promise<AnyRow[]> {
  const { where = {}, orderBy = {}, take, skip, search } = query;
  if (!where[model.orgField]) throw new UnscopedStatementError(`${model.name} was about to be read of no organization`);
  if (take === 0) return [];
  const values: unknown[] = [];
  const merged = skip === undefined && take !== undefined ? mergedField(model, where, orderBy) : undefined;
  const list = merged && `$${values.push([...new Set(merged.values)])}::text[]`;
  const conditions = Object.entries(where).flatMap(([field, filter]) =>
    field === merged?.field
      ? [`${columnOf(model, field)} = one.value`]
      : conditionsOf(columnOf(model, field), filter, values),
  );
  if (search) conditions.push(searched(model, search, values));
  if (past) conditions.push(pastRow(model, orderBy, past, values));
  const selected = only?.map((field) => `${columnOf(model, field)} as ${quote(field)}`).join(', ') ?? model.selected;
  const limit = take === undefined ? undefined : (LIMITS.find((size) => size >= take) ?? `$${values.push(take)}`);
  const page = orderOf(model, orderBy) + (limit === undefined ? '' : ` limit ${limit}`);
  const rowsOf =
    `select ${selected} from ${quote(model.table)} where ${conditions.join(' and ')}${page}` +
    `${skip === undefined ? '' : ` offset $${values.push(skip)}`}`;
  const text = list
    ? `select merged.* from unnest(${list}) as one(value) cross join lateral (${rowsOf}) as merged` +
      `${orderedBy(orderBy, (field) => `merged.${quote(field)}`)} limit ${limit}`
    : rowsOf;
  const isAnew = isPlannedAnew || namesMany(where);
  const { rows } = await pool.query<AnyRow>({ text, values, types: ROW_TYPES, isPlannedAnew: isAnew });
  return take !== undefined && rows.length > take ? rows.slice(0, take) : rows;
}

/** How many rows there are of one organization. */
export async function countRows(
  pool: Pick<ScopedPool, 'query'>,
  model: Model,
  { where = {}, search, isPlannedAnew }: Pick<OwnQuery, 'where' | 'search' | 'isPlannedAnew'>,
): Promise<number> {
  if (!where[model.orgField])
    throw new UnscopedStatementError(`${model.name} was about to be counted of no organization`);
  const values: unknown[] = [];
  const conditions = Object.entries(where).flatMap(([field, filter]) =>
    conditionsOf(columnOf(model, field), filter, values),
  );
  if (search) conditions.push(searched(model, search, values));
  const text = `select count(*) as count from ${quote(model.table)} where ${conditions.join(' and ')}`;
  const anew = isPlannedAnew || namesMany(where);
  const { rows } = await pool.query<{ count: string }>({ text, values, isPlannedAnew: anew });
  return Number(rows[0]?.count);
}

const orderedBy = (orderBy: RowQuery['orderBy'] & object, columnOfField: (field: string) => string): string => {
  const order = Object.entries(orderBy).map(
    ([field, to]) => `${columnOfField(field)} ${to === 'desc' ? 'desc' : 'asc'}`,
  );
  return order.length > 0 ? ` order by ${order.join(', ')}` : '';
};

export const orderOf = (model: Model, orderBy: RowQuery['orderBy'] & object): string =>
  orderedBy(orderBy, (field) => columnOf(model, field));

/** Not leakproof, so no index finds it under the policies: it is tried on the rows of one organization, one by one. */
export function searched(model: Model, { text, in: fields, lowered = [] }: Search, values: unknown[]): string {
  const conditions = fields.map((field) => {
    const [like, sought] = lowered.includes(field) ? ['like', text.toLowerCase()] : ['ilike', text];
    return `${columnOf(model, field)} ${like} $${values.push(`%${asLiteral(sought)}%`)}`;
  });
  return `(${conditions.join(' or ')})`;
}

/**
 * The field of which a page wants one of a few values, if it does. An index that begins with that field is in the page's
 * order for one value, not for several: so a page of each value is read and they are merged, where PostgreSQL would read
 * all rows of these values, or pass over all that have others.
 */
function mergedField(model: Model, where: Where, orderBy: object): Merged | undefined {
  const [found, ...others] = Object.entries(where).flatMap(([field, filter]) =>
    isOneOf(filter) && Object.keys(filter).length === 1 ? [{ field, values: filter.in }] : [],
  );
  if (!found || others.length > 0 || Object.keys(orderBy).length === 0) return undefined;
  const { field, values } = found;
  const isFew = values.length > 1 && values.length <= MAX_MERGED && values.every((value) => typeof value === 'string');
  return isFew && model.fields.get(field)?.type === 'String' && !(field in orderBy) ? found : undefined;
}

interface Merged {
  readonly field: string;
  readonly values: readonly unknown[];
}

const isOneOf = (filter: unknown): filter is { readonly in: readonly unknown[] } =>
  typeof filter === 'object' && filter !== null && 'in' in filter && Array.isArray(filter.in);

const MAX_MERGED = 8;

/** Past a row, in an order that goes one way. */
export function pastRow(model: Model, orderBy: RowQuery['orderBy'] & object, past: PastRow, values: unknown[]): string {
  const [direction, ...others] = new Set(Object.values(orderBy));
  if (direction === undefined || others.length > 0) throw new Error('a page past a row has one direction');
  const columns = Object.keys(orderBy).map((field) => columnOf(model, field));
  return beyond(columns, direction, past, values);
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

export function conditionsOf(column: string, filter: unknown, values: unknown[]): string[] {
  if (typeof filter !== 'object' || filter instanceof Date || Array.isArray(filter)) {
    return [`${column} = $${values.push(filter)}`];
  }
  if (filter === null) return [`${column} is null`];
  return Object.entries(filter).map(([operator, operand]) => {
    if (Ids.isIds(operand)) {
      const isOne = `${column} = any(${unpackParameter(`$${values.push(operand.packed.text)}`)})`;
      return operator === 'in' ? isOne : `not (${isOne})`;
    }
    if (operator === 'in' && Array.isArray(operand)) return oneOf(column, operand, values);
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

/**
 * Whether a filter names so many that they go as one parameter. Such a statement is planned for its own list: a plan that is
 * kept for any list may compare every row with all of it.
 */
export const namesMany = (where: Readonly<Record<string, unknown>> = {}): boolean =>
  Object.values(where).some(
    (filter) =>
      (isOneOf(filter) && filter.in.length > MAX_LISTED) ||
      (typeof filter === 'object' && filter !== null && Object.values(filter).some(Ids.isIds)),
  );

export const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** With its table: the tripwire knows an organization's own id by it. */
export function columnOf(model: Model, field: string): string {
  const found = model.fields.get(field);
  if (!found) throw new Error(`${model.name} has no field ${field}`);
  return `${quote(model.table)}.${quote(found.column)}`;
}
