import { randomBytes } from 'node:crypto';
import { PROJECT, urlOf } from '../settings.mjs';
import { open } from '../world/database.mjs';
import { ISSUER } from '../world/issuer.mjs';

const DATABASE = 'orgate_bench_lists';
const LOGIN = 'orgate_bench_gateway';

/** Who asks: an owner of the large organization, who is also a system administrator and signed in many times. */
export const ASKING = { subject: 'member-1@large.example', organization: 'large' };

/**
 * One organization that is large in every way beside a hundred ordinary ones.
 *
 * Its runs are not spread evenly: one agent has a third of them and one creator two fifths, these two never met, statuses
 * go from 90 % down to a few rows, and what failed first did so early in the year. Filters that each find much and
 * together nothing are what makes a list slow.
 *
 * @param {{ adminUrl: string, runs: number }} settings
 */
export async function createWorld({ adminUrl, runs }) {
  const password = randomBytes(12).toString('hex');
  const admin = await open(adminUrl);
  try {
    await admin.query(`drop database if exists ${DATABASE} with (force)`);
    await admin.query(`create database ${DATABASE} template template0`);
    const { rowCount } = await admin.query('select from pg_roles where rolname = $1', [LOGIN]);
    if (rowCount === 0) await admin.query(`create role ${LOGIN} login nosuperuser nobypassrls noinherit`);
    await admin.query(`alter role ${LOGIN} password '${password}'`);
  } finally {
    await admin.end();
  }
  const ownerUrl = urlOf(adminUrl, { database: DATABASE });
  const { migrate } = await import(`${PROJECT}dist/data/start/migrate.js`);
  await migrate({ connectionString: ownerUrl }, `${PROJECT}prisma/migrations`);
  const owner = await open(ownerUrl);
  await owner.query(`grant orgate_app, orgate_directory, orgate_sealer, orgate_purger to ${LOGIN}`);
  await fill(owner, runs);
  return {
    owner,
    ownerUrl,
    gatewayUrl: urlOf(adminUrl, { database: DATABASE, user: LOGIN, password }),
    async drop() {
      await owner.end();
      const again = await open(adminUrl);
      await again.query(`drop database if exists ${DATABASE} with (force)`);
      await again.end();
    },
  };
}

