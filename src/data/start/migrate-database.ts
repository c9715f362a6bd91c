import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { asking, CONNECT_MS } from './asking.js';
import { reaching } from './database-away.js';
import { UnsafeDatabaseError } from './isolation-check.js';
import { migrate, MigrationError, migrationStatus } from './migrate.js';

/** The migrations of this release. */
export const MIGRATIONS = fileURLToPath(new URL('../../../prisma/migrations', import.meta.url));

/** Who owns a database, and who serves it; they may be one. */
export interface DatabaseUrls {
  readonly ownerUrl: string;
  readonly loginUrl: string;
}

/**
 * Applies the migrations that a database does not have, and lets the gateway's login act.
 *
 * @param onWaiting told once when another process migrates, and is waited for
 * @returns the names of those applied now
 * @throws DatabaseAwayError, DatabaseRefusalError, MigrationError, UnsafeDatabaseError
 */
export async function migrateDatabase(urls: DatabaseUrls, onWaiting?: () => void): Promise<string[]> {
  const { ownerUrl, loginUrl } = urls;
  if (ownerUrl !== loginUrl) await checkOneDatabase(urls);
  return reaching(ownerUrl, async () => {
    const owner = { connectionString: ownerUrl, connectionTimeoutMillis: CONNECT_MS };
    const applied = await migrate(owner, MIGRATIONS, onWaiting);
    await letLoginAct(urls);
    return applied;
  });
}

/**
 * Whether this login is one that migrates: it owns what was migrated before, or may make the first table. A login that only
 * serves may do neither.
 *
 * @throws DatabaseAwayError, DatabaseRefusalError
 */
export const mayMigrate = (url: string): Promise<boolean> =>
  reaching(url, () =>
    asking(url, async (login) => {
      const { rows } = await login.query<{ mayMigrate: boolean | null }>(
        `select case when relowner is null then has_schema_privilege(current_schema(), 'CREATE')
                     else pg_has_role(relowner, 'MEMBER') end as "mayMigrate"
         from (values (1)) as one left join pg_class on oid = to_regclass('_prisma_migrations')`,
      );
      return rows[0]?.mayMigrate ?? false;
    }),
  );

/**
 * Whoever serves without the owner's URL finds every migration of this release applied. Those of a newer one may be there,
 * too: the release before goes on serving while it is replaced.
 *
 * @throws DatabaseAwayError, DatabaseRefusalError, MigrationError
 */
export async function requireMigrated(url: string): Promise<void> {
  const { pending, edited, failed } = await reaching(url, () =>
    asking(url, async (login) => {
      const { rows } = await login.query(
        `select to_regclass('_prisma_migrations') is not null as "isMigrated",
                (select pg_has_role(current_user, oid, 'MEMBER') from pg_roles where rolname = 'orgate_directory') as "mayAct"`,
      );
      if (rows[0].isMigrated && !rows[0].mayAct) return NOTHING_FOUND; // the check that follows says what to run
      await login.query('begin');
      if (rows[0].isMigrated) await login.query('set local role orgate_directory');
      const applied = rows[0].isMigrated ? (text: string) => login.query(text) : () => login.query(NONE_APPLIED);
      const status = await migrationStatus(applied, MIGRATIONS);
      await login.query('rollback');
      return status;
    }),
  );
  const lacking = [...pending, ...failed];
  if (lacking.length > 0) {
    const names = lacking.length > 3 ? `${lacking.length} of them` : lacking.join(', ');
    throw new MigrationError(
      `The database lacks migrations of this release: ${names}. Run npm run migrate as its owner first, or set ` +
        'MIGRATION_DATABASE_URL.',
    );
  }
  if (edited.length > 0)
    throw new MigrationError(`Migrations were edited after they were applied: ${edited.join(', ')}`);
}

const NOTHING_FOUND = { pending: [], edited: [], failed: [] };
const NONE_APPLIED = 'select where false';

/**
 * Migrations go to the database that is served. What each URL names is asked of the server: a pooler may call it otherwise.
 *
 * @throws UnsafeDatabaseError
 */
async function checkOneDatabase({ ownerUrl, loginUrl }: DatabaseUrls): Promise<void> {
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

/**
 * Lets the gateway's login act as the four roles, where it may not yet. Roles belong to the whole cluster, so another
 * database's owner may have made them; if this owner may not grant them, the check that follows says what to run.
 */
async function letLoginAct({ ownerUrl, loginUrl }: DatabaseUrls): Promise<void> {
  const { user: login } = new pg.Client({ connectionString: loginUrl });
  await asking(ownerUrl, async (owner) => {
    const { rows } = await owner.query(
      `select bool_and(pg_has_role($1, rolname, 'MEMBER')) as "mayAct" from pg_roles
       where rolname in ('orgate_app', 'orgate_directory', 'orgate_sealer', 'orgate_purger')`,
      [login],
    );
    if (rows[0].mayAct) return;
    await owner
      .query(`grant orgate_app, orgate_directory, orgate_sealer, orgate_purger to ${pg.escapeIdentifier(login ?? '')}`)
      .catch(() => undefined);
  });
}
