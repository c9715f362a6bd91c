import { describe, expect, test } from '@jest/globals';
import { PLANS } from '../../../src/permissions/features.js';
import { givenKey } from '../../support/api-key.js';
import { type GivenOrganization, givenOrganization, unique } from '../../support/given.js';
import { codeOf, useServer } from '../../support/server.js';

const server = useServer();
const DAY_MS = 86_400_000;

const EVENT = `id metric quantity costMicros occurredAt recordedAt day late runId attributes corrects reason`;
const RECORD = `mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { duplicate event { ${EVENT} } } }`;
const BATCH = `mutation ($input: [RecordUsageInput!]!) {
  recordUsageBatch(input: $input) { outcomes { duplicate event { id } error { code message argument } } } }`;
const CORRECT = `mutation ($input: CorrectUsageInput!) { correctUsage(input: $input) { duplicate event { ${EVENT} } } }`;

const now = (): Date => server.database.pool.clock.now();
const ago = (ms: number): string => new Date(now().getTime() - ms).toISOString();
const images = (more: object = {}) => ({
  idempotencyKey: unique('key'),
  metric: 'images',
  quantity: 2,
  costMicros: 70,
  ...more,
});
const used = async ({ viewer }: GivenOrganization, metric = 'images', period: string | null = null) =>
  (
    await viewer('query ($p: String) { organizationUsage(period: $p) { metrics { metric quantity costMicros } } }', {
      p: period,
    })
  ).data.organizationUsage.metrics.find((each: { metric: string }) => each.metric === metric);

test('what is recorded counts once, however often it is told, and another by its key is CONFLICT', async () => {
  const acme = await givenOrganization(server);
  const input = images({ attributes: { model: 'x' }, runId: acme.runId, costMicros: 0 });
  const first = (await acme.developer(RECORD, { input })).data.recordUsage;
  expect(first).toMatchObject({
    duplicate: false,
    event: { metric: 'images', quantity: 2, costMicros: 0, late: false, runId: acme.runId, attributes: { model: 'x' } },
  });
  expect((await acme.developer(RECORD, { input })).data.recordUsage).toEqual({ ...first, duplicate: true });
  for (const more of [
    { quantity: 3 },
    { costMicros: 1, runId: null },
    { metric: 'tokens' },
    { attributes: {} },
    { runId: null },
    { occurredAt: new Date(Date.now() - 60_000).toISOString() },
  ]) {
    const { errors } = await acme.developer(RECORD, { input: { ...input, ...more } });
    expect(errors[0]?.extensions).toMatchObject({ code: 'CONFLICT', argument: 'input.idempotencyKey' });
  }
  expect(await used(acme)).toEqual({ metric: 'images', quantity: 2, costMicros: 0 });
  expect(codeOf(await acme.viewer(RECORD, { input: images() }))).toBe('FORBIDDEN');
  const key = await givenKey(server, acme.developer, ['usage:record']);
  expect((await key.client(RECORD, { input: images() })).errors).toEqual([]);
});

test("who records usage and reads none gets their own by a key, and nobody else's, as if it stood for something else", async () => {
  const acme = await givenOrganization(server);
  const input = images();
  await acme.developer(RECORD, { input });
  const { client } = await givenKey(server, acme.admin, ['usage:record']);
  const guessed = await client(RECORD, { input });
  const other = await client(RECORD, { input: { ...input, quantity: 3 } });
  const told = ({ data, errors: [error] }: typeof guessed) => [data, error?.message, error?.extensions['argument']];
  expect([codeOf(guessed), told(guessed)]).toEqual(['CONFLICT', told(other)]);
  const batch = await client(BATCH, { input: [input, images()] });
  expect(batch.data.recordUsageBatch.outcomes).toMatchObject([
    { duplicate: false, event: null, error: { code: 'CONFLICT', argument: 'input.0.idempotencyKey' } },
    { duplicate: false, error: null },
  ]);
  // What they recorded is theirs, and whoever reads usage is told of all.
  const own = images();
  const { recordUsage: first } = (await client(RECORD, { input: own })).data;
  expect((await client(RECORD, { input: own })).data.recordUsage).toEqual({ ...first, duplicate: true });
  const reads = await givenKey(server, acme.admin, ['usage:record', 'usage:read']);
  expect((await reads.client(RECORD, { input })).data.recordUsage).toMatchObject({ duplicate: true });
  expect(await used(acme)).toMatchObject({ quantity: 6 });
});

