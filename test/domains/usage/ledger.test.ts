import { beforeAll, describe, expect, test } from '@jest/globals';
import { inFrame } from '../../../src/data/connection/org-connection.js';
import { createFoldUsage } from '../../../src/domains/usage/fold-usage.js';
import { openFolding } from '../../../src/domains/usage/outside.js';
import { byTest } from '../../support/act.js';
import { type GivenOrganization, givenOrganization, givenTwoOrganizations, personId } from '../../support/given.js';
import { eventually } from '../../support/mail.js';
import { codeOf, isPostgres, useServer } from '../../support/server.js';

const server = useServer();
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const DAY_MS = 86_400_000;

const USAGE = `query ($period: String) { organizationUsage(period: $period) {
  currentPeriodStart currentPeriodEnd totalRuns totalTokens totalCostMicros totalCost costCents
  metrics { metric quantity costMicros } runsByStatus { status count } } }`;

const usageOf = async ({ viewer }: GivenOrganization, period?: string) =>
  (await viewer(USAGE, { period })).data.organizationUsage;

const startRun = async ({ developer, agentId }: GivenOrganization): Promise<string> =>
  (await developer('mutation ($id: ID!) { startRun(input: { agentId: $id }) { id } }', { id: agentId })).data.startRun
    .id;

const report = ({ developer }: GivenOrganization, id: string, input: object) =>
  developer('mutation ($id: ID!, $input: RunProgressInput!) { recordRunProgress(id: $id, input: $input) { id } }', {
    id,
    input,
  });

const today = (): string => server.database.pool.clock.now().toISOString().slice(0, 10);

/** As many as there are of an organization, added up. */
async function foldAll({ id }: GivenOrganization, most = 1000): Promise<void> {
  while ((await server.database.outside(openFolding).fold(id, most)) > 0);
}

test('what a report says more than the one before is one event, and nothing is one', async () => {
  const acme = await givenOrganization(server);
  const id = await startRun(acme);
  await report(acme, id, { totalTokens: 10, totalCostMicros: 100 });
  await report(acme, id, { totalTokens: 10, totalCostMicros: 100 });
  await report(acme, id, { status: 'RUNNING' });
  await report(acme, id, { totalTokens: 25, totalCost: 0.0005, status: 'SUCCEEDED' });
  const { rows } = await sql(
    `select metric, quantity::int, cost_micros::int as micros, reported, late, day, agent_id = $3 as "isAgents", created_by as by
     from usage_event where org_id = $1 and run_id = $2 order by recorded_at, id`,
    [acme.id, id, acme.agentId],
  );
  const by = await personId(acme.developer);
  const event = { metric: 'tokens', reported: true, late: false, day: today(), isAgents: true, by };
  expect(rows).toEqual([
    { ...event, quantity: 10, micros: 100 },
    { ...event, quantity: 15, micros: 400 },
  ]);
});

test('a report that is refused is no event', async () => {
  const acme = await givenOrganization(server);
  const id = await startRun(acme);
  await report(acme, id, { totalTokens: 10, status: 'SUCCEEDED' });
  expect(codeOf(await report(acme, id, { totalTokens: 20 }))).toBe('CONFLICT');
  expect(codeOf(await report(acme, id, { totalTokens: 5 }))).toBe('BAD_USER_INPUT');
  const { rows } = await sql('select sum(quantity)::int as sum from usage_event where org_id = $1 and run_id = $2', [
    acme.id,
    id,
  ]);
  expect(rows).toEqual([{ sum: 10 }]);
});

