import type { RequestContext } from '../context/context.js';
import { type OwnedModelName, propertyOf } from '../data/organization/models.js';
import type { RequestDb } from '../data/organization/organization-db.js';
import type { Search } from '../data/organization/search.js';
import type { Filter, Found, PagedTable, Row } from '../data/organization/table.js';
import { badInput, OrgateError } from '../errors.js';
import type { OrderDirection } from '../generated/graphql.js';
import type { Permission } from '../permissions/catalogue.js';
import { type Connection, connect, type Order, type OrderColumn, type PageArgs, type Source } from './paging.js';

/** In which order a client wants a list. */
export interface OrderBy<O extends string> {
  readonly field: O;
  readonly direction: OrderDirection;
}

/** The arguments of a list of the contract. */
export interface ListArgs<O extends string, F = Readonly<Record<string, unknown>>> extends PageArgs {
  readonly orderBy?: OrderBy<O> | null;
  readonly filter?: F | null;
}

/** One of the orders that a list offers. */
export type OfferedOrder<R> = OrderColumn<R> & {
  /** No two rows of an organization have the same in this column; otherwise the key decides. */
  readonly isUnique?: true;
};

/** In which orders a list comes, and where it is searched. */
export interface Offer<R, O extends string> {
  /** In the plural. Part of its cursors: those of another list are refused. */
  readonly name: string;
  /** The key of a row, where that is not its id. */
  readonly key?: keyof R & string;
  readonly orders: Readonly<Record<O, OfferedOrder<R>>>;
  readonly usual: OrderBy<NoInfer<O>>;
  /** Where `filter.search` looks; text only, that whoever may read the list may read. */
  readonly search?: readonly (keyof R & string)[];
  /** Those of the searched columns that hold lower case only, such as e-mails. */
  readonly lowered?: readonly (keyof R & string)[];
}

/** What a list is, beside that: its filters, and what of its rows is shown. */
export interface ListSpec<R, O extends string, A, P> extends Offer<R, O> {
  /** Which rows, by the arguments; those of the organization are all there are. */
  readonly where?: (args: A, context: RequestContext) => Filter<R>;
  /** Filters by what only they may read who hold this: whoever does not would find it out, one guess after the other. */
  readonly filtersNeed?: Readonly<Record<string, Permission>>;
  /** Another way to say the same, in which rows are found more quickly in order. */
  readonly indexed?: (where: Filter<R>) => Filter<R>;
  /** Whether the statement is planned for the values of its filters. */
  readonly isPlannedAnew?: (where: Filter<R>) => boolean;
  /** What a client is shown, where that is not the rows. */
  readonly show?: (rows: R[], context: RequestContext) => P[] | Promise<P[]>;
}

/** A list of the current organization, or of each of many parents. */
export interface List<R, A, P> {
  /** One page of all rows. */
  readonly page: (args: A, context: RequestContext) => Promise<Connection<P>>;
  /** One page of those of a parent; the pages of many parents are read in one statement. */
  readonly pageOf: (
    parent: keyof R & string,
    parentId: string,
    args: A,
    context: RequestContext,
  ) => Promise<Connection<P>>;
}

const MAX_SEARCH = 100;

/**
 * Makes a list of rows of a model: paged both ways, ordered, filtered, searched and counted, in one statement each.
 *
 * @throws BAD_USER_INPUT where its arguments do not fit: `first`, `after`, `last`, `before`, `filter.search`; FORBIDDEN for a
 *   filter by what the viewer may not read
 */
