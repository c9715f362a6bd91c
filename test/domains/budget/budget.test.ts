import { describe, expect, test } from '@jest/globals';
import { budget } from '../../../src/domains/budget/index.js';
import { openAgreed } from '../../../src/domains/organization/outside.js';
import type { DueKind } from '../../../src/jobs/due-kind.js';
import { openReplica } from '../../support/due-work.js';
import { type GivenOrganization, givenOrganization, unique } from '../../support/given.js';
import { codeOf, useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

const server = useServer();
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

const BUDGET = `{ organizationUsage { percentUsed budget { hardStopAtLimit alertThresholdsPercent
  daily { ...period } monthly { ...period } } } }
  fragment period on BudgetPeriod { limitMicros settledMicros reservedMicros overshootMicros resetsAt }`;
const budgetOf = async ({ viewer }: GivenOrganization) => (await viewer(BUDGET)).data.organizationUsage.budget;

const LIMITS = 'mutation ($input: SetCostLimitsInput!) { setCostLimits(input: $input) { hardStopAtLimit } }';
const setLimits = async ({ owner }: GivenOrganization, input: object) =>
  expect((await owner(LIMITS, { input })).errors).toEqual([]);

const start = ({ developer, agentId }: GivenOrganization, more: object = {}) =>
  developer('mutation ($input: StartRunInput!) { startRun(input: $input) { id estimatedCostMicros } }', {
    input: { agentId, ...more },
  });
const idOf = async (acme: GivenOrganization, more: object = {}): Promise<string> => {
  const answer = await start(acme, more);
  expect(answer.errors).toEqual([]);
  return answer.data.startRun.id;
};
const report = async ({ developer }: GivenOrganization, id: string, input: object) => {
  const answer = await developer(
    `mutation ($id: ID!, $input: RunProgressInput!) {
      recordRunProgress(id: $id, input: $input) { status stopRequested { reason at } } }`,
    { id, input },
  );
  expect(answer.errors).toEqual([]);
  return answer.data.recordRunProgress;
};

/** That has spent nothing: what it is given cost something, last year. */
async function givenUnspent(): Promise<GivenOrganization> {
  const acme = await givenOrganization(server);
  await sql('delete from usage_tail where org_id = $1', [acme.id]);
  await sql('delete from usage_event where org_id = $1', [acme.id]);
  return acme;
}

test('only an OWNER sets limits, and what is left out stays', async () => {
  const acme = await givenUnspent();
  expect(codeOf(await acme.admin(LIMITS, { input: { monthlyLimitMicros: 1 } }))).toBe('FORBIDDEN');
  const unlimited = { limitMicros: null, settledMicros: 0, reservedMicros: 0, overshootMicros: 0 };
  expect(await budgetOf(acme)).toMatchObject({
    hardStopAtLimit: true,
    alertThresholdsPercent: [80, 100],
    daily: unlimited,
    monthly: unlimited,
  });
  await setLimits(acme, { monthlyLimitMicros: 5_000_000_000, alertThresholdsPercent: [90, 50, 90] });
  await setLimits(acme, { dailyLimitMicros: 200_000_000, hardStopAtLimit: false });
  const budget = await budgetOf(acme);
  expect(budget).toMatchObject({
    hardStopAtLimit: false,
    alertThresholdsPercent: [50, 90],
    daily: { limitMicros: 2e8 },
    monthly: { limitMicros: 5e9 },
  });
  const now = server.database.pool.clock.now();
  expect(budget.daily.resetsAt).toBe(new Date(now.setUTCHours(24, 0, 0, 0)).toISOString());
  expect(budget.monthly.resetsAt).toMatch(/-01T00:00:00\.000Z$/);
  await setLimits(acme, { dailyLimitMicros: null });
  expect((await budgetOf(acme)).daily.limitMicros).toBeNull();
  const { data } = await acme.owner('{ auditLog(filter: { action: "budget.updated" }) { nodes { action } } }');
  expect(data.auditLog.nodes).toHaveLength(3);
});

test.each([
  ['monthlyLimitMicros', -1],
  ['dailyLimitMicros', -1],
  ['alertThresholdsPercent', [0], 'alertThresholdsPercent.0'],
  ['alertThresholdsPercent', [50, 101], 'alertThresholdsPercent.1'],
  ['alertThresholdsPercent', [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]],
] as [string, unknown, string?][])('%s of %j is refused', async (field, value, at = field) => {
  const acme = await givenOrganization(server);
  const { errors } = await acme.owner(LIMITS, { input: { [field]: value } });
  expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: `input.${at}` });
});

