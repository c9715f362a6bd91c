import type { AnyRow } from './models.js';
import DataLoader from 'dataloader';
import { notFound } from '../../errors.js';
import type { Prisma } from '../../generated/prisma/client.js';
import type { Planning } from '../connection/statement.js';
import { translateDatabaseError, translateDeletionError } from '../database-error.js';
import type { Sets } from './change-sets.js';
import type { Ids } from './ids.js';
import type { ParentPage } from './latest-per-parent.js';
import type { Model, OwnedModelName, ReadApart } from './models.js';
import { namesMany, type OwnQuery, type Past } from './read-rows.js';
import type { Search } from './search.js';
import type { Worded } from './words.js';

type Scalars<M extends OwnedModelName> = Worded<M, Prisma.TypeMap['model'][M]['payload']['scalars']>;

/** One row of a model, as resolvers see it: scalars only, without the organization and without what is read apart. */
export type Row<M extends OwnedModelName> = Omit<Scalars<M>, 'orgId' | ReadApart<M>>;
/** What rows of a model come without. */
export type Apart<M extends OwnedModelName> = Pick<Scalars<M>, ReadApart<M> & keyof Scalars<M>>;

/** Whether a column holds JSON: what it may be is not known, null included. */
type IsJson<V> = unknown extends V ? false : [Prisma.JsonValue] extends [V] ? true : false;

type Ordered<V> = { in: readonly V[] } | { lt?: V; lte?: V; gt?: V; gte?: V };
/** Rows are found by a list as a whole, by yes and no without an order, and by JSON not at all. */
type Condition<V> =
  IsJson<V> extends true
    ? never
    : [V] extends [readonly unknown[]]
      ? { equals: V }
      : V | { equals: V } | { not: V } | ([V] extends [boolean | null] ? never : Ordered<NonNullable<V>>);

/** Which rows: each field named must match. */
export type Filter<R> = { readonly [F in keyof R]?: Condition<R[F]> };

/** What a column is set to. JSON is set to something, or left out: its null and the column's are two. */
type Value<V> = IsJson<V> extends true ? Prisma.InputJsonValue : V;

/** The same, where a statement is for many rows: which ids a field has, or has not, of however many. */
export type ManyFilter<R> = {
  readonly [F in keyof R]?: Filter<R>[F] | { readonly in?: Ids; readonly notIn?: Ids };
};

type One<T> = T extends readonly unknown[] ? never : T;
type Creatable<M extends OwnedModelName> = Omit<
  One<Prisma.TypeMap['model'][M]['operations']['createMany']['args']['data']>,
  'orgId'
>;
/** What makes a row: everything but the organization, which is filled in. */
export type Created<M extends OwnedModelName> = {
  readonly [F in keyof Creatable<M>]: Value<Scalars<M>[F & keyof Scalars<M>]>;
};
type Changed<R> = { readonly [F in keyof R]?: Value<R[F]> | (R[F] extends number ? { increment: number } : never) };
/** What many rows are changed to at once; JSON is changed one by one. */
type ChangedAlike<R> = { readonly [F in keyof R]?: IsJson<R[F]> extends true ? never : R[F] };

/** Which rows: by their fields, and by text in some of them. */
export interface Found<R> {
  readonly where?: Filter<R>;
  readonly search?: Search<keyof R & string> | undefined;
}

export interface ListQuery<R> extends Found<R>, Planning {
  /** One key or several, the first of them first. */
  readonly orderBy: { readonly [F in keyof R]?: 'asc' | 'desc' };
  /** At most this many rows. */
  readonly take: number;
  /** Leaves out as many before them: for protocols that count pages. Lists of ours go by key. */
  readonly skip?: number;
}

/** One group of rows: how many, and sums by field. */
export interface Group<R, B extends keyof R> {
  readonly key: R[B];
  readonly count: number;
  readonly sums: { readonly [F in keyof R]?: bigint };
}

