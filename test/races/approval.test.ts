import { describe, expect } from '@jest/globals';
import { CATALOGUE } from '../../src/context/deployment.js';
import { due } from '../../src/domains/approval/jobs.js';
import { createContract } from '../../src/gateway/graphql/schema.js';
import type { DueKind } from '../../src/jobs/due-kind.js';
import { Parts } from '../../src/parts.js';
import { openReplica } from '../support/due-work.js';
import { type GivenOrganization, givenMember, givenOrganization, personId } from '../support/given.js';
import { type Answer, type Client, codeOf, useServer } from '../support/server.js';
import { connectBeside, inOrder, organizationRow, runRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const agentRow = (id: string) => ({ text: 'select from agent where id = $1 for update', values: [id] });

interface Waiting {
  readonly id: string;
  readonly inputHash: string;
  readonly runId: string;
}

async function start({ developer, agentId }: GivenOrganization, estimatedCostMicros?: number): Promise<Waiting> {
  const { data, errors } = await developer(
    'mutation ($input: StartRunInput!) { startRun(input: $input) { id approval { id inputHash } } }',
    { input: { agentId, estimatedCostMicros } },
  );
  expect(errors).toEqual([]);
  const { id: runId, approval } = data.startRun;
  return { id: approval.id, inputHash: approval.inputHash, runId };
}

/** An organization that asks an ADMIN and an OWNER, and a run that waits for them. */
async function givenWaiting(more: object = {}) {
  const acme = await givenOrganization(server);
  const approvers = [await personId(acme.admin), await personId(acme.owner)];
  const approval = { requireFor: [{ kind: 'EVERY_RUN' }], approvers, ...more };
  const { errors } = await acme.owner(
    'mutation ($settings: OrganizationSettingsInput!) { updateOrganization(input: { settings: $settings }) { id } }',
    { settings: { approval } },
  );
  expect(errors).toEqual([]);
  return { acme, waiting: await start(acme) };
}

const decide = (client: Client, { id, inputHash }: Waiting, decision = 'APPROVE') =>
  client('mutation ($input: DecideApprovalInput!) { decideApproval(input: $input) { status } }', {
    input: { id, inputHash, decision },
  });
const outcomeOf = ({ data, errors }: Answer): unknown =>
  errors[0]?.extensions['reason'] ?? errors[0]?.extensions['code'] ?? data.decideApproval?.status;

/** What is there, which has to fit together: a run, its approval, what is held for it, its place in the queue and what has been told. */
async function stateOf({ id }: GivenOrganization, waiting: Waiting) {
  const { rows } = await sql(
    `select a.status as approval, r.status as run,
       (select count(*)::int from run_queue q where q.org_id = $1 and q.run_id = r.id) as queued,
       (select count(*)::int from approval_decision d where d.org_id = $1 and d.approval_id = a.id) as decisions,
       (select count(*)::int from audit_entry e where e.org_id = $1 and e.target_id = a.id and e.action = 'approval.approved') as told,
       (select count(*)::int from due_work w where w.org_id = $1 and w.kind = 'approval' and w.subject = a.id) as due
     from approval a join run r on r.org_id = a.org_id and r.id = a.subject_id where a.org_id = $1 and a.id = $2`,
    [id, waiting.id],
  );
  return rows[0];
}
const GONE_ON = { approval: 'APPROVED', run: 'QUEUED', queued: 1, decisions: 1, told: 1, due: 0 };
const AS_BEFORE = { approval: 'PENDING', run: 'AWAITING_APPROVAL', queued: 0, decisions: 0, told: 0, due: 1 };

const replica = () =>
  openReplica(server, {
    kinds: due as DueKind<never>[],
    parts: new Parts().add(CATALOGUE, createContract().catalogue),
  });

describe('Two decide at once', () => {
  race.each([
    ['APPROVE', 'REJECT', GONE_ON],
    ['REJECT', 'APPROVE', { ...GONE_ON, approval: 'REJECTED', run: 'CANCELLED', queued: 0, told: 0 }],
    ['APPROVE', 'APPROVE', GONE_ON],
  ])('%s before %s: the first counts, and the second is told', async (first, second, state) => {
    const { acme, waiting } = await givenWaiting();
    const [one, two] = await inOrder(organizationRow(acme.id), [
      () => decide(acme.admin, waiting, first),
      () => decide(acme.owner, waiting, second),
    ]);
    expect([outcomeOf(one as Answer), outcomeOf(two as Answer)]).toEqual([state.approval, 'ALREADY_DECIDED']);
    expect(await stateOf(acme, waiting)).toEqual(state);
  });

  race('of ALL, the last one has it go on, once', async () => {
    const { acme, waiting } = await givenWaiting({ order: 'ALL' });
    const answers = await inOrder(organizationRow(acme.id), [
      () => decide(acme.owner, waiting),
      () => decide(acme.admin, waiting),
    ]);
    expect(answers.map(outcomeOf)).toEqual(['PENDING', 'APPROVED']);
    expect(await stateOf(acme, waiting)).toEqual({ ...GONE_ON, decisions: 2 });
  });

  race('and twenty of one, in no order: one counts', async () => {
    const { acme, waiting } = await givenWaiting();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, each) => decide(each % 2 ? acme.admin : acme.owner, waiting)),
    );
    expect(answers.map(outcomeOf).filter((outcome) => outcome === 'APPROVED')).toHaveLength(1);
    expect(await stateOf(acme, waiting)).toEqual(GONE_ON);
  });
});

