import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { PROJECT, urlOf } from '../settings.mjs';
import { ISSUER } from './issuer.mjs';

/** The gateway's login: owns nothing and bypasses nothing, as production demands. PostGraphile signs in with it as well. */
const LOGIN = 'orgate_bench_gateway';

/** What the benchmark's own requests make, and what is removed after each of its phases. */
export const CREATED_PREFIX = 'zz-bench-';

/**
 * @typedef {object} World
 * @property {string} database
 * @property {string} ownerUrl a superuser
 * @property {string} gatewayUrl the login that owns nothing
 * @property {pg.Client} owner
 * @property {number} rows of runs
 */

/**
 * Makes a database anew, migrates it with the product's own runner and fills it.
 *
 * @param {import('../settings.mjs').Settings} settings
 * @param {number} added organizations beside those that are asked for
 * @returns {Promise<World>}
 */
export async function createWorld(settings, database, added) {
  const password = randomBytes(12).toString('hex');
  const admin = await open(settings.adminUrl);
  try {
    await admin.query(`drop database if exists ${database} with (force)`);
    await admin.query(`create database ${database} template template0`);
    const { rowCount } = await admin.query('select from pg_roles where rolname = $1', [LOGIN]);
    if (rowCount === 0) await admin.query(`create role ${LOGIN} login nosuperuser nobypassrls noinherit`);
    await admin.query(`alter role ${LOGIN} password '${password}'`);
  } finally {
    await admin.end();
  }
  const ownerUrl = urlOf(settings.adminUrl, { database });
  const { migrate } = await import(`${PROJECT}dist/data/start/migrate.js`);
  await migrate({ connectionString: ownerUrl }, `${PROJECT}prisma/migrations`);
  const owner = await open(ownerUrl);
  await owner.query(`grant orgate_app, orgate_directory, orgate_sealer, orgate_purger to ${LOGIN}`);
  await fill(owner, settings, added);
  const { rows } = await owner.query('select count(*)::int as count from run');
  return {
    database,
    ownerUrl,
    owner,
    rows: rows[0].count,
    gatewayUrl: urlOf(settings.adminUrl, { database, user: LOGIN, password }),
  };
}

/**
 * A world that an earlier run has left; null where there is none.
 *
 * @param {import('../settings.mjs').Settings} settings
 * @returns {Promise<World | null>}
 */
export async function reopenWorld(settings, database) {
  const password = randomBytes(12).toString('hex');
  const admin = await open(settings.adminUrl);
  try {
    const { rowCount } = await admin.query('select from pg_database where datname = $1', [database]);
    if (rowCount === 0) return null;
    await admin.query(`alter role ${LOGIN} password '${password}'`);
  } finally {
    await admin.end();
  }
  const ownerUrl = urlOf(settings.adminUrl, { database });
  const owner = await open(ownerUrl);
  const gatewayUrl = urlOf(settings.adminUrl, { database, user: LOGIN, password });
  return { database, ownerUrl, owner, rows: 0, gatewayUrl };
}

/** Both worlds share the login, so the password set last is good for both. */
export const withPasswordOf = (world, latest) => {
  const url = new URL(latest.gatewayUrl);
  url.pathname = `/${world.database}`;
  return { ...world, gatewayUrl: url.href };
};

export async function dropWorld(settings, { database, owner }) {
  await owner.end();
  const admin = await open(settings.adminUrl);
  await admin.query(`drop database if exists ${database} with (force)`);
  await admin.end();
}

export async function open(connectionString) {
  const client = new pg.Client({ connectionString, application_name: 'orgate-bench' });
  await client.connect();
  return client;
}

/**
 * The same rows on every run. Ids are as long as the product's, of the same letters, and sort by time; the runs of all
 * organizations are laid down in the order of time, as they would have come, and not organization by organization.
 */
