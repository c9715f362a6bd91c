import { bySystem } from '../data/connection/act.js';
import { asLoginRole, inFrame, type ScopedPool } from '../data/connection/org-connection.js';
import type { Frame } from '../data/connection/frame.js';
import type { Database } from '../data/database.js';
import { brandOrgId, newId, type OrgId } from '../data/id.js';
import type { Row } from '../data/organization/table.js';
import { APPROVAL, digestOf, hashOf } from '../domains/approval/index.js';
import { openRegistry } from '../identity/registry.js';
import { makeMachineToken } from '../secrets/machine-token.js';
import { type DemoOrganization, readDemoWorld } from './demo-world.js';

type Connection = Awaited<ReturnType<ScopedPool['connect']>>;

const DAY_MS = 86_400_000;
const RUNS_PER_ORGANIZATION = 300;
const DAYS = 60;
const act = bySystem('demo');
const DIRECTORY: Frame = { role: 'orgate_directory', act };

export const isDatabaseEmpty = async ({ outside }: Database): Promise<boolean> =>
  (await outside(openRegistry).countOrganizations()) === 0;

/**
 * Fills the demo world of prisma/demo.json into a database, all or nothing: people, organizations and the runs of
 * the last 60 days. Through the same roles and policies as everything else.
 *
 * @returns false when an organization `acme` is there already, and nothing was done
 */