describe('A decision, and that its run is cancelled', () => {
  const cancel = ({ developer }: GivenOrganization, { runId: id }: Waiting) =>
    developer('mutation ($id: ID!) { cancelRun(id: $id) { status } }', { id });

  race('after it: the run goes on and is cancelled as any', async () => {
    const { acme, waiting } = await givenWaiting();
    const [decided, cancelled] = await inOrder<Answer>(runRow(waiting.runId), [
      () => decide(acme.admin, waiting),
      () => cancel(acme, waiting),
    ]);
    expect(outcomeOf(decided as Answer)).toBe('APPROVED');
    expect(cancelled?.data.cancelRun.status).toBe('CANCELLED');
    expect(await stateOf(acme, waiting)).toEqual({ ...GONE_ON, run: 'CANCELLED', queued: 0 });
  });

  race('before it: there is nothing to decide', async () => {
    const { acme, waiting } = await givenWaiting();
    const [cancelled, decided] = await inOrder<Answer>(runRow(waiting.runId), [
      () => cancel(acme, waiting),
      () => decide(acme.admin, waiting),
    ]);
    expect(cancelled?.data.cancelRun.status).toBe('CANCELLED');
    expect(outcomeOf(decided as Answer)).toBe('ALREADY_DECIDED');
    expect(await stateOf(acme, waiting)).toEqual({ ...AS_BEFORE, approval: 'CANCELLED', run: 'CANCELLED', due: 0 });
  });

  race.each([
    ['before', 'APPROVED', GONE_ON],
    ['after', 'ALREADY_DECIDED', { ...AS_BEFORE, approval: 'CANCELLED', run: 'CANCELLED', due: 0 }],
  ])('%s it is taken back', async (when, outcome, state) => {
    const { acme, waiting } = await givenWaiting();
    const takeBack = (): Promise<Answer> =>
      acme.developer('mutation ($id: ID!) { cancelApproval(id: $id) { status } }', { id: waiting.id });
    const steps = [() => decide(acme.admin, waiting), takeBack];
    const answers = await inOrder<Answer>(organizationRow(acme.id), when === 'before' ? steps : steps.toReversed());
    expect(outcomeOf(answers[when === 'before' ? 0 : 1] as Answer)).toBe(outcome);
    expect(await stateOf(acme, waiting)).toEqual(state);
  });
});

describe('A decision, and a change of what its agent does', () => {
  const change = ({ admin, agentId: id }: GivenOrganization) =>
    admin('mutation ($input: UpdateAgentInput!) { updateAgent(input: $input) { version } }', {
      input: { id, name: 'Another' },
    });

  race('before it: the decision is refused, and nothing of it stays', async () => {
    const { acme, waiting } = await givenWaiting();
    const [changed, decided] = await inOrder<Answer>(agentRow(acme.agentId), [
      () => change(acme),
      () => decide(acme.admin, waiting),
    ]);
    expect(changed?.errors).toEqual([]);
    expect(outcomeOf(decided as Answer)).toBe('INPUT_CHANGED');
    expect(await stateOf(acme, waiting)).toEqual(AS_BEFORE);
  });

  race('after it: what was allowed is not done otherwise', async () => {
    const { acme, waiting } = await givenWaiting();
    const [decided, changed] = await inOrder<Answer>(agentRow(acme.agentId), [
      () => decide(acme.admin, waiting),
      () => change(acme),
    ]);
    expect(outcomeOf(decided as Answer)).toBe('APPROVED');
    expect(changed?.errors).toEqual([]);
    expect(await stateOf(acme, waiting)).toEqual({ ...GONE_ON, run: 'CANCELLED', queued: 0 });
  });

  race('of its repository, which changes all its agents', async () => {
    const { acme, waiting } = await givenWaiting();
    const [changed, decided] = await inOrder<Answer>(agentRow(acme.agentId), [
      () =>
        acme.admin('mutation ($input: UpdateRepositoryInput!) { updateRepository(input: $input) { id } }', {
          input: { id: acme.repositoryId, branch: 'other' },
        }),
      () => decide(acme.admin, waiting),
    ]);
    expect(changed?.errors).toEqual([]);
    expect(outcomeOf(decided as Answer)).toBe('INPUT_CHANGED');
    expect(await stateOf(acme, waiting)).toEqual(AS_BEFORE);
  });
});