/** The same rows on every run. Ids are as long as the product's, of the same letters, and sort by time. */
async function fill(owner, runs) {
  await owner.query(`
    create function pg_temp.bench_id(prefix text, at timestamptz, seed text) returns text language sql immutable as
    $$ select prefix || '_' || lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || substr(md5(seed), 1, 14) $$`);
  await owner.query(`set session_replication_role = replica`); // the rows fit by construction
  await owner.query(`
    create temp table org as
    select n, case n when 1 then 'large' else 'org-' || n end as slug, at, pg_temp.bench_id('org', at, 'org ' || n) as id,
           case n when 1 then 5000 else 5 end as members, case n when 1 then 2000 else 5 end as repositories,
           case n when 1 then ${runs} else 1000 end as runs
    from (select n, timestamptz '2025-10-01 00:00+00' + n * interval '1 second' as at from generate_series(1, 101) as n) as numbered`);
  await owner.query(`
    create temp table member as
    select org.id as org_id, org.n, slug, m, at + m * interval '1 second' as at,
           pg_temp.bench_id('usr', at + m * interval '1 second', 'person ' || n || ' ' || m) as user_id,
           'member-' || m || '@' || slug || '.example' as email, 'Member ' || m || ' of ' || slug as name
    from org cross join lateral generate_series(1, members) as m`);
  await owner.query(`
    create temp table repo as
    select org.id as org_id, org.n, slug, r, at, pg_temp.bench_id('rep', at, 'repository ' || n || ' ' || r) as id,
           pg_temp.bench_id('agt', at, 'agent ' || n || ' ' || r) as agent_id
    from org cross join lateral generate_series(1, repositories) as r`);
  await owner.query(
    'create index on member (n, m); create index on repo (n, r); analyze org; analyze member; analyze repo',
  );
  await owner.query(`insert into person (id, email, name, created_at) select user_id, email, name, at from member`);
  await owner.query(
    `insert into identity (issuer, subject, person_id) select $1, email, user_id from member where m = 1`,
    [ISSUER],
  );
  await owner.query(
    `insert into organization (id, name, slug, plan, created_at) select id, 'Organization ' || n, slug, 'ENTERPRISE', at from org`,
  );
  await owner.query(`insert into address (name, kind, org_id) select slug, 'SLUG', id from org`);
  await owner.query(`
    insert into membership (org_id, user_id, email, name, role, status, joined_at, created_at)
    select org_id, user_id, email, name, case m when 1 then 'OWNER' else 'DEVELOPER' end,
           case when m % 1000 = 999 then 'SUSPENDED' when m % 100 = 98 then 'REMOVED' else 'ACTIVE' end, at, at from member`);
  await owner.query(`
    insert into repository (org_id, id, name, git_url, created_at)
    select org_id, id, 'repository-' || lpad(r::text, 4, '0'), 'https://git.example/' || slug || '/' || r || '.git', at from repo`);
  await owner.query(`
    insert into agent (org_id, id, repository_id, name, created_at)
    select org_id, agent_id, id, 'agent-' || lpad(r::text, 4, '0'), at from repo`);
  // The asker is a member of every organization, so that their own lists are long too.
  await owner.query(`
    insert into membership (org_id, user_id, email, name, role, status, joined_at)
    select org.id, asking.user_id, asking.email, asking.name, 'VIEWER', 'ACTIVE', org.at
    from org, member as asking where asking.n = 1 and asking.m = 1 and org.n > 1`);
  await owner.query(`update person set system_role = 'SYSTEM_ADMIN' where email = $1`, [ASKING.subject]);
  await owner.query(`
    insert into session (id, person_id, cookie_hash, created_at, last_used_at, expires_at)
    select pg_temp.bench_id('ses', now(), 'session ' || s), user_id, md5('session ' || s), now(), now(), now() + interval '30 days'
    from member cross join generate_series(1, 1000) as s where n = 1 and m = 1`);
  await owner.query(`
    insert into membership (org_id, user_id, kind, email, name, role, status, joined_at)
    select id, pg_temp.bench_id('svc', at, 'service ' || s), 'SERVICE_ACCOUNT', 'service-' || s || '@' || slug || '.invalid',
           'Service ' || s, 'DEVELOPER', 'ACTIVE', at
    from org cross join generate_series(1, 1000) as s where n = 1`);
  await owner.query(`
    insert into api_key (org_id, id, name, owner_id, permissions, secret_hash, last_four, created_by, expires_at)
    select org_id, pg_temp.bench_id('key', at, 'key ' || k), 'Key ' || k, user_id, '{run:read}', md5('key ' || k), 'abcd', user_id,
           now() + interval '90 days'
    from generate_series(1, 5000) as k join member on n = 1 and m = case when k % 5 = 0 then 2 else k end`);
  await owner.query(`
    insert into membership (org_id, user_id, email, name, role, status, invited_by)
    select org_id, pg_temp.bench_id('usr', at, 'invited ' || i), 'invited-' || i || '@' || slug || '.example', 'Invited ' || i,
           'VIEWER', 'INVITED', user_id
    from member cross join generate_series(1, 5000) as i where n = 1 and m = 1`);
  await owner.query(`
    insert into invitation (org_id, id, email, status, expires_at, mail_status, ended_at, created_at)
    select org_id, pg_temp.bench_id('inv', at, 'invitation ' || i), 'invited-' || i || '@' || slug || '.example',
           case i % 10 when 0 then 'DECLINED' when 1 then 'REVOKED' else 'PENDING' end,
           now() + case when i % 3 = 0 then interval '-1 day' else interval '7 days' end, 'SENT',
           case when i % 10 < 2 then now() end, at
    from member cross join generate_series(1, 5000) as i where n = 1 and m = 1`);
  await owner.query(`
    insert into join_request (org_id, id, person_id, email, name, domain, status)
    select org_id, pg_temp.bench_id('jrq', at, 'request ' || j), 'usr_asking_' || j, 'asking-' || j || '@large.example', 'Asking', 'large.example',
           case j % 50 when 0 then 'PENDING' when 1 then 'DECLINED' else 'APPROVED' end
    from member cross join generate_series(1, 5000) as j where n = 1 and m = 1`);
  await owner.query(`
    insert into organization_domain (org_id, id, name, challenge)
    select id, pg_temp.bench_id('dom', at, 'domain ' || d), 'domain-' || d || '.example', 'x' from org cross join generate_series(1, 100) as d
    where n = 1`);
  await owner.query(`
    insert into identity_provider (org_id, id, kind, name, issuer, client_id, default_role)
    select id, pg_temp.bench_id('idp', at, 'provider ' || p), 'OIDC', 'Provider ' || p, 'https://id-' || p || '.example', 'x', 'VIEWER'
    from org cross join generate_series(1, 20) as p where n = 1`);
  await owner.query(`
    insert into scim_directory (org_id, id, name, default_role, token_hash, token_last_four, created_by, token_made_by)
    select org_id, pg_temp.bench_id('scm', at, 'directory ' || d), 'Directory ' || d, 'VIEWER', md5('d' || d), '0000', user_id, user_id
    from member cross join generate_series(1, 5) as d where n = 1 and m = 1`);
  await owner.query(`
    insert into scim_user (org_id, id, directory_id, user_id, user_name)
    select member.org_id, pg_temp.bench_id('scu', at, 'user ' || m), d.id, user_id, email
    from member join (select * from scim_directory order by id limit 1) as d using (org_id) where n = 1 and m > 1`);
  await owner.query(`
    insert into scim_group (org_id, id, directory_id, display_name)
    select org_id, pg_temp.bench_id('scg', created_at, 'group ' || g), id, 'Group ' || g
    from (select * from scim_directory order by id limit 1) as d cross join generate_series(1, 1000) as g`);
  await owner.query(`
    insert into scim_group_member (org_id, group_id, scim_user_id)
    select g.org_id, g.id, u.id from (select * from scim_group order by id limit 100) as g
    join (select * from scim_user order by id limit 1000) as u using (org_id)`);
  await owner.query(`
    insert into run (org_id, id, agent_id, repository_id, created_by, status, input, output, total_tokens, total_cost_micros,
                     created_at, started_at, finished_at)
    select org_id, pg_temp.bench_id('run', at, 'run ' || n || ' ' || k), agent_id, id,
           (select user_id from member where member.n = runs.n and m = creator), status,
           jsonb_build_object('task', repeat('what an agent was asked to do ', 10), 'number', k),
           case status when 'SUCCEEDED' then jsonb_build_object('summary', repeat('what came of it ', 10)) end,
           1000 + k % 1000, 3000 + k % 1000, at,
           case when status not in ('AWAITING_APPROVAL', 'QUEUED') then at + interval '1 second' end,
           case when status not in ('AWAITING_APPROVAL', 'QUEUED', 'RUNNING') then at + interval '1 minute' end
    from (
      select repo.org_id, repo.n, repo.id, repo.agent_id, k, created.at,
             -- One creator with two fifths of the runs, who never started the large agent.
             case when org.n > 1 then 1 + k % 5 when k % 3 = 0 then 3 + k % 40 when k % 5 < 3 then 2 else 3 + k % 4990 end as creator,
             case when k > org.runs - 60 then 'QUEUED' when k > org.runs - 100 then 'RUNNING'
                  when k > org.runs - 100 - org.runs / 2000 then 'AWAITING_APPROVAL'
                  when k % 1000 = 7 then 'CANCELLED' when k % 10 = 3 and k < org.runs / 2 then 'FAILED' else 'SUCCEEDED' end as status
      from org cross join lateral generate_series(1, org.runs) as k
      cross join lateral (select timestamptz '2025-11-01 00:00+00' + k * (interval '365 days' / org.runs) + org.n * interval '1 ms' as at) as created
      join repo on repo.n = org.n and r = case when org.n = 1 and k % 3 = 0 then 1 else 1 + (k / 3) % org.repositories end
    ) as runs
    order by at`);
  await addUpUsage(owner);
  await askApprovals(owner);
  await layRecord(owner, runs);
  await owner.query(`
    insert into credential (org_id, id, kind, name, provider, enabled, secret, last_four, rotated_at, last_used_at, created_at)
    select id, pg_temp.bench_id('crd', at, 'credential ' || c), (array['GIT', 'LLM_PROVIDER', 'AGENT', 'INTEGRATION'])[1 + c % 4],
           'credential-' || c, 'provider-' || c % 50, c % 10 <> 0, 'x', 'abcd', at + c * interval '1 minute',
           case when c % 3 > 0 then at + c * interval '1 hour' end, at
    from org cross join generate_series(1, 1000) as c where n = 1`);
  await owner.query(`
    insert into settings_version (org_id, version, at, by_kind, by_id, by_name, changes)
    select org_id, 1 + v, org.at + v * interval '1 minute', 'PERSON', user_id, name, '{"agentExecution.defaultModel": ["a", "b"]}'
    from org join member on member.org_id = org.id and m = 1 cross join generate_series(1, 1000) as v where org.n = 1`);
  // All that is kept of what members are told: of the asker so many, of everybody else a few.
  await owner.query(`
    insert into notification (org_id, id, user_id, kind, text, occasion, is_listed, at, read_at)
    select org_id, pg_temp.bench_id('ntf', told, 'notification ' || m || ' ' || k), user_id,
           (array['ALERT', 'APPROVAL', 'INVITATION', 'ENDING_KEY'])[1 + k % 4], 'Something that somebody is told of', 'occasion ' || k,
           k % 10 <> 1, told, case when k % 9 <> 0 then told + interval '1 hour' end
    from member cross join lateral generate_series(1, case m when 1 then 500 else 10 end) as k
    cross join lateral (select now() - (k + 1) * interval '4 hours' as told) as spread
    where n = 1`);
  await owner.query(`
    insert into support_access_grant (org_id, id, scope, granted_by, expires_at, revoked_at, created_at)
    select org_id, pg_temp.bench_id('sag', granted, 'grant ' || g), case g % 3 when 0 then 'WRITE' else 'READ' end, user_id,
           granted + interval '1 hour', case when g % 5 = 0 then granted + interval '30 minutes' end, granted
    from member cross join generate_series(1, 5000) as g cross join lateral (select member.at + g * interval '1 hour' as granted) as spread
    where n = 1 and m = 1`);
  await owner.query(`
    insert into impersonation (org_id, id, actor_id, actor_name, actor_email, user_id, reason, scope, expires_at, ended_at, created_at)
    select org_id, pg_temp.bench_id('imp', began, 'impersonation ' || i), 'usr_support_' || i % 20, 'Support ' || i % 20,
           'support-' || i % 20 || '@deployment.example', user_id, 'Somebody asked for help', 'READ',
           began + interval '30 minutes', began + interval '20 minutes', began
    from generate_series(1, 5000) as i join member on n = 1 and m = 1 + i % 5000
    cross join lateral (select member.at + i * interval '1 hour' as began) as spread`);
  await addWebhooks(owner);
  await addAccounts(owner);
  await owner.query(`set session_replication_role = origin`);
  await owner.query('drop table org, member, repo');
  await owner.query('vacuum (freeze, analyze)');
  await owner.query('checkpoint');
}

