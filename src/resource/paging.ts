import type { OrgId } from '../data/id.js';
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

/** The order of a list: one column whose values differ within the organization. */
export interface Order<T> {
  /** Part of the cursor; a cursor of another order is refused. */
  readonly name: string;
  /** A column by which the rows are ordered before that; then the one that differs is the key. */
  readonly leading?: keyof T & string;
  readonly column: keyof T & string;
  readonly direction: 'asc' | 'desc';
}

/** What one page needs to be read: one row more than it shows, to know whether there are others. */
export interface PageQuery {
  /** The key of the row that the page begins behind; backward, that it ends before. */
  readonly past: string | undefined;
  readonly take: number;
  /** From the end of the list to its start; the rows come in that order, too. */
  readonly isBackward: boolean;
}

/**
 * Reads one page of a list.
 *
 * @param scope the organization the cursor is good for; of lists outside any organization, the person
 * @param read the rows past `past`, in order, `take` at most
 * @param count all rows of the list; called only when the client asks for `totalCount`
 * @throws BAD_USER_INPUT when the page is not 0 to 100 rows from one end, or a cursor was made elsewhere
 */
export async function connect<T>(
  args: PageArgs,
  scope: OrgId | string,
  order: Order<T>,
  read: (page: PageQuery) => Promise<T[]>,
  count: () => Promise<number>,
): Promise<Connection<T>> {
  const { size, isBackward, cursor, from } = parsePage(args);
  const past = cursor === undefined ? undefined : decodeCursor(cursor, from, scope, order.name);
  const rows = await read({ past, take: size + 1, isBackward });
  const isMore = rows.length > size;
  const nodes = isBackward ? rows.slice(0, size).reverse() : rows.slice(0, size);
  const cursorOf = (node: T) => encodeCursor(scope, order.name, String(node[order.column]));
  // Getters, so that what the client did not ask for is not made; a count is a promise, which GraphQL awaits.
  return {
    nodes,
    get edges() {
      return nodes.map((node) => ({ cursor: cursorOf(node), node }));
    },
    pageInfo: {
      hasNextPage: isBackward ? past !== undefined : isMore,
      hasPreviousPage: isBackward ? isMore : past !== undefined,
      get startCursor() {
        return nodes[0] === undefined ? null : cursorOf(nodes[0]);
      },
      get endCursor() {
        const last = nodes.at(-1);
        return last === undefined ? null : cursorOf(last);
      },
    },
    get totalCount() {
      return count() as unknown as number;
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

/** The order in which a page is read: backward, the other one. */
export const readIn = <T>({ direction }: Order<T>, { isBackward }: PageQuery): 'asc' | 'desc' =>
  (direction === 'asc') === isBackward ? 'desc' : 'asc';

/** The filter and order that a table needs for a page. */
export function keyset<T>(order: Order<T>, page: PageQuery) {
  const { leading, column } = order;
  const { past, take } = page;
  const direction = readIn(order, page);
  if (leading !== undefined) return { where: {}, orderBy: { [leading]: direction, [column]: direction }, take, past };
  const where = past === undefined ? {} : { [column]: { [direction === 'asc' ? 'gt' : 'lt']: past } };
  return { where, orderBy: { [column]: direction }, take };
}

/** The same of a table's page for each of many parents. */
export const keysetOf = <T>(order: Order<T>, page: PageQuery) => ({
  ...order,
  direction: readIn(order, page),
  after: page.past,
  take: page.take,
});

const encodeCursor = (scope: string, order: string, value: string): string =>
  Buffer.from(JSON.stringify([scope, order, value])).toString('base64url');

function decodeCursor(cursor: string, argument: string, scope: string, order: string): string {
  try {
    const decoded: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (Array.isArray(decoded) && decoded.length === 3 && decoded[0] === scope && decoded[1] === order) {
      const value: unknown = decoded[2];
      if (typeof value === 'string' && value.isWellFormed() && !value.includes('\0')) return value;
    }
  } catch {
    // not one of ours; refused below
  }
  throw badInput(argument, 'This cursor was not made in this list.');
}