test('what is used stands in percent of the limit of its period: 456 of 5000 are 9.12', async () => {
  const acme = await givenUnspent();
  const percent = async (period: string | null) =>
    (
      await acme.viewer('query ($period: String) { organizationUsage(period: $period) { percentUsed costCents } }', {
        period,
      })
    ).data.organizationUsage;
  expect(await percent(null)).toEqual({ percentUsed: null, costCents: 0 });
  await setLimits(acme, { monthlyLimitMicros: 5_000_000_000 });
  await report(acme, await idOf(acme), { totalCostMicros: 456_000_000 });
  expect(await percent(null)).toEqual({ percentUsed: 9.12, costCents: 45_600 });
  const today = server.database.pool.clock.now().toISOString().slice(0, 10);
  expect((await percent(today)).percentUsed).toBeNull();
  await setLimits(acme, { dailyLimitMicros: 456_000_000 });
  expect((await percent(today)).percentUsed).toBe(100);
});

describe('A start', () => {
  test('is refused where no room is, which says why, and raising the limit counts at once', async () => {
    const acme = await givenUnspent();
    await setLimits(acme, { dailyLimitMicros: 100, monthlyLimitMicros: 1000 });
    await idOf(acme, { estimatedCostMicros: 80 });
    const refused = await start(acme, { estimatedCostMicros: 30 });
    const { daily } = await budgetOf(acme);
    expect(refused.errors[0]?.extensions).toMatchObject({
      code: 'BUDGET_EXCEEDED',
      limit: 'DAILY',
      limitMicros: 100,
      settledMicros: 0,
      reservedMicros: 80,
      resetsAt: daily.resetsAt,
    });
    expect((await acme.viewer('{ runs { totalCount } }')).data.runs.totalCount).toBe(2);
    await setLimits(acme, { monthlyLimitMicros: 90 });
    expect((await start(acme, { estimatedCostMicros: 30 })).errors[0]?.extensions).toMatchObject({ limit: 'MONTHLY' });
    await setLimits(acme, { monthlyLimitMicros: null, dailyLimitMicros: 110 });
    await idOf(acme, { estimatedCostMicros: 30 });
    expect(codeOf(await start(acme, { estimatedCostMicros: 0 }))).toBe('BUDGET_EXCEEDED');
  });

  test('is refused by a limit of zero, whatever it costs, and by none that is soft', async () => {
    const acme = await givenUnspent();
    await setLimits(acme, { monthlyLimitMicros: 0 });
    expect(codeOf(await start(acme))).toBe('BUDGET_EXCEEDED');
    await setLimits(acme, { hardStopAtLimit: false });
    const id = await idOf(acme, { estimatedCostMicros: 5 });
    expect((await report(acme, id, { totalCostMicros: 50 })).stopRequested).toBeNull();
  });

  test('goes on beyond a limit that is soft, which is told of as any other', async () => {
    const acme = await givenUnspent();
    await setLimits(acme, { monthlyLimitMicros: 100, hardStopAtLimit: false, alertThresholdsPercent: [100] });
    expect((await report(acme, await idOf(acme), { totalCostMicros: 150 })).stopRequested).toBeNull();
    const { data } = await acme.viewer('{ usageAlerts { threshold limitMicros settledMicros } }');
    expect(data.usageAlerts).toEqual([{ threshold: 100, limitMicros: 100, settledMicros: 150 }]);
    expect((await start(acme)).errors).toEqual([]);
  });

  test('is all that a limit of zero refuses: what is no run is answered', async () => {
    const acme = await givenUnspent();
    await setLimits(acme, { monthlyLimitMicros: 0, dailyLimitMicros: 0 });
    expect(codeOf(await start(acme))).toBe('BUDGET_EXCEEDED');
    const exported = await acme.viewer('mutation ($input: ExportUsageInput!) { exportUsage(input: $input) { url } }', {
      input: { format: 'CSV', from: '2026-01-01', to: '2026-01-31' },
    });
    expect(exported.errors).toEqual([]);
    expect(exported.data.exportUsage).toEqual({ url: expect.any(String) });
    const { data } = await acme.owner('mutation { updateOrganization(input: { description: "x" }) { description } }');
    expect(data.updateOrganization).toEqual({ description: 'x' });
  });

  test('reserves what its agent usually costs, else what the agent says, where nobody says', async () => {
    const acme = await givenUnspent();
    expect((await start(acme)).data.startRun.estimatedCostMicros).toBeNull();
    await setLimits(acme, { monthlyLimitMicros: 1_000_000 });
    const UPDATE = 'mutation ($input: UpdateAgentInput!) { updateAgent(input: $input) { estimatedCostMicros } }';
    const input = { id: acme.agentId, estimatedCostMicros: 70 };
    expect((await acme.developer(UPDATE, { input })).data.updateAgent).toEqual({ estimatedCostMicros: 70 });
    expect((await start(acme)).data.startRun.estimatedCostMicros).toBe(70);
    for (let cost = 1; cost <= 20; cost += 1) {
      await report(acme, await idOf(acme, { estimatedCostMicros: 0 }), { totalCostMicros: cost, status: 'SUCCEEDED' });
    }
    // That is no usual one.
    await report(acme, await idOf(acme, { estimatedCostMicros: 0 }), { totalCostMicros: 9000, status: 'FAILED' });
    expect((await start(acme)).data.startRun.estimatedCostMicros).toBe(19);
  });
});