export async function addDemoWorld({ pool }: Pick<Database, 'pool'>): Promise<boolean> {
  const now = Date.now();
  const world = await readDemoWorld();
  const client = await pool.connect();
  const insert = (frame: Frame, table: string, rows: object[]) => {
    const columns = Object.keys(rows[0] ?? {}).join(', ');
    const text = `insert into ${table} (${columns}) select ${columns} from jsonb_populate_recordset(null::${table}, $1)`;
    return inFrame(frame, () => client.query({ text, values: [JSON.stringify(rows)] }));
  };
  try {
    await client.query({ text: 'BEGIN' });
    const taken = await inFrame(DIRECTORY, () =>
      client.query({
        text: 'select from address where name = any($1)',
        values: [world.organizations.map(({ slug }) => slug)],
      }),
    );
    if (taken.rowCount) {
      await client.query({ text: 'ROLLBACK' });
      return false;
    }
    const made = now - (DAYS + 1) * DAY_MS;
    await inFrame(DIRECTORY, () =>
      client.query({
        text: `insert into person (id, email, name, system_role)
               select id, email, name, system_role from jsonb_populate_recordset(null::person, $1) on conflict (email) do nothing`,
        values: [
          JSON.stringify(
            world.people.map(({ systemRole = 'USER', ...person }) => ({
              id: newId('usr', made),
              ...person,
              system_role: systemRole,
            })),
          ),
        ],
      }),
    );
    const { rows: people } = await inFrame(DIRECTORY, () =>
      client.query({
        text: 'select id, email, name from person where email = any($1)',
        values: [world.people.map(({ email }) => email)],
      }),
    );
    const byEmail = new Map(
      people.map((person) => [String(person['email']), { id: String(person['id']), name: String(person['name']) }]),
    );
    const set = {
      id: newId('set', made),
      name: world.set.name,
      base: world.set.base,
      project: world.set.project,
      made_by: byEmail.get(world.set.madeBy)?.id,
      created_at: new Date(made),
    };
    await insert(DIRECTORY, 'organization_set', [set]);
    const orgIds: OrgId[] = [];
    for (const [index, organization] of world.organizations.entries()) {
      // Ids sort by time: in lists the first of the world is the first everywhere.
      const orgId = brandOrgId(newId('org', made + index));
      orgIds.push(orgId);
      const rows = demoRows(organization, orgId, byEmail, made, now);
      const inside: Frame = { role: 'orgate_app', orgId, act };
      const { environment } = organization;
      const place = environment && {
        set_id: set.id,
        base: set.base,
        project: set.project,
        region: 'useast',
        environment,
      };
      await insert(
        DIRECTORY,
        'organization',
        rows.organization.map((row) => ({ ...row, ...place })),
      );
      await insert(DIRECTORY, 'address', [
        { name: organization.slug, kind: 'SLUG', org_id: orgId, given_up_at: null },
        ...(organization.formerSlugs ?? []).map(({ slug, daysAgo }) => ({
          name: slug,
          kind: 'SLUG',
          org_id: orgId,
          given_up_at: new Date(now - daysAgo * DAY_MS),
        })),
      ]);
      await insert(inside, 'membership', rows.memberships);
      if (rows.domains.length > 0) {
        await insert(
          inside,
          'address',
          rows.domains.map(({ name }) => ({ name, kind: 'DOMAIN', org_id: orgId })),
        );
        await insert(inside, 'organization_domain', rows.domains);
      }
      for (const version of rows.settingsVersions) {
        const theirs = as(orgId, version.by_id);
        await insert(theirs, 'settings_version', [version]);
        await inFrame(theirs, () => client.query({ text: CHANGE_SETTINGS, values: [orgId, version.version] }));
      }
      for (const access of rows.accesses) {
        const { actor_name: name, user_id: onBehalfOf, reason } = access;
        const act = { kind: 'PERSON', id: access.actor_id, name, onBehalfOf, reason } as const;
        const theirs: Frame = { role: 'orgate_app', orgId, act };
        const { fields, ended_at: endedAt, ...row } = access;
        await insert(theirs, 'impersonation', [row]);
        await inFrame(theirs, () =>
          client.query({
            text: TELL_OPERATION,
            values: [orgId, row.id, JSON.stringify(act), JSON.stringify({ fields: [null, fields] })],
          }),
        );
        await inFrame(theirs, () => client.query({ text: END_ACCESS, values: [orgId, row.id, endedAt] }));
      }
      const told = toldOf(organization.name, rows.accesses, now);
      const ownerId = rows.memberships.find(({ role }) => role === 'OWNER')?.user_id;
      if (told.length > 0) {
        await insert(
          inside,
          'notification',
          told.map(({ daysAgo, ...news }) => {
            const id = newId('ntf', now - daysAgo * DAY_MS);
            const at = new Date(now - daysAgo * DAY_MS);
            return { org_id: orgId, id, user_id: ownerId, occasion: id, is_listed: true, at, ...news };
          }),
        );
      }
      const [owner = ''] = rows.starters;
      await insert(as(orgId, owner), 'repository', rows.repositories);
      await insert(as(orgId, owner), 'agent', rows.agents);
      // They begin and end, and the record says who began them.
      for (const starter of rows.starters) {
        const theirs = rows.runs.filter(({ created_by }) => created_by === starter);
        await insert(as(orgId, starter), 'run', theirs.map(asBegun));
        await inFrame(as(orgId, starter), () => client.query({ text: END_RUNS, values: [JSON.stringify(theirs)] }));
      }
      for (const { dueAt, ...waiting } of rows.approvals) {
        const theirs = as(orgId, waiting.submitted_by);
        await insert(theirs, 'approval', [waiting]);
        await insert(
          theirs,
          'notification',
          waiting.approvers.map((userId) => asks(waiting, userId, organization.name)),
        );
        const due = { id: newId('due'), kind: APPROVAL.name, subject: waiting.id, payload: '{}', attempts: 0 };
        await insert(theirs, 'due_work', [{ org_id: orgId, ...due, due_at: dueAt, stopped: false }]);
      }
      if (rows.resolutions.length > 0) {
        await insert(as(orgId, owner), 'provider_resolution', rows.resolutions);
        await insert(as(orgId, owner), 'provider_health', rows.health);
      }
    }
    for (const [index, { name, administrators, organizations }] of world.accounts.entries()) {
      const [id, at] = [newId('acc', made + index), new Date(made)];
      await insert(DIRECTORY, 'account', [{ id, name, created_at: at }]);
      await insert(
        DIRECTORY,
        'account_administrator',
        administrators.map((email) => ({
          account_id: id,
          person_id: (byEmail.get(email) ?? missing(email)).id,
          created_at: at,
        })),
      );
      await insert(
        DIRECTORY,
        'account_organization',
        organizations.map((slug) => ({
          org_id: orgIds[world.organizations.findIndex((each) => each.slug === slug)] ?? missing(slug),
          account_id: id,
          status: 'ACCEPTED',
          created_at: at,
          accepted_at: at,
        })),
      );
    }
    // A machine that works for all of them. Nobody has its token: `rotateExecutorToken` answers one.
    const id = newId('exr', made);
    const { hash, lastFour } = makeMachineToken('executor', id);
    const { name, pool, registeredBy } = world.executor;
    await insert(DIRECTORY, 'executor', [
      {
        id,
        name,
        pool,
        token_hash: hash,
        last_four: lastFour,
        created_by: byEmail.get(registeredBy)?.id,
        created_at: new Date(made),
        rotated_at: new Date(made),
      },
    ]);
    await tellAsOfThen(client, made, orgIds);
    for (const [index, { limitSpentPercent, members }] of world.organizations.entries()) {
      const orgId = orgIds[index];
      const [email = ''] = Object.keys(members);
      if (limitSpentPercent === undefined || orgId === undefined) continue;
      const owners = as(orgId, (byEmail.get(email) ?? missing(email)).id);
      await insert(owners, 'budget', [{ org_id: orgId }]);
      await inFrame(owners, () => client.query({ text: SET_LIMIT, values: [orgId, limitSpentPercent] }));
    }
    await client.query({ text: 'COMMIT' });
    return true;
  } catch (error) {
    await client.query({ text: 'ROLLBACK' }).catch(() => undefined);
    throw error;
  } finally {
    client.release();
  }
}