/** A record of the large organization and one of the deployment, each twice as long as there are runs. */
const layRecord = async (owner, runs) => {
  await owner.query(
    `insert into audit_entry (org_id, at, actor_kind, actor_id, actor_name, action, outcome, target_type, target_id, target_name, changes)
     select case k % 2 when 0 then org.id else '' end, timestamptz '2025-11-01' + k * (interval '365 days' / ${4 * runs}), 'PERSON',
            user_id, name, (array['repository.updated', 'agent.updated', 'session.created'])[1 + k % 3],
            case when k % 1000 = 7 then 'REFUSED' else 'DONE' end, 'repository',
            case when k % 4 < 2 then (select id from repo where repo.n = 1 and r = 1) else 'rep_' || md5((k / 9)::text) end, 'A name', '{}'
     from generate_series(1, ${4 * runs}) as k join org on n = 1
       join member on member.n = 1 and m = case when k % 5 < 2 then 2 else 3 + k % 4990 end`,
  );
  await owner.query(
    `insert into audit_seal (org_id, sequence, number, hash, salts)
     select org_id, row_number() over (partition by org_id order by number), number, id, '[]' from audit_entry`,
  );
};

/** As many webhooks as one may have, each with all attempts that are kept. Nothing that happens here is told to them. */
const addWebhooks = async (owner) => {
  await owner.query(`
    insert into webhook (org_id, id, url, events, status, disabled_because, untold_since, secret, secret_made_at, handled_to, created_by,
                         created_at)
    select org_id, pg_temp.bench_id('whk', at + w * interval '1 minute', 'webhook ' || w), 'https://hooks-' || w || '.example/orgate',
           '{domain.lapsed}', case when w % 4 = 0 then 'DISABLED' else 'ACTIVE' end, case when w % 4 = 0 then 'GONE' end,
           case when w % 4 = 0 then now() end, 'x', at, (select max(sequence) from audit_seal where audit_seal.org_id = member.org_id),
           user_id, at + w * interval '1 minute'
    from member cross join generate_series(1, 20) as w where n = 1 and m = 1`);
  await owner.query(`
    insert into webhook_attempt (org_id, id, webhook_id, delivery_id, event, sequence, at, status, problem, duration_ms, answer)
    select org_id, pg_temp.bench_id('wha', tried, 'attempt ' || w.id || ' ' || a), w.id,
           pg_temp.bench_id('whd', created_at, 'delivery ' || w.id || ' ' || a / 4), 'domain.lapsed', a / 4, tried,
           case when problem is null then 200 when problem = 'STATUS' then 503 end, problem, 20 + a % 100,
           case when problem is null then 'OK' end
    from webhook as w cross join generate_series(1, 1000) as a
    cross join lateral (select created_at + a * interval '5 minutes' as tried,
      case when a % 500 = 1 then 'INSIDE' when a % 40 = 2 then 'TIMEOUT' when a % 40 = 3 then 'UNREACHABLE' when a % 10 = 4 then 'STATUS' end as problem) as came`);
};