describe('A decision, and that whoever decides leaves', () => {
  const remove = async ({ owner }: GivenOrganization, client: Client) => {
    const userId = await personId(client);
    return (): Promise<Answer> =>
      owner('mutation ($userId: ID!) { removeMember(userId: $userId) { status } }', { userId });
  };

  race.each([
    ['before', ['APPROVED', null], GONE_ON],
    ['after', [null, 'UNAUTHENTICATED'], AS_BEFORE],
  ])('%s it', async (when, _outcomes, state) => {
    const { acme, waiting } = await givenWaiting();
    const steps = [() => decide(acme.admin, waiting), await remove(acme, acme.admin)];
    const answers = await inOrder<Answer>(organizationRow(acme.id), when === 'before' ? steps : steps.toReversed());
    const decided = answers[when === 'before' ? 0 : 1] as Answer;
    if (when === 'before') expect(outcomeOf(decided)).toBe('APPROVED');
    else expect(['FORBIDDEN', 'UNAUTHENTICATED']).toContain(codeOf(decided));
    expect(await stateOf(acme, waiting)).toEqual(state);
  });
});

describe('A decision, and room for one run', () => {
  race(
    'for two that are allowed, and others that are started meanwhile: never more is held than there is',
    async () => {
      const { acme, waiting } = await givenWaiting();
      const others = await Promise.all(Array.from({ length: 5 }, () => start(acme, 60)));
      await acme.owner('mutation { setCostLimits(input: { monthlyLimitMicros: 2500100 }) { hardStopAtLimit } }');
      const free = await givenMember(server, acme, 'DEVELOPER');
      const repository = { repositoryId: acme.repositoryId, name: 'Free', estimatedCostMicros: 60 };
      const made = await acme.admin('mutation ($input: CreateAgentInput!) { createAgent(input: $input) { id } }', {
        input: repository,
      });
      const requireFor = [{ kind: 'AGENT', agentId: acme.agentId }];
      await acme.owner(
        'mutation ($settings: OrganizationSettingsInput!) { updateOrganization(input: { settings: $settings }) { id } }',
        { settings: { approval: { requireFor } } },
      );
      const answers = await Promise.all([
        ...others.map((each) => decide(acme.admin, each)),
        ...Array.from({ length: 5 }, () =>
          free('mutation ($input: StartRunInput!) { startRun(input: $input) { id status } }', {
            input: { agentId: made.data.createAgent.id, estimatedCostMicros: 60 },
          }),
        ),
      ]);
      const admitted = answers.filter(({ errors }) => errors.length === 0);
      expect(admitted).toHaveLength(1);
      for (const { errors } of answers)
        expect(errors[0]?.extensions['code'] ?? 'BUDGET_EXCEEDED').toBe('BUDGET_EXCEEDED');
      const { rows } = await sql('select reserved_micros::int as held from budget where org_id = $1', [acme.id]);
      expect(rows).toEqual([{ held: 60 }]);
      expect(await stateOf(acme, waiting)).toEqual(AS_BEFORE);
    },
  );
});

describe('Room for one more that waits', () => {
  const START = 'mutation ($input: StartRunInput!) { startRun(input: $input) { status } }';
  const begin = ({ developer, agentId }: GivenOrganization) => developer(START, { input: { agentId } });
  /** One waits already; of 100 there is room for one. */
  const givenAlmostFull = async () => {
    const { acme } = await givenWaiting();
    await sql(
      `insert into approval (org_id, id, subject_type, subject_id, submitted_by, approvers, approver_order, allow_self_approval,
         expires_at, input_digest, input_hash, agent_version)
       select $1, 'apr_' || $2 || n, 'RUN', 'run_' || $2 || n, $2, '{}', 'ANY', false, now() + interval '1 year', 'x', 'x', 1
       from generate_series(1, 98) n`,
      [acme.id, await personId(acme.developer)],
    );
    return acme;
  };
  const pendingOf = async ({ id }: GivenOrganization) =>
    (await sql(`select count(*)::int from approval where org_id = $1 and status = 'PENDING'`, [id])).rows[0]?.['count'];

  race('of two that begin to the second it is said that there is none', async () => {
    const acme = await givenAlmostFull();
    const steps = [() => begin(acme), () => begin(acme)];
    const [one, two] = await inOrder<Answer>(organizationRow(acme.id), steps);
    expect(one?.data.startRun).toEqual({ status: 'AWAITING_APPROVAL' });
    expect(two?.errors[0]?.extensions).toMatchObject({ code: 'LIMIT_REACHED', max: 100, used: 100 });
    expect(await pendingOf(acme)).toBe(100);
  });

  race('and of ten in no order one has it', async () => {
    const acme = await givenAlmostFull();
    const answers = await Promise.all(Array.from({ length: 10 }, () => begin(acme)));
    expect(answers.filter(({ errors }) => errors.length === 0)).toHaveLength(1);
    expect(await pendingOf(acme)).toBe(100);
  });
});

