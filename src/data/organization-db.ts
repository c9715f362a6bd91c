import type { PrismaClient } from '../generated/prisma/client.js';
import type { OrgId } from './id.js';
import { readLatestPerParent } from './latest-per-parent.js';
import type { Model, OwnedModelName } from './models.js';
import { type Frame, inFrame, type ScopedPool } from './org-connection.js';
import { type ScopedPrisma, scopeToOrganization } from './scope.js';
import {
  type Created,
  createTable,
  type Delegate,
  type ReadLatest,
  rethrowTranslated,
  type Row,
  type Table,
} from './table.js';

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
  readonly latest: ReadLatest;
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

/** A table for every org-owned model. */
function createTables(
  client: object,
  models: ReadonlyMap<OwnedModelName, Model>,
  latest: ReadLatest,
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