/** Many accounts, of which the asker administers a few; the first has every organization, or is offered it. */
const addAccounts = async (owner) => {
  await owner.query(`
    insert into account (id, name, created_at)
    select pg_temp.bench_id('acc', at + a * interval '1 second', 'account ' || a), 'Account ' || lpad(a::text, 4, '0'), at + a * interval '1 second'
    from org cross join generate_series(1, 1000) as a where n = 1`);
  await owner.query(`
    insert into account_administrator (account_id, person_id)
    select account.id, user_id from account join member on n = 1 and m = case when account.name <= 'Account 0003' then 1 else 2 end`);
  await owner.query(`
    insert into account_organization (org_id, account_id, status, created_at, accepted_at)
    select id, (select min(id) from account), case when n % 10 = 0 then 'OFFERED' else 'ACCEPTED' end, at, case when n % 10 <> 0 then at end
    from org`);
};

/** One in ten of the large organization's runs had to be allowed, and the last ones still have to be. */
const askApprovals = async (owner) => {
  await owner.query(`
    insert into approval (org_id, id, subject_type, subject_id, status, submitted_by, approvers, approver_order, allow_self_approval,
                          expires_at, input_digest, input_hash, agent_version, decided_at, created_at)
    select org_id, pg_temp.bench_id('apr', created_at, 'approval ' || id), 'RUN', id, stands, created_by, approvers, 'ANY', false,
           created_at + interval '30 days', md5(id), md5(id), 1, case when stands <> 'PENDING' then created_at + interval '1 hour' end,
           created_at
    from (
      select run.*, (select array_agg(user_id order by m) from member where n = 1 and m <= 3) as approvers,
             case status when 'AWAITING_APPROVAL' then 'PENDING'
                  when 'CANCELLED' then (array['REJECTED', 'CANCELLED', 'EXPIRED'])[1 + number / 1000 % 3] else 'APPROVED' end as stands
      from run join org on org.id = run.org_id and n = 1 cross join lateral (select (input ->> 'number')::int as number) as counted
      where status = 'AWAITING_APPROVAL' or number % 10 = 7
    ) as asked
    order by created_at`);
  await owner.query(`
    insert into approval_decision (org_id, id, approval_id, decided_by, decision, input_hash, created_at)
    select org_id, pg_temp.bench_id('apd', decided_at, 'decision ' || id), id, approvers[1],
           case status when 'APPROVED' then 'APPROVE' else 'REJECT' end, input_hash, decided_at
    from approval where status in ('APPROVED', 'REJECTED')`);
};

