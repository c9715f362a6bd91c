import DataLoader from 'dataloader';
import type { Prisma, PrismaClient } from '../generated/prisma/client.js';
import { notFound } from '../errors.js';
import { translateDatabaseError } from './database-error.js';
import type { OrgId } from './id.js';
import { type ParentPage, readLatestPerParent } from './latest-per-parent.js';
import type { Model, OwnedModelName } from './models.js';
import { type Frame, inFrame, type ScopedPool } from './org-connection.js';
import { type ScopedPrisma, scopeToOrganization } from './scope.js';

type Scalars<M extends OwnedModelName> = Prisma.TypeMap['model'][M]['payload']['scalars'];

/** One row of a model, as resolvers see it: scalars only, and without the organization. */
export type Row<M extends OwnedModelName> = Omit<Scalars<M>, 'orgId'>;

type Operators<V> = { equals: V } | { in: readonly V[] } | { not: V } | { lt?: V; lte?: V; gt?: V; gte?: V };

/** Which rows: each field named must match. */
export type Filter<R> = { readonly [F in keyof R]?: R[F] | Operators<NonNullable<R[F]>> };

type One<T> = T extends readonly unknown[] ? never : T;
type Created<M extends OwnedModelName> = Omit<
  One<Prisma.TypeMap['model'][M]['operations']['createMany']['args']['data']>,
  'orgId'
>;
type Changed<R> = { readonly [F in keyof R]?: R[F] | (R[F] extends number ? { increment: number } : never) };

export interface ListQuery<R> {
  readonly where?: Filter<R>;
  readonly orderBy: { readonly [F in keyof R]?: 'asc' | 'desc' };
  /** At most this many rows. */
  readonly take: number;
}

/** One group of rows: how many, and sums by field. */
export interface Group<R, B extends keyof R> {
  readonly key: R[B];
  readonly count: number;
  readonly sums: { readonly [F in keyof R]?: bigint };
}

/** All that can be done with the rows of one model inside the organization. */
export interface Table<R, New> {
  /** The first row that matches, or null. */
  find(where: Filter<R>): Promise<R | null>;
  /** The row that matches; NOT_FOUND when there is none. */
  get(where: Filter<R>): Promise<R>;
  /** The row with this key (the id; of a membership the user's id), or null. Calls of one tick share a statement. */
  load(key: string): Promise<R | null>;
  list(query: ListQuery<R>): Promise<R[]>;
  /** The first rows of each parent, for many parents in one statement. */
  listFor(parent: keyof R & string, parentId: string, page: ParentPage): Promise<R[]>;
  count(where: Filter<R>): Promise<number>;
  /** How many rows each parent has, for many parents in one statement. */
  countFor(parent: keyof R & string, parentId: string): Promise<number>;
  /** Rows by the values of a field. */
  group<B extends keyof R & string>(
    by: B,
    where: Filter<R>,
    sums?: readonly (keyof R & string)[],
  ): Promise<Group<R, B>[]>;
  create(data: New): Promise<R>;
  /** Changes the one row that matches; NOT_FOUND when there is none. */
  update(where: Filter<R>, data: Changed<R>): Promise<R>;
  /** How many rows went. */
  delete(where: Filter<R>): Promise<number>;
}

type Tables = { readonly [M in OwnedModelName as Uncapitalize<M>]: Table<Row<M>, Created<M>> };

/** The database as one organization sees it, and nothing else exists. Made for one request. */
export type OrganizationDb = Tables & {
  /** All or nothing. `lock` first where rights or limits are checked: it orders everyone who changes them. */
  transaction<T>(work: (db: OrganizationDb & TransactionOnly) => Promise<T>): Promise<T>;
};

interface TransactionOnly {
  /** Waits for, and then holds, the organization's row until the transaction ends. Answers the row as it is now. */
  lockOrganization(): Promise<Row<'Organization'>>;
}

export interface OrganizationDbParts {
  readonly prisma: PrismaClient;
  readonly pool: ScopedPool;
  readonly models: ReadonlyMap<OwnedModelName, Model>;
}

/** How many organizations' clients are kept. They hold no rows and no state but the organization's id. */
const KEPT_CLIENTS = 2000;

/** Opens the database of an organization for one request. */
export function createOrganizationDbs({ prisma, pool, models }: OrganizationDbParts): (orgId: OrgId) => OrganizationDb {
  const clients = new Map<OrgId, ScopedPrisma>();
  return (orgId) => {
    const frame: Frame = { role: 'orgate_app', orgId };
    let client = clients.get(orgId);
    if (!client) {
      client = scopeToOrganization(prisma, models, orgId);
      if (clients.size >= KEPT_CLIENTS) clients.delete(clients.keys().next().value as OrgId);
      clients.set(orgId, client);
    }
    return organizationDbOver({
      client,
      models,
      inFrame: (work) => inFrame(frame, work),
      latest: (model, parent, ids, page) =>
        inFrame(frame, () => readLatestPerParent(pool, model, orgId, parent, ids, page)),
    });
  };
}

/** What the tables of an organization stand on. */
export interface OrganizationDbBase {
  /** A Prisma client that reaches one organization only. */
  readonly client: { $transaction<T>(work: (tx: object) => Promise<T>, limits: object): Promise<T> };
  readonly models: ReadonlyMap<OwnedModelName, Model>;
  inFrame<T>(work: () => PromiseLike<T>): Promise<T>;
  latest(
    model: Model,
    parent: string,
    parentIds: readonly string[],
    page: ParentPage,
  ): Promise<Record<string, unknown>[]>;
}

