import pg from 'pg';
import { fileURLToPath } from 'node:url';
import { type ApiKeys, createApiKeys } from './api-keys.js';
import { createDirectory, type Directory } from './directory.js';
import { type ClaimDueDomains, createClaimDueDomains } from './due-domains.js';
import { createListDueMail, type ListDueMail } from './due-mail.js';
import type { EmbeddedDatabase } from './embedded.js';
import { createFindInvitation, type FindInvitation } from './find-invitation.js';
import type { OrgId } from './id.js';
import { createFindJoinable, type FindJoinable } from './joining.js';
import { createIdentityProviders, type IdentityProviders } from './identity-providers.js';
import { checkIsolation } from './isolation-check.js';
import { migrate } from './migrate.js';
import { readModels } from './models.js';
import { type ConnectionOptions, ScopedPool } from './org-connection.js';
import type { IsolationAlarm } from './tripwire.js';
import { createOrganizationDbs, type OrganizationDb } from './organization-db.js';
import { createPrisma } from './scope.js';
import { createScimDirectories, type ScimDirectories } from './scim-directories.js';
import { createSessions, type Sessions } from './sessions.js';

/** What stands outside any one organization: a few named reads and writes for each concern, as the directory. */
export interface OutsideDoors {
  readonly directory: Directory;
  readonly apiKeys: ApiKeys;
  readonly sessions: Sessions;
  readonly identityProviders: IdentityProviders;
  readonly claimDueDomains: ClaimDueDomains;
  readonly findJoinable: FindJoinable;
  readonly findInvitation: FindInvitation;
  readonly listDueMail: ListDueMail;
  readonly scimDirectories: ScimDirectories;
}

/** The data layer: one door into a single organization, and those outside all of them. */
export interface Database extends OutsideDoors {
  organizationDb(orgId: OrgId): OrganizationDb;
  readonly pool: ScopedPool;
  /** Has someone told of every attempt to cross organizations. */
  watchAlarms(listener: (alarm: IsolationAlarm) => void): void;
  close(): Promise<void>;
}

export interface DatabaseOptions extends Omit<ConnectionOptions, 'target' | 'onAlarm'> {
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
}

export const openOutsideDoors = (pool: ScopedPool): OutsideDoors => ({
  directory: createDirectory(pool),
  apiKeys: createApiKeys(pool),
  sessions: createSessions(pool),
  identityProviders: createIdentityProviders(pool),
  claimDueDomains: createClaimDueDomains(pool),
  findJoinable: createFindJoinable(pool),
  findInvitation: createFindInvitation(pool),
  listDueMail: createListDueMail(pool),
  scimDirectories: createScimDirectories(pool),
});

/** The migrations of this release. */
export const MIGRATIONS = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));

/**
 * Opens the database, migrates it and proves that it keeps organizations apart.
 *
 * @throws DataDirectoryInUseError, MigrationError, UnsafeDatabaseError
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
          const { openEmbeddedDatabase } = await import('./embedded.js');
          return openEmbeddedDatabase(store.dataDirectory);
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
        ? { connectionString: target.migrationUrl ?? target.url }
        : { host: target.socketDirectory, user: 'postgres', database: 'postgres' };
    await timed('applied migrations', async () => {
      await migrate(owner, MIGRATIONS);
      if ('url' in target) await letLoginAct(target.migrationUrl ?? target.url, target.url);
    });
    // All connections of the embedded database share one backend, so it gets one.
    const watchers = new Set<(alarm: IsolationAlarm) => void>();
    const onAlarm = (alarm: IsolationAlarm) => watchers.forEach((watch) => watch(alarm));
    pool = new ScopedPool({ ...options, target, onAlarm, poolSize: 'url' in target ? options.poolSize : 1 });
    const open = pool;
    await timed('proved the isolation of organizations', () => checkIsolation(open, options.requireSeparateLogin));
    const prisma = createPrisma(open);
    return {
      ...openOutsideDoors(open),
      organizationDb: createOrganizationDbs({ prisma, pool: open, models: readModels(prisma) }),
      pool: open,
      watchAlarms: (listener) => void watchers.add(listener),
      close: async () => {
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
 * Lets the gateway's login act as the two roles, where it may not yet. Roles belong to the whole cluster, so another
 * database's owner may have made them; if this owner may not grant them, the check that follows says what to run.
 */
async function letLoginAct(ownerUrl: string, loginUrl: string): Promise<void> {
  const { user: login } = new pg.Client({ connectionString: loginUrl });
  const owner = new pg.Client({ connectionString: ownerUrl });
  await owner.connect();
  try {
    const { rows } = await owner.query(
      `select pg_has_role($1, 'orgate_app', 'MEMBER') and pg_has_role($1, 'orgate_directory', 'MEMBER') as "mayAct"`,
      [login],
    );
    if (rows[0].mayAct) return;
    await owner
      .query(`grant orgate_app, orgate_directory to ${pg.escapeIdentifier(login ?? '')}`)
      .catch(() => undefined);
  } finally {
    await owner.end();
  }
}