test('a plan may hold metrics of its own, which others cannot record', async () => {
  const usual = PLANS.TEAM;
  const globex = await givenOrganization(server);
  const acme = await givenOrganization(server);
  await server.database.pool.queryAsLoginRole(`update organization set plan = 'TEAM' where id = $1`, [acme.id]);
  Object.assign(PLANS, { TEAM: { ...usual, metrics: ['gpu_minutes'] } });
  try {
    const input = images({ metric: 'gpu_minutes' });
    expect((await acme.developer(RECORD, { input })).data.recordUsage.event).toMatchObject({ metric: 'gpu_minutes' });
    expect(await used(acme, 'gpu_minutes')).toEqual({ metric: 'gpu_minutes', quantity: 2, costMicros: 70 });
    const { errors } = await globex.developer(RECORD, { input });
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'input.metric' });
    expect(await used(globex, 'gpu_minutes')).toBeUndefined();
  } finally {
    Object.assign(PLANS, { TEAM: usual });
  }
});

test.each([
  ['idempotencyKey', { idempotencyKey: '' }],
  ['idempotencyKey', { idempotencyKey: 'x'.repeat(101) }],
  ['metric', { metric: 'runs' }],
  ['metric', { metric: 'api_calls' }],
  ['metric', { metric: 'toString' }],
  ['quantity', { quantity: -1 }],
  ['costMicros', { costMicros: -1 }],
  ['costMicros', { costMicros: 1, runId: 'run_x' }],
  ['attributes', { attributes: { text: 'x'.repeat(5000) } }],
  ['occurredAt', { occurredAt: new Date(Date.now() - 36 * DAY_MS).toISOString() }],
  ['occurredAt', { occurredAt: new Date(Date.now() + 6 * 60_000).toISOString() }],
])('a wrong %s is refused: %j', async (argument, more) => {
  const acme = await givenOrganization(server);
  const { errors } = await acme.developer(RECORD, { input: images(more) });
  expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: `input.${argument}` });
  expect(await used(acme)).toEqual({ metric: 'images', quantity: 0, costMicros: 0 });
});

test('of many at once each is recorded or told why not, and counts once', async () => {
  const acme = await givenOrganization(server);
  const [one, two] = [images(), images()];
  const input = [
    one,
    images({ metric: 'nothing' }),
    two,
    one,
    { ...two, quantity: 9 },
    images({ runId: 'run_x', costMicros: 0 }),
  ];
  const { outcomes } = (await acme.developer(BATCH, { input })).data.recordUsageBatch;
  const told = outcomes.map(
    (each: { duplicate: boolean; event: object | null; error: { code: string; argument: string } | null }) => [
      each.duplicate,
      each.event !== null,
      each.error?.code ?? null,
      each.error?.argument ?? null,
    ],
  );
  expect(told).toEqual([
    [false, true, null, null],
    [false, false, 'BAD_USER_INPUT', 'input.1.metric'],
    [false, true, null, null],
    [true, true, null, null],
    [false, false, 'CONFLICT', 'input.4.idempotencyKey'],
    [false, false, 'NOT_FOUND', null],
  ]);
  expect(await used(acme)).toEqual({ metric: 'images', quantity: 4, costMicros: 140 });
  expect((await acme.developer(BATCH, { input: [] })).data.recordUsageBatch).toEqual({ outcomes: [] });
  const thousand = Array.from({ length: 1000 }, () => images());
  const all = await acme.developer(BATCH, { input: thousand });
  expect(all.data.recordUsageBatch.outcomes).toHaveLength(1000);
  expect(await used(acme)).toEqual({ metric: 'images', quantity: 2004, costMicros: 70_140 });
  const tooMany = await acme.developer(BATCH, { input: [...thousand, images()] });
  expect(codeOf(tooMany)).toBe('BAD_USER_INPUT');
});