test('a day and its month are told, with cents and every metric', async () => {
  const acme = await givenOrganization(server);
  const id = await startRun(acme);
  await report(acme, id, { totalTokens: 7, totalCostMicros: 12_345_678, status: 'SUCCEEDED' });
  const day = today();
  const usage = await usageOf(acme, day);
  // With the run that it was given.
  expect(usage).toMatchObject({
    currentPeriodStart: `${day}T00:00:00.000Z`,
    currentPeriodEnd: new Date(Date.parse(day) + DAY_MS).toISOString(),
    totalRuns: 2,
    totalTokens: 1007,
    totalCostMicros: 14_845_678,
    totalCost: 14.845678,
    costCents: 1485,
  });
  expect(usage.metrics).toEqual([
    { metric: 'runs', quantity: 2, costMicros: 0 },
    { metric: 'tokens', quantity: 1007, costMicros: 14_845_678 },
    ...['images', 'api_calls', 'storage_bytes', 'missions_created', 'content_generated', 'content_published'].map(
      (metric) => ({ metric, quantity: 0, costMicros: 0 }),
    ),
  ]);
  expect(usage.runsByStatus).toContainEqual({ status: 'SUCCEEDED', count: 1 });
  const { currentPeriodStart: _start, currentPeriodEnd: _end, ...sums } = usage;
  expect(await usageOf(acme, day.slice(0, 7))).toMatchObject(sums);
  expect(await usageOf(acme, '2020-02-29')).toMatchObject({ totalRuns: 0, totalTokens: 0, costCents: 0 });
});

test.each(['2026-02-30', '2025-02-29', '2026-13', '2026-1', '2026-11-1', '2026-11-20T00:00', '1899-01', ''])(
  '%j is no period',
  async (period) => {
    const acme = await givenOrganization(server);
    const answer = await acme.viewer(USAGE, { period });
    expect(answer.errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'period' });
  },
);

// On the embedded database a tenth of them, which takes as long.
const EVENTS = isPostgres ? 1_000_000 : 100_000;

test('a million events of a tenth of a cent are a thousand units, to the last, before and after they are added up', async () => {
  const acme = await givenOrganization(server);
  for (let part = 0; part < EVENTS / 25_000; part += 1) {
    await sql(
      `insert into usage_event (org_id, metric, quantity, cost_micros, occurred_at, recorded_at, day, created_by)
       select $1, 'images', 1, 1000, '2024-02-29T12:00:00Z', now(), '2024-02-29', 'usr_x' from generate_series(1, 25000)`,
      [acme.id],
    );
  }
  const exact = { totalCostMicros: EVENTS * 1000, totalCost: EVENTS / 1000, costCents: EVENTS / 10 };
  expect(await usageOf(acme, '2024-02-29')).toMatchObject(exact);
  await foldAll(acme);
  expect(await usageOf(acme, '2024-02')).toMatchObject(exact);
});

test('what waits is added up by the job, organization by organization, and once', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  const before = await Promise.all([acme, globex].map((each) => usageOf(each)));
  const fold = createFoldUsage();
  const round = () => fold(server.database.outside, new AbortController().signal);
  await Promise.all([round(), foldAll(acme, 1)]);
  // A round looks after so many organizations; others of this database may come first.
  await eventually(async () => {
    await round();
    const { rowCount } = await sql('select from usage_tail where org_id = any ($1)', [[acme.id, globex.id]]);
    return rowCount === 0 ? true : undefined;
  }, 60_000);
  for (const { id } of [acme, globex]) {
    expect((await sql('select from usage_total where org_id = $1', [id])).rowCount).toBe(1);
  }
  expect(await Promise.all([acme, globex].map((each) => usageOf(each)))).toEqual(before);
});

test('nobody takes anything out of the ledger', async () => {
  const acme = await givenOrganization(server);
  const db = server.database.organizationDb(acme.id, { kind: 'SYSTEM', id: null, name: 'test' });
  await expect(db.usageEvent.update({}, { quantity: 0n })).rejects.toThrow();
  await expect(db.usageEvent.delete({})).rejects.toThrow();
  expect((await usageOf(acme)).totalTokens).toBe(1000);
});

