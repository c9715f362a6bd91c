import type { PrismaClient } from '../../generated/prisma/client.js';
import type { Act } from '../connection/act.js';
import { holdingOne, inFrame, type ScopedPool } from '../connection/org-connection.js';
import { WAIT_MS } from '../connection/turns.js';
import type { OrgId } from '../id.js';
import { createSets, type Force, type Sets } from './change-sets.js';
import { insertRow } from './insert-row.js';
import { readLatestPerParent } from './latest-per-parent.js';
import {
  type KeyedModelName,
  type Model,
  type Models,
  type OwnedModelName,
  propertyOf,
  type READ_ONLY_MODELS,
} from './models.js';
import { countRows, namesMany, readRows, type RowQuery } from './read-rows.js';
import { forceOrganization, frameOf, type ScopedPrisma, scopeToOrganization } from './scope.js';
import {
  type Apart,
  type Created,
  createTable,
  type Delegate,
  type PagedTable,
  type Statements,
  rethrowTranslated,
  type Row,
  type Table,
  type TableDelegate,
} from './table.js';

type Writing = 'create' | 'update' | 'createMany' | 'createEach' | 'updateMany' | 'delete';
type Written<M, T> = M extends (typeof READ_ONLY_MODELS)[number] ? Omit<T, Writing> : T;
type Keyed<M, T> = Written<M, M extends KeyedModelName ? T : Omit<T, 'load'>>;
type Tables = { readonly [M in OwnedModelName as Uncapitalize<M>]: Keyed<M, Table<Row<M>, Created<M>, Apart<M>>> };
type PagedTables = {
  readonly [M in OwnedModelName as Uncapitalize<M>]: Keyed<M, PagedTable<Row<M>, Created<M>, Apart<M>>>;
};

/** The database as one organization sees it, and nothing else exists: what is alike in a transaction, under the lock and outside. */
export type OrganizationDb = Tables & {
  /** What periods are told by: the database's time, whatever the clock of this machine says. */
  now(): Date;
};

/** The same inside a transaction, all or nothing. */
export type TransactionDb = OrganizationDb & {
  /** The rest of it under the organization's lock: it orders everyone who changes rights or limits, and is waited for. */
  locked<T>(work: (db: LockedDb) => Promise<T>): Promise<T>;
};

/** The same outside any transaction, where there are pages, too. Made for one request. */
export type RequestDb = PagedTables &
  TransactionDb & {
    transaction<T>(work: (db: TransactionDb) => Promise<T>): Promise<T>;
  };

/** The same inside a transaction that holds the organization's lock until it ends. What rests on that takes no other. */
export type LockedDb = OrganizationDb & {
  /** The organization's row as it was read with the lock. */
  readonly held: Row<'Organization'>;
};

export interface OrganizationDbParts {
  readonly prisma: PrismaClient;
  readonly pool: ScopedPool;
  readonly models: Models;
}

/** How many organizations' clients are kept, 20 kB each. They hold no rows and no state but the organization's id. */
const KEPT_CLIENTS = 200;

/** Opens the database of an organization for one request, or whatever else somebody does in it. */
export type OpenOrganizationDb = (orgId: OrgId, act: Act) => RequestDb;

export function createOrganizationDbs({ prisma, pool, models }: OrganizationDbParts): OpenOrganizationDb {
  const clients = new Map<OrgId, ScopedPrisma>();
  const clientOf = (orgId: OrgId): ScopedPrisma => {
    let client = clients.get(orgId);
    if (!client) {
      client = scopeToOrganization(prisma, models, orgId);
      const [oldest] = clients.size >= KEPT_CLIENTS ? clients.keys() : [];
      if (oldest !== undefined) clients.delete(oldest);
      clients.set(orgId, client);
    }
    return client;
  };
  return (orgId, act) => {
    const frame = frameOf(orgId, act);
    const force: Force = (model, operation, args) => forceOrganization(model, operation, args, orgId);
    // Most requests change nothing.
    let sets: Sets | undefined;
    return organizationDbOver({
      client: () => clientOf(orgId),
      models,
      now: () => pool.clock.now(),
      statementTimeoutMs: pool.statementTimeoutMs,
      inFrame: (work) => inFrame(frame, work),
      statements: {
        rows: (model, own) =>
          inFrame(frame, () => {
            const { past: _past, only: _only, isPlannedAnew: _anew, ...query } = own;
            return readRows(pool, model, forceOrganization(model, 'findMany', query, orgId), own);
          }),
        count: (model, { isPlannedAnew, ...found }) =>
          inFrame(frame, () =>
            countRows(pool, model, { ...forceOrganization(model, 'count', found, orgId), isPlannedAnew }),
          ),
        latest: (model, parent, ids, { past, ...query }) =>
          inFrame(frame, () => {
            const page = { ...query, ...forceOrganization(model, 'findMany', query, orgId), past };
            return readLatestPerParent(pool, model, orgId, parent, ids, page);
          }),
        insert: (model, data) =>
          inFrame(frame, () => insertRow(pool, model, forceOrganization(model, 'create', { data }, orgId).data ?? {})),
        get sets() {
          return (sets ??= createSets((statement) => inFrame(frame, () => pool.query(statement)), force));
        },
      },
      setsInTransaction: () => createSets((statement) => inFrame(frame, () => pool.queryHeld(statement)), force),
    });
  };
}

