import { createDirectoryQuery } from './connection/directory-query.js';
import { type ConnectionOptions, ScopedPool } from './connection/org-connection.js';
import { createOutside, type Outside } from './connection/outside.js';
import type { IsolationAlarm } from './connection/tripwire.js';
import type { TellWait } from './connection/turns.js';
import { readModels } from './organization/models.js';
import { createOrganizationDbs, type OpenOrganizationDb } from './organization/organization-db.js';
import { createPrisma } from './organization/scope.js';
import { reaching } from './start/database-away.js';
import type { EmbeddedDatabase } from './start/embedded.js';
import { checkIsolation } from './start/isolation-check.js';
import { migrate } from './start/migrate.js';
import { mayMigrate, migrateDatabase, MIGRATIONS, requireMigrated } from './start/migrate-database.js';
import { checkPreparedStatements } from './start/pooler-check.js';
import { createReadiness } from './start/readiness.js';

/** The data layer: one door into a single organization, and those outside all of them. */
export interface Database {
  /** @param act in whose name what is changed there is changed */
  readonly organizationDb: OpenOrganizationDb;
  readonly outside: Outside;
  readonly pool: ScopedPool;
  /** Where other connections to it are had; null of the embedded one, which has no other. */
  readonly url: string | null;
  /** Looks what time it is in the database: every minute. */
  keepTime(): Promise<void>;
  /** Answers when the database does, and fails within two seconds when it does not, however busy the pool is. */
  checkReadiness(): Promise<void>;
  /** Has someone told of every attempt to cross organizations. */
  watchAlarms(listener: (alarm: IsolationAlarm) => void): void;
  /** Has someone told when fewer connections are to be had than configured, with how many, and when all are again. */
  watchPoolSize(listener: (size: number) => void): void;
  /** Has someone told of each wait for a connection that is over. */
  watchWaits(listener: TellWait): void;
  close(): Promise<void>;
}

export interface DatabaseOptions extends Omit<ConnectionOptions, 'target' | 'onAlarm' | 'onPoolSize' | 'onWait'> {
  readonly store:
    | {
        readonly url: string;
        /**
         * The owner, for migrations. Null takes `url` itself, or where that must be a separate login, has somebody else
         * migrate before.
         */
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

/**
 * Opens the database, migrates it where it is to, and proves that it keeps organizations apart.
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
    const url = 'url' in target ? target.url : null;
    await timed('applied migrations', () => bringUpToDate(target, options));
    if (url !== null && options.preparedStatements) await reaching(url, () => checkPreparedStatements(url));
    const watchers = new Set<(alarm: IsolationAlarm) => void>();
    const onAlarm = (alarm: IsolationAlarm) => watchers.forEach((watch) => watch(alarm));
    const sizeWatchers = new Set<(size: number) => void>();
    const onPoolSize = (size: number) => sizeWatchers.forEach((watch) => watch(size));
    const waitWatchers = new Set<TellWait>();
    const onWait: TellWait = (ms, isInVain) => waitWatchers.forEach((watch) => watch(ms, isInVain));
    // All connections of the embedded database share one backend, so it gets one.
    const poolSize = url === null ? 1 : options.poolSize;
    pool = new ScopedPool({ ...options, target, onAlarm, onPoolSize, onWait, poolSize });
    const open = pool;
    await timed('proved the isolation of organizations', () =>
      reaching(url, () => checkIsolation(open, options.requireSeparateLogin)),
    );
    const prisma = createPrisma(open);
    const ask = createDirectoryQuery(open);
    const keepTime = () =>
      open.clock.keep(async () => {
        const [row] = await ask<{ ms: number }>('select extract(epoch from clock_timestamp())::float8 * 1000 as ms');
        return row?.ms ?? NaN;
      });
    await reaching(url, keepTime);
    const readiness = createReadiness(url, async () => void (await ask('select')));
    return {
      outside: createOutside(open),
      keepTime,
      checkReadiness: () => readiness.check(),
      organizationDb: createOrganizationDbs({ prisma, pool: open, models: readModels(prisma) }),
      pool: open,
      url,
      watchAlarms: (listener) => void watchers.add(listener),
      watchPoolSize: (listener) => void sizeWatchers.add(listener),
      watchWaits: (listener) => void waitWatchers.add(listener),
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

/** Migrates a database or, where its owner is not known here, finds that somebody has. */
async function bringUpToDate(
  target: { readonly url: string; readonly migrationUrl: string | null } | { readonly socketDirectory: string },
  { requireSeparateLogin, onWaiting }: Pick<DatabaseOptions, 'requireSeparateLogin' | 'onWaiting'>,
): Promise<void> {
  if ('socketDirectory' in target) {
    await migrate({ host: target.socketDirectory, user: 'postgres', database: 'postgres' }, MIGRATIONS, onWaiting);
    return;
  }
  const { url, migrationUrl } = target;
  // On a machine for development whoever owns the database may serve it, too, and then migrates it by starting.
  if (migrationUrl === null && (requireSeparateLogin || !(await mayMigrate(url)))) await requireMigrated(url);
  else await migrateDatabase({ ownerUrl: migrationUrl ?? url, loginUrl: url }, onWaiting);
}
