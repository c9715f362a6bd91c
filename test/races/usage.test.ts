import { afterEach, beforeEach, describe, expect } from '@jest/globals';
import type pg from 'pg';
import { newId } from '../../src/data/id.js';
import { createCallCounter } from '../../src/domains/usage/count-calls.js';
import { openFolding } from '../../src/domains/usage/outside.js';
import { claim, givenExecutor, putInPool, report, startRun } from '../support/executors.js';
import { type GivenOrganization, givenOrganization, personId } from '../support/given.js';
import { type Answer, isPostgres, useServer } from '../support/server.js';
import { connectBeside, inOrder, organizationRow, runRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

/** What is answered, which was counted with every change and written into the ledger, and what the rows themselves add up to. */
async function expectExact(acme: GivenOrganization): Promise<{ totalRuns: number; totalTokens: number }> {
  const { data } = await acme.viewer(
    '{ organizationUsage { totalRuns totalTokens totalCostMicros runsByStatus { status count } } }',
  );
  const { rows } = await sql(
    `select status, count(*)::int as count, sum(total_tokens)::int as tokens, sum(total_cost_micros)::int as micros
     from run where org_id = $1 group by 1`,
    [acme.id],
  );
  const sum = (key: string) => rows.reduce((total, row) => total + (row as Record<string, number>)[key]!, 0);
  const counts = Object.fromEntries(rows.map((row) => [row['status'], row['count']]));
  expect(data.organizationUsage).toEqual({
    totalRuns: sum('count'),
    totalTokens: sum('tokens'),
    totalCostMicros: sum('micros'),
    runsByStatus: ['AWAITING_APPROVAL', 'QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'].map((status) => ({
      status,
      count: counts[status] ?? 0,
    })),
  });
  return data.organizationUsage;
}

const usage = async ({ viewer }: GivenOrganization) =>
  (await viewer('{ organizationUsage { totalTokens } }')).data.organizationUsage;

const start = ({ developer, agentId }: GivenOrganization) =>
  developer('mutation ($id: ID!) { startRun(input: { agentId: $id }) { id } }', { id: agentId });
const record = ({ developer }: GivenOrganization, id: string, input: object) =>
  developer('mutation ($id: ID!, $input: RunProgressInput!) { recordRunProgress(id: $id, input: $input) { id } }', {
    id,
    input,
  });
const cancel = ({ developer }: GivenOrganization, id: string) =>
  developer('mutation ($id: ID!) { cancelRun(id: $id) { id } }', { id });

race('whatever starts, moves on and is cancelled at the same moment is counted once', async () => {
  const acme = await givenOrganization(server);
  for (let round = 0; round < 5; round += 1) {
    const started = await Promise.all(Array.from({ length: 20 }, () => start(acme)));
    const ids = started.map(({ data }) => data.startRun.id as string);
    await Promise.all([
      ...ids.map((id, index) => record(acme, id, { status: 'SUCCEEDED', totalTokens: index, totalCostMicros: 7 })),
      ...ids.filter((_, index) => index % 3 === 0).map((id) => cancel(acme, id)),
      ...ids.slice(0, 10).map((id) => record(acme, id, { totalTokens: 1 })),
      ...Array.from({ length: 5 }, () => start(acme)),
    ]);
  }
  expect((await expectExact(acme)).totalRuns).toBe(126);
});

race('the end of a run and its cancellation are counted as they came to be, in either order', async () => {
  const acme = await givenOrganization(server);
  for (const isCancelledFirst of [true, false]) {
    const id = (await start(acme)).data.startRun.id as string;
    const steps: (() => Promise<Answer>)[] = [
      () => cancel(acme, id),
      () => record(acme, id, { status: 'FAILED', totalTokens: 3 }),
    ];
    await inOrder(runRow(id), isCancelledFirst ? steps : steps.toReversed());
    await expectExact(acme);
  }
});

race('a report waits for nobody else of the organization: not for its lock, and not for another report', async () => {
  const acme = await givenOrganization(server);
  const ids = await Promise.all(Array.from({ length: 3 }, async () => (await start(acme)).data.startRun.id as string));
  const executor = await givenExecutor(server);
  await putInPool(acme, executor.pool);
  await startRun(acme);
  const [lease] = await claim(executor.client);
  if (!lease) throw new Error('nothing was claimed');
  const beside = await connectBeside();
  try {
    await beside.query('begin');
    await beside.query(organizationRow(acme.id));
    // Another report, that is not through.
    await beside.query('update run set total_tokens = 5 where org_id = $1 and id = $2', [acme.id, ids[0]]);
    const answers = await Promise.all(ids.slice(1).map((id) => record(acme, id, { totalTokens: 1, status: 'FAILED' })));
    expect(answers.map(({ errors }) => errors)).toEqual([[], []]);
    // And of whoever claimed the run: its totals, which renew the lease, and its end.
    for (const input of [{ totalTokens: 4 }, { totalTokens: 9, status: 'SUCCEEDED' }]) {
      expect((await report(server.withToken(lease.token), lease.runId, input)).errors).toEqual([]);
    }
    expect((await cancel(acme, (await start(acme)).data.startRun.id)).errors).toEqual([]);
    await beside.query('commit');
  } finally {
    await beside.end();
  }
  await expectExact(acme);
});

race('what is added up while others report is neither lost nor counted twice', async () => {
  const acme = await givenOrganization(server);
  const ids = await Promise.all(Array.from({ length: 6 }, async () => (await start(acme)).data.startRun.id as string));
  const { fold } = server.database.outside(openFolding);
  const { totalTokens: before } = await usage(acme);
  for (let round = 1; round <= 5; round += 1) {
    const seen: number[] = [];
    const look = async () => seen.push((await usage(acme)).totalTokens);
    await Promise.all([
      ...ids.map((id) => record(acme, id, { totalTokens: 10 * round })),
      ...[2, 3, 5].map((most) => fold(acme.id, most)),
      ...Array.from({ length: 4 }, look),
    ]);
    for (const tokens of seen) {
      expect(tokens - before).toBeGreaterThanOrEqual(60 * (round - 1));
      expect(tokens - before).toBeLessThanOrEqual(60 * round);
    }
    await expectExact(acme);
  }
});

describe('Two connections that count in the same row', () => {
  const clients: pg.Client[] = [];
  let pair: [pg.Client, pg.Client];

  /** Of seventeen processes two have the same remainder by sixteen. */
  beforeEach(async () => {
    if (!isPostgres) return;
    const bySlot = new Map<number, pg.Client>();
    for (let count = 0; count < 17; count += 1) {
      const client = await connectBeside();
      clients.push(client);
      const slot = (await client.query('select pg_backend_pid() % 16 as slot')).rows[0].slot as number;
      const other = bySlot.get(slot);
      if (other) pair = [other, client];
      bySlot.set(slot, client);
    }
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.end()));
  });

  race.each([
    ['commit', 'commit'],
    ['rollback', 'commit'],
    ['commit', 'rollback'],
  ])('wait for each other and lose nothing: the first ends in %s, the second in %s', async (first, second) => {
    const acme = await givenOrganization(server);
    const createdBy = await personId(acme.owner);
    const insert = `insert into run (org_id, id, created_by, total_tokens) values ($1, $2, $3, 5)`;
    const values = () => [acme.id, newId('run'), createdBy];
    for (const [one, two] of [pair, pair.toReversed() as typeof pair]) {
      await one.query('begin');
      await two.query('begin');
      await one.query(insert, values());
      let isThrough = false;
      const waiting = two.query(insert, values()).then(() => (isThrough = true));
      await waitsForLock(two, () => isThrough);
      await one.query(first);
      await waiting;
      await two.query(second);
      await expectExact(acme);
    }
  });
});