/** What the tables of an organization stand on. */
export interface OrganizationDbBase {
  /** A Prisma client that reaches one organization only. Asked for when something is changed or counted. */
  client(): { $transaction<T>(work: (tx: object) => Promise<T>, limits: object): Promise<T> };
  readonly models: Models;
  now(): Date;
  readonly statementTimeoutMs: number;
  inFrame<T>(work: () => PromiseLike<T>): Promise<T>;
  readonly statements: Statements;
  /** On the connection that a transaction holds. */
  setsInTransaction(): Sets;
}

/** The narrow client over whatever it is given: the walls are in what it is given. */
export function organizationDbOver(base: OrganizationDbBase): RequestDb {
  const { models, now } = base;
  const outside = new TableSet(
    (model) => framed(delegateOf(base.client(), model), (work) => base.inFrame(work)),
    base.statements,
  );
  const transaction = <T>(work: (db: TransactionDb) => Promise<T>): Promise<T> =>
    base
      .inFrame(() =>
        holdingOne(() =>
          base.client().$transaction((tx) => {
            const tables = new TableSet((model) => delegateOf(tx, model), statementsOf(tx, base.setsInTransaction()));
            return work(openTransaction(models, tables, now));
          }, limitsOf(base.statementTimeoutMs)),
        ),
      )
      .finally(() => outside.forget())
      .catch(rethrowTranslated());
  return Object.assign(openTables(models, outside), {
    now,
    transaction,
    locked: <T>(work: (db: LockedDb) => Promise<T>): Promise<T> => transaction((db) => db.locked(work)),
  });
}

function openTransaction(models: Models, tables: TableSet, now: () => Date): TransactionDb {
  const locked = async <T>(work: (db: LockedDb) => Promise<T>): Promise<T> => {
    // An update of a column that no key holds: it orders writers, and inserts of child rows need not wait.
    const held = await db.organization.update({}, { lockVersion: { increment: 1 } });
    return work(Object.assign(openTables(models, tables), { now, held }));
  };
  const db: TransactionDb = Object.assign(openTables(models, tables), { now, locked });
  return db;
}

/** In milliseconds: how long a transaction may take, once it has the connection that it waited for as long as anyone. */
const limitsOf = (statementTimeoutMs: number) => ({
  maxWait: WAIT_MS + 10_000,
  timeout: Math.max(15_000, statementTimeoutMs * 1.5),
});

/** So many rows are no longer read through Prisma, whose way from the answer to rows nothing else gets between. */
const MANY = 200;

/** Inside a transaction all but what is done to many rows goes through Prisma. */
const statementsOf = (tx: object, sets: Sets): Statements => ({
  sets,
  rows: (model, own) => {
    const { past, only, isPlannedAnew: _, ...query } = own;
    if (past !== undefined || only !== undefined) {
      return Promise.reject(
        new Error('pages past a row and what is read apart are for reading, not for a transaction'),
      );
    }
    return namesMany(query.where) || (query.take ?? 0) > MANY
      ? sets.rows(model, query)
      : delegateOf(tx, model).findMany({ ...query, orderBy: keysOf(query.orderBy) });
  },
  count: (model, { where = {}, search }) =>
    namesMany(where)
      ? sets.count(model, where, search)
      : delegateOf(tx, model).count({ where, ...(search && { search }) }),
  latest: () => Promise.reject(new Error('listFor is for reading; a transaction has list')),
  insert: (model, data) => delegateOf(tx, model).create({ data }),
});

/** As Prisma takes an order of several keys. */
const keysOf = (orderBy: RowQuery['orderBy'] = {}): object[] =>
  Object.entries(orderBy).map(([field, direction]) => ({ [field]: direction }));

const delegateOf = (client: object, model: Model): Delegate =>
  (client as Record<string, Delegate>)[propertyOf(model.name)] as Delegate;

/** What is done outside a transaction, in the frame that says who does it. */
const framed = (delegate: Delegate, run: OrganizationDbBase['inFrame']): TableDelegate => ({
  groupBy: (args) => run(() => delegate.groupBy(args)),
  updateManyAndReturn: (args) => run(() => delegate.updateManyAndReturn(args)),
  deleteMany: (args) => run(() => delegate.deleteMany(args)),
});

/** The tables of one request or transaction. Most use one or two of them, so each is made when it is first used. */
class TableSet {
  readonly #made = new Map<Model, ReturnType<typeof createTable>>();
  readonly #delegate: (model: Model) => TableDelegate;
  readonly #statements: Statements;

  constructor(delegate: (model: Model) => TableDelegate, statements: Statements) {
    this.#delegate = delegate;
    this.#statements = statements;
  }

  table(model: Model): ReturnType<typeof createTable>['table'] {
    let made = this.#made.get(model);
    if (!made) {
      made = createTable(model, this.#statements, () => this.#delegate(model), this.forget.bind(this));
      this.#made.set(model, made);
    }
    return made.table;
  }

  forget(): void {
    for (const { forget } of this.#made.values()) forget();
  }
}

const SET = Symbol('tables');

/** The tables as properties, one for each model: a class for all requests, and not defined anew by each. */
function defineTables(models: Models): new (set: TableSet) => PagedTables {
  class Opened {
    readonly [SET]: TableSet;
    constructor(set: TableSet) {
      this[SET] = set;
    }
  }
  for (const model of models.values()) {
    Object.defineProperty(Opened.prototype, propertyOf(model.name), {
      enumerable: true,
      get(this: Opened) {
        return this[SET].table(model);
      },
    });
  }
  return Opened as unknown as new (set: TableSet) => PagedTables;
}

const defined = new WeakMap<Models, ReturnType<typeof defineTables>>();

function openTables(models: Models, set: TableSet): PagedTables {
  let Opened = defined.get(models);
  if (!Opened) defined.set(models, (Opened = defineTables(models)));
  return new Opened(set);
}
