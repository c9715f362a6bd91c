/** @alone: what it starts and takes away leaves others little of the machine. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { askDoomed, doomedEnv } from '../support/doomed.js';
import { unique } from '../support/given.js';
import { eventually } from '../support/mail.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { command, type Process, start } from '../support/process.js';
import { isPostgres, startIssuer, type TestIssuer } from '../support/server.js';

const START = `mutation ($input: StartRunInput!) { startRun(input: $input) { id approval { id inputHash } } }`;
const DECIDE = 'mutation ($input: DecideApprovalInput!) { decideApproval(input: $input) { status } }';
const CLAIM = 'mutation { claimRuns(input: { max: 1, leaseSeconds: 60 }) { runs { runId token } } }';
const REPORT =
  'mutation ($id: ID!) { recordRunProgress(id: $id, input: { status: SUCCEEDED, totalCostMicros: 40 }) { status } }';

interface Waiting {
  readonly runId: string;
  readonly id: string;
  readonly inputHash: string;
}

/** Wherever a gateway ends between a decision and the run's start, it was decided once or not at all, and holds what it has to. */
(isPostgres ? describe : describe.skip)('a gateway that is killed while somebody decides', () => {
  let postgres: TestPostgres;
  let issuer: TestIssuer;
  let gateway: Process;
  let env: NodeJS.ProcessEnv;
  let [owner, orgId, agentId] = ['', '', ''];

  const ask = (query: string, variables = {}, token = owner) => askDoomed(gateway.url, token, query, variables);
  const startOne = async (): Promise<Waiting | null> => {
    const input = { agentId, estimatedCostMicros: 50, idempotencyKey: unique('key') };
    const run = (await ask(START, { input }))?.data?.startRun;
    return run?.approval ? { runId: run.id, id: run.approval.id, inputHash: run.approval.inputHash } : null;
  };
  const decide = async ({ id, inputHash }: Waiting): Promise<unknown> => {
    const answer = await ask(DECIDE, { input: { id, inputHash, decision: 'APPROVE' } });
    return answer?.errors?.[0]?.extensions['reason'] ?? answer?.data?.decideApproval?.status ?? null;
  };
  /** What is there of one, which has to fit together. */
  const stateOf = async ({ id }: Waiting) =>
    (
      await postgres.query(
        `select a.status as approval, r.status as run,
           (select count(*)::int from approval_decision d where d.org_id = $1 and d.approval_id = a.id) as decisions,
           (select count(*)::int from audit_entry e where e.org_id = $1 and e.target_id = a.id and e.action = 'approval.approved') as told,
           (select count(*)::int from run_queue q where q.org_id = $1 and q.run_id = r.id) as queued,
           (select count(*)::int from due_work w where w.org_id = $1 and w.kind = 'approval' and w.subject = a.id) as due
         from approval a join run r on r.org_id = a.org_id and r.id = a.subject_id where a.org_id = $1 and a.id = $2`,
        [orgId, id],
      )
    )[0];
  const AS_BEFORE = { approval: 'PENDING', run: 'AWAITING_APPROVAL', decisions: 0, told: 0, queued: 0, due: 1 };
  const GONE_ON = { approval: 'APPROVED', run: 'QUEUED', decisions: 1, told: 1, queued: 1, due: 0 };
  const reserved = async () => {
    const [held] = await postgres.query<{ reserved: number; held: number }>(
      `select reserved_micros::int as reserved,
         (select coalesce(sum(run_holds(status, estimated_cost_micros, total_cost_micros)), 0)::int from run where org_id = $1) as held
       from budget where org_id = $1`,
      [orgId],
    );
    expect(held?.reserved).toBe(held?.held);
    return held?.reserved;
  };
  /** Kills it while what it is about to do waits for a row. */
  const killWhile = async (lock: string, doing: () => Promise<unknown>): Promise<unknown> => {
    const holder = new pg.Client({ connectionString: postgres.url });
    holder.on('error', () => undefined);
    await holder.connect();
    await holder.query('begin');
    await holder.query(lock, [orgId]);
    const done = doing();
    const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = 'orgate'`;
    await eventually(async () => ((await postgres.query(waiting)).length > 0 ? true : undefined));
    await gateway.end('SIGKILL');
    const answer = await done;
    await postgres.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'orgate'`);
    await holder.query('rollback');
    await holder.end();
    gateway = await start(env);
    return answer;
  };
  const claimOne = async () => (await ask(CLAIM))?.data?.claimRuns?.runs?.[0] as { runId: string; token: string };

  beforeAll(async () => {
    postgres = await startPostgres();
    issuer = await startIssuer();
    const off = ['ADDRESS', 'PERSON', 'ORGANIZATION', 'PERSON_POINTS', 'ORGANIZATION_POINTS'];
    env = await doomedEnv(postgres, issuer, Object.fromEntries(off.map((limit) => [`RATE_LIMIT_${limit}`, 'off'])));
    gateway = await start(env);
    const name = unique('ann');
    owner = await issuer.sign({ sub: name, email: `${name}@acme.example`, email_verified: true });
    const made = await ask(
      `mutation { createOrganization(input: { name: "Acme", slug: "${unique('acme')}" }) { id } }`,
    );
    orgId = made?.data.createOrganization.id as string;
    const repository = await ask(
      'mutation { createRepository(input: { name: "x", gitUrl: "https://git.example/x" }) { id } }',
    );
    const agent = await ask('mutation ($id: ID!) { createAgent(input: { repositoryId: $id, name: "Agent" }) { id } }', {
      id: repository?.data.createRepository.id,
    });
    agentId = agent?.data.createAgent.id as string;
    const set = await ask(`mutation {
      setCostLimits(input: { monthlyLimitMicros: 1000000 }) { hardStopAtLimit }
      updateOrganization(input: { settings: {
        agentExecution: { maxConcurrentRuns: 1000 }
        approval: { requireFor: [{ kind: EVERY_RUN }], allowSelfApproval: true }
      } }) { id }
    }`);
    expect(set?.errors ?? []).toEqual([]);
  });
  afterAll(async () => {
    await gateway?.end('SIGKILL');
    await issuer?.close();
    await postgres?.close();
  });

  test('before that is committed leaves it undecided, holding nothing; after, the run goes on once, and holds what it costs once', async () => {
    const waiting = (await startOne()) as Waiting;
    // It has said so, and is about to reserve what the run costs.
    expect(await killWhile('select from budget where org_id = $1 for update', () => decide(waiting))).toBeNull();
    expect([await stateOf(waiting), await reserved()]).toEqual([AS_BEFORE, 0]);
    expect(await decide(waiting)).toBe('APPROVED');
    await gateway.end('SIGKILL');
    gateway = await start(env);
    expect([await stateOf(waiting), await reserved()]).toEqual([GONE_ON, 50]);
    expect(await decide(waiting)).toBe('ALREADY_DECIDED');
    expect([await stateOf(waiting), await reserved()]).toEqual([GONE_ON, 50]);
    const lease = await claimOne();
    expect(lease.runId).toBe(waiting.runId);
    expect([await stateOf(waiting), await reserved()]).toEqual([{ ...GONE_ON, run: 'RUNNING', queued: 0 }, 50]);
    expect((await ask(REPORT, { id: lease.runId }, lease.token))?.errors ?? []).toEqual([]);
    expect(await reserved()).toBe(0);
  });

  test('at any other moment: nothing that was acknowledged is lost, nothing is decided twice, and all of it runs', async () => {
    const all: Waiting[] = [];
    const acknowledged = new Set<string>();
    for (let round = 0; round < 4; round += 1) {
      for (let each = 0; each < 12; each += 1) all.push((await startOne()) as Waiting);
      // Each is decided by two at once.
      const deciding = all.slice(-12).flatMap((each) =>
        Array.from({ length: 2 }, async () => {
          if ((await decide(each)) === 'APPROVED') acknowledged.add(each.id);
        }),
      );
      await Promise.race(deciding);
      await gateway.end('SIGKILL');
      await Promise.all(deciding);
      gateway = await start(env);
      await reserved();
    }
    let isKilledBefore = 0;
    for (const each of all) {
      const state = await stateOf(each);
      expect([AS_BEFORE, GONE_ON]).toContainEqual(state);
      if (acknowledged.has(each.id)) expect(state).toEqual(GONE_ON);
      if (state?.['approval'] === 'PENDING') isKilledBefore += 1;
    }
    expect([acknowledged.size > 0, isKilledBefore > 0]).toEqual([true, true]);
    for (const each of all) expect(['APPROVED', 'ALREADY_DECIDED']).toContain(await decide(each));
    for (const each of all) expect(await stateOf(each)).toEqual(GONE_ON);
    expect(await reserved()).toBe(50 * all.length);
    for (let each = 0; each < all.length; each += 1) {
      const { runId, token } = await claimOne();
      expect((await ask(REPORT, { id: runId }, token))?.errors ?? []).toEqual([]);
    }
    expect(await reserved()).toBe(0);
    const { code, stdout } = await command('doctor', [], env);
    expect([code, stdout]).toEqual([0, expect.not.stringContaining('FAIL')]);
  });
});
