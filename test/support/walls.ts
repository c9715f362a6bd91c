import pg from 'pg';
import type { Act } from '../../src/data/connection/act.js';
import { inFrame, type ScopedPool } from '../../src/data/connection/org-connection.js';
import type { Frame } from '../../src/data/connection/frame.js';
import { createOutside } from '../../src/data/connection/outside.js';
import type { Database } from '../../src/data/database.js';
import type { OrgId } from '../../src/data/id.js';
import { createSets, type Force } from '../../src/data/organization/change-sets.js';
import { insertRow } from '../../src/data/organization/insert-row.js';
import { readLatestPerParent } from '../../src/data/organization/latest-per-parent.js';
import { type Models, readModels } from '../../src/data/organization/models.js';
import {
  createOrganizationDbs,
  organizationDbOver,
  type RequestDb,
} from '../../src/data/organization/organization-db.js';
import { countRows, readRows } from '../../src/data/organization/read-rows.js';
import { createPrisma } from '../../src/data/organization/scope.js';

/** Which walls stand. The product has no such choice: these are other data layers, handed to the same server. */
export type Walls = 'both' | 'wall 1 alone' | 'wall 2 alone' | 'neither';

export function withWalls(walls: Walls): (database: Database) => Database {
  if (walls === 'both') return (database) => database;
  return (database) => {
    const usesRoles = walls === 'wall 2 alone';
    const pool = usesRoles ? database.pool : loginPool(database.pool);
    const prisma = createPrisma(pool);
    const models = readModels(prisma);
    const parts = { prisma, pool, models };
    return {
      ...database,
      ...(!usesRoles && { outside: createOutside(pool) }),
      organizationDb:
        walls === 'wall 1 alone' ? createOrganizationDbs(parts) : (orgId, act) => withoutWallOne(parts, orgId, act),
      close: async () => {
        await prisma.$disconnect();
        await database.close();
      },
    };
  };
}

/**
 * The same connections, but every statement runs as the login role itself, which row-level security does not bind: a
 * superuser here, as the embedded database's is.
 */
function loginPool(pool: ScopedPool): ScopedPool {
  const run = (client: { query(query: unknown): unknown }, config: pg.QueryConfig) => client.query(new Plain(config));
  const plain = Object.create(pg.Pool.prototype) as object;
  return Object.assign(plain, {
    options: {},
    clock: pool.clock,
    statementTimeoutMs: pool.statementTimeoutMs,
    on: () => plain,
    removeListener: () => plain,
    end: () => Promise.resolve(),
    query: async (config: pg.QueryConfig) => {
      const client = await pool.connect();
      try {
        return await run(client, config);
      } finally {
        client.release();
      }
    },
    queryHeld: (config: pg.QueryConfig) => pool.queryHeld(new Plain(config) as never),
    connect: async () => {
      const client = await pool.connect();
      return {
        query: (config: pg.QueryConfig) => run(client, config),
        release: (error?: boolean) => client.release(error),
        on: () => undefined,
        removeListener: () => undefined,
      };
    },
  }) as unknown as ScopedPool;
}

/** pg's own query: the scoped connection passes it on as it is. */
const Plain = pg.Query as unknown as new (config: pg.QueryConfig) => pg.Query;

interface Parts {
  readonly prisma: ReturnType<typeof createPrisma>;
  readonly pool: ScopedPool;
  readonly models: Models;
}

type Operation = (args: { data?: object }) => PromiseLike<unknown>;

/** Prisma as it comes: nothing filters by organization; only rows that are made are given theirs. */
function withoutWallOne({ prisma, pool, models }: Parts, orgId: OrgId, act: Act): RequestDb {
  const frame: Frame = { role: 'orgate_app', orgId, act };
  const wrap = (client: object): object => {
    const wrapped: Record<string, unknown> = {};
    for (const model of models.values()) {
      const name = model.name.charAt(0).toLowerCase() + model.name.slice(1);
      const delegate = (client as Record<string, Record<string, Operation>>)[name] ?? {};
      wrapped[name] = new Proxy(delegate, {
        get: (target, operation: string) => (args: { data?: object }) =>
          inFrame(frame, async () => {
            const data = operation === 'create' && { data: { ...args.data, [model.orgField]: orgId } };
            return (target[operation] as Operation)({ ...args, ...data });
          }),
      });
    }
    return wrapped;
  };
  const client = {
    ...wrap(prisma),
    $transaction: <T>(work: (tx: object) => Promise<T>, limits: object): Promise<T> =>
      prisma.$transaction((tx) => work(wrap(tx)), limits) as Promise<T>,
  };
  return organizationDbOver({
    client: () => client,
    models,
    now: () => pool.clock.now(),
    statementTimeoutMs: 10_000,
    inFrame: (work) => inFrame(frame, work),
    statements: {
      rows: (model, query) =>
        inFrame(frame, () =>
          readRows(unfiltered(pool), model, { ...query, where: { ...query.where, [model.orgField]: orgId } }),
        ),
      count: (model, query) =>
        inFrame(frame, () =>
          countRows(unfiltered(pool), model, { ...query, where: { ...query.where, [model.orgField]: orgId } }),
        ),
      latest: (model, parent, ids, page) =>
        inFrame(frame, () => readLatestPerParent(unfiltered(pool), model, orgId, parent, ids, page)),
      insert: (model, data) => inFrame(frame, () => insertRow(pool, model, { ...data, [model.orgField]: orgId })),
      sets: createSets((statement) => inFrame(frame, () => unfiltered(pool).query(statement)), unchecked(orgId)),
    },
    setsInTransaction: () =>
      createSets((statement) => inFrame(frame, () => unfiltered(pool).queryHeld(statement)), unchecked(orgId)),
  });
}

/** The arguments of sets of rows with the organization in them, which `unfiltered` takes out of conditions again. */
const unchecked =
  (orgId: OrgId): Force =>
  ({ orgField }, _operation, args) => ({
    ...args,
    where: { ...(args['where'] as object | undefined), [orgField]: orgId },
    data: { ...(args['data'] as object | undefined), ...(!('where' in args) && { [orgField]: orgId }) },
  });

/** Statements of our own, without their filter. */
const unfiltered = (pool: ScopedPool): ScopedPool => {
  const open = ({ text, ...rest }: pg.QueryConfig): pg.QueryConfig => ({
    ...rest,
    text: text.replace(
      /(?:\w+\.)?(?:"\w+"\.)?(?:"?org_id"?|(?<="organization"\.)"id") = (\$\d+)/,
      '$1::text is not null',
    ),
  });
  return {
    query: (config: pg.QueryConfig) => pool.query(open(config)),
    queryHeld: (config: pg.QueryConfig) => pool.queryHeld(open(config)),
  } as unknown as ScopedPool;
};