describe('A run', () => {
  test('spends what it reserved, and gives the rest back when it is over, however it ends', async () => {
    const acme = await givenUnspent();
    await setLimits(acme, { monthlyLimitMicros: 100 });
    const sums = async () => {
      const { settledMicros, reservedMicros, overshootMicros } = (await budgetOf(acme)).monthly;
      return [settledMicros, reservedMicros, overshootMicros];
    };
    const first = await idOf(acme, { estimatedCostMicros: 60 });
    const second = await idOf(acme, { estimatedCostMicros: 40 });
    expect(await sums()).toEqual([0, 100, 0]);
    expect(await report(acme, first, { status: 'RUNNING', totalCostMicros: 50 })).toMatchObject({
      stopRequested: null,
    });
    expect(await sums()).toEqual([50, 50, 0]);
    await report(acme, first, { status: 'SUCCEEDED' });
    expect(await sums()).toEqual([50, 40, 0]);
    await acme.developer('mutation ($id: ID!) { cancelRun(id: $id) { id } }', { id: second });
    expect(await sums()).toEqual([50, 0, 0]);
    // Work in flight is still paid for.
    await report(acme, second, { totalCostMicros: 60 });
    expect(await sums()).toEqual([110, 0, 10]);
    const third = await start(acme, { estimatedCostMicros: 0 });
    expect(codeOf(third)).toBe('BUDGET_EXCEEDED');
  });

  test('takes more where there is, and is asked to stop where nothing is left, in the same answer', async () => {
    const acme = await givenUnspent();
    await setLimits(acme, { monthlyLimitMicros: 100 });
    const id = await idOf(acme, { estimatedCostMicros: 20 });
    expect((await report(acme, id, { totalCostMicros: 30 })).stopRequested).toBeNull();
    expect((await report(acme, id, { totalCostMicros: 100 })).stopRequested).toBeNull();
    const stopped = await report(acme, id, { totalCostMicros: 130 });
    expect(stopped.stopRequested).toEqual({ reason: 'BUDGET', at: expect.any(String) });
    expect((await report(acme, id, { totalCostMicros: 140 })).stopRequested).toEqual(stopped.stopRequested);
    expect((await budgetOf(acme)).monthly).toMatchObject({
      settledMicros: 140,
      overshootMicros: 40,
      reservedMicros: 0,
    });
    expect(
      (await acme.viewer('query ($id: ID!) { run(id: $id) { stopRequested { reason } } }', { id })).data.run,
    ).toEqual({
      stopRequested: { reason: 'BUDGET' },
    });
  });

  test('is not stopped by a lowered limit, nor by what others spend, as long as it keeps to what it reserved', async () => {
    const acme = await givenUnspent();
    await setLimits(acme, { monthlyLimitMicros: 100 });
    const id = await idOf(acme, { estimatedCostMicros: 100 });
    await setLimits(acme, { monthlyLimitMicros: 10 });
    expect((await report(acme, id, { totalCostMicros: 100 })).stopRequested).toBeNull();
    expect((await report(acme, id, { totalCostMicros: 101 })).stopRequested).toMatchObject({ reason: 'BUDGET' });
  });
});

