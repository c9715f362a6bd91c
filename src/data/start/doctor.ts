import { inFrame, ScopedPool } from '../connection/org-connection.js';
import { brandOrgId } from '../id.js';
import { type Check, inspectCatalogue, inspectLogin, probeIsolation } from './isolation-check.js';
import { migrationStatus } from './migrate.js';
import { MIGRATIONS } from './migrate-database.js';

/** What of the configuration says where the database is, and how strict to be. */
export interface Examined {
  readonly databaseUrl: string | null;
  readonly dataDirectory: string;
  readonly production: boolean;
  readonly preparedStatements: boolean;
  readonly statementTimeoutMs: number;
  readonly baseDomain: string | null;
  readonly publicUrl: string | null;
}

/** Which checks: all, or what pipelines ask before they put another release or another setting in front of customers. */
export type Examination = 'all' | 'domains';

const MAX_CLOCK_SKEW_S = 5;

/** Examines a deployment's database. Read-only, but for what is rolled back. */
export async function examine(config: Examined, what: Examination = 'all'): Promise<Check[]> {
  // A whole PostgreSQL, which is not even there where there is another.
  const { openEmbeddedDatabase } = config.databaseUrl === null ? await import('./embedded.js') : {};
  const embedded = (await openEmbeddedDatabase?.(config.dataDirectory)) ?? null;
  const target = embedded ?? { url: config.databaseUrl as string };
  const pool = new ScopedPool({ ...config, target, poolSize: 1 });
  try {
    return what === 'all' ? await examineDatabase(pool, config.production, config) : await inspectHosts(pool, config);
  } finally {
    await pool.end();
    await embedded?.close();
  }
}

/** The same for a database that is open. @param production whether the login must own nothing */
export async function examineDatabase(
  pool: ScopedPool,
  production: boolean,
  hosts: Hosting = { baseDomain: null, publicUrl: null },
): Promise<Check[]> {
  const groups: [string, () => Promise<Check[]>][] = [
    ['the database answers', async () => [{ check: 'the database answers', ok: true, detail: await version(pool) }]],
    ['the login is known', () => inspectLogin(pool, production)],
    ['migrations are complete', () => inspectMigrations(pool)],
    ['the catalogue can be read', () => inspectCatalogue(pool)],
    ['isolation can be tried', () => probeIsolation(pool)],
    ['addresses can be read', () => inspectAddresses(pool)],
    ['hosts can be read', () => inspectHosts(pool, hosts)],
    ['budgets can be read', () => inspectBudgets(pool)],
    ['clocks can be compared', () => inspectClock(pool)],
    ['work that is due can be counted', () => inspectDueWork(pool)],
  ];
  const checks: Check[] = [];
  for (const [name, group] of groups) {
    checks.push(...(await group().catch((error: Error) => [{ check: name, ok: false, detail: error.message }])));
    if (name === 'the database answers' && !checks.at(-1)?.ok) break;
  }
  return checks;
}

/** @throws with everything that was found */
export function assertHealthy(checks: readonly Check[]): void {
  const failed = checks.filter(({ ok }) => !ok).map(({ check, detail }) => `${check}: ${detail}`);
  if (failed.length > 0) throw new Error(['The doctor finds the database unsound:', ...failed].join('\n  '));
}

const version = async (pool: ScopedPool): Promise<string> =>
  String((await pool.queryAsLoginRole('show server_version')).rows[0]?.['server_version']);

const asDirectory = (pool: ScopedPool, text: string) =>
  inFrame({ role: 'orgate_directory' }, () => pool.query({ text }));

async function inspectMigrations(pool: ScopedPool): Promise<Check[]> {
  // Those of a newer release are told, and no fault of this one's: it serves until it is replaced.
  const { unknown, ...faults } = await migrationStatus((text) => asDirectory(pool, text), MIGRATIONS);
  const told = (states: object) =>
    Object.entries(states).flatMap(([state, names]) => names.map((name: string) => `${state}: ${name}`));
  const ok = told(faults).length === 0;
  const detail = told({ ...faults, 'of a newer release': unknown }).join(', ');
  return [{ check: 'every migration of this release is applied, unedited', ok, detail }];
}

async function inspectAddresses(pool: ScopedPool): Promise<Check[]> {
  const { rows } = await asDirectory(
    pool,
    `select coalesce(a.name, o.slug) as name from organization o
     full join (select name, org_id from address where kind = 'SLUG' and given_up_at is null) a on a.org_id = o.id and a.name = o.slug
     where o.id is null or a.name is null
     union select min(name) from address group by lower(name) having count(*) > 1`,
  );
  const names = rows.map((row) => String(row['name']));
  return [
    {
      check: 'every organization has its address, and no two share one',
      ok: names.length === 0,
      detail: names.join(', '),
    },
  ];
}