/** What can be done with the rows of one model inside the organization, in a transaction and outside. */
export interface Table<R, New, A = object> {
  /** The first row that matches, or null. */
  find(where: Filter<R>): Promise<R | null>;
  /** The row that matches; NOT_FOUND when there is none. */
  get(where: Filter<R>): Promise<R>;
  /** The row with this key (the id; of a membership the user's id), or null. Calls of one tick share a statement. */
  load(key: string): Promise<R | null>;
  list(query: ListQuery<R>): Promise<R[]>;
  count(where: ManyFilter<R>, more?: Pick<ListQuery<R>, 'search' | 'isPlannedAnew'>): Promise<number>;
  /** A field of every row that matches, as one text. */
  ids(field: keyof R & string, where: ManyFilter<R>): Promise<Ids>;
  /** The same for each parent that has any, in order; null where there are more than `atMost` together. */
  idsBy(
    parent: keyof R & string,
    field: keyof R & string,
    where: ManyFilter<R>,
    atMost: number,
  ): Promise<ReadonlyMap<string, Ids> | null>;
  /** How many rows each parent has, for many parents in one statement. */
  countFor(parent: keyof R & string, parentId: string, found?: Found<R>): Promise<number>;
  /** Rows by the values of a field. */
  group<B extends keyof R & string>(
    by: B,
    where: Filter<R>,
    sums?: readonly (keyof R & string)[],
    search?: Search<keyof R & string>,
  ): Promise<Group<R, B>[]>;
  create(data: New): Promise<R>;
  /** Changes the rows that match, and answers the first; NOT_FOUND when there is none. */
  update(where: Filter<R>, data: Changed<R & A>): Promise<R>;
  /**
   * Makes rows by one statement, however many; they have the same fields. Answers how many.
   *
   * @param more with `skipTaken` those are left out whose key another row has, also where that is being made meanwhile
   */
  createMany(data: readonly New[], more?: { readonly skipTaken: boolean }): Promise<number>;
  /** Makes a row for each of these ids, which stands in `field`; in all else they are the same. */
  createEach<F extends keyof New & string>(field: F, ids: Ids, data: Omit<New, F>): Promise<number>;
  /** Changes every row that matches to the same, or `atMost` of them, by one statement. Answers how many. */
  updateMany(where: ManyFilter<R>, data: ChangedAlike<R>, atMost?: number): Promise<number>;
  /** How many rows went. @throws CONFLICT where others refer to them, and would be left without what they name */
  delete(where: ManyFilter<R>): Promise<number>;
}

/** What can be done outside a transaction only: pages, and what rows come without. */
export interface PagedTable<R, New, A = object> extends Table<R, New, A> {
  list(query: ListQuery<R> & Past): Promise<R[]>;
  /** The first rows of each parent, for many parents in one statement. */
  listFor(parent: keyof R & string, parentId: string, page: ParentPage): Promise<R[]>;
  /** A field that rows come without, of the row with this key. Calls of one tick for one field share a statement. */
  loadApart<F extends keyof A & string>(key: string, field: F): Promise<A[F] | null>;
}

/** What is done most, by statements of our own where that is possible; the rest goes through Prisma. */
export interface Statements {
  rows(model: Model, query: OwnQuery): Promise<AnyRow[]>;
  count(model: Model, query: Pick<OwnQuery, 'where' | 'search' | 'isPlannedAnew'>): Promise<number>;
  /** A page of children for each of many parents. */
  latest(model: Model, parent: string, parentIds: readonly string[], page: ParentPage): Promise<AnyRow[]>;
  insert(model: Model, data: AnyRow): Promise<AnyRow>;
  readonly sets: Sets;
}

/** Prisma's own types differ for every model; here, behind the checked extension, one shape serves all. */
export type Delegate = Record<
  'findMany' | 'count' | 'groupBy' | 'create' | 'updateManyAndReturn' | 'deleteMany',
  (args: object) => Promise<never>
>;

/** What a table itself asks of Prisma, in a transaction and outside; the rest is in its statements. */
export type TableDelegate = Pick<Delegate, 'groupBy' | 'updateManyAndReturn' | 'deleteMany'>;

/** Says in the closed vocabulary what the database refused. */
export const rethrowTranslated =
  (model?: Model) =>
  (error: unknown): never => {
    throw translateDatabaseError(error, model);
  };