describe.each([1, 2, 3, 4])('A random history (%i)', (seed) => {
  /** Numbers that are the same for a seed. */
  let state = seed * 2_654_435_761;
  const random = (below: number): number => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 0x9e3779b9) >>> 0;
    return state % below;
  };
  let acme: GivenOrganization;
  beforeAll(async () => {
    acme = await givenOrganization(server);
  });

  test('adds up exactly at every moment, however much of it is added up', async () => {
    const expected = new Map<string, bigint>();
    const add = (day: string, micros: bigint) => {
      for (const period of [day, day.slice(0, 7)]) expected.set(period, (expected.get(period) ?? 0n) + micros);
    };
    add(today(), 2_500_000n);
    const totals = new Map<string, number>();
    for (let step = 0; step < 60; step += 1) {
      const kind = random(5);
      if (kind === 0 || totals.size === 0) totals.set(await startRun(acme), 0);
      else if (kind < 3) {
        const [id, before] = [...totals][random(totals.size)] as [string, number];
        const more = random(1_000_000);
        await report(acme, id, { totalCostMicros: before + more });
        totals.set(id, before + more);
        add(today(), BigInt(more));
      } else if (kind === 3) {
        const day = `2025-0${1 + random(3)}-${10 + random(18)}`;
        const micros = BigInt(random(1_000_000)) - 500_000n;
        await sql(
          `insert into usage_event (org_id, metric, quantity, cost_micros, occurred_at, recorded_at, day, created_by, corrects, reason)
           select $1, 'tokens', $2, $2, now(), now(), $3, 'usr_x', 'use_x', 'x' from generate_series(1, 3)`,
          [acme.id, String(micros), day],
        );
        add(day, 3n * micros);
      } else await server.database.outside(openFolding).fold(acme.id, 1 + random(20));
      const period = [...expected.keys()][random(expected.size)] as string;
      expect((await usageOf(acme, period)).totalCostMicros).toBe(Number(expected.get(period)));
    }
  });
});

test('whoever serves requests adds to no sum and takes from none, and what they take out of the tail stays in the totals', async () => {
  const acme = await givenOrganization(server);
  await acme.owner('mutation { setCostLimits(input: { monthlyLimitMicros: 9000000 }) { hardStopAtLimit } }');
  const id = await startRun(acme);
  await report(acme, id, { totalTokens: 7, totalCostMicros: 40 });
  await foldAll(acme);
  await report(acme, id, { totalTokens: 9, totalCostMicros: 50 });
  const before = await usageOf(acme);
  const asApp = (text: string) =>
    inFrame({ role: 'orgate_app', orgId: acme.id, act: byTest }, () =>
      server.database.pool.query({ text, values: [acme.id] }),
    ).then(
      () => 'done',
      (error: { code?: string }) => error.code,
    );
  const refused = [
    'update usage_total set cost_micros = 0 where org_id = $1',
    'delete from usage_total where org_id = $1',
    `insert into usage_total (org_id, day, metric, quantity, cost_micros) values ($1, '2026-01-01', 'x', 1, -1)`,
    'update usage_share set cost_micros = 0 where org_id = $1',
    'delete from usage_share where org_id = $1',
    'update usage_tail set cost_micros = 0 where org_id = $1',
    `insert into usage_tail (org_id, day, metric, quantity, cost_micros) values ($1, '2026-01-01', 'x', 1, -1)`,
    'update run_usage set running = 0 where org_id = $1',
    'update budget set month_settled_micros = 0 where org_id = $1',
    'update budget set reserved_micros = 99 where org_id = $1',
    `update budget set day = '2027-01-01', day_settled_micros = 0 where org_id = $1`,
    'update budget set monthly_limit_micros = null, reserved_micros = 99 where org_id = $1',
    'update budget set run_count = 7 where org_id = $1',
    'delete from usage_event where org_id = $1',
    'update usage_event set cost_micros = 0 where org_id = $1',
  ];
  for (const text of refused) expect([text, await asApp(text)]).toEqual([text, '42501']);
  expect(await asApp('delete from usage_tail where org_id = $1')).toBe('done');
  expect(await usageOf(acme)).toEqual(before);
});
