import type { OrgId } from '../data/id.js';
import { badInput } from '../errors.js';
import type { PageInfo } from '../generated/graphql.js';

export const MAX_PAGE = 100;

/** The arguments of every list. */
export interface PageArgs {
  readonly first?: number | null;
  readonly after?: string | null;
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
  readonly after: string | undefined;
  readonly take: number;
}

/**
 * Reads one page of a list.
 *
 * @param scope the organization the cursor is good for; of lists outside any organization, the person
 * @param read the rows past `after`, in order, `take` at most
 * @param count all rows of the list; called only when the client asks for `totalCount`
 * @throws BAD_USER_INPUT when `first` is not 0 to 100, or `after` was made elsewhere
 */
export async function connect<T>(
  args: PageArgs,
  scope: OrgId | string,
  order: Order<T>,
  read: (page: PageQuery) => Promise<T[]>,
  count: () => Promise<number>,
): Promise<Connection<T>> {
  const first = args.first ?? 20;
  if (first < 0 || first > MAX_PAGE) throw badInput('first', `Ask for 0 to ${MAX_PAGE} rows.`);
  const after = args.after == null ? undefined : decodeCursor(args.after, scope, order.name);
  const rows = await read({ after, take: first + 1 });
  const nodes = rows.slice(0, first);
  const cursorOf = (node: T) => encodeCursor(scope, order.name, String(node[order.column]));
  // Getters, so that what the client did not ask for is not made; a count is a promise, which GraphQL awaits.
  return {
    nodes,
    get edges() {
      return nodes.map((node) => ({ cursor: cursorOf(node), node }));
    },
    pageInfo: {
      hasNextPage: rows.length > first,
      hasPreviousPage: after !== undefined,
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

/** The filter and order that a table needs for a page. */
export function keyset<T>({ leading, column, direction }: Order<T>, { after, take }: PageQuery) {
  if (leading !== undefined) {
    return { where: {}, orderBy: { [leading]: direction, [column]: direction }, take, past: after };
  }
  const where = after === undefined ? {} : { [column]: { [direction === 'asc' ? 'gt' : 'lt']: after } };
  return { where, orderBy: { [column]: direction }, take };
}

const encodeCursor = (scope: string, order: string, value: string): string =>
  Buffer.from(JSON.stringify([scope, order, value])).toString('base64url');

function decodeCursor(cursor: string, scope: string, order: string): string {
  try {
    const decoded: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (Array.isArray(decoded) && decoded.length === 3 && decoded[0] === scope && decoded[1] === order) {
      const value: unknown = decoded[2];
      if (typeof value === 'string' && value.isWellFormed() && !value.includes('\0')) return value;
    }
  } catch {
    // not one of ours; refused below
  }
  throw badInput('after', 'This cursor was not made in this list.');
}