describe('What was allowed, and a change of its repository while whoever claimed it reads that', () => {
  race('before it: what is there now is told nobody', async () => {
    const { acme, waiting } = await givenWaiting();
    await decide(acme.admin, waiting);
    const { data } = await acme.admin('mutation { claimRuns(input: { max: 9 }) { runs { runId token } } }');
    const token = data.claimRuns.runs.find(({ runId }) => runId === waiting.runId)?.token ?? '';
    const read = () => server.withToken(token)('{ claimedRun { repositoryUrl } }');
    expect((await read()).data.claimedRun?.repositoryUrl).toMatch(/^https:/);
    const lock = { text: 'lock table repository in access exclusive mode', values: [] };
    const [answer] = await inOrder<Answer>(lock, [read], async (client) => {
      await client.query(`select set_config('app.act', '{"kind":"SYSTEM","name":"test"}', true)`);
      await client.query(`update repository set git_url = 'https://git.example/other' where org_id = $1`, [acme.id]);
    });
    expect(outcomeOf(answer as Answer)).toBe('INPUT_CHANGED');
    expect(answer?.text).not.toContain('other');
  });
});

describe('The connection is cut between a decision and what comes of it', () => {
  race('nothing was decided, nothing is held, and it can be decided again', async () => {
    const { acme, waiting } = await givenWaiting();
    const held = await connectBeside();
    const killer = await connectBeside();
    try {
      await held.query('begin');
      await held.query(agentRow(acme.agentId));
      const decided = decide(acme.admin, waiting);
      // It has said so, and is about to let the run go on.
      const killed = async (): Promise<boolean> => {
        const { rows } = await killer.query(
          `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
             and wait_event_type = 'Lock' and query ilike '%update%run%'`,
        );
        return rows.length > 0;
      };
      while (!(await killed()));
      expect((await decided).errors).toHaveLength(1);
      await held.query('rollback');
    } finally {
      await held.end();
      await killer.end();
    }
    expect(await stateOf(acme, waiting)).toEqual(AS_BEFORE);
    expect(outcomeOf(await decide(acme.admin, waiting))).toBe('APPROVED');
    expect(await stateOf(acme, waiting)).toEqual(GONE_ON);
  });
});

// Last, since these move the clock.
describe('A decision, and what comes by itself', () => {
  const pass = (hours: number): void => server.database.pool.clock.advance(hours * 3_600_000);

  race.each([
    ['before', 'APPROVED', GONE_ON],
    ['after', 'ALREADY_DECIDED', { ...GONE_ON, decisions: 0 }],
  ])('%s it is approved', async (when, outcome, state) => {
    const { acme, waiting } = await givenWaiting({ autoApproveAfterHours: 1 });
    pass(2);
    const steps: (() => Promise<Answer | void>)[] = [() => decide(acme.admin, waiting), () => replica().workOff()];
    const answers = await inOrder(organizationRow(acme.id), when === 'before' ? steps : steps.toReversed());
    expect(outcomeOf(answers[when === 'before' ? 0 : 1] as Answer)).toBe(outcome);
    expect(await stateOf(acme, waiting)).toEqual(state);
  });

  race.each(['before', 'after'])('%s others are told that they may', async (when) => {
    const { acme, waiting } = await givenWaiting({ escalationAfterHours: 1 });
    pass(2);
    const steps: (() => Promise<Answer | void>)[] = [() => decide(acme.admin, waiting), () => replica().workOff()];
    const answers = await inOrder(organizationRow(acme.id), when === 'before' ? steps : steps.toReversed());
    const decided = answers[when === 'before' ? 0 : 1] as Answer;
    expect(outcomeOf(decided)).toBe('APPROVED');
    expect(await stateOf(acme, waiting)).toEqual(GONE_ON);
    const { rows } = await sql('select escalated_at is not null as told from approval where org_id = $1', [acme.id]);
    if (when === 'before') expect(rows).toEqual([{ told: false }]);
  });

  race('two replicas look after it at once: it is approved once', async () => {
    const { acme, waiting } = await givenWaiting({ autoApproveAfterHours: 1 });
    pass(2);
    await Promise.all([replica().workOff(), replica().workOff(), replica().workOff()]);
    expect(await stateOf(acme, waiting)).toEqual({ ...GONE_ON, decisions: 0 });
  });
});