/** @param changed called after every write, so that no loader answers what was there before */
export function createTable(model: Model, statements: Statements, delegate: () => TableDelegate, changed: () => void) {
  const failed = rethrowTranslated(model);
  const key = model.keyField;
  const byKey = new DataLoader<string, AnyRow | null>(async (keys) => {
    const rows = await statements.rows(model, { where: { [key]: { in: keys } } }).catch(failed);
    const found = new Map(rows.map((row) => [row[key], row]));
    return keys.map((wanted) => found.get(wanted) ?? null);
  });
  const apart = new Map<string, DataLoader<string, unknown>>();
  const apartLoader = (field: string) => {
    let loader = apart.get(field);
    if (!loader) {
      loader = new DataLoader(async (keys) => {
        const where = { [key]: { in: keys } };
        const rows = await statements.rows(model, { where, only: [key, field] }).catch(failed);
        const found = new Map(rows.map((row) => [row[key], row[field]]));
        return keys.map((wanted) => found.get(wanted) ?? null);
      });
      apart.set(field, loader);
    }
    return loader;
  };
  const byParent = new Map<string, DataLoader<string, AnyRow[]>>();
  const parentLoader = (parent: string, page: ParentPage) => {
    const shape = JSON.stringify([parent, page]);
    let loader = byParent.get(shape);
    if (!loader) {
      loader = new DataLoader(async (ids) => {
        const rows = await statements.latest(model, parent, ids, page).catch(failed);
        const pages = new Map<unknown, AnyRow[]>(ids.map((id) => [id, []]));
        for (const row of rows) pages.get(row[parent])?.push(row);
        return ids.map((id) => pages.get(id) ?? []);
      });
      byParent.set(shape, loader);
    }
    return loader;
  };
  const countLoaders = new Map<string, DataLoader<string, number>>();
  const countLoader = (parent: string, { where = {}, search }: Found<AnyRow>) => {
    const shape = JSON.stringify([parent, where, search]);
    let loader = countLoaders.get(shape);
    if (!loader) {
      loader = new DataLoader(async (ids) => {
        const groups = await table.group(parent, { ...where, [parent]: { in: among(ids, where[parent]) } }, [], search);
        const counts = new Map(groups.map((group) => [group.key, group.count]));
        return ids.map((id) => counts.get(id) ?? 0);
      });
      countLoaders.set(shape, loader);
    }
    return loader;
  };
  const find = async (where: Filter<AnyRow>): Promise<AnyRow | null> => {
    const [row] = await statements.rows(model, { where, take: 1 }).catch(failed);
    return row ?? null;
  };
  const table: PagedTable<AnyRow, AnyRow, AnyRow> = {
    find,
    get: async (where) => (await find(where)) ?? fail(),
    load: (id) => byKey.load(id),
    loadApart: (id, field: string) => apartLoader(field).load(id),
    list: (query) => statements.rows(model, query).catch(failed),
    listFor: (parent, parentId, page) => parentLoader(parent, page).load(parentId),
    count: (where, more) => statements.count(model, { where, ...more }).catch(failed),
    countFor: (parent, parentId, found = {}) => countLoader(parent, found).load(parentId),
    group: async (by, where, sums = [], search) => {
      const groups: (AnyRow & { _count: { _all: number }; _sum?: Record<string, bigint | null> })[] = await delegate()
        .groupBy({
          by: [by],
          where,
          ...(search && { search }),
          _count: { _all: true },
          ...(sums.length > 0 && { _sum: Object.fromEntries(sums.map((field) => [field, true])) }),
        })
        .catch(failed);
      return groups.map((group) => ({
        key: group[by],
        count: group._count._all,
        sums: Object.fromEntries(sums.map((field) => [field, group._sum?.[field] ?? 0n])),
      }));
    },
    create: async (data) => {
      const row = await statements.insert(model, data).catch(failed);
      changed();
      return row;
    },
    update: async (where, data) => {
      const rows: AnyRow[] = await delegate().updateManyAndReturn({ where, data }).catch(failed);
      changed();
      return rows[0] ?? fail();
    },
    ids: (field, where) => statements.sets.ids(model, field, where).catch(failed),
    idsBy: (parent, field, where, atMost) => statements.sets.idsBy(model, parent, field, where, atMost).catch(failed),
    createMany: (data, { skipTaken } = { skipTaken: false }) =>
      statements.sets.insert(model, data, skipTaken).catch(failed).finally(changed),
    createEach: (field, ids, data) =>
      statements.sets.insertEach(model, field, ids, data).catch(failed).finally(changed),
    updateMany: (where, data, atMost) =>
      statements.sets.update(model, where, data, atMost).catch(failed).finally(changed),
    delete: async (where) => {
      const deleted = namesMany(where)
        ? statements.sets.delete(model, where)
        : delegate()
            .deleteMany({ where })
            .then(({ count }: { count: number }) => count);
      const count = await deleted.catch((error: unknown) => {
        throw translateDeletionError(error, model);
      });
      changed();
      return count;
    },
  };
  const forget = () => {
    byKey.clearAll();
    apart.clear();
    byParent.clear();
    countLoaders.clear();
  };
  return { table, forget };
}

/** Of the parents those that a filter names, too, if it names one. */
function among(ids: readonly string[], named: unknown): string[] {
  if (named !== undefined && typeof named !== 'string') throw new Error('a filter names one parent');
  return ids.filter((id) => named === undefined || id === named);
}

function fail(): never {
  throw notFound();
}