describe('A run for which nothing is held', () => {
  const begin = (acme: GivenOrganization, id: string) =>
    acme.developer(
      'mutation ($id: ID!) { recordRunProgress(id: $id, input: { status: RUNNING }) { status stopRequested { reason } } }',
      { id },
    );

  test('and which was asked to stop is told of the limit that is full with what is held for others', async () => {
    const acme = await givenUnspent();
    await setLimits(acme, { monthlyLimitMicros: 100 });
    const queued = await idOf(acme, { estimatedCostMicros: 0 });
    expect((await report(acme, queued, { totalCostMicros: 101 })).stopRequested).toMatchObject({ reason: 'BUDGET' });
    await setLimits(acme, { monthlyLimitMicros: 200 });
    await idOf(acme, { estimatedCostMicros: 99 });
    expect((await begin(acme, queued)).errors[0]?.extensions).toMatchObject({
      code: 'BUDGET_EXCEEDED',
      limit: 'MONTHLY',
      limitMicros: 200,
      settledMicros: 101,
      reservedMicros: 99,
    });
  });

  test('does not begin once a limit is used up, and does when it has room again', async () => {
    const acme = await givenUnspent();
    await setLimits(acme, { monthlyLimitMicros: 100, dailyLimitMicros: 90 });
    const [queued, other] = [
      await idOf(acme, { estimatedCostMicros: 0 }),
      await idOf(acme, { estimatedCostMicros: 0 }),
    ];
    const held = await idOf(acme, { estimatedCostMicros: 10 });
    await report(acme, await idOf(acme, { estimatedCostMicros: 0 }), { totalCostMicros: 90, status: 'SUCCEEDED' });
    expect((await begin(acme, queued)).errors[0]?.extensions).toMatchObject({
      code: 'BUDGET_EXCEEDED',
      limit: 'DAILY',
      limitMicros: 90,
      settledMicros: 90,
      reservedMicros: 10,
      resetsAt: (await budgetOf(acme)).daily.resetsAt,
    });
    const now = await acme.viewer('query ($id: ID!) { run(id: $id) { status stopRequested { reason } } }', {
      id: queued,
    });
    expect(now.data.run).toEqual({ status: 'QUEUED', stopRequested: null });
    // What was let in with something goes on.
    expect((await begin(acme, held)).data.recordRunProgress).toEqual({ status: 'RUNNING', stopRequested: null });
    await setLimits(acme, { dailyLimitMicros: 110 });
    expect((await begin(acme, queued)).data.recordRunProgress).toEqual({ status: 'RUNNING', stopRequested: null });
    await setLimits(acme, { dailyLimitMicros: null, monthlyLimitMicros: 80 });
    expect((await begin(acme, other)).errors[0]?.extensions).toMatchObject({ limit: 'MONTHLY', limitMicros: 80 });
    await setLimits(acme, { hardStopAtLimit: false });
    expect((await begin(acme, other)).errors).toEqual([]);
  });

  test('is asked to stop by whatever it reports, and no more once there is room', async () => {
    const acme = await givenUnspent();
    await setLimits(acme, { monthlyLimitMicros: 100 });
    const id = await idOf(acme, { estimatedCostMicros: 0 });
    expect((await report(acme, id, { status: 'RUNNING' })).stopRequested).toBeNull();
    await report(acme, await idOf(acme), { totalCostMicros: 100, status: 'SUCCEEDED' });
    const stopped = await report(acme, id, {});
    expect(stopped.stopRequested).toMatchObject({ reason: 'BUDGET' });
    expect((await report(acme, id, { totalTokens: 5 })).stopRequested).toEqual(stopped.stopRequested);
    await setLimits(acme, { monthlyLimitMicros: 101 });
    expect((await report(acme, id, {})).stopRequested).toBeNull();
    expect((await report(acme, id, { totalCostMicros: 2 })).stopRequested).toMatchObject({ reason: 'BUDGET' });
    await setLimits(acme, { monthlyLimitMicros: null });
    expect((await report(acme, id, { status: 'RUNNING' })).stopRequested).toBeNull();
  });

  test('keeps being asked where others hold all that is left', async () => {
    const acme = await givenUnspent();
    await setLimits(acme, { monthlyLimitMicros: 100 });
    const id = await idOf(acme, { estimatedCostMicros: 0 });
    await idOf(acme, { estimatedCostMicros: 100 });
    expect((await report(acme, id, { status: 'RUNNING' })).stopRequested).toBeNull();
    expect((await report(acme, id, { totalCostMicros: 1 })).stopRequested).toMatchObject({ reason: 'BUDGET' });
    expect((await report(acme, id, {})).stopRequested).toMatchObject({ reason: 'BUDGET' });
  });
});