describe('A correction', () => {
  test('takes away what was recorded, and no more, with all others of it', async () => {
    const acme = await givenOrganization(server);
    const { event } = (await acme.developer(RECORD, { input: images() })).data.recordUsage;
    const input = {
      eventId: event.id,
      idempotencyKey: unique('key'),
      quantity: -1,
      costMicros: -50,
      reason: 'Counted twice.',
    };
    expect(codeOf(await acme.developer(CORRECT, { input }))).toBe('FORBIDDEN');
    const first = (await acme.admin(CORRECT, { input })).data.correctUsage;
    expect(first).toMatchObject({
      duplicate: false,
      event: {
        metric: 'images',
        quantity: -1,
        costMicros: -50,
        corrects: event.id,
        reason: 'Counted twice.',
        day: event.day,
      },
    });
    expect((await acme.admin(CORRECT, { input })).data.correctUsage).toEqual({ ...first, duplicate: true });
    const again = await acme.admin(CORRECT, { input: { ...input, idempotencyKey: unique('key') } });
    expect(again.errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'input.costMicros' });
    const ofIt = await acme.admin(CORRECT, {
      input: { ...input, idempotencyKey: unique('key'), eventId: first.event.id },
    });
    expect(ofIt.errors[0]?.extensions).toMatchObject({ code: 'CONFLICT', argument: 'input.eventId' });
    expect(await used(acme)).toEqual({ metric: 'images', quantity: 1, costMicros: 20 });
    const { data } = await acme.owner('{ auditLog(filter: { action: "usage.corrected" }) { nodes { reason } } }');
    expect(data.auditLog.nodes).toEqual([{ reason: 'Counted twice.' }]);
  });

  test.each([
    ['idempotencyKey', { idempotencyKey: '' }],
    ['quantity', { quantity: 0 }],
    ['quantity', { quantity: -3 }],
    ['costMicros', { costMicros: -71 }],
    ['reason', { reason: '  ' }],
    ['reason', { reason: 'x'.repeat(501) }],
  ])('with a wrong %s is refused: %j', async (argument, more) => {
    const acme = await givenOrganization(server);
    const { event } = (await acme.developer(RECORD, { input: images() })).data.recordUsage;
    const input = { eventId: event.id, idempotencyKey: unique('key'), quantity: -1, reason: 'x', ...more };
    const { errors } = await acme.admin(CORRECT, { input });
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: `input.${argument}` });
    const unknown = {
      ...input,
      eventId: 'use_x',
      idempotencyKey: unique('key'),
      quantity: 1,
      costMicros: 0,
      reason: 'x',
    };
    expect(codeOf(await acme.admin(CORRECT, { input: unknown }))).toBe('NOT_FOUND');
  });

  test('of what a run reported is for whoever decides on limits', async () => {
    const acme = await givenOrganization(server);
    const { rows } = await server.database.pool.queryAsLoginRole(
      'select id from usage_event where org_id = $1 and reported',
      [acme.id],
    );
    const input = { eventId: rows[0]?.['id'], idempotencyKey: unique('key'), costMicros: -5, reason: 'Too dear.' };
    const refused = await acme.admin(CORRECT, { input });
    expect(refused.errors[0]?.extensions).toMatchObject({ code: 'FORBIDDEN', requiredPermission: 'billing:manage' });
    expect((await acme.owner(CORRECT, { input })).errors).toEqual([]);
  });

  test('makes room in a limit, as what is recorded takes it: neither is ever refused', async () => {
    const acme = await givenOrganization(server);
    const limits = `mutation { setCostLimits(input: { monthlyLimitMicros: 2500100 }) { monthly { settledMicros } } }`;
    expect((await acme.owner(limits)).data.setCostLimits.monthly).toEqual({ settledMicros: 2_500_000 });
    const { event } = (await acme.developer(RECORD, { input: images({ costMicros: 300 }) })).data.recordUsage;
    const START = 'mutation ($id: ID!) { startRun(input: { agentId: $id, estimatedCostMicros: 1 }) { id } }';
    const { errors } = await acme.developer(START, { id: acme.agentId });
    expect(errors[0]?.extensions).toMatchObject({ code: 'BUDGET_EXCEEDED', settledMicros: 2_500_300 });
    const overshoot = '{ organizationUsage { budget { monthly { overshootMicros } } } }';
    expect((await acme.viewer(overshoot)).data.organizationUsage.budget.monthly).toEqual({ overshootMicros: 200 });
    const input = { eventId: event.id, idempotencyKey: unique('key'), costMicros: -250, reason: 'Too dear.' };
    expect((await acme.admin(CORRECT, { input })).errors).toEqual([]);
    expect((await acme.developer(START, { id: acme.agentId })).errors).toEqual([]);
  });
});

test('what comes late counts when it was used, until three days after that month, then today', async () => {
  const acme = await givenOrganization(server);
  const { clock } = server.database.pool;
  const toMonthEnd = (at: Date) => Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1) - at.getTime();
  // The first of a month, an hour old.
  clock.advance(Math.ceil(toMonthEnd(now()) + 3_600_000));
  const occurredAt = ago(2 * 3_600_000);
  const before = occurredAt.slice(0, 7);
  const input = images({ occurredAt });
  const early = (await acme.developer(RECORD, { input })).data.recordUsage.event;
  expect(early).toMatchObject({ late: false, day: occurredAt.slice(0, 10) });
  expect(await used(acme, 'images', before)).toMatchObject({ quantity: 2 });
  clock.advance(3 * DAY_MS);
  const late = (await acme.developer(RECORD, { input: images({ occurredAt }) })).data.recordUsage.event;
  expect(late).toMatchObject({ late: true, occurredAt, day: now().toISOString().slice(0, 10) });
  expect(await used(acme, 'images', before)).toMatchObject({ quantity: 2 });
  expect(await used(acme)).toMatchObject({ quantity: 2 });
  // What is taken from a month that is closed counts in the open one, and makes room there.
  for (const event of [early, late]) {
    const correction = { eventId: event.id, idempotencyKey: unique('key'), costMicros: -1, reason: 'Too dear.' };
    expect((await acme.admin(CORRECT, { input: correction })).errors[0]?.extensions).toMatchObject({
      code: 'FORBIDDEN',
      requiredPermission: 'billing:manage',
    });
    const corrected = (await acme.owner(CORRECT, { input: correction })).data.correctUsage.event;
    expect(corrected).toMatchObject({ late: true, day: now().toISOString().slice(0, 10) });
  }
});