/** The narrow client over whatever it is given: the walls are in what it is given. */
export function organizationDbOver({ client, models, latest, inFrame: within }: OrganizationDbBase): OrganizationDb {
  const noLatest = () => Promise.reject(new Error('listFor is for reading; a transaction has list'));
  const { tables: outside, forgetAll } = createTables(client, models, latest);
  return Object.assign(outside, {
    transaction: <T>(work: (db: OrganizationDb & TransactionOnly) => Promise<T>): Promise<T> =>
      within(() =>
        client.$transaction((tx) => {
          const { tables } = createTables(tx, models, noLatest);
          const db: OrganizationDb & TransactionOnly = Object.assign(tables, {
            transaction: <N>(nested: (same: OrganizationDb & TransactionOnly) => Promise<N>): Promise<N> => nested(db),
            // An update of a column that no key holds: it orders writers, and inserts of child rows need not wait.
            lockOrganization: () => tables.organization.update({}, { lockVersion: { increment: 1 } }),
          });
          return work(db);
        }, TRANSACTION_LIMITS),
      )
        .finally(forgetAll)
        .catch(rethrowTranslated()),
  });
}

/** How long a transaction may wait for a connection, and take, in milliseconds. */
const TRANSACTION_LIMITS = { maxWait: 10_000, timeout: 15_000 };

const rethrowTranslated =
  (model?: Model) =>
  (error: unknown): never => {
    throw translateDatabaseError(error, model);
  };

type AnyRow = Record<string, unknown>;
type Delegate = Record<
  'findFirst' | 'findMany' | 'count' | 'groupBy' | 'create' | 'updateManyAndReturn' | 'deleteMany',
  (args: object) => Promise<never>
>;

/** Prisma's own types differ for every model; here, behind the checked extension, one shape serves all. */
function createTables(
  client: object,
  models: ReadonlyMap<OwnedModelName, Model>,
  latest: OrganizationDbBase['latest'],
): { tables: Tables; forgetAll: () => void } {
  const forgets: (() => void)[] = [];
  const forgetAll = () => {
    for (const forget of forgets) forget();
  };
  const tables = {};
  for (const model of models.values()) {
    const name = model.name.charAt(0).toLowerCase() + model.name.slice(1);
    // Most requests use one or two of the tables, so each is made when it is first used.
    Object.defineProperty(tables, name, {
      configurable: true,
      enumerable: true,
      get() {
        const delegate = (client as Record<string, Delegate>)[name] as Delegate;
        const { table, forget } = createTable(model, delegate, latest, forgetAll);
        forgets.push(forget);
        Object.defineProperty(this, name, { value: table, enumerable: true });
        return table;
      },
    });
  }
  return { tables: tables as Tables, forgetAll };
}

/** @param changed called after every write, so that no loader answers what was there before */
function createTable(model: Model, delegate: Delegate, latest: OrganizationDbBase['latest'], changed: () => void) {
  const failed = rethrowTranslated(model);
  const key = model.keyField;
  const byKey = new DataLoader<string, AnyRow | null>(async (keys) => {
    const rows: AnyRow[] = await delegate.findMany({ where: { [key]: { in: [...keys] } } }).catch(failed);
    const found = new Map(rows.map((row) => [row[key], row]));
    return keys.map((wanted) => found.get(wanted) ?? null);
  });
  const byParent = new Map<string, DataLoader<string, AnyRow[]>>();
  const parentLoader = (parent: string, page: ParentPage) => {
    const shape = JSON.stringify([parent, page]);
    let loader = byParent.get(shape);
    if (!loader) {
      loader = new DataLoader(async (ids) => {
        const rows = await latest(model, parent, ids, page).catch(failed);
        const pages = new Map<unknown, AnyRow[]>(ids.map((id) => [id, []]));
        for (const row of rows) pages.get(row[parent])?.push(row);
        return ids.map((id) => pages.get(id) ?? []);
      });
      byParent.set(shape, loader);
    }
    return loader;
  };
  const countLoaders = new Map<string, DataLoader<string, number>>();
  const countLoader = (parent: string) => {
    let loader = countLoaders.get(parent);
    if (!loader) {
      loader = new DataLoader(async (ids) => {
        const groups = await table.group(parent, { [parent]: { in: [...ids] } });
        const counts = new Map(groups.map((group) => [group.key, group.count]));
        return ids.map((id) => counts.get(id) ?? 0);
      });
      countLoaders.set(parent, loader);
    }
    return loader;
  };
  const find = (where: object): Promise<AnyRow | null> => delegate.findFirst({ where }).catch(failed);
  const table: Table<AnyRow, AnyRow> = {
    find,
    get: async (where) => (await find(where)) ?? fail(),
    load: (id) => byKey.load(id),
    list: (query) => delegate.findMany(query).catch(failed),
    listFor: (parent, parentId, page) => parentLoader(parent, page).load(parentId),
    count: (where) => delegate.count({ where }).catch(failed),
    countFor: (parent, parentId) => countLoader(parent).load(parentId),
    group: async (by, where, sums = []) => {
      const groups: (AnyRow & { _count: { _all: number }; _sum?: Record<string, bigint | null> })[] = await delegate
        .groupBy({
          by: [by],
          where,
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
      const row: AnyRow = await delegate.create({ data }).catch(failed);
      changed();
      return row;
    },
    update: async (where, data) => {
      const rows: AnyRow[] = await delegate.updateManyAndReturn({ where, data }).catch(failed);
      changed();
      return rows[0] ?? fail();
    },
    delete: async (where) => {
      const { count }: { count: number } = await delegate.deleteMany({ where }).catch(failed);
      changed();
      return count;
    },
  };
  const forget = () => {
    byKey.clearAll();
    byParent.clear();
    countLoaders.clear();
  };
  return { table, forget };
}

function fail(): never {
  throw notFound();
}