/** Under which names organizations are found by their hosts. */
export type Hosting = Pick<Examined, 'baseDomain' | 'publicUrl'>;

/** Whatever it finds is refused as a host, as one that is nobody's is. */
export async function inspectHosts(pool: ScopedPool, { baseDomain, publicUrl }: Hosting): Promise<Check[]> {
  const ours = publicUrl === null ? null : new URL(publicUrl).hostname;
  const list = async (text: string, ...values: unknown[]) => {
    const { rows } = await inFrame({ role: 'orgate_directory' }, () => pool.query({ text, values }));
    return rows.map((row) => `${String(row['host'])} (${String(row['who'])})`);
  };
  const shared = await list(
    `select d.name as host, string_agg(d.org_id, ', ' order by d.org_id) as who from organization_domain d where d.serving
     group by d.name having count(*) > 1 or not bool_or(exists (
       select from address a where a.name = d.name and a.kind = 'DOMAIN' and a.org_id = d.org_id)) order by 1`,
  );
  const covered = await list(
    `select d.name as host, d.org_id as who from organization_domain d
     where d.serving and (d.name = $1 or d.name = $2 or right(d.name, length($2) + 1) = '.' || $2)
     union select a.name || '.' || $2, a.org_id from address a where a.kind = 'SLUG' and a.name || '.' || $2 = $1 order by 1`,
    ours,
    baseDomain,
  );
  return [
    { check: 'no two organizations have one host', ok: shared.length === 0, detail: shared.join('; ') },
    {
      check: 'no organization has a host that the deployment itself is at',
      ok: covered.length === 0,
      detail: covered.join('; '),
    },
  ];
}

/** So long nothing is due that some release still does, unless nothing runs. */
const OVERDUE = `interval '1 day'`;

async function inspectDueWork(pool: ScopedPool): Promise<Check[]> {
  const { rows } = await asDirectory(
    pool,
    `select kind, 'given up' as state, count(*)::int from due_work where given_up_at is not null group by kind
     union all
     select kind, 'due for more than a day', count(*)::int from (
       select kind from due_work where not stopped and due_at < current_timestamp - ${OVERDUE}
       union all select kind from owed_work where due_at < current_timestamp - ${OVERDUE}) as waiting
     group by kind order by 1, 2`,
  );
  const found = rows.map(({ kind, state, count }) => `${kind}: ${count} ${state}`);
  return [
    { check: 'no work that is due was given up, or left lying', ok: found.length === 0, detail: found.join(', ') },
  ];
}

/** What a budget counts follows from the runs and the ledger, by the same statement. */
const ASTRAY = `
  select from budget b where org_id = $1 and (monthly_limit_micros is not null or daily_limit_micros is not null) and (
    reserved_micros <> (select coalesce(sum(run_holds(status, estimated_cost_micros, total_cost_micros)), 0) from run
      where org_id = $1 and status in ('QUEUED', 'RUNNING'))
    or day_settled_micros <> usage_spent($1, day, day)
    or month_settled_micros <> usage_spent($1, left(day, 7) || '-01', left(day, 7) || '-31'))`;

async function inspectBudgets(pool: ScopedPool): Promise<Check[]> {
  const { rows } = await asDirectory(pool, 'select org_id from budget order by org_id');
  const astray: string[] = [];
  for (const row of rows) {
    const orgId = brandOrgId(String(row['org_id']));
    const found = await inFrame({ role: 'orgate_app', orgId }, () => pool.query({ text: ASTRAY, values: [orgId] }));
    if (found.rowCount) astray.push(orgId);
  }
  const check = 'every budget reserves what its runs hold, and has spent what the ledger says';
  return [{ check, ok: astray.length === 0, detail: astray.join(', ') }];
}

async function inspectClock(pool: ScopedPool): Promise<Check[]> {
  const began = Date.now();
  const { rows } = await pool.queryAsLoginRole('select extract(epoch from clock_timestamp())::float8 as now');
  const skew = Math.abs(Number(rows[0]?.['now']) - (began + Date.now()) / 2000);
  const detail = `${skew.toFixed(1)} s apart`;
  return [{ check: 'the clocks of gateway and database agree', ok: skew <= MAX_CLOCK_SKEW_S, detail }];
}