async function waitsForLock(client: pg.Client, isThrough: () => boolean): Promise<void> {
  const { processID } = client as unknown as { processID: number };
  for (let look = 0; look < 2000; look += 1) {
    if (isThrough()) throw new Error('it did not wait');
    const { rowCount } = await sql(`select from pg_stat_activity where pid = $1 and wait_event_type = 'Lock'`, [
      processID,
    ]);
    if (rowCount) return;
  }
  throw new Error('it never waited');
}

race('50 that record by one key at once are one event, and 49 are told that it was there', async () => {
  const acme = await givenOrganization(server);
  const input = { idempotencyKey: 'the-same', metric: 'images', quantity: 1, costMicros: 3 };
  const RECORD = `mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { duplicate event { id } } }`;
  const answers = await Promise.all(Array.from({ length: 50 }, () => acme.developer(RECORD, { input })));
  const outcomes = answers.map(({ data }) => data.recordUsage);
  expect(outcomes.filter(({ duplicate }) => duplicate)).toHaveLength(49);
  expect(new Set(outcomes.map(({ event }) => event.id)).size).toBe(1);
  const { rows } = await sql(
    `select sum(quantity)::int as sum from usage_sum where org_id = $1 and metric = 'images'`,
    [acme.id],
  );
  expect(rows).toEqual([{ sum: 1 }]);
});