/** The id of an organization of the demo world that was loaded. */
export async function findDemoOrganization(pool: ScopedPool, slug: string): Promise<OrgId> {
  const text = `select org_id as id from address where name = $1 and kind = 'SLUG'`;
  const { rows } = await inFrame(DIRECTORY, () => pool.query<{ id: string }>({ text, values: [slug] }));
  return brandOrgId(rows[0]?.id ?? '');
}

/** Somebody at work in an organization, who is called there what they are called. */
const as = (orgId: OrgId, id: string): Frame => ({ role: 'orgate_app', orgId, act: { kind: 'PERSON', id } });

/** What an OWNER was told where somebody looked in; of this month's limit they are told as soon as the gateway starts. */
const toldOf = (organization: string, accesses: readonly { id: string; actor_name: string }[], now: number) =>
  accesses.flatMap(({ id, actor_name: name }) => [
    { kind: 'VENDOR_ACCESS', text: `${name} looks into ${organization}`, target_id: id, daysAgo: 1, read_at: null },
    {
      kind: 'ENDING_KEY',
      text: `The API key "Nightly" of ${organization} ends soon`,
      target_id: null,
      daysAgo: 3,
      read_at: null,
    },
    {
      kind: 'ALERT',
      text: `${organization} has spent 80% of its monthly limit`,
      target_id: null,
      daysAgo: 35,
      read_at: new Date(now - 34 * DAY_MS),
    },
    {
      kind: 'INVITATION',
      text: `vic@acme.example accepted your invitation to ${organization}`,
      target_id: null,
      daysAgo: 40,
      read_at: new Date(now - 39 * DAY_MS),
    },
  ]);

type DemoRun = ReturnType<typeof demoRun>;

const asBegun = (run: DemoRun): object => ({
  ...run,
  status: run.status === 'AWAITING_APPROVAL' ? run.status : 'QUEUED',
  output: null,
  error: null,
  total_tokens: 0,
  total_cost_micros: 0,
  started_at: null,
  finished_at: null,
  updated_at: run.created_at,
});

const END_RUNS = `
  update run r set status = d.status, output = d.output, error = d.error, total_tokens = d.total_tokens,
    total_cost_micros = d.total_cost_micros, started_at = d.started_at, finished_at = d.finished_at, updated_at = d.updated_at
  from jsonb_populate_recordset(null::run, $1) d
  where r.org_id = d.org_id and r.id = d.id and d.status not in ('QUEUED', 'AWAITING_APPROVAL')`;

/** So high that so many percent of it are spent already. */
const SET_LIMIT = `
  update budget set monthly_limit_micros = greatest(1000000, usage_spent($1, left(day, 7) || '-01', left(day, 7) || '-31') * 100 / $2),
    changed_at = clock_timestamp() where org_id = $1`;

/** As the gateway tells what somebody asks for who acts as a member. */
const TELL_OPERATION = `
  with told as (
    insert into audit_entry (org_id, actor_kind, actor_id, actor_name, on_behalf_of, action, target_type, target_id, changes, reason)
    select $1, act ->> 'kind', act ->> 'id', act ->> 'name', act ->> 'onBehalfOf', 'impersonation.query', 'impersonation', $2, $4::jsonb,
      act ->> 'reason' from (select $3::jsonb as act) as given
    returning number
  )
  insert into audit_unsealed (org_id, number) select $1, number from told`;

const END_ACCESS = `update impersonation set ended_at = $3 where org_id = $1 and id = $2`;

