import pg from 'pg';
import { bySystem } from '../connection/act.js';
import { asLoginRole, inFrame, type ScopedPool } from '../connection/org-connection.js';
import type { Frame } from '../connection/frame.js';
import { brandOrgId, newId } from '../id.js';
import { lintCatalogue } from './catalogue-lint.js';

/** Serving would not be safe. The message says what is wrong and, where SQL mends it, which. */
export class UnsafeDatabaseError extends Error {
  override readonly name = 'UnsafeDatabaseError';
}

/** One thing that must be true. */
export interface Check {
  readonly check: string;
  readonly ok: boolean;
  /** What was found; what mends it when it is not ok. */
  readonly detail: string;
}

/**
 * Proves that this database keeps organizations apart for this login, before the first request.
 *
 * @param requireSeparateLogin in production the gateway's login owns nothing and bypasses nothing, so that even a
 *   statement outside the walls could not reach past them
 * @throws UnsafeDatabaseError
 */
export async function checkIsolation(pool: ScopedPool, requireSeparateLogin: boolean): Promise<void> {
  for (const group of [
    () => inspectLogin(pool, requireSeparateLogin),
    () => inspectCatalogue(pool),
    () => probeIsolation(pool),
  ]) {
    const failed = (await group()).filter(({ ok }) => !ok);
    if (failed.length > 0) {
      throw new UnsafeDatabaseError(failed.map(({ check, detail }) => `${check}: ${detail}`).join('\n'));
    }
  }
}

interface Login {
  readonly name: string;
  readonly version: number;
  readonly superuser: boolean;
  readonly bypassesRls: boolean;
  readonly owns: boolean;
  readonly mayAct: boolean;
}

/** Who the gateway signs in as, and what that login could do. */
export async function inspectLogin(pool: ScopedPool, requireSeparateLogin: boolean): Promise<Check[]> {
  const { rows } = await pool.queryAsLoginRole(`
    select current_user as name, current_setting('server_version_num')::int as version,
           rolsuper as superuser, rolbypassrls as "bypassesRls",
           exists (select from pg_class where relowner = r.oid and relnamespace = 'public'::regnamespace) as owns,
           (select count(*) = 4 and bool_and(pg_has_role(current_user, g.oid, 'MEMBER'))
            from pg_roles g where g.rolname in ('orgate_app', 'orgate_directory', 'orgate_sealer', 'orgate_purger')) as "mayAct"
    from pg_roles r where rolname = current_user`);
  const login: Login = rows[0];
  const quoted = pg.escapeIdentifier(login.name);
  const isSeparate = !login.superuser && !login.bypassesRls && !login.owns;
  const separateLogin =
    `DATABASE_URL signs in as ${login.name}, which owns the tables or bypasses row-level security. In production give ` +
    `the gateway a login that owns nothing, and keep the owner's URL in MIGRATION_DATABASE_URL. As the owner, run:\n` +
    `  create role orgate_gateway login password '…' nosuperuser nobypassrls noinherit;\n` +
    `  grant orgate_app, orgate_directory, orgate_sealer, orgate_purger to orgate_gateway;\n` +
    `and sign in with DATABASE_URL as orgate_gateway.`;
  const mayNotAct =
    `The login ${login.name} may not act as the gateway's roles. As the owner of the database, run:\n` +
    `  grant orgate_app, orgate_directory, orgate_sealer, orgate_purger to ${quoted};`;
  return [
    { check: 'PostgreSQL is version 15 or later', ok: login.version >= 150_000, detail: String(login.version) },
    {
      check: 'the login owns nothing and bypasses nothing',
      ok: isSeparate || !requireSeparateLogin,
      detail: isSeparate
        ? login.name
        : requireSeparateLogin
          ? separateLogin
          : `${login.name} does; fine outside production`,
    },
    {
      check: "the login may act as the gateway's roles",
      ok: login.mayAct,
      detail: login.mayAct ? 'orgate_app, orgate_directory, orgate_sealer, orgate_purger' : mayNotAct,
    },
  ];
}

export async function inspectCatalogue(pool: ScopedPool): Promise<Check[]> {
  const results = await lintCatalogue((text, values) => pool.queryAsLoginRole(text, values));
  return results.map(({ rule, broken }) => ({
    check: rule,
    ok: broken.length === 0,
    detail: broken.join(', '),
  }));
}

/** Two organizations, made and tried in a transaction that is always rolled back. */
export async function probeIsolation(pool: ScopedPool): Promise<Check[]> {
  const [a, b] = [brandOrgId(newId('org')), brandOrgId(newId('org'))];
  const act = bySystem('isolation check');
  const inA: Frame = { role: 'orgate_app', orgId: a, act };
  const inB: Frame = { role: 'orgate_app', orgId: b, act };
  const client = await pool.connect();
  const run = (frame: Frame, text: string, values: unknown[]) => inFrame(frame, () => client.query({ text, values }));
  // No parameter here names an organization, so that nothing but the database's own policies can say no.
  const insert = (orgId: string) =>
    `insert into repository (org_id, id, name, git_url) values ('${orgId}', $1, 'probe', 'https://probe.invalid')`;
  const refuses = async (attempt: () => Promise<unknown>): Promise<boolean> => {
    await client.query(asLoginRole('savepoint attempt'));
    try {
      await attempt();
      return false;
    } catch (error) {
      if (error instanceof pg.DatabaseError && error.code === '42501') return true;
      throw error;
    } finally {
      await client.query(asLoginRole('rollback to savepoint attempt'));
    }
  };
  try {
    await client.query({ text: 'BEGIN' });
    for (const id of [a, b]) {
      await run(
        { role: 'orgate_directory', act },
        `insert into organization (id, name, slug) values ($1, 'probe', $1)`,
        [id],
      );
    }
    await run(inA, insert(a), [newId('rep')]);
    const own = await run(inA, 'select id from repository', []);
    const foreign = await run(inB, 'select id from repository', []);
    const changed = await run(inB, `update repository set name = 'stolen' where org_id = '${a}'`, []);
    const deleted = await run(inB, `delete from repository where org_id = '${a}'`, []);
    const insertRefused = await refuses(() => run(inB, insert(a), [newId('rep')]));
    const moveRefused = await refuses(() => run(inA, `update repository set org_id = '${b}'`, []));
    await client.query(
      asLoginRole("select set_config('role', 'orgate_app', true), set_config('app.org_id', '', true)"),
    );
    const nowhere = await client.query(asLoginRole('select id from repository'));
    const intact = own.rows.length === 1;
    return [
      { check: 'an organization sees its own rows', ok: intact, detail: `${own.rows.length} of 1` },
      { check: "and not another's", ok: foreign.rows.length === 0, detail: `${foreign.rows.length} rows seen` },
      { check: 'nor changes them', ok: changed.rowCount === 0, detail: `${changed.rowCount} rows changed` },
      { check: 'nor deletes them', ok: deleted.rowCount === 0, detail: `${deleted.rowCount} rows deleted` },
      { check: 'nor writes for another', ok: insertRefused, detail: insertRefused ? 'refused' : 'written' },
      { check: 'nor gives rows away', ok: moveRefused, detail: moveRefused ? 'refused' : 'moved' },
      {
        check: 'without an organization nothing is seen',
        ok: nowhere.rows.length === 0,
        detail: `${nowhere.rows.length} rows seen`,
      },
    ];
  } finally {
    await client.query({ text: 'ROLLBACK' }).catch(() => undefined);
    client.release();
  }
}