export function defineList<M extends OwnedModelName, O extends string, A extends ListArgs<O> = ListArgs<O>, P = Row<M>>(
  model: M,
  spec: ListSpec<Row<M>, O, A, P>,
): List<Row<M>, A, P> {
  type R = Row<M>;
  const show = spec.show ?? ((rows: R[]) => rows as unknown as P[]);

  const open = (
    args: A,
    context: RequestContext,
    source: (found: Required<Found<R>>) => Omit<Source<R, P>, 'show'>,
  ) => {
    assertMayFilter(spec.filtersNeed ?? {}, args, context);
    const { order, search } = asked<R, O>(spec, args);
    const found = { where: eachOnce(spec.where?.(args, context) ?? {}), search };
    const shown = { ...source(found), show: (rows: R[]) => show(rows, context) };
    return connect(args, context.organization.orgId, order, shown);
  };

  return {
    page: (args, context) =>
      open(args, context, ({ where, search }) => {
        const table = tableOf<R>(context.db, model);
        const isPlannedAnew = spec.isPlannedAnew?.(where);
        const read = spec.indexed?.(where) ?? where;
        return {
          read: (page) => table.list({ ...page, where: read, search, isPlannedAnew } as never),
          count: () => table.count(where, { search, isPlannedAnew }),
        };
      }),
    pageOf: (parent, parentId, args, context) =>
      open(args, context, (found) => {
        const table = tableOf<R>(context.db, model);
        return {
          read: (page) => table.listFor(parent, parentId, { ...page, ...found }),
          count: () => table.countFor(parent, parentId, found),
        };
      }),
  };
}

function assertMayFilter(
  needs: Readonly<Record<string, Permission>>,
  { filter }: ListArgs<string>,
  { organization: { permissions } }: RequestContext,
): void {
  for (const [field, requiredPermission] of Object.entries(needs)) {
    if (filter?.[field] == null || permissions.has(requiredPermission)) continue;
    throw new OrgateError('FORBIDDEN', undefined, { requiredPermission });
  }
}

/** What a filter names twice finds nothing more, and stands a thousand times in a statement. */
const eachOnce = <R>(where: Filter<R>): Filter<R> =>
  Object.fromEntries(
    Object.entries(where).map(([field, condition]) => {
      const { in: values } = (condition ?? {}) as { in?: unknown };
      return [field, Array.isArray(values) ? { in: [...new Set<unknown>(values)] } : condition];
    }),
  ) as never;

/** The table of a model, which whoever asks knows the rows of. */
export const tableOf = <R>(db: RequestDb, model: OwnedModelName): PagedTable<R, object> =>
  db[propertyOf(model) as keyof RequestDb] as never;

/**
 * What of an offer a client took.
 *
 * @throws BAD_USER_INPUT at `filter.search`
 */
export const asked = <R, O extends string>(
  offer: Offer<R, O>,
  { orderBy, filter }: ListArgs<O>,
): { order: Order<R>; search: Search<keyof R & string> | undefined } => ({
  order: orderOf(offer, orderBy ?? offer.usual),
  search: searchOf(offer, filter?.['search']),
});

function orderOf<R, O extends string>(
  { name, key = 'id' as keyof R & string, orders }: Offer<R, O>,
  { field, direction }: OrderBy<O>,
): Order<R> {
  const column = orders[field];
  return {
    name: `${name} ${field} ${direction}`,
    column,
    ...(!column.isUnique && column.by !== key && { key }),
    direction: direction === 'ASC' ? 'asc' : 'desc',
  };
}

function searchOf<R>({ search: fields, lowered }: Pick<Offer<R, never>, 'search' | 'lowered'>, text: unknown) {
  if (typeof text !== 'string' || !fields) return undefined;
  const sought = text.trim();
  if (sought === '') throw badInput('filter.search', 'Must not be blank.');
  if (sought.length > MAX_SEARCH) throw badInput('filter.search', `At most ${MAX_SEARCH} characters.`);
  return { text: sought, in: fields, lowered };
}

/** A filter by lists of which any value will do: none is no filter, an empty one finds nothing. */
export const anyOf = <L extends Readonly<Record<string, readonly string[] | null | undefined>>>(
  lists: L,
): { [F in keyof L]?: { in: NonNullable<L[F]> } } =>
  Object.fromEntries(
    Object.entries<readonly string[] | null | undefined>(lists).flatMap(([field, list]) =>
      list ? [[field, { in: list }]] : [],
    ),
  ) as never;

/** What an argument of one value and a filter of several leave together. */
export const both = <V extends string>(one: V | null | undefined, several: readonly V[] | null | undefined) =>
  one == null ? several : several ? several.filter((each) => each === one) : [one];
