import type { OrgId } from '../data/id.js';
import type { PastRow } from '../data/past.js';
import { badInput } from '../errors.js';
import type { PageInfo } from '../generated/graphql.js';

export const MAX_PAGE = 100;

/** How many rows come where a client does not say. */
const USUAL_PAGE = 20;

/** The arguments of every list. */
export interface PageArgs {
  readonly first?: number | null;
  readonly after?: string | null;
  readonly last?: number | null;
  readonly before?: string | null;
}

/** A page as GraphQL shows it. */
export interface Connection<T> {
  edges: { cursor: string; node: T }[];
  nodes: T[];
  pageInfo: PageInfo;
  totalCount: number;
}

/** A column to order by, and what a cursor has to know of it. */
export type OrderColumn<T> = {
  [F in keyof T & string]: NonNullable<T[F]> extends Date
    ? { readonly by: F; readonly is: 'instant' } & MayBeNull<T[F]>
    : NonNullable<T[F]> extends number
      ? { readonly by: F; readonly is: 'number' } & MayBeNull<T[F]>
      : NonNullable<T[F]> extends string
        ? { readonly by: F; readonly is?: never } & MayBeNull<T[F]>
        : never;
}[keyof T & string];

type MayBeNull<V> = null extends V ? { readonly mayBeNull: true } : { readonly mayBeNull?: never };

/** The order of a list: a column, and where that is the same the key, in the same direction. */
export interface Order<T> {
  /** Part of the cursor, with the list and the direction; a cursor of another order is refused. */
  readonly name: string;
  readonly column: OrderColumn<T>;
  /** What no two rows have alike; left out where that is the column itself. */
  readonly key?: keyof T & string;
  readonly direction: 'asc' | 'desc';
}

/** What one page needs to be read: one row more than it shows, to know whether there are others. */
export interface PageQuery {
  /** The fields of the order as they are to be read; backward, the other way round. */
  readonly orderBy: Readonly<Record<string, 'asc' | 'desc'>>;
  readonly past: PastRow | undefined;
  readonly take: number;
}

/** How the rows of a list are come by. */
export interface Source<T, P> {
  /** The rows past `past` in the order asked for, `take` at most. */
  read(page: PageQuery): Promise<T[]>;
  /** All rows of the list; called only when the client asks for `totalCount`. */
  count(): Promise<number>;
  /** What the client is shown of rows, in their order. */
  show(rows: T[]): P[] | Promise<P[]>;
}

/**
 * Reads one page of a list.
 *
 * @param scope the organization the cursor is good for; of lists outside any organization, the person
 * @throws BAD_USER_INPUT when the page is not 0 to 100 rows from one end, or a cursor was made elsewhere
 */
export async function connect<T, P>(
  args: PageArgs,
  scope: OrgId | string,
  order: Order<T>,
  { read, count, show }: Source<T, P>,
): Promise<Connection<P>> {
  const { size, isBackward, cursor, from } = parsePage(args);
  const past = cursor === undefined ? undefined : decodeCursor(cursor, from, scope, order);
  const found = await read({ orderBy: orderOf(order, isBackward), past, take: size + 1 });
  const isMore = found.length > size;
  const rows = isBackward ? found.slice(0, size).reverse() : found.slice(0, size);
  const nodes = await show(rows);
  let counted: Promise<number> | undefined;
  const cursorOf = (row: T | undefined) => (row === undefined ? null : encodeCursor(row, scope, order));
  // Getters, so that what the client did not ask for is not made; a count is a promise, which GraphQL awaits.
  return {
    nodes,
    get edges() {
      return nodes.map((node, index) => ({ cursor: cursorOf(rows[index]) ?? '', node }));
    },
    pageInfo: {
      hasNextPage: isBackward ? past !== undefined : isMore,
      hasPreviousPage: isBackward ? isMore : past !== undefined,
      get startCursor() {
        return cursorOf(rows[0]);
      },
      get endCursor() {
        return cursorOf(rows.at(-1));
      },
    },
    get totalCount() {
      return (counted ??= count()) as unknown as number; // under however many names
    },
  };
}

interface Page {
  readonly size: number;
  readonly isBackward: boolean;
  readonly cursor: string | undefined;
  /** The argument that the cursor came in. */
  readonly from: 'after' | 'before';
}

/** Forward from `after`, or backward from `before`: what belongs to the one does not stand beside the other. */
function parsePage({ first, after, last, before }: PageArgs): Page {
  if (last == null) {
    if (before != null) throw badInput('before', 'Give `last` with it; `first` goes with `after`.');
    return { size: sizeOf(first ?? USUAL_PAGE, 'first'), isBackward: false, cursor: after ?? undefined, from: 'after' };
  }
  if (first != null) throw badInput('last', 'Give `first` or `last`, not both.');
  if (after != null) throw badInput('after', 'Give `first` with it; `last` goes with `before`.');
  return { size: sizeOf(last, 'last'), isBackward: true, cursor: before ?? undefined, from: 'before' };
}

function sizeOf(rows: number, argument: string): number {
  if (rows < 0 || rows > MAX_PAGE) throw badInput(argument, `Ask for 0 to ${MAX_PAGE} rows.`);
  return rows;
}

const fieldsOf = <T>({ column, key }: Order<T>): (keyof T & string)[] =>
  key === undefined ? [column.by] : [column.by, key];

function orderOf<T>(order: Order<T>, isBackward: boolean): PageQuery['orderBy'] {
  const direction = (order.direction === 'asc') === isBackward ? 'desc' : 'asc';
  return Object.fromEntries(fieldsOf(order).map((field) => [field, direction]));
}

function encodeCursor<T>(row: T, scope: string, order: Order<T>): string {
  const at = fieldsOf(order).map((field) => row[field]);
  return Buffer.from(JSON.stringify([scope, order.name, ...at])).toString('base64url');
}

function decodeCursor<T>(cursor: string, argument: string, scope: string, order: Order<T>): PastRow {
  const { column } = order;
  const mayBeNull = column.mayBeNull === true;
  const [owner, name, ...values] = parseList(cursor);
  if (owner === scope && name === order.name && values.length === fieldsOf(order).length) {
    const at = values.map((value, index) => {
      if (value === null && index === 0 && mayBeNull) return null;
      return (index === 0 && column.is ? READERS[column.is] : textOf)(value);
    });
    if (at.every((value) => value !== undefined)) return { at, mayBeNull };
  }
  throw badInput(argument, 'This cursor was not made in this list, or not in this order.');
}

function parseList(cursor: string): unknown[] {
  try {
    const decoded: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    return Array.isArray(decoded) ? decoded : [];
  } catch {
    return []; // not one of ours
  }
}

/** What PostgreSQL can hold as text. */
const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value.isWellFormed() && !value.includes('\0') ? value : undefined;

/** An instant exactly as a cursor has it: no other way to write one leads to the database. */
function instantOf(value: unknown): Date | undefined {
  if (typeof value !== 'string' || !/^\d{4}-/.test(value)) return undefined;
  const instant = new Date(value);
  return !Number.isNaN(instant.getTime()) && instant.toISOString() === value ? instant : undefined;
}

/** A whole number that PostgreSQL's own hold. */
const numberOf = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? value : undefined;

const READERS = { instant: instantOf, number: numberOf };
