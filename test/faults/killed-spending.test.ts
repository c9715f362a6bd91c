import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { askDoomed, doomedEnv } from '../support/doomed.js';
import { unique } from '../support/given.js';
import { eventually } from '../support/mail.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { type Process, start } from '../support/process.js';
import { isPostgres, startIssuer, type TestIssuer } from '../support/server.js';

/** Killed between reserving and settling, a gateway leaves a budget that says what the runs and the ledger say. */
(isPostgres ? describe : describe.skip)('a gateway that is killed while an organization spends', () => {
  let postgres: TestPostgres;
  let issuer: TestIssuer;
  let gateway: Process;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    postgres = await startPostgres();
    issuer = await startIssuer();
    env = await doomedEnv(postgres, issuer, {
      RATE_LIMIT_PERSON: 'off',
      RATE_LIMIT_PERSON_POINTS: 'off',
    });
    gateway = await start(env);
  });
  afterAll(async () => {
    await gateway?.end('SIGKILL');
    await issuer?.close();
    await postgres?.close();
  });

  const ask = (token: string, query: string, variables = {}) => askDoomed(gateway.url, token, query, variables);

  test('loses nothing that was acknowledged, holds nothing for what is not there, and settles once', async () => {
    const name = unique('ann');
    const token = await issuer.sign({ sub: name, email: `${name}@acme.example`, email_verified: true });
    const slug = unique('acme');
    const made = await ask(token, `mutation { createOrganization(input: { name: "Acme", slug: "${slug}" }) { id } }`);
    const orgId = made?.data.createOrganization.id as string;
    const repository = await ask(
      token,
      'mutation { createRepository(input: { name: "x", gitUrl: "https://git.example/x" }) { id } }',
    );
    const agent = await ask(
      token,
      'mutation ($id: ID!) { createAgent(input: { repositoryId: $id, name: "Agent" }) { id } }',
      { id: repository?.data.createRepository.id },
    );
    const agentId = agent?.data.createAgent.id as string;
    await ask(token, 'mutation { setCostLimits(input: { monthlyLimitMicros: 100000 }) { hardStopAtLimit } }');

    const startOne = async (estimatedCostMicros: number, idempotencyKey: string) =>
      (
        await ask(token, 'mutation ($input: StartRunInput!) { startRun(input: $input) { id } }', {
          input: { agentId, estimatedCostMicros, idempotencyKey },
        })
      )?.data?.startRun?.id as string | undefined;
    const report = (id: string, input: object) =>
      ask(
        token,
        'mutation ($id: ID!, $input: RunProgressInput!) { recordRunProgress(id: $id, input: $input) { status } }',
        {
          id,
          input,
        },
      );
    const budget = async () =>
      (
        await postgres.query<{ settled: number; reserved: number; spent: number; held: number }>(
          `select month_settled_micros::int as settled, reserved_micros::int as reserved,
             usage_spent($1, left(day, 7) || '-01', left(day, 7) || '-31')::int as spent,
             (select coalesce(sum(run_holds(status, estimated_cost_micros, total_cost_micros)), 0)::int from run where org_id = $1) as held
           from budget where org_id = $1`,
          [orgId],
        )
      )[0];
    const expectExact = async () => {
      const found = await budget();
      expect(found).toEqual({ ...found, settled: found?.spent, reserved: found?.held });
      return found;
    };

    // The report waits for the run's row: what was reserved is, and nothing is settled.
    const id = (await startOne(50, unique('key'))) ?? '';
    const holder = new pg.Client({ connectionString: postgres.url });
    holder.on('error', () => undefined);
    await holder.connect();
    await holder.query('begin');
    await holder.query('select from run where org_id = $1 and id = $2 for update', [orgId, id]);
    const reported = report(id, { status: 'SUCCEEDED', totalCostMicros: 40 });
    const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = 'orgate'`;
    await eventually(async () => ((await postgres.query(waiting)).length > 0 ? true : undefined));
    await gateway.end('SIGKILL');
    expect(await reported).toBeNull();
    await postgres.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'orgate'`);
    await holder.query('rollback');
    await holder.end();
    expect(await expectExact()).toMatchObject({ settled: 0, reserved: 50 });
    gateway = await start(env);
    await report(id, { status: 'SUCCEEDED', totalCostMicros: 40 });
    await report(id, { status: 'SUCCEEDED', totalCostMicros: 40 });
    expect(await expectExact()).toMatchObject({ settled: 40, reserved: 0 });

    // At any other moment.
    const acknowledged: string[] = [];
    for (let round = 0; round < 4; round += 1) {
      const working = Array.from({ length: 20 }, async (_, index) => {
        const run = await startOne(50, unique(`key-${round}-${index}`));
        if (run === undefined) return;
        acknowledged.push(run);
        await report(run, { totalCostMicros: 30 + index });
      });
      await Promise.race(working);
      await gateway.end('SIGKILL');
      await Promise.all(working);
      gateway = await start(env);
      await expectExact();
    }
    const there = await postgres.query<{ id: string }>('select id from run where org_id = $1', [orgId]);
    const ids = there.map((run) => run.id);
    expect(ids).toEqual(expect.arrayContaining(acknowledged));
    expect(acknowledged.length).toBeGreaterThan(3);
    for (const each of ids) await ask(token, 'mutation ($id: ID!) { cancelRun(id: $id) { id } }', { id: each });
    expect(await expectExact()).toMatchObject({ reserved: 0 });
  });
});