test('whoever works on a run that was cancelled is asked to stop', async () => {
  const acme = await givenUnspent();
  const id = await idOf(acme);
  await report(acme, id, { status: 'RUNNING' });
  const CANCEL = 'mutation ($id: ID!) { cancelRun(id: $id) { finishedAt stopRequested { reason at } } }';
  const { finishedAt, stopRequested } = (await acme.developer(CANCEL, { id })).data.cancelRun;
  expect(stopRequested).toEqual({ reason: 'CANCELLED', at: finishedAt });
  expect(await report(acme, id, { totalCostMicros: 7 })).toEqual({ status: 'CANCELLED', stopRequested });
});

test('a key of another start is CONFLICT where it was thought to cost something else', async () => {
  const acme = await givenUnspent();
  const idempotencyKey = unique('key');
  const id = await idOf(acme, { idempotencyKey, estimatedCostMicros: 30 });
  expect(await idOf(acme, { idempotencyKey, estimatedCostMicros: 30 })).toBe(id);
  const { errors } = await start(acme, { idempotencyKey, estimatedCostMicros: 31 });
  expect(errors[0]?.extensions).toMatchObject({ code: 'CONFLICT', argument: 'input.idempotencyKey' });
});

test.each([
  ['startRun', 'StartRunInput', { agentId: 'agt_x' }],
  ['updateAgent', 'UpdateAgentInput', { id: 'agt_x' }],
])('what %s is told that it costs is checked', async (field, type, input) => {
  const acme = await givenOrganization(server);
  for (const estimatedCostMicros of [-1, 1e12 + 1]) {
    const { errors } = await acme.developer(`mutation ($input: ${type}!) { ${field}(input: $input) { id } }`, {
      input: { ...input, estimatedCostMicros },
    });
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'input.estimatedCostMicros' });
  }
});

test('alerts of no period are refused', async () => {
  const acme = await givenOrganization(server);
  const { errors } = await acme.viewer('{ usageAlerts(period: "2026-13") { threshold } }');
  expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'period' });
});

describe('What was spent', () => {
  const add = (acme: GivenOrganization, micros: bigint, times = 1) =>
    sql(
      `insert into usage_event (org_id, metric, quantity, cost_micros, occurred_at, recorded_at, day, created_by, corrects, reason)
       select $1, 'images', 0, $2, now(), now(), $3, 'usr_x', 'use_x', 'x' from generate_series(1, $4)`,
      [acme.id, String(micros), server.database.pool.clock.now().toISOString().slice(0, 10), times],
    );

  test('makes no more room than there is, corrected below zero', async () => {
    const acme = await givenUnspent();
    await setLimits(acme, { monthlyLimitMicros: 100, dailyLimitMicros: 1000 });
    await add(acme, -500n);
    expect((await budgetOf(acme)).monthly).toMatchObject({ settledMicros: -500, overshootMicros: 0 });
    expect(codeOf(await start(acme, { estimatedCostMicros: 101 }))).toBe('BUDGET_EXCEEDED');
    const id = await idOf(acme, { estimatedCostMicros: 100 });
    expect((await report(acme, id, { totalCostMicros: 50 })).stopRequested).toBeNull();
    expect(codeOf(await start(acme, { estimatedCostMicros: 51 }))).toBe('BUDGET_EXCEEDED');
  });

  test('is exact beyond the last number that the row can hold, and back', async () => {
    const acme = await givenUnspent();
    await setLimits(acme, { monthlyLimitMicros: 100 });
    const settled = async () =>
      (
        await sql(
          'select month_settled_micros::text as m, day_settled_micros::text as d from budget where org_id = $1',
          [acme.id],
        )
      ).rows[0];
    const most = BigInt(Number.MAX_SAFE_INTEGER);
    await add(acme, most, 1025);
    expect(await settled()).toEqual({ m: '9223372036854775807', d: '9223372036854775807' });
    await add(acme, -most, 1);
    await add(acme, -most, 1023);
    expect(await settled()).toEqual({ m: String(most), d: String(most) });
    await add(acme, 1n - most);
    expect(await settled()).toEqual({ m: '1', d: '1' });
    await idOf(acme, { estimatedCostMicros: 99 });
  });

  test('is lifted by nobody who deletes the row', async () => {
    const acme = await givenUnspent();
    await setLimits(acme, { monthlyLimitMicros: 0 });
    await expect(server.database.organizationDb(acme.id, byTest).budget.delete({})).rejects.toThrow();
    expect(codeOf(await start(acme))).toBe('BUDGET_EXCEEDED');
  });
});