async function fill(owner, { organizations, repositories, runs, members, addedRepositories, addedRuns }, added) {
  await owner.query(`
    create function pg_temp.bench_id(prefix text, at timestamptz, seed text) returns text language sql immutable as
    $$ select prefix || '_' || lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || substr(md5(seed), 1, 14) $$`);
  await owner.query(`set session_replication_role = replica`); // the rows fit by construction
  await owner.query(`
    create temp table org as
    select n, pg_temp.bench_id('org', at, 'org ' || n) as id, 'org-' || n as slug, at,
           n <= ${organizations} as asked,
           case when n <= ${organizations} then ${repositories} else ${addedRepositories} end as repositories,
           case when n <= ${organizations} then ${runs} else ${addedRuns} end as runs,
           case when n <= ${organizations} then ${members} else 1 end as members
    from (select n, timestamptz '2026-01-01 00:00+00' + n * interval '1 second' as at
          from generate_series(1, ${organizations + added}) as n) as numbered`);
  await owner.query(`
    create temp table member as
    select org.n, m, pg_temp.bench_id('usr', at, 'person ' || n || ' ' || m) as user_id,
           'member-' || m || '@' || slug || '.example' as email, 'Member ' || m || ' of ' || slug as name,
           id as org_id, slug, at
    from org cross join lateral generate_series(1, members) as m`);
  await owner.query(`
    create temp table repo as
    select n, r, id as org_id, slug, runs, members, pg_temp.bench_id('rep', at, 'repository ' || n || ' ' || r) as id,
           pg_temp.bench_id('agt', at, 'agent ' || n || ' ' || r) as agent_id, at
    from org cross join lateral generate_series(1, repositories) as r`);
  await owner.query(`create index on member (n, m); analyze org; analyze member; analyze repo`);
  await owner.query(`
    insert into person (id, email, name, created_at, updated_at) select user_id, email, name, at, at from member`);
  await owner.query(
    `insert into identity (issuer, subject, person_id, created_at) select $1, email, user_id, at from member where m = 1`,
    [ISSUER],
  );
  await owner.query(`
    insert into organization (id, name, slug, description, created_at, updated_at)
    select id, 'Organization ' || n, slug, 'Measured.', at, at from org`);
  await owner.query(`insert into address (name, kind, org_id) select slug, 'SLUG', id from org`);
  await owner.query(`
    insert into membership (org_id, user_id, email, name, role, status, joined_at, created_at, updated_at)
    select org_id, user_id, email, name, case m when 1 then 'OWNER' else 'DEVELOPER' end, 'ACTIVE', at, at, at from member`);
  await owner.query(`
    insert into repository (org_id, id, name, git_url, description, last_synced_at, created_at, updated_at)
    select org_id, id, 'repository-' || lpad(r::text, 2, '0'), 'https://git.example/' || slug || '/repository-' || r || '.git',
           'What the agents of ' || slug || ' work on, number ' || r || '.', at, at, at
    from repo order by id`);
  await owner.query(`
    insert into agent (org_id, id, repository_id, name, description, created_at, updated_at)
    select org_id, agent_id, id, 'agent-' || lpad(r::text, 2, '0'), 'Reviews what changed.', at, at from repo order by agent_id`);
  await owner.query(`
    insert into run (org_id, id, agent_id, repository_id, created_by, status, input, output, total_tokens, total_cost_micros,
                     created_at, started_at, finished_at, updated_at)
    select org_id, pg_temp.bench_id('run', started, 'run ' || n || ' ' || r || ' ' || k), agent_id, id,
           (select user_id from member where member.n = runs.n and m = 1 + (r + k) % members), status,
           jsonb_build_object('task', 'number ' || k), case status when 'SUCCEEDED' then jsonb_build_object('summary', 'Done.') end,
           1000 + k, 3000 + k, started, started + interval '1 second',
           case when status in ('SUCCEEDED', 'FAILED', 'CANCELLED') then started + interval '1 minute' end, started
    from (
      select repo.*, k, timestamptz '2026-06-01 00:00+00' + k * interval '1 day' + r * interval '1 hour' + n * interval '20 ms' as started,
             (array['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED', 'FAILED', 'SUCCEEDED', 'SUCCEEDED', 'CANCELLED', 'SUCCEEDED', 'QUEUED'])
               [1 + (n + r + k) % 10] as status
      from repo cross join lateral generate_series(1, repo.runs) as k
    ) as runs
    order by started`);
  await owner.query(`set session_replication_role = origin`);
  await owner.query(`drop table org, member, repo`);
  await owner.query('vacuum (freeze, analyze)');
  await owner.query('checkpoint');
}

/** Takes back what a phase has made, so that the next finds what this one found. */
export async function removeCreated({ owner }) {
  const { rowCount } = await owner.query('delete from repository where name like $1', [`${CREATED_PREFIX}%`]);
  if (rowCount) await owner.query('vacuum analyze repository');
  return rowCount ?? 0;
}

/**
 * The organizations that are asked for, with what requests need to know of them.
 *
 * @returns {Promise<{ orgId: string, subject: string, repositoryIds: string[] }[]>}
 */
export async function readAsked({ owner }, { organizations }) {
  const { rows } = await owner.query(
    `select o.id as "orgId", m.email as subject,
            array(select r.id from repository r where r.org_id = o.id order by r.name) as "repositoryIds"
     from organization o join membership m on m.org_id = o.id and m.email = 'member-1@' || o.slug || '.example'
     order by o.id limit $1`,
    [organizations],
  );
  return rows;
}
