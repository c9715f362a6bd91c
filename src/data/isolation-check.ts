import pg from 'pg';
import { brandVerifiedOrgId, newId } from './id.js';
import { type Frame, inFrame, type ScopedPool } from './org-connection.js';

/** Serving would not be safe. The message says what is wrong and, where SQL mends it, which. */
export class UnsafeDatabaseError extends Error {
  override readonly name = 'UnsafeDatabaseError';
}

interface LoginRole {
  name: string;
  version: number;
  superuser: boolean;
  bypassesRls: boolean;
  owns: boolean;
  mayAct: boolean;
}

/**
 * Proves that this database keeps organizations apart for this login, before the first request.
 *
 * @param requireSeparateLogin in production the gateway's login owns nothing and bypasses nothing, so that even a
 *   statement outside the walls could not reach past them
 * @throws UnsafeDatabaseError
 */
export async function checkIsolation(pool: ScopedPool, requireSeparateLogin: boolean): Promise<void> {
  const { rows } = await pool.queryAsLoginRole(`
    select current_user as name, current_setting('server_version_num')::int as version,
           rolsuper as superuser, rolbypassrls as "bypassesRls",
           exists (select from pg_class where relowner = r.oid and relnamespace = 'public'::regnamespace) as owns,
           pg_has_role(current_user, 'orgate_app', 'MEMBER') and pg_has_role(current_user, 'orgate_directory', 'MEMBER') as "mayAct"
    from pg_roles r where rolname = current_user`);
  const login = rows[0] as LoginRole;
  const quoted = pg.escapeIdentifier(login.name);
  if (login.version < 150_000) throw new UnsafeDatabaseError('PostgreSQL 15 or later is needed.');
  if (!login.mayAct) {
    throw new UnsafeDatabaseError(
      `The login ${login.name} may not act as the gateway's roles. As the owner of the database, run:\n` +
        `  grant orgate_app, orgate_directory to ${quoted};`,
    );
  }
  if (requireSeparateLogin && (login.superuser || login.bypassesRls || login.owns)) {
    throw new UnsafeDatabaseError(
      `DATABASE_URL signs in as ${login.name}, which owns the tables or bypasses row-level security. In production give ` +
        `the gateway a login that owns nothing, and keep the owner's URL in MIGRATION_DATABASE_URL. As the owner, run:\n` +
        `  create role orgate_gateway login password '…' nosuperuser nobypassrls noinherit;\n` +
        `  grant orgate_app, orgate_directory to orgate_gateway;\n` +
        `and sign in with DATABASE_URL as orgate_gateway.`,
    );
  }
  await checkCatalogue(pool);
  await probe(pool);
}

async function checkCatalogue(pool: ScopedPool): Promise<void> {
  const { rows: roles } = await pool.queryAsLoginRole(
    `select rolname from pg_roles where rolname in ('orgate_app', 'orgate_directory')
       and (rolsuper or rolbypassrls or rolcanlogin)`,
  );
  if (roles.length > 0) {
    const names = roles.map((row) => row['rolname']).join(', ');
    throw new UnsafeDatabaseError(`Run: alter role ${names} nologin nosuperuser nobypassrls;`);
  }
  const { rows: open } = await pool.queryAsLoginRole(
    `select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'org_id'
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not (c.relrowsecurity and c.relforcerowsecurity)`,
  );
  if (open.length > 0) {
    throw new UnsafeDatabaseError(
      `Tables with org_id but without forced row-level security: ${open.map((row) => row['relname']).join(', ')}. ` +
        `Call orgate_isolate for each in a migration.`,
    );
  }
}

/** Two organizations, made and tried in a transaction that is always rolled back. */
async function probe(pool: ScopedPool): Promise<void> {
  const [a, b] = [newId('org'), newId('org')].map(brandVerifiedOrgId) as [never, never];
  const inA: Frame = { role: 'orgate_app', orgId: a };
  const inB: Frame = { role: 'orgate_app', orgId: b };
  const client = await pool.connect();
  const run = (frame: Frame, text: string, values: unknown[]) => inFrame(frame, () => client.query({ text, values }));
  const insert = `insert into repository (org_id, id, name, git_url) values ($1, $2, 'probe', 'https://probe.invalid')`;
  try {
    await client.query({ text: 'BEGIN' });
    for (const id of [a, b]) {
      await run({ role: 'orgate_directory' }, `insert into organization (id, name, slug) values ($1, 'probe', $1)`, [
        id,
      ]);
    }
    await run(inA, insert, [a, newId('rep')]);
    const own = await run(inA, 'select id from repository', []);
    const foreign = await run(inB, 'select id from repository', []);
    const changed = await run(inB, 'update repository set name = $1 where org_id = $2', ['stolen', a]);
    if (own.rows.length !== 1 || foreign.rows.length !== 0 || changed.rowCount !== 0) {
      throw new UnsafeDatabaseError(
        'One organization could reach the rows of another: row-level security does not hold.',
      );
    }
    const refused = await run(inB, insert, [a, newId('rep')]).then(
      () => false,
      (error: unknown) => error instanceof pg.DatabaseError && error.code === '42501',
    );
    if (!refused)
      throw new UnsafeDatabaseError('One organization could write for another: row-level security does not hold.');
  } finally {
    await client.query({ text: 'ROLLBACK' }).catch(() => undefined);
    client.release();
  }
}
