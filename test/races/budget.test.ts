import { describe, expect } from '@jest/globals';
import type pg from 'pg';
import { newId } from '../../src/data/id.js';
import { examineDatabase } from '../../src/data/start/doctor.js';
import { type GivenOrganization, givenOrganization, personId, unique } from '../support/given.js';
import { codeOf, useServer } from '../support/server.js';
import { openAgreed } from '../../src/domains/organization/outside.js';
import { byTest } from '../support/act.js';
import { connectBeside, inOrder, organizationRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

const LIMITS = `mutation ($input: SetCostLimitsInput!) { setCostLimits(input: $input) { monthly { settledMicros reservedMicros } } }`;
const setLimits = async ({ owner }: GivenOrganization, input: object) => {
  const answer = await owner(LIMITS, { input });
  expect(answer.errors).toEqual([]);
  return answer.data.setCostLimits;
};
const start = ({ developer, agentId }: GivenOrganization, estimatedCostMicros?: number, idempotencyKey?: string) =>
  developer('mutation ($input: StartRunInput!) { startRun(input: $input) { id } }', {
    input: { agentId, estimatedCostMicros, idempotencyKey },
  });
const record = ({ developer }: GivenOrganization, id: string, input: object) =>
  developer('mutation ($id: ID!, $input: RunProgressInput!) { recordRunProgress(id: $id, input: $input) { id } }', {
    id,
    input,
  });

/** What the row says, which what the runs hold and the ledger has must be. */
async function expectExact({ id }: GivenOrganization): Promise<{ settled: number; reserved: number }> {
  const { rows } = await sql(
    `select month_settled_micros::int as settled, reserved_micros::int as reserved,
       usage_spent($1, left(day, 7) || '-01', left(day, 7) || '-31')::int as spent,
       (select coalesce(sum(run_holds(status, estimated_cost_micros, total_cost_micros)), 0)::int from run where org_id = $1) as held
     from budget where org_id = $1`,
    [id],
  );
  const { settled, reserved, spent, held } = rows[0] as Record<string, number>;
  expect({ settled, reserved }).toEqual({ settled: spent, reserved: held });
  return { settled: settled as number, reserved: reserved as number };
}

/** An organization that has spent 900 of 1000. */
async function givenAlmostSpent(): Promise<GivenOrganization> {
  const acme = await givenOrganization(server);
  // What it was given cost something, too.
  await setLimits(acme, { monthlyLimitMicros: 2_501_000, hardStopAtLimit: true });
  await record(acme, acme.runId, { totalCostMicros: 2_500_900, status: 'SUCCEEDED' });
  expect(await expectExact(acme)).toEqual({ settled: 2_500_900, reserved: 0 });
  return acme;
}

/** Starts one at each connection, at once, as the gateway does it. Tells of each whether it was let in, or what it was told. */
async function startAtOnce(clients: readonly pg.Client[], { id, agentId, owner }: GivenOrganization, micros: number) {
  const by = await personId(owner);
  const act = JSON.stringify({ kind: 'PERSON', id: by });
  for (const client of clients) {
    await client.query('begin');
    await client.query(
      `select set_config('role', 'orgate_app', true), set_config('app.org_id', $1, true),
      set_config('app.act', $2, true)`,
      [id, act],
    );
  }
  const text = `insert into run (org_id, id, agent_id, created_by, estimated_cost_micros) values ($1, $2, $3, $4, $5)`;
  return Promise.all(
    clients.map(async (client) => {
      try {
        await client.query(text, [id, newId('run'), agentId, by, micros]);
        await client.query('commit');
        return 'admitted';
      } catch (error) {
        await client.query('rollback');
        const { code, message } = error as { code: string; message: string };
        expect(code).toBe('OG002');
        return JSON.parse(message) as Record<string, unknown>;
      }
    }),
  );
}

race(
  'of 50 starts of 30 at once, each on a connection of its own, a limit with 100 left lets in 3, ten times over',
  async () => {
    const clients = await Promise.all(Array.from({ length: 50 }, connectBeside));
    try {
      for (let round = 0; round < 10; round += 1) {
        const acme = await givenAlmostSpent();
        const outcomes = await startAtOnce(clients, acme, 30);
        const refused = outcomes.filter((outcome) => outcome !== 'admitted');
        expect(refused).toHaveLength(47);
        for (const each of refused) {
          const told = { limit: 'MONTHLY', limitMicros: 2_501_000, settledMicros: 2_500_900, reservedMicros: 90 };
          expect(each).toMatchObject(told);
        }
        expect(await expectExact(acme)).toEqual({ settled: 2_500_900, reserved: 90 });
      }
    } finally {
      await Promise.all(clients.map((client) => client.end()));
    }
  },
);

race('through the door the same: 20 at once, and a key that is used by all reserves once', async () => {
  const acme = await givenAlmostSpent();
  const answers = await Promise.all(Array.from({ length: 20 }, () => start(acme, 30)));
  expect(answers.filter(({ errors }) => errors.length === 0)).toHaveLength(3);
  expect(new Set(answers.filter(({ errors }) => errors.length > 0).map(codeOf))).toEqual(new Set(['BUDGET_EXCEEDED']));
  const globex = await givenAlmostSpent();
  const key = unique('key');
  const same = await Promise.all(Array.from({ length: 10 }, () => start(globex, 30, key)));
  expect(new Set(same.map(({ data }) => data.startRun?.id))).toHaveProperty('size', 1);
  expect((await expectExact(globex)).reserved).toBe(30);
});

race('a run that ends by two at once gives back once what it held, ten times over', async () => {
  const acme = await givenAlmostSpent();
  for (let round = 0; round < 10; round += 1) {
    const id = (await start(acme, 50)).data.startRun.id as string;
    expect((await expectExact(acme)).reserved).toBe(50);
    await Promise.all([
      acme.developer('mutation ($id: ID!) { cancelRun(id: $id) { id } }', { id }),
      acme.developer('mutation ($id: ID!) { cancelRun(id: $id) { id } }', { id }),
      record(acme, id, { status: 'FAILED', totalCostMicros: 1 }),
    ]);
    expect((await expectExact(acme)).reserved).toBe(0);
  }
});

race('whoever is killed after reserving, and before it is committed, leaves nothing', async () => {
  const acme = await givenAlmostSpent();
  const client = await connectBeside();
  const gone = new Promise((resolve) => client.on('error', resolve));
  const pid = (await client.query('select pg_backend_pid() as pid')).rows[0].pid as number;
  await client.query('begin');
  await client.query(
    `insert into run (org_id, id, agent_id, created_by, estimated_cost_micros) values ($1, $2, $3, $4, 90)`,
    [acme.id, newId('run'), acme.agentId, await personId(acme.owner)],
  );
  await sql('select pg_terminate_backend($1)', [pid]);
  await gone;
  expect((await start(acme, 90)).errors).toEqual([]);
  expect((await expectExact(acme)).reserved).toBe(90);
});

race('an organization without a limit waits for no row, though it had one', async () => {
  const acme = await givenOrganization(server);
  await setLimits(acme, { monthlyLimitMicros: 5_000_000 });
  await setLimits(acme, { monthlyLimitMicros: null });
  const beside = await connectBeside();
  try {
    await beside.query('begin');
    await beside.query('select from budget where org_id = $1 for update', [acme.id]);
    const { data } = await start(acme, 30);
    expect((await record(acme, data.startRun.id, { totalCostMicros: 5, status: 'SUCCEEDED' })).errors).toEqual([]);
    await beside.query('rollback');
  } finally {
    await beside.end();
  }
});

describe('The first limit', () => {
  race('counts what was under way when it was set', async () => {
    const acme = await givenOrganization(server);
    const started = (await start(acme, 1000)).data.startRun.id as string;
    const client = await connectBeside();
    try {
      await client.query('begin');
      const insert = `insert into run (org_id, id, agent_id, created_by, estimated_cost_micros) values ($1, $2, $3, $4, 70)`;
      await client.query(insert, [acme.id, newId('run'), acme.agentId, await personId(acme.owner)]);
      await client.query(`update run set total_cost_micros = 400 where org_id = $1 and id = $2`, [acme.id, started]);
      let isSet = false;
      const setting = setLimits(acme, { monthlyLimitMicros: 9_000_000 }).then(() => (isSet = true));
      while (
        !(await sql(`select from pg_stat_activity where wait_event_type = 'Lock' and query like '%budget%'`, []))
          .rowCount
      ) {
        if (isSet) throw new Error('it did not wait');
      }
      await client.query('commit');
      await setting;
    } finally {
      await client.end();
    }
    expect(await expectExact(acme)).toEqual({ settled: 2_500_400, reserved: 670 });
  });

  race('is exact, set while others start, report and cancel, five times over', async () => {
    for (let round = 0; round < 5; round += 1) {
      const acme = await givenOrganization(server);
      const ids = await Promise.all(
        Array.from({ length: 6 }, async () => (await start(acme, 100)).data.startRun.id as string),
      );
      await Promise.all([
        ...ids.map((id, index) => record(acme, id, { totalCostMicros: 10 * index })),
        setLimits(acme, { dailyLimitMicros: 9_000_000 }),
        ...Array.from({ length: 4 }, () => start(acme, 50)),
        acme.developer('mutation ($id: ID!) { cancelRun(id: $id) { id } }', { id: ids[0] }),
      ]);
      await expectExact(acme);
    }
  });

  /** Set while someone starts whose runs are counted by the day. */
  const allow = ({ id }: GivenOrganization, max: number) =>
    server.database.outside(openAgreed).setEntitlements(id, { limits: { runs_per_day: max } }, byTest);
  const keyShare = (id: string) => ({ text: 'select from organization where id = $1 for key share', values: [id] });

  race('waits for no run that waits for it: set first', async () => {
    const acme = await givenOrganization(server);
    await allow(acme, 5);
    let starting: ReturnType<typeof start> | undefined;
    await inOrder(keyShare(acme.id), [() => setLimits(acme, { monthlyLimitMicros: 9_000_000 })], async (client) => {
      let isOver = false;
      starting = start(acme, 30).finally(() => (isOver = true));
      const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      do await client.query('select pg_stat_clear_snapshot()');
      while (!isOver && ((await client.query(waiting)).rowCount ?? 0) < 2);
    });
    expect((await starting)?.errors).toEqual([]);
    expect(await expectExact(acme)).toEqual({ settled: 2_500_000, reserved: 30 });
  });

  race('waits for no run that waits for it: started first', async () => {
    const acme = await givenOrganization(server);
    const client = await connectBeside();
    try {
      await client.query('begin');
      await client.query(
        `insert into run (org_id, id, agent_id, created_by, estimated_cost_micros, runs_per_day) values ($1, $2, $3, $4, 70, 5)`,
        [acme.id, newId('run'), acme.agentId, await personId(acme.owner)],
      );
      const setting = setLimits(acme, { monthlyLimitMicros: 9_000_000 });
      while (
        !(await sql(`select from pg_stat_activity where wait_event_type = 'Lock' and query like '%budget%'`, []))
          .rowCount
      );
      await client.query('commit');
      await setting;
    } finally {
      await client.end();
    }
    expect(await expectExact(acme)).toEqual({ settled: 2_500_000, reserved: 70 });
  });

  race('is seen by whoever says not what a run costs, in either order', async () => {
    for (const isSetFirst of [true, false]) {
      const acme = await givenOrganization(server);
      await acme.developer('mutation ($id: ID!) { updateAgent(input: { id: $id, estimatedCostMicros: 70 }) { id } }', {
        id: acme.agentId,
      });
      await setLimits(acme, { monthlyLimitMicros: null });
      const set = () => setLimits(acme, { monthlyLimitMicros: 9_000_000 });
      const started = () =>
        acme.developer('mutation ($id: ID!) { startRun(input: { agentId: $id }) { estimatedCostMicros } }', {
          id: acme.agentId,
        });
      const budgetRow = { text: 'select from budget where org_id = $1 for update', values: [acme.id] };
      const forUpdate = { text: 'select from organization where id = $1 for update', values: [acme.id] };
      const [one, two] = await (isSetFirst
        ? inOrder<unknown>(budgetRow, [set, started])
        : inOrder<unknown>(forUpdate, [started, set]));
      const { data } = (isSetFirst ? two : one) as Awaited<ReturnType<typeof started>>;
      const { reserved } = await expectExact(acme);
      expect(reserved).toBe(data.startRun.estimatedCostMicros ?? 0);
      if (isSetFirst) expect(reserved).toBe(70);
    }
  });

  race('does not keep whoever waits for the lock of the organization from it', async () => {
    const acme = await givenOrganization(server);
    const [limits] = await inOrder(organizationRow(acme.id), [() => setLimits(acme, { monthlyLimitMicros: 0 })]);
    expect(limits).toEqual({ monthly: { settledMicros: 2_500_000, reservedMicros: 0 } });
    expect(codeOf(await start(acme))).toBe('BUDGET_EXCEEDED');
  });
});

race('20 that cross a threshold at once are told of once', async () => {
  const acme = await givenOrganization(server);
  await setLimits(acme, { monthlyLimitMicros: 2_600_000, alertThresholdsPercent: [97, 98] });
  const ids = await Promise.all(
    Array.from({ length: 20 }, async () => (await start(acme, 0)).data.startRun.id as string),
  );
  await Promise.all(ids.map((id) => record(acme, id, { totalCostMicros: 2500 })));
  const { data } = await acme.viewer('{ usageAlerts { threshold } }');
  expect(data.usageAlerts).toEqual([{ threshold: 97 }, { threshold: 98 }]);
  const due = await sql(`select subject from due_work where org_id = $1 and kind = 'usage-alert'`, [acme.id]);
  expect(due.rowCount).toBeLessThanOrEqual(2);
  const told = `select from audit_entry where org_id = $1 and action = 'limit.threshold_reached'`;
  expect((await sql(told, [acme.id])).rowCount).toBe(2);
});

race('20 that use a limit up at once, and 20 that raise it, are each told of once', async () => {
  const acme = await givenOrganization(server);
  await setLimits(acme, { monthlyLimitMicros: 2_540_000, alertThresholdsPercent: [100] });
  const ids = await Promise.all(
    Array.from({ length: 20 }, async () => (await start(acme, 0)).data.startRun.id as string),
  );
  const count = async (action: string) =>
    (await sql('select from audit_entry where org_id = $1 and action = $2', [acme.id, action])).rowCount;
  const told = async () => [await count('limit.threshold_reached'), await count('limit.cleared')];
  await Promise.all(ids.map((id) => record(acme, id, { totalCostMicros: 2500 })));
  expect(await told()).toEqual([1, 0]);
  const looks = `select from due_work where org_id = $1 and kind = 'limit-clears'`;
  expect((await sql(looks, [acme.id])).rowCount).toBe(1);
  await Promise.all(ids.map((_, index) => setLimits(acme, { monthlyLimitMicros: 2_600_000 + index })));
  expect(await told()).toEqual([1, 1]);
  await setLimits(acme, { monthlyLimitMicros: 2_550_000 });
  // It was reached in this month, and could be gone on again a second time.
  await Promise.all(ids.map(() => setLimits(acme, { monthlyLimitMicros: null })));
  expect(await told()).toEqual([1, 2]);
});

race('the doctor finds what leaked, and nothing where nothing did', async () => {
  const acme = await givenAlmostSpent();
  await start(acme, 30);
  const check = async () =>
    (await examineDatabase(server.database.pool, false)).find((each) => each.check.includes('budget'));
  expect(await check()).toMatchObject({ ok: true });
  await sql('update budget set reserved_micros = reserved_micros + 7 where org_id = $1', [acme.id]);
  expect(await check()).toMatchObject({ ok: false, detail: expect.stringContaining(acme.id) });
  await sql('update budget set reserved_micros = reserved_micros - 7 where org_id = $1', [acme.id]);
});
