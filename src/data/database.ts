import pg from 'pg';
import { fileURLToPath } from 'node:url';
import { createDirectoryQuery } from './connection/directory-query.js';
import { type ConnectionOptions, ScopedPool } from './connection/org-connection.js';
import { createOutside, type Outside } from './connection/outside.js';
import type { IsolationAlarm } from './connection/tripwire.js';
import { readModels } from './organization/models.js';
import { createOrganizationDbs, type OpenOrganizationDb } from './organization/organization-db.js';
import { createPrisma } from './organization/scope.js';
import { reaching } from './start/database-away.js';
import type { EmbeddedDatabase } from './start/embedded.js';
import { checkIsolation, UnsafeDatabaseError } from './start/isolation-check.js';
import { migrate, SMALL_CHECK_MS } from './start/migrate.js';
import { checkPreparedStatements } from './start/pooler-check.js';
import { createReadiness } from './start/readiness.js';

/** The data layer: one door into a single organization, and those outside all of them. */
export interface Database {
  /** @param act in whose name what is changed there is changed */
  readonly organizationDb: OpenOrganizationDb;
  readonly outside: Outside;
  readonly pool: ScopedPool;
  /** Answers when the database does, and fails within two seconds when it does not, however busy the pool is. */
  checkReadiness(): Promise<void>;
  /** Has someone told of every attempt to cross organizations. */
  watchAlarms(listener: (alarm: IsolationAlarm) => void): void;
  /** Has someone told when fewer connections are to be had than configured, with how many, and when all are again. */
  watchPoolSize(listener: (size: number) => void): void;
  close(): Promise<void>;
}

export interface DatabaseOptions extends Omit<ConnectionOptions, 'target' | 'onAlarm' | 'onPoolSize'> {
  readonly store:
    | {
        readonly url: string;
        /** The owner, for migrations; `url` itself when null. */
        readonly migrationUrl: string | null;
      }
    /** The embedded database, in memory when null. */
    | { readonly dataDirectory: string | null }
    /** An embedded database that is open already, and stays so. */
    | { readonly socketDirectory: string };
  readonly requireSeparateLogin: boolean;
  /** Told of each step that takes a while, with its milliseconds. */
  readonly onStep: (step: string, ms: number) => void;
  /** Told when another process migrates the database, and is waited for. */
  readonly onWaiting?: () => void;
  /** Told when the embedded database has crashed: it answers nothing any more. */
  readonly onCrash?: () => void;
}

/** How long a server that does not answer is waited for. */
const CONNECT_MS = 10_000;

/** The migrations of this release. */
export const MIGRATIONS = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));

/**
 * Opens the database, migrates it and proves that it keeps organizations apart.
 *
 * @throws DataDirectoryInUseError, DatabaseAwayError, DatabaseRefusalError, MigrationError, PoolerError, UnsafeDatabaseError
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const timed = async <T>(step: string, work: () => Promise<T>): Promise<T> => {
    const began = performance.now();
    const result = await work();
    options.onStep(step, performance.now() - began);
    return result;
  };
  const { store } = options;
  const embedded =
    'dataDirectory' in store
      ? await timed('opened the embedded database', async () => {
          // A whole PostgreSQL, which is not even loaded where there is another.
          const { openEmbeddedDatabase } = await import('./start/embedded.js');
          return openEmbeddedDatabase(store.dataDirectory, options.onCrash);
        })
      : null;
  const target = 'dataDirectory' in store ? (embedded as EmbeddedDatabase) : store;
  let pool: ScopedPool | undefined;
  const close = async () => {
    await pool?.end();
    await embedded?.close();
  };
  try {
    const owner =
      'url' in target
        ? { connectionString: target.migrationUrl ?? target.url, connectionTimeoutMillis: CONNECT_MS }
        : { host: target.socketDirectory, user: 'postgres', database: 'postgres' };
    const ownerUrl = 'url' in target ? (target.migrationUrl ?? target.url) : null;
    const url = 'url' in target ? target.url : null;
    if (ownerUrl !== null && url !== null && ownerUrl !== url) await checkOneDatabase(ownerUrl, url);
    await timed('applied migrations', () =>
      reaching(ownerUrl, async () => {
        await migrate(owner, MIGRATIONS, options.onWaiting);
        if (ownerUrl !== null && url !== null) await letLoginAct(ownerUrl, url);
      }),
    );
    if (url !== null && options.preparedStatements) await reaching(url, () => checkPreparedStatements(url));
    const watchers = new Set<(alarm: IsolationAlarm) => void>();
    const onAlarm = (alarm: IsolationAlarm) => watchers.forEach((watch) => watch(alarm));
    const sizeWatchers = new Set<(size: number) => void>();
    const onPoolSize = (size: number) => sizeWatchers.forEach((watch) => watch(size));
    // All connections of the embedded database share one backend, so it gets one.
    const poolSize = url === null ? 1 : options.poolSize;
    pool = new ScopedPool({ ...options, target, onAlarm, onPoolSize, poolSize });
    const open = pool;
    await timed('proved the isolation of organizations', () =>
      reaching(url, () => checkIsolation(open, options.requireSeparateLogin)),
    );
    const prisma = createPrisma(open);
    const ask = createDirectoryQuery(open);
    const readiness = createReadiness(url, async () => void (await ask('select')));
    return {
      outside: createOutside(open),
      checkReadiness: () => readiness.check(),
      organizationDb: createOrganizationDbs({ prisma, pool: open, models: readModels(prisma) }),
      pool: open,
      watchAlarms: (listener) => void watchers.add(listener),
      watchPoolSize: (listener) => void sizeWatchers.add(listener),
      close: async () => {
        await readiness.close();
        await prisma.$disconnect();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Migrations go to the database that is served. What each URL names is asked of the server: a pooler may call it otherwise.
 *
 * @throws UnsafeDatabaseError
 */
async function checkOneDatabase(ownerUrl: string, loginUrl: string): Promise<void> {
  const nameOf = (url: string): Promise<string> =>
    reaching(url, () =>
      asking(url, async (client) => (await client.query('select current_database() as name')).rows[0].name),
    );
  const [migrated, served] = [await nameOf(ownerUrl), await nameOf(loginUrl)];
  if (migrated === served) return;
  throw new UnsafeDatabaseError(
    `MIGRATION_DATABASE_URL leads to the database ${migrated}, and DATABASE_URL to ${served}. Name one database in both.`,
  );
}

/** Asks over a connection of its own. */
async function asking<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: SMALL_CHECK_MS,
  });
  client.on('error', () => undefined); // reported by the statement it breaks
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/**
 * Lets the gateway's login act as the three roles, where it may not yet. Roles belong to the whole cluster, so another
 * database's owner may have made them; if this owner may not grant them, the check that follows says what to run.
 */
async function letLoginAct(ownerUrl: string, loginUrl: string): Promise<void> {
  const { user: login } = new pg.Client({ connectionString: loginUrl });
  await asking(ownerUrl, async (owner) => {
    const { rows } = await owner.query(
      `select bool_and(pg_has_role($1, rolname, 'MEMBER')) as "mayAct" from pg_roles
       where rolname in ('orgate_app', 'orgate_directory', 'orgate_sealer')`,
      [login],
    );
    if (rows[0].mayAct) return;
    await owner
      .query(`grant orgate_app, orgate_directory, orgate_sealer to ${pg.escapeIdentifier(login ?? '')}`)
      .catch(() => undefined);
  });
}