const CHANGE_SETTINGS = `
  update organization o set settings_version = v.version, updated_at = v.at, settings = o.settings
    || (select jsonb_object_agg(key, value -> 1) from jsonb_each(v.changes))
  from settings_version v where o.id = $1 and v.org_id = o.id and v.version = $2`;

/**
 * The entries that came of all this were written today. Where the login may do anything, as on the embedded database, they are
 * told as of the two months in which it is said to have happened, and in that order. Nothing of it is sealed yet.
 */
async function tellAsOfThen(client: Connection, made: number, orgIds: readonly OrgId[]): Promise<void> {
  const ask = (text: string, values: unknown[] = []) => client.query(asLoginRole(text, values));
  const { rows } = await ask('select rolsuper as "isSuper" from pg_roles where rolname = session_user');
  // The login's own rights, and not those of whom it acted as last.
  if (rows[0]?.['isSuper'] !== true) return;
  await ask(`set local role none`);
  await ask(
    `update audit_entry e set at = case
       when e.action = 'run.created' then (select created_at from run r where r.org_id = e.org_id and r.id = e.target_id)
       when e.target_type = 'approval' then (select created_at from approval a where a.org_id = e.org_id and a.id = e.target_id)
       when e.action = 'run.provider_resolved' then (select started_at from run r where r.org_id = e.org_id and r.id = e.target_id)
       when e.target_type = 'provider_health' then (select reported_at from provider_health h where h.org_id = e.org_id and h.provider = e.target_id)
       when e.target_type = 'run' then (select coalesce(finished_at, started_at) from run r where r.org_id = e.org_id and r.id = e.target_id)
       when e.target_type = 'impersonation' then (select case e.action when 'impersonation.created' then i.created_at
         when 'impersonation.ended' then i.ended_at else i.created_at + interval '2 minutes' end
         from impersonation i where i.org_id = e.org_id and i.id = e.target_id)
       when e.action = 'organization.updated' then (select v.at from settings_version v
         where v.org_id = e.org_id and v.version = (e.changes -> 'settings_version' ->> 1)::integer)
       else $1 end
     where e.org_id = any ($2)`,
    [new Date(made), orgIds],
  );
  await ask(
    `with ordered as (
       select u.org_id, u.number, nextval('audit_number') as later
       from (select e.org_id, e.number from audit_unsealed u join audit_entry e using (org_id, number)
             where e.org_id = any ($1) order by e.at, e.number) as u
     ), told as (
       update audit_entry e set number = o.later from ordered o where e.org_id = o.org_id and e.number = o.number
     )
     update audit_unsealed w set number = o.later from ordered o where w.org_id = o.org_id and w.number = o.number`,
    [orgIds],
  );
  // What the runs used counts on the days on which they ended.
  await ask(
    `update usage_event e set occurred_at = at, recorded_at = at, day = utc_day(at)
     from (select org_id, id, coalesce(finished_at, started_at, created_at) as at from run) as r
     where e.org_id = any ($1) and r.org_id = e.org_id and r.id = e.run_id`,
    [orgIds],
  );
  await ask('delete from usage_tail where org_id = any ($1)', [orgIds]);
  await ask(
    `insert into usage_total (org_id, day, metric, quantity, cost_micros)
     select org_id, day, metric, sum(quantity), sum(cost_micros) from usage_event where org_id = any ($1) group by 1, 2, 3`,
    [orgIds],
  );
  await ask(
    `insert into usage_share (org_id, dimension, day, key, metric, quantity, cost_micros)
     select org_id, of.dimension, day, coalesce(of.key, ''), metric, sum(quantity), sum(cost_micros)
     from usage_event cross join lateral
       (values ('AGENT', agent_id), ('PERSON', created_by), ('KEY', key_id), ('PROVIDER', provider)) as of (dimension, key)
     where org_id = any ($1) group by 1, 2, 3, 4, 5`,
    [orgIds],
  );
}