race('two that correct one event at once take no more away than there is', async () => {
  const acme = await givenOrganization(server);
  const input = { idempotencyKey: 'all', metric: 'images', quantity: 10 };
  const { data } = await acme.developer(
    'mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { event { id } } }',
    { input },
  );
  const correct = (idempotencyKey: string) =>
    acme.admin('mutation ($input: CorrectUsageInput!) { correctUsage(input: $input) { duplicate } }', {
      input: { eventId: data.recordUsage.event.id, idempotencyKey, quantity: -6, reason: 'x' },
    });
  const answers = await Promise.all(['one', 'two', 'three'].map(correct));
  expect(answers.filter(({ errors }) => errors.length === 0)).toHaveLength(1);
});

race('replicas whose calls cross a threshold together tell of it once, and it is not missed', async () => {
  const acme = await givenOrganization(server);
  const counters = Array.from({ length: 10 }, () => createCallCounter(server.database.organizationDb));
  for (const counter of counters) counter.count(acme.id, 10);
  await Promise.all(counters.map((counter) => counter.write()));
  const { data } = await acme.viewer('{ usageAlerts { metric threshold limit used } }');
  expect(data.usageAlerts).toEqual([
    { metric: 'api_calls', threshold: 80, limit: 10, used: 8 },
    { metric: 'api_calls', threshold: 100, limit: 10, used: 10 },
  ]);
  const told = await sql(`select from audit_entry where org_id = $1 and action = 'limit.threshold_reached'`, [acme.id]);
  expect(told.rowCount).toBe(2);
});

race('of two that count at once, the second waits for the first and sees it', async () => {
  const acme = await givenOrganization(server);
  const counter = createCallCounter(server.database.organizationDb);
  const lock = `select pg_advisory_xact_lock(hashtextextended('api_calls of ' || $1, 0))`;
  const event = (client: pg.Client) =>
    client.query(
      `insert into usage_event (org_id, metric, quantity, cost_micros, occurred_at, recorded_at, day, created_by)
       values ($1, 'api_calls', 7, 0, now(), now(), to_char(now() at time zone 'UTC', 'YYYY-MM-DD'), '')`,
      [acme.id],
    );
  counter.count(acme.id, 10);
  await inOrder({ text: lock, values: [acme.id] }, [() => counter.write()], event);
  const { data } = await acme.viewer('{ usageAlerts { threshold used } }');
  expect(data.usageAlerts).toEqual([{ threshold: 80, used: 8 }]);
});