/** What the triggers would have kept, had they seen the runs come. */
const addUpUsage = async (owner) => {
  await owner.query(`
    insert into usage_event (org_id, id, metric, quantity, cost_micros, occurred_at, recorded_at, day, reported, run_id, agent_id, created_by,
                             provider)
    select org_id, 'use_' || md5('event ' || id), 'tokens', total_tokens, total_cost_micros, created_at, created_at,
           to_char(created_at at time zone 'UTC', 'YYYY-MM-DD'), true, id, agent_id, created_by, 'provider-' || total_tokens % 5
    from run order by created_at`);
  await owner.query(`
    insert into usage_total (org_id, day, metric, quantity, cost_micros)
    select org_id, day, metric, sum(quantity), sum(cost_micros) from usage_event group by 1, 2, 3`);
  await owner.query(`
    insert into usage_share (org_id, dimension, day, key, metric, quantity, cost_micros)
    select org_id, of.dimension, day, coalesce(of.key, ''), metric, sum(quantity), sum(cost_micros)
    from usage_event cross join lateral
      (values ('AGENT', agent_id), ('PERSON', created_by), ('KEY', key_id), ('PROVIDER', provider)) as of (dimension, key)
    group by 1, 2, 3, 4, 5`);
  await owner.query(`
    insert into run_usage (org_id, period, slot, awaiting_approval, queued, running, succeeded, failed, cancelled)
    select org_id, to_char(created_at at time zone 'UTC', 'YYYY-MM'), 0, count(*) filter (where status = 'AWAITING_APPROVAL'),
           count(*) filter (where status = 'QUEUED'), count(*) filter (where status = 'RUNNING'),
           count(*) filter (where status = 'SUCCEEDED'), count(*) filter (where status = 'FAILED'),
           count(*) filter (where status = 'CANCELLED')
    from run group by 1, 2`);
};
