/** @alone: what it starts and takes away leaves others little of the machine. */
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { askDoomed, doomedEnv } from '../support/doomed.js';
import { unique } from '../support/given.js';
import { eventually } from '../support/mail.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { command, type Process, start } from '../support/process.js';
import { type Answer, isPostgres, startIssuer, type TestIssuer } from '../support/server.js';

const CLAIM = 'mutation ($input: ClaimRunsInput!) { claimRuns(input: $input) { runs { runId token attempt } } }';
const REPORT =
  'mutation ($id: ID!, $input: RunProgressInput!) { recordRunProgress(id: $id, input: $input) { status } }';
const START = 'mutation ($input: StartRunInput!) { startRun(input: $input) { id } }';
const RECORD = 'mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { duplicate } }';

interface Lease {
  readonly runId: string;
  readonly token: string;
  readonly attempt: number;
}

/** Whatever ends between a claim and its report, the run is done by one executor after the other, and what it cost counts once. */
(isPostgres ? describe : describe.skip)('while executors work', () => {
  let postgres: TestPostgres;
  let issuer: TestIssuer;
  let gateway: Process;
  let env: NodeJS.ProcessEnv;
  let [owner, executor, orgId, agentId] = ['', '', '', ''];

  const ask = (token: string, query: string, variables = {}) => askDoomed(gateway.url, token, query, variables);
  const startOne = async () =>
    (await ask(owner, START, { input: { agentId, estimatedCostMicros: 50, idempotencyKey: unique('key') } }))?.data
      ?.startRun?.id as string | undefined;
  const claim = async (max = 1, leaseSeconds = 1): Promise<Lease[]> =>
    ((await ask(executor, CLAIM, { input: { max, leaseSeconds } }))?.data?.claimRuns?.runs ?? []) as Lease[];
  const report = ({ runId: id, token }: Lease, input: object) => ask(token, REPORT, { id, input });
  const runOf = async (id: string) =>
    (
      await postgres.query<{ status: string; attempts: number; queued: boolean; claims: number }>(
        `select status, attempts, exists (select from run_queue q where q.org_id = r.org_id and q.run_id = r.id) as queued,
           (select count(*)::int from run_claim c where c.org_id = r.org_id and c.run_id = r.id) as claims
         from run r where org_id = $1 and id = $2`,
        [orgId, id],
      )
    )[0];
  /** What the budget, the sums, the ledger and the runs say is the same, and the queue has what waits. */
  const expectExact = async () => {
    const [found] = await postgres.query<Record<string, number>>(
      `select month_settled_micros::int as settled, reserved_micros::int as reserved,
         usage_spent($1, left(day, 7) || '-01', left(day, 7) || '-31')::int as spent,
         (select coalesce(sum(cost_micros), 0)::int from usage_event where org_id = $1) as ledger,
         (select coalesce(sum(run_holds(status, estimated_cost_micros, total_cost_micros)), 0)::int from run where org_id = $1) as held,
         (select count(*)::int from run where org_id = $1 and status = 'QUEUED') as queued,
         (select count(*)::int from run_queue where org_id = $1) as waiting,
         (select count(*)::int from run r where org_id = $1 and status = 'RUNNING' and claim_id is not null
            and not exists (select from run_claim c where c.org_id = r.org_id and c.id = r.claim_id and c.ended_at is null)) as lost
       from budget where org_id = $1`,
      [orgId],
    );
    const { spent, held, queued } = found ?? {};
    expect(found).toEqual({ ...found, settled: spent, ledger: spent, reserved: held, waiting: queued, lost: 0 });
    return found;
  };
  const restart = async () => {
    gateway = await start(env);
    expect(gateway.child.exitCode).toBeNull();
  };
  /** All that wait or are at work, by executors that live. */
  const finish = async () => {
    const isLeft = async () =>
      (await postgres.query(`select from run where org_id = $1 and status in ('QUEUED', 'RUNNING')`, [orgId])).length >
      0;
    for (let round = 0; round < 60 && (await isLeft()); round += 1) {
      const leases = await claim(100, 60);
      for (const lease of leases) await report(lease, { status: 'SUCCEEDED', totalCostMicros: 40 });
      if (leases.length === 0) await wait(500);
    }
    expect(await isLeft()).toBe(false);
  };

  beforeAll(async () => {
    postgres = await startPostgres();
    issuer = await startIssuer();
    const off = ['ADDRESS', 'PERSON', 'ORGANIZATION', 'PERSON_POINTS', 'ORGANIZATION_POINTS', 'CREATION'];
    const unlimited = Object.fromEntries(off.map((limit) => [`RATE_LIMIT_${limit}`, 'off']));
    env = await doomedEnv(postgres, issuer, unlimited);
    gateway = await start(env);
    const name = unique('ann');
    owner = await issuer.sign({ sub: name, email: `${name}@acme.example`, email_verified: true });
    const made = await ask(
      owner,
      `mutation { createOrganization(input: { name: "Acme", slug: "${unique('acme')}" }) { id } }`,
    );
    orgId = made?.data.createOrganization.id as string;
    const repository = await ask(
      owner,
      'mutation { createRepository(input: { name: "x", gitUrl: "https://git.example/x" }) { id } }',
    );
    const agent = await ask(
      owner,
      `mutation ($id: ID!) { createAgent(input: { repositoryId: $id, name: "Agent" }) { id } }`,
      { id: repository?.data.createRepository.id },
    );
    agentId = agent?.data.createAgent.id as string;
    const { errors } = (await ask(
      owner,
      `mutation ($id: ID!) {
        updateAgent(input: { id: $id, retryPolicy: { maxAttempts: 20, backoffSeconds: 0 } }) { id }
        setCostLimits(input: { monthlyLimitMicros: 1000000 }) { hardStopAtLimit }
        updateOrganization(input: { settings: { agentExecution: { maxConcurrentRuns: 1000 } } }) { id }
      }`,
      { id: agentId },
    )) as Answer;
    expect(errors ?? []).toEqual([]);
    await postgres.query(`update person set system_role = 'SYSTEM_ADMIN'`);
    const registered = await ask(
      owner,
      'mutation { registerExecutor(input: { name: "one", pool: "default" }) { token } }',
    );
    executor = registered?.data.registerExecutor.token as string;
  });
  afterAll(async () => {
    await gateway?.end('SIGKILL');
    await issuer?.close();
    await postgres?.close();
  });

  test('a gateway that is killed in the middle of a claim leaves the run in the queue, and what is held for it', async () => {
    const id = (await startOne()) ?? '';
    const holder = new pg.Client({ connectionString: postgres.url });
    holder.on('error', () => undefined);
    await holder.connect();
    await holder.query('begin');
    await holder.query('select from run_turn where org_id = $1 for update', [orgId]);
    const claimed = claim();
    const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = 'orgate'`;
    await eventually(async () => ((await postgres.query(waiting)).length > 0 ? true : undefined));
    await gateway.end('SIGKILL');
    expect(await claimed).toEqual([]);
    await postgres.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'orgate'`);
    await holder.query('rollback');
    await holder.end();
    expect(await runOf(id)).toEqual({ status: 'QUEUED', attempts: 0, queued: true, claims: 0 });
    expect(await expectExact()).toMatchObject({ reserved: 50, queued: 1 });
    await restart();
    await finish();
  });

  test('one that is killed between claim and report, with the executor, puts the run back once', async () => {
    const id = (await startOne()) ?? '';
    const [first] = await claim();
    expect(first).toMatchObject({ runId: id, attempt: 1 });
    await gateway.end('SIGKILL');
    await wait(1100);
    // Two that look for what was lost at once.
    const other = await start(env);
    await restart();
    await eventually(async () => ((await runOf(id))?.status === 'QUEUED' ? true : undefined));
    expect(await runOf(id)).toEqual({ status: 'QUEUED', attempts: 1, queued: true, claims: 1 });
    const told = `select count(*)::int from audit_entry where org_id = $1 and target_id = $2 and action = 'run.queued'`;
    expect(await postgres.query(told, [orgId, id])).toEqual([{ count: 1 }]);
    expect(await expectExact()).toMatchObject({ reserved: 50 });
    const [second] = await claim(1, 60);
    expect(second).toMatchObject({ runId: id, attempt: 2 });
    const late = await report(first as Lease, { status: 'SUCCEEDED', totalCostMicros: 49 });
    expect(late?.errors[0]?.extensions['code']).toBe('CONFLICT');
    expect((await report(second as Lease, { status: 'SUCCEEDED', totalCostMicros: 40 }))?.errors ?? []).toEqual([]);
    expect(await runOf(id)).toEqual({ status: 'SUCCEEDED', attempts: 2, queued: false, claims: 2 });
    expect(await expectExact()).toMatchObject({ reserved: 0 });
    await other.end('SIGKILL');
  });

  test('killed at any other moment, all runs are done, once, and the doctor finds nothing', async () => {
    const before = await expectExact();
    const done = new Set<string>();
    const started: string[] = [];
    for (let round = 0; round < 4; round += 1) {
      let isOver = false;
      const starting = Array.from({ length: 4 }, async () => {
        while (!isOver) {
          const id = await startOne();
          if (id !== undefined) started.push(id);
        }
      });
      const working = Array.from({ length: 8 }, async () => {
        while (!isOver) {
          for (const lease of await claim(3)) {
            const answer = await report(lease, { status: 'SUCCEEDED', totalCostMicros: 40 });
            if (answer?.data?.recordRunProgress) done.add(lease.runId);
          }
        }
      });
      const goal = started.length + 20;
      while (started.length < goal) await wait(10);
      await gateway.end('SIGKILL');
      isOver = true;
      await Promise.all([...starting, ...working]);
      await expectExact();
      await restart();
    }
    const states = await postgres.query<{ id: string }>(
      `select id from run where org_id = $1 and status = 'SUCCEEDED'`,
      [orgId],
    );
    expect(states.map(({ id }) => id)).toEqual(expect.arrayContaining([...done]));
    await finish();
    const [runs] = await postgres.query<{ count: number }>(
      `select count(*)::int from run where org_id = $1 and status = 'SUCCEEDED' and total_cost_micros = 40`,
      [orgId],
    );
    const all = await postgres.query<{ id: string }>('select id from run where org_id = $1', [orgId]);
    expect(all.map(({ id }) => id)).toEqual(expect.arrayContaining(started));
    const after = await expectExact();
    expect(after).toMatchObject({ reserved: 0, settled: 40 * (runs?.count ?? 0) });
    expect(after?.['settled']).toBeGreaterThan(before?.['settled'] ?? 0);
    expect(runs?.count).toBe(all.length);
    const { code, stdout } = await command('doctor', [], env);
    expect([code, stdout]).toEqual([0, expect.not.stringContaining('FAIL')]);
  });

  test('when PostgreSQL crashes under load no event that was acknowledged is lost, and none counts twice', async () => {
    const acknowledged = new Set<string>();
    const tried: string[] = [];
    const before = await expectExact();
    let isOver = false;
    const recordOne = async (idempotencyKey: string) => {
      const input = { idempotencyKey, metric: 'images', quantity: 1, costMicros: 3 };
      const answer = await ask(owner, RECORD, { input });
      if (answer?.data?.recordUsage) acknowledged.add(idempotencyKey);
    };
    const recording = Array.from({ length: 8 }, async () => {
      while (!isOver) {
        const key = unique('event');
        tried.push(key);
        await recordOne(key);
        // As a client does that had no answer.
        if (!acknowledged.has(key)) await recordOne(key);
      }
    });
    const working = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        await startOne();
        for (const lease of await claim(3)) await report(lease, { status: 'SUCCEEDED', totalCostMicros: 40 });
      }
    });
    for (let round = 0; round < 3; round += 1) {
      const goal = acknowledged.size + 60;
      while (acknowledged.size < goal) await wait(10);
      await postgres.stop('immediate');
      await postgres.start();
    }
    const goal = acknowledged.size + 60;
    while (acknowledged.size < goal) await wait(10);
    isOver = true;
    await Promise.all([...recording, ...working]);
    expect(gateway.child.exitCode).toBeNull();
    for (const key of tried) if (!acknowledged.has(key)) await recordOne(key);
    expect(acknowledged.size).toBe(tried.length);
    await finish();
    const events = await postgres.query<{ idempotency_key: string }>(
      `select idempotency_key from usage_event where org_id = $1 and metric = 'images'`,
      [orgId],
    );
    expect(events.map((event) => event.idempotency_key).toSorted()).toEqual([...acknowledged].toSorted());
    const [runs] = await postgres.query<{ count: number }>(
      `select count(*)::int from run where org_id = $1 and status = 'SUCCEEDED'`,
      [orgId],
    );
    expect(await expectExact()).toMatchObject({ reserved: 0, settled: 40 * (runs?.count ?? 0) + 3 * events.length });
    expect(before?.['reserved']).toBe(0);
    const { code, stdout } = await command('doctor', [], env);
    expect([code, stdout]).toEqual([0, expect.not.stringContaining('FAIL')]);
  });
});