function demoRows(
  organization: DemoOrganization,
  orgId: OrgId,
  people: ReadonlyMap<string, { id: string; name: string }>,
  made: number,
  now: number,
) {
  const at = { created_at: new Date(made), updated_at: new Date(made) };
  const random = randomFrom(organization.slug);
  const members = Object.entries(organization.members).map(([email, role]) => {
    const { id, name } = people.get(email) ?? missing(email);
    return {
      org_id: orgId,
      user_id: id,
      email,
      name,
      role,
      status: 'ACTIVE',
      granted: [],
      withheld: [],
      joined_at: new Date(made),
      ...at,
    };
  });
  const starters = members.filter(({ role }) => role !== 'VIEWER').map(({ user_id }) => user_id);
  const repositories = organization.repositories.map(({ name }) => ({
    org_id: orgId,
    id: newId('rep', made),
    name,
    git_url: `https://git.${organization.slug}.example/${name}.git`,
    branch: 'main',
    description: `Agents of ${organization.name}: ${name.replaceAll('-', ' ')}.`,
    last_synced_at: new Date(now - Math.floor(random() * DAY_MS)),
    ...at,
  }));
  const agents = organization.repositories.flatMap(({ agents: names }, index) =>
    names.map((name) => ({
      org_id: orgId,
      id: newId('agt', made),
      repository_id: repositories[index]?.id ?? missing(name),
      name,
      description: name.replaceAll(/(?<=.)([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`),
      ...at,
    })),
  );
  const runs = Array.from({ length: RUNS_PER_ORGANIZATION }, (_, index) =>
    demoRun(
      orgId,
      agents,
      starters,
      now - Math.floor((index / RUNS_PER_ORGANIZATION) * DAYS * DAY_MS) - 60_000,
      index,
      random,
    ),
  );
  const underWay = runs.find(({ status }) => status === 'RUNNING') ?? missing('run under way');
  const askedAt = new Date(now - 30_000);
  const resolutions = (organization.providers ?? []).map(({ name: provider, reason, passedOver }, index) => ({
    org_id: orgId,
    run_id: underWay.id,
    number: index + 1,
    attempt: 1,
    kind: 'LLM',
    name: provider,
    model: organization.defaultModel,
    reason,
    passed_over: passedOver,
    at: askedAt,
  }));
  const failing = resolutions.flatMap(({ passed_over: over }) => over.map(({ provider }) => provider));
  const { slug, name, description, plan, defaultModel, defaultProvider, joining, approval } = organization;
  const idOf = (email: string): string => (people.get(email) ?? missing(email)).id;
  const [newest] = runs;
  if (approval && newest) {
    newest.status = 'AWAITING_APPROVAL';
    newest.created_by = idOf(approval.waiting.by);
  }
  const approvals = approval && newest ? [waitsFor(newest, approval, approval.approvers.map(idOf))] : [];
  return {
    // The directory may make an organization, and read no more of it than its summary.
    organization: [
      {
        id: orgId,
        slug,
        name,
        description,
        plan,
        status: 'ACTIVE',
        max_concurrent_runs: 10,
        allowed_domains: [`${slug}.example`],
        feature_flags: {},
        settings: {
          'agentExecution.defaultModel': defaultModel,
          'agentExecution.defaultProvider': defaultProvider,
          'security.externalAgentPolicy': 'ALLOWED_DOMAINS',
        },
        settings_version: 1,
        subscription_status: 'ACTIVE',
        seat_limit: plan === 'ENTERPRISE' ? null : 25,
        lock_version: 0,
        ...at,
      },
    ],
    memberships: members,
    // Without a date for their daily check: no DNS knows them.
    domains: [joining]
      .filter((each) => each !== null)
      .map(({ domain, joining: how, role }) => ({
        org_id: orgId,
        id: newId('dom', made),
        name: domain,
        status: 'VERIFIED',
        challenge: `orgate-domain-verification=${slug}`,
        held_name: domain,
        verified_at: new Date(made),
        joining: how,
        joining_role: role,
        check_found: [],
        misses: 0,
        ...at,
      })),
    repositories,
    agents,
    runs,
    resolutions,
    health: [...new Set(failing)].map((provider) => ({
      org_id: orgId,
      provider,
      healthy: false,
      detail: '529 overloaded',
      reported_at: askedAt,
      retry_at: new Date(askedAt.getTime() + 60_000),
    })),
    starters,
    accesses: (organization.support ?? []).map(({ by, as: email, reason, daysAgo, minutes, fields }) => {
      const { id, name } = people.get(by) ?? missing(by);
      const began = now - daysAgo * DAY_MS;
      return {
        org_id: orgId,
        id: newId('imp', began),
        actor_id: id,
        actor_name: name,
        actor_email: by,
        user_id: (people.get(email) ?? missing(email)).id,
        reason,
        scope: 'READ',
        created_at: new Date(began),
        expires_at: new Date(began + 30 * 60_000),
        ended_at: new Date(began + minutes * 60_000),
        fields,
      };
    }),
    approvals,
    settingsVersions: [...(organization.settings ?? []), ...(approval ? [asSettings(approval, idOf)] : [])].map(
      ({ by, daysAgo, changes }, index) => {
        const { id, name: byName } = people.get(by) ?? missing(by);
        return {
          org_id: orgId,
          version: index + 2,
          at: new Date(now - daysAgo * DAY_MS),
          by_kind: 'PERSON',
          by_id: id,
          by_name: byName,
          changes,
        };
      },
    ),
  };
}

type Approval = NonNullable<DemoOrganization['approval']>;

/** What has people allow it, as a change of the settings. */
const asSettings = ({ by, daysAgo, overMicros, approvers }: Approval, idOf: (email: string) => string) => ({
  by,
  daysAgo,
  changes: {
    'approval.requireFor': [[], [{ kind: 'RUNS_OVER', costMicros: overMicros, agentId: null }]],
    'approval.approvers': [[], approvers.map(idOf)],
  } satisfies Record<string, [unknown, unknown]>,
});

/** The approval that a run waits for. */
function waitsFor(run: DemoRun, { waiting }: Approval, approvers: readonly string[]) {
  run.estimated_cost_micros = waiting.estimatedCostMicros;
  const inputDigest = digestOf(run.input);
  const estimatedCostMicros = BigInt(waiting.estimatedCostMicros);
  const expires = new Date(run.created_at.getTime() + 30 * DAY_MS);
  return {
    org_id: run.org_id,
    id: newId('apr', run.created_at.getTime()),
    subject_type: 'RUN',
    subject_id: run.id,
    status: 'PENDING',
    submitted_by: run.created_by,
    approvers,
    told: approvers,
    approver_order: 'ANY',
    allow_self_approval: false,
    expires_at: expires,
    input_digest: inputDigest,
    input_hash: hashOf({ agentId: run.agent_id, agentVersion: 1, inputDigest, estimatedCostMicros }),
    agent_version: 1,
    created_at: run.created_at,
    dueAt: expires,
  };
}

/** What an approver was told, as it is told where a run begins to wait. */
function asks(
  { org_id, id: target_id, created_at: at }: Omit<ReturnType<typeof waitsFor>, 'dueAt'>,
  user_id: string,
  organization: string,
) {
  const id = newId('ntf', at.getTime());
  const text = `A run in ${organization} waits for you`;
  return { org_id, id, user_id, kind: 'APPROVAL', text, target_id, occasion: id, is_listed: true, at };
}

function demoRun(
  orgId: OrgId,
  agents: readonly { id: string; repository_id: string; name: string }[],
  starters: readonly string[],
  createdAt: number,
  index: number,
  random: () => number,
) {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] ?? missing('choice');
  const agent = pick(agents);
  // The newest runs are still under way; of the others most went well.
  const luck = random();
  const status =
    index < 3 ? 'QUEUED' : index < 7 ? 'RUNNING' : luck < 0.82 ? 'SUCCEEDED' : luck < 0.93 ? 'FAILED' : 'CANCELLED';
  const isUnderWay = status === 'QUEUED' || status === 'RUNNING';
  const tokens = status === 'QUEUED' ? 0 : 200 + Math.floor(random() * 40_000);
  const finished = new Date(createdAt + 5_000 + Math.floor(random() * 240_000));
  return {
    org_id: orgId,
    id: newId('run', createdAt),
    agent_id: agent.id,
    repository_id: agent.repository_id,
    created_by: pick(starters),
    status: status as Row<'Run'>['status'],
    input: { task: `${agent.name} #${1000 + index}` },
    output: status === 'SUCCEEDED' ? { summary: 'Done.', score: Math.round(random() * 100) / 100 } : null,
    error: status === 'FAILED' ? 'The model gave no usable answer.' : null,
    total_tokens: tokens,
    total_cost_micros: tokens * 3,
    estimated_cost_micros: null as number | null,
    attempts: status === 'QUEUED' ? 0 : 1,
    created_at: new Date(createdAt),
    started_at: status === 'QUEUED' ? null : new Date(createdAt + 2_000),
    finished_at: isUnderWay ? null : finished,
    updated_at: isUnderWay ? new Date(createdAt) : finished,
  };
}

/** The same numbers for the same name, so that everyone's demo looks alike (mulberry32). */
function randomFrom(name: string): () => number {
  let state = [...name].reduce((sum, letter) => Math.imul(sum, 31) + letter.charCodeAt(0), 7);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function missing(name: string): never {
  throw new Error(`the demo world has no ${name}`);
}