test('a threshold is told of once in its period, by mail to OWNERs and in the record, also where a limit is lowered to it', async () => {
  const acme = await givenUnspent();
  await setLimits(acme, { monthlyLimitMicros: 1000, dailyLimitMicros: 10_000 });
  const id = await idOf(acme);
  const alerts = async () =>
    (await acme.viewer('{ usageAlerts { period threshold limitMicros settledMicros crossedAt } }')).data.usageAlerts;
  await report(acme, id, { totalCostMicros: 799 });
  expect(await alerts()).toEqual([]);
  await report(acme, id, { totalCostMicros: 800 });
  await report(acme, id, { totalCostMicros: 850 });
  const day = server.database.pool.clock.now().toISOString().slice(0, 10);
  const month = day.slice(0, 7);
  const first = { period: month, threshold: 80, limitMicros: 1000, settledMicros: 800, crossedAt: expect.any(String) };
  expect(await alerts()).toEqual([first]);
  await setLimits(acme, { dailyLimitMicros: 900 });
  await setLimits(acme, { monthlyLimitMicros: 850 });
  const second = { period: month, threshold: 100, limitMicros: 850, settledMicros: 850, crossedAt: expect.any(String) };
  const ofDay = { period: day, threshold: 80, limitMicros: 900, settledMicros: 850, crossedAt: expect.any(String) };
  expect(await alerts()).toEqual([first, second, ofDay]);
  expect((await acme.viewer(`{ usageAlerts(period: "2020-01") { threshold } }`)).data.usageAlerts).toEqual([]);
  await setLimits(acme, { monthlyLimitMicros: 2000 });
  const { rows } = await sql(
    `select action, count(*)::int as count from audit_entry where org_id = $1 and action like 'limit.%' group by 1 order by 1`,
    [acme.id],
  );
  expect(rows).toEqual([
    { action: 'limit.cleared', count: 1 },
    { action: 'limit.threshold_reached', count: 3 },
  ]);
});

test('a threshold is told of once, however often the limit is raised and lowered to it, and all alerts of a month are listed', async () => {
  const acme = await givenUnspent();
  await setLimits(acme, { monthlyLimitMicros: 1000, alertThresholdsPercent: [80] });
  await report(acme, await idOf(acme), { totalCostMicros: 800 });
  const tell = () => openReplica(server, { kinds: budget.due as unknown as DueKind<never>[] }).workOff();
  for (const monthlyLimitMicros of [2000, 1000, null, 900, 1000]) {
    await tell();
    await setLimits(acme, { monthlyLimitMicros });
    await setLimits(acme, { alertThresholdsPercent: [90] });
    await setLimits(acme, { alertThresholdsPercent: [80] });
  }
  await tell();
  const { data } = await acme.owner('{ notifications { nodes { kind text } } }');
  expect(data.notifications.nodes.map(({ text }) => text)).toEqual(
    [80].map((percent) => `acme Inc. has spent ${percent}% of its monthly limit`),
  );
  expect(await server.database.organizationDb(acme.id, byTest).dueWork.count({ kind: 'mail' })).toBe(1);
  const month = server.database.pool.clock.now().toISOString().slice(0, 7);
  await sql(
    `insert into usage_alert (org_id, period, threshold_percent, limit_micros, settled_micros, crossed_at)
     select $1, period, threshold, 1, 1, current_timestamp from generate_series(1, 100) as threshold,
       (select $2 as period union select $2 || '-' || to_char(day, 'FM00') from generate_series(1, 31) as day) as periods
     on conflict do nothing`,
    [acme.id, month],
  );
  const { data: listed } = await acme.viewer('{ usageAlerts { threshold } }');
  const days = new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)), 0)).getUTCDate();
  expect(listed.usageAlerts).toHaveLength(100 * (days + 1));
});

test('a plan may have so many runs a day, counted also where the limit comes and goes', async () => {
  const acme = await givenOrganization(server);
  const allow = (max: number | null) =>
    server.database.outside(openAgreed).setEntitlements(acme.id, { limits: { runs_per_day: max } }, byTest);
  await allow(3);
  await idOf(acme);
  await allow(null);
  await idOf(acme);
  await allow(3);
  const refused = await start(acme, { idempotencyKey: unique('key') });
  expect(refused.errors[0]?.extensions).toMatchObject({
    code: 'LIMIT_REACHED',
    limit: 'runs_per_day',
    max: 3,
    used: 3,
    resetsAt: expect.stringMatching(/T00:00:00\.000Z$/),
  });
  await allow(4);
  await idOf(acme);
  expect(codeOf(await start(acme))).toBe('LIMIT_REACHED');
  const { data } = await acme.viewer('{ currentOrganization { limits { name max used } } }');
  expect(data.currentOrganization.limits).toContainEqual({ name: 'runs_per_day', max: 4, used: 4 });
});

// Last, since they move the clock.
test('a limit that was used up is told to be cleared when its day is over, though nobody asks', async () => {
  const acme = await givenUnspent();
  await setLimits(acme, { dailyLimitMicros: 100, monthlyLimitMicros: 1000 });
  await report(acme, await idOf(acme), { totalCostMicros: 100 });
  const count = async (action: string) =>
    (await sql('select from audit_entry where org_id = $1 and action = $2', [acme.id, action])).rowCount;
  const updates = await count('budget.updated');
  const work = () => openReplica(server, { kinds: budget.due as unknown as DueKind<never>[] }).workOff();
  await work();
  expect(await count('limit.cleared')).toBe(0);
  const { clock } = server.database.pool;
  const toMidnight = () =>
    clock.advance(Math.ceil(new Date(clock.now()).setUTCHours(24, 0, 0, 1) - clock.now().getTime()));
  toMidnight();
  await Promise.all([work(), work()]);
  expect(await count('limit.cleared')).toBe(1);
  // At zero it is used up each day anew, and is looked at again after each.
  await setLimits(acme, { dailyLimitMicros: 0 });
  toMidnight();
  await work();
  expect(await count('limit.cleared')).toBe(1);
  const looks = `select from due_work where org_id = $1 and kind = 'limit-clears' and taken_at is null`;
  expect((await sql(looks, [acme.id])).rowCount).toBe(1);
  await setLimits(acme, { dailyLimitMicros: 1000 });
  expect(await count('limit.cleared')).toBe(2);
  expect(await count('budget.updated')).toBe((updates ?? 0) + 2);
});

test('a day and a month begin anew, and what runs hold goes on with them', async () => {
  const acme = await givenUnspent();
  await setLimits(acme, { dailyLimitMicros: 100, monthlyLimitMicros: 10_000 });
  const id = await idOf(acme, { estimatedCostMicros: 60 });
  await report(acme, id, { totalCostMicros: 50, status: 'RUNNING' });
  await idOf(acme, { estimatedCostMicros: 40 });
  expect(codeOf(await start(acme, { estimatedCostMicros: 10 }))).toBe('BUDGET_EXCEEDED');
  // A day later, as the row has it.
  const { rows } = await sql('select day from budget where org_id = $1', [acme.id]);
  const { clock } = server.database.pool;
  const midnight = new Date(clock.now()).setUTCHours(24, 0, 0, 1) - clock.now().getTime();
  clock.advance(Math.ceil(midnight));
  expect((await budgetOf(acme)).daily).toMatchObject({ settledMicros: 0, reservedMicros: 50 });
  await idOf(acme, { estimatedCostMicros: 50 });
  expect(codeOf(await start(acme, { estimatedCostMicros: 1 }))).toBe('BUDGET_EXCEEDED');
  await report(acme, id, { totalCostMicros: 60 });
  expect((await budgetOf(acme)).daily).toMatchObject({ settledMicros: 10, reservedMicros: 90 });
  const after = await sql('select day from budget where org_id = $1', [acme.id]);
  expect((after.rows[0] as { day: string }).day > (rows[0] as { day: string }).day).toBe(true);
});
