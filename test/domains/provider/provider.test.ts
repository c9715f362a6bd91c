import { describe, expect, test } from '@jest/globals';
import { givenKey } from '../../support/api-key.js';
import {
  claim,
  givenExecutor,
  type GivenExecutor,
  type Lease,
  putInPool,
  report,
  startRun,
  statusOf,
} from '../../support/executors.js';
import { type GivenOrganization, givenOrganization, givenTwoOrganizations } from '../../support/given.js';
import { type Answer, type Client, codeOf, useServer } from '../../support/server.js';

const server = useServer();
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

const RESOLVE = `mutation ($input: ResolveProviderInput!) {
  resolveProvider(input: $input) { kind attempt name model reason passedOver { provider reason } at } }`;
const HEALTH = `mutation ($input: ReportProviderHealthInput!) {
  reportProviderHealth(input: $input) { provider healthy detail reportedAt retryAt } }`;
const CLAIMED = '{ claimedRun { runId provider credentials { provider secret } } }';
const PROVIDERS = `query ($id: ID!) { run(id: $id) {
  status error attempts providers { kind attempt name model reason passedOver { provider reason } at } } }`;
const LOG = `query ($id: ID, $action: String) { auditLog(first: 100, filter: { targetId: $id, action: $action }) {
  nodes { action actor { kind id } changes { path after } } } }`;

const resolve = (by: Client, kind = 'LLM', model: string | null = null) => by(RESOLVE, { input: { kind, model } });
const tell = (by: Client, provider: string, healthy: boolean, detail: string | null = null) =>
  by(HEALTH, { input: { provider, healthy, detail } });

async function choose(by: Client, kind = 'LLM') {
  const { data, text } = await resolve(by, kind);
  if (!data?.resolveProvider) throw new Error(text);
  return data.resolveProvider as { name: string; reason: string; passedOver: object[]; model: string | null };
}

async function give({ admin }: GivenOrganization, provider: string, more: object = {}): Promise<string> {
  const { data, text } = await admin(
    'mutation ($input: CreateCredentialInput!) { createCredential(input: $input) { id } }',
    {
      input: {
        kind: 'LLM_PROVIDER',
        name: `${provider} ${Math.random()}`,
        provider,
        secret: `secret of ${provider}`,
        ...more,
      },
    },
  );
  if (!data?.createCredential) throw new Error(text);
  return data.createCredential.id as string;
}

async function set({ admin }: GivenOrganization, settings: object): Promise<void> {
  const { errors } = await admin(
    'mutation ($settings: OrganizationSettingsInput!) { updateOrganization(input: { settings: $settings }) { id } }',
    { settings },
  );
  expect(errors).toEqual([]);
}

/** An organization of a pool of its own, with a list of three, and what claims its runs. */
async function givenRouting(
  routing: object = {},
  agent: object = {},
): Promise<{ acme: GivenOrganization; executor: GivenExecutor }> {
  const executor = await givenExecutor(server);
  const acme = await givenOrganization(server);
  await putInPool(acme, executor.pool, agent);
  for (const provider of ['anthropic', 'openai', 'google']) await give(acme, provider, { sharedExecutors: true });
  await set(acme, {
    providerRouting: { llmPreference: 'anthropic', llmFallback: ['openai', 'google'], ...routing },
  });
  return { acme, executor };
}

/** Starts a run and claims it. */
async function work(acme: GivenOrganization, { client }: Pick<GivenExecutor, 'client'>) {
  const id = await startRun(acme);
  const lease = (await claim(client, { max: 100, leaseSeconds: 600, agentIds: [acme.agentId] })).find(
    ({ runId }) => runId === id,
  ) as Lease;
  return { id, lease, worker: server.withToken(lease.token) };
}

interface Plan {
  readonly Plans?: Plan[];
  readonly 'Rows Removed by Filter'?: number;
}

/** How many rows a statement read for nothing. */
const passedOver = ({ Plans: plans = [], ...plan }: Plan): number =>
  plans.reduce((count, each) => count + passedOver(each), plan['Rows Removed by Filter'] ?? 0);

/** What a provider was paid, as if it had been recorded. */
const pay = async (
  { developer }: GivenOrganization,
  metric: string,
  provider: string,
  quantity: number,
  costMicros: number,
) => {
  const { errors } = await developer(
    'mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { event { id } } }',
    {
      input: { idempotencyKey: `${provider} ${Math.random()}`, metric, quantity, costMicros, attributes: { provider } },
    },
  );
  expect(errors).toEqual([]);
};

describe('A run that asks for a provider', () => {
  test('is told the preferred one, falls back on the next when that does not answer, and is handed its credential', async () => {
    const { acme, executor } = await givenRouting();
    await set(acme, { agentExecution: { defaultModel: 'big' } });
    const { id, worker } = await work(acme, executor);
    expect(await choose(worker)).toMatchObject({
      name: 'anthropic',
      model: 'big',
      reason: 'PREFERRED',
      passedOver: [],
    });
    const told = await tell(worker, 'anthropic', false, '529 overloaded');
    expect(told.data.reportProviderHealth).toMatchObject({
      provider: 'anthropic',
      healthy: false,
      detail: '529 overloaded',
    });
    const { reportedAt, retryAt } = told.data.reportProviderHealth;
    expect(Date.parse(retryAt) - Date.parse(reportedAt)).toBe(60_000);
    const { data } = await resolve(worker, 'LLM', 'small');
    const passedOver = [{ provider: 'anthropic', reason: 'UNHEALTHY' }];
    expect(data.resolveProvider).toMatchObject({ name: 'openai', model: 'small', reason: 'FALLBACK', passedOver });
    expect((await worker(CLAIMED)).data.claimedRun).toMatchObject({
      provider: 'openai',
      credentials: [{ provider: 'openai', secret: 'secret of openai' }],
    });

    const seen = (await acme.viewer(PROVIDERS, { id })).data.run.providers;
    expect(seen).toMatchObject([
      { name: 'anthropic', reason: 'PREFERRED', attempt: 1 },
      { name: 'openai', reason: 'FALLBACK', passedOver },
    ]);
    const log = (await acme.owner(LOG, { id })).data.auditLog.nodes.filter(({ action }: { action: string }) =>
      action.startsWith('run.provider'),
    );
    expect(log).toEqual([
      {
        action: 'run.provider_resolved',
        actor: { kind: 'EXECUTOR', id: executor.id },
        changes: expect.arrayContaining([
          { path: 'name', after: 'openai' },
          { path: 'passed_over', after: passedOver },
        ]),
      },
      expect.objectContaining({ changes: expect.arrayContaining([{ path: 'name', after: 'anthropic' }]) }),
    ]);
  });

  test('has images apart: their own list, their own credential beside the other', async () => {
    const { acme, executor } = await givenRouting({ imagePreference: 'stability', imageFallback: ['openai'] });
    const { worker } = await work(acme, executor);
    expect(await choose(worker, 'IMAGE')).toMatchObject({
      name: 'openai',
      reason: 'FALLBACK',
      passedOver: [{ provider: 'stability', reason: 'UNKNOWN' }],
    });
    expect((await worker(CLAIMED)).data.claimedRun).toMatchObject({
      provider: 'anthropic',
      credentials: [{ provider: 'anthropic' }, { provider: 'openai' }],
    });
  });

  test('is told the usual one where there is no list, and never one that is not in it where there is', async () => {
    const { acme, executor } = await givenRouting({ llmPreference: null, llmFallback: [] });
    await set(acme, { agentExecution: { defaultProvider: 'google' } });
    const { worker } = await work(acme, executor);
    expect(await choose(worker)).toMatchObject({ name: 'google', model: null, reason: 'DEFAULT' });
    await set(acme, { providerRouting: { llmPreference: 'mistral', llmFallback: ['google'], fallbackEnabled: false } });
    expect((await worker(CLAIMED)).data.claimedRun.provider).toBe('google');
    const refused = await resolve(worker);
    expect(codeOf(refused)).toBe('PROVIDER_UNAVAILABLE');
  });

  test('by a machine of the deployment knows those alone that are lent to it, by one of its own all that are enabled', async () => {
    const { acme, executor } = await givenRouting({ llmPreference: 'mistral', llmFallback: ['off', 'google'] });
    await give(acme, 'mistral');
    await give(acme, 'off', { sharedExecutors: true, enabled: false });
    const shared = await work(acme, executor);
    expect((await shared.worker(CLAIMED)).data.claimedRun.provider).toBe('google');
    expect(await choose(shared.worker)).toMatchObject({
      name: 'google',
      passedOver: [
        { provider: 'mistral', reason: 'UNKNOWN' },
        { provider: 'off', reason: 'UNKNOWN' },
      ],
    });
    expect(codeOf(await tell(shared.worker, 'mistral', false))).toBe('NOT_FOUND');
    const own = await work(acme, await givenKey(server, acme.admin, ['run:claim']));
    expect((await own.worker(CLAIMED)).data.claimedRun.provider).toBe('mistral');
    expect(await choose(own.worker)).toMatchObject({ name: 'mistral', reason: 'PREFERRED' });
  });

  test.each([
    ['preferred and lent', { llmPreference: 'openai', llmFallback: ['google'] }],
    ['preferred and not lent', { llmPreference: 'mistral', llmFallback: ['google'] }],
    ['preferred and not enabled', { llmPreference: 'off', llmFallback: ['mistral', 'openai'] }],
    [
      'preferred and unknown, without a fallback',
      { llmPreference: 'none', llmFallback: ['google'], fallbackEnabled: false },
    ],
    ['not preferred', { llmPreference: null, llmFallback: ['mistral', 'google'] }],
    ['the usual one, for which there is none', { llmPreference: null, llmFallback: [] }],
  ])('that does not ask is booked to the provider it is answered, of one that is %s', async (_what, routing) => {
    const { acme, executor } = await givenRouting(routing);
    await set(acme, { agentExecution: { defaultProvider: 'usual' } });
    await give(acme, 'mistral');
    await give(acme, 'off', { sharedExecutors: true, enabled: false });
    for (const by of [executor, await givenKey(server, acme.admin, ['run:claim'])]) {
      const { id, worker } = await work(acme, by);
      const { provider } = (await worker(CLAIMED)).data.claimedRun;
      expect((await report(worker, id, { totalTokens: 1, totalCostMicros: 10, status: 'SUCCEEDED' })).errors).toEqual(
        [],
      );
      const { rows } = await sql('select distinct provider from usage_event where org_id = $1 and run_id = $2', [
        acme.id,
        id,
      ]);
      expect(rows).toEqual([{ provider }]);
    }
  });

  test('is told the cheapest where cost matters, by the last 100 uses and their corrections, unknown ones last', async () => {
    const { acme, executor } = await givenRouting();
    const { id, worker } = await work(acme, executor);
    // What the run reports is of whom it was told to call.
    await choose(worker);
    await report(worker, id, { totalTokens: 100, totalCostMicros: 1000 });
    await pay(acme, 'tokens', 'google', 100, 500);
    expect((await choose(worker)).name).toBe('anthropic');
    await set(acme, { providerRouting: { costOptimization: true } });
    const passedOver = [
      { provider: 'anthropic', reason: 'COSTLIER' },
      { provider: 'openai', reason: 'COSTLIER' },
    ];
    expect(await choose(worker)).toMatchObject({ name: 'google', reason: 'CHEAPEST', passedOver });
    // What is recorded beside a run costs nothing there, and is of images no use of tokens.
    await pay(acme, 'images', 'openai', 100, 1);
    expect((await choose(worker)).name).toBe('google');
    const { rows } = await sql(`select id from usage_event where org_id = $1 and provider = 'google'`, [acme.id]);
    const corrected = await acme.admin(
      'mutation ($input: CorrectUsageInput!) { correctUsage(input: $input) { event { id } } }',
      { input: { eventId: rows[0]?.['id'], idempotencyKey: 'dearer', costMicros: 5000, reason: 'the bill says so' } },
    );
    expect(corrected.errors).toEqual([]);
    expect(await choose(worker)).toMatchObject({ name: 'anthropic', reason: 'PREFERRED', passedOver: [] });
    const { data } = await acme.viewer(
      'query ($from: String!, $to: String!) { usageByDay(from: $from, to: $to, by: PROVIDER, metric: "tokens") { key quantity } }',
      { from: new Date().toISOString().slice(0, 10), to: new Date().toISOString().slice(0, 10) },
    );
    expect(data.usageByDay).toEqual(
      expect.arrayContaining([
        { key: 'anthropic', quantity: 100 },
        { key: 'google', quantity: 100 },
      ]),
    );
    // 100 newer uses, and the one before them counts no more.
    await sql(
      `insert into usage_event (org_id, metric, quantity, cost_micros, occurred_at, recorded_at, day, created_by, provider)
       select $1, 'tokens', 10, 1, now(), now() + n * interval '1 ms', utc_day(now()), 'x', 'google' from generate_series(1, 100) n`,
      [acme.id],
    );
    expect(await choose(worker)).toMatchObject({ name: 'google', reason: 'CHEAPEST' });
  });

  test('is told the cheapest without reading what was recorded beside runs, however much of it is newer', async () => {
    const { acme, executor } = await givenRouting({ costOptimization: true });
    const { id, worker } = await work(acme, executor);
    await sql(
      `insert into usage_event (org_id, metric, quantity, cost_micros, occurred_at, recorded_at, day, created_by, provider, run_id)
       select $1, 'tokens', 10, 1, now(), now() + n * interval '1 ms', utc_day(now()), 'x', 'google', case when n > 200 then $2 end
       from generate_series(1, 3000) n`,
      [acme.id, id],
    );
    await sql('analyze usage_event', []);
    const before = server.statements.length;
    expect(await choose(worker)).toMatchObject({ name: 'google', reason: 'CHEAPEST' });
    const { text } = server.statements.slice(before).find((each) => each.text.includes('as wanted (provider)')) ?? {};
    const { rows } = await sql(`explain (analyze, format json) ${text ?? ''}`, [acme.id, 'tokens', ['google'], 100]);
    const [
      {
        'QUERY PLAN': [{ Plan: plan }],
      },
    ] = rows as [{ 'QUERY PLAN': [{ Plan: Plan }] }];
    expect(passedOver(plan)).toBeLessThan(100);
  });

  test('asks 100 times at most, and no more once it is over, cancelled or lost', async () => {
    const { acme, executor } = await givenRouting();
    const { id, worker } = await work(acme, executor);
    await choose(worker);
    await sql(
      `insert into provider_resolution (org_id, run_id, number, attempt, kind, name, reason, at)
       select $1, $2, n, 1, 'LLM', 'openai', 'FALLBACK', now() from generate_series(2, 100) n`,
      [acme.id, id],
    );
    const refused = await resolve(worker);
    expect(refused.errors[0]?.extensions).toMatchObject({ code: 'LIMIT_REACHED', max: 100, used: 100 });
    const told = (last: string) =>
      acme.viewer(`query ($id: ID!) { run(id: $id) { providers${last} { reason at } } }`, { id });
    expect((await told('(last: 100)')).data.run.providers).toHaveLength(100);
    const usual = (await told('')).data.run.providers;
    expect([usual.length, usual[0].reason]).toEqual([20, 'FALLBACK']);
    for (const last of ['(last: 0)', '(last: 101)']) {
      expect((await told(last)).errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'last' });
    }
    await acme.developer('mutation ($id: ID!) { cancelRun(id: $id) { id } }', { id });
    expect(codeOf(await resolve(worker))).toBe('CONFLICT');
    await sql(`update run_claim set expires_at = clock_timestamp() - interval '1 second' where run_id = $1`, [id]);
    for (const late of [await resolve(worker), await tell(worker, 'openai', false)])
      expect(codeOf(late)).toBe('CONFLICT');
  });

  test.each([
    ['model', { kind: 'LLM', model: ' ' }],
    ['model', { kind: 'LLM', model: 'x'.repeat(101) }],
  ])('%s is refused as %j', async (field, input) => {
    const { acme, executor } = await givenRouting();
    const { worker } = await work(acme, executor);
    const { errors } = await worker(RESOLVE, { input });
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: `input.${field}` });
  });
});

describe('Where no provider can be called', () => {
  test('the run waits, as its agent says, and the attempt counts; then it is FAILED', async () => {
    const { acme, executor } = await givenRouting(
      { llmFallback: ['none-such'] },
      { retryPolicy: { maxAttempts: 2, backoffSeconds: 3600 } },
    );
    const first = await work(acme, executor);
    await tell(first.worker, 'anthropic', false);
    const refused = await resolve(first.worker);
    expect(refused.errors).toMatchObject([{ path: ['resolveProvider'], extensions: { code: 'PROVIDER_UNAVAILABLE' } }]);
    expect(refused.data.resolveProvider).toBeNull();
    expect(await statusOf(acme, first.id)).toBe('QUEUED');
    for (const late of [await resolve(first.worker), await report(first.worker, first.id, { status: 'SUCCEEDED' })]) {
      expect(codeOf(late)).toBe('CONFLICT');
    }
    expect(codeOf(await first.worker(CLAIMED))).toBe('CONFLICT');
    expect(await claim(executor.client)).toEqual([]); // it waits an hour
    await sql(`update run_queue set available_at = clock_timestamp() - interval '1 second' where run_id = $1`, [
      first.id,
    ]);
    await sql(`update run_turn set look_at = 'epoch' where org_id = $1`, [acme.id]);
    const [second] = await claim(executor.client);
    expect(second).toMatchObject({ runId: first.id, attempt: 2 });
    expect(codeOf(await resolve(server.withToken((second as Lease).token)))).toBe('PROVIDER_UNAVAILABLE');
    const { run } = (await acme.viewer(PROVIDERS, { id: first.id })).data;
    const passedOver = [
      { provider: 'anthropic', reason: 'UNHEALTHY' },
      { provider: 'none-such', reason: 'UNKNOWN' },
    ];
    expect(run).toMatchObject({
      status: 'FAILED',
      attempts: 2,
      error: 'No provider could be called; it was tried 2 times.',
      providers: [
        { attempt: 1, name: null, reason: 'UNAVAILABLE', passedOver },
        { attempt: 2, name: null, reason: 'UNAVAILABLE', passedOver },
      ],
    });
    const log = (await acme.owner(LOG, { id: first.id })).data.auditLog.nodes.map(
      ({ action }: { action: string }) => action,
    );
    expect(log.slice(0, 6)).toEqual([
      'run.failed',
      'run.provider_unavailable',
      'run.running',
      'run.queued',
      'run.provider_unavailable',
      'run.running',
    ]);
  });

  test('nothing at all is chosen: no list, and nobody that is usual', async () => {
    const { acme, executor } = await givenRouting({ llmPreference: null, llmFallback: [] });
    const { id, worker } = await work(acme, executor);
    expect((await worker(CLAIMED)).data.claimedRun).toMatchObject({ provider: null, credentials: [] });
    expect(codeOf(await resolve(worker))).toBe('PROVIDER_UNAVAILABLE');
    expect((await acme.viewer(PROVIDERS, { id })).data.run.providers).toMatchObject([{ name: null, passedOver: [] }]);
  });
});

describe('How a provider is', () => {
  test('is said by whoever may report on runs, of one that has a credential, and read by whoever reads runs', async () => {
    const { acme } = await givenRouting();
    const key = await givenKey(server, acme.admin, ['run:record']);
    const without = await givenKey(server, acme.admin, ['run:start']);
    expect((await tell(key.client, 'openai', false, '  ')).data.reportProviderHealth).toMatchObject({ detail: null });
    expect((await tell(key.client, 'openai', false, 'still')).errors).toEqual([]);
    expect((await tell(acme.developer, 'openai', true, 'x'.repeat(500))).data.reportProviderHealth).toMatchObject({
      healthy: true,
      retryAt: null,
    });
    for (const by of [acme.viewer, without.client]) expect(codeOf(await tell(by, 'openai', false))).toBe('FORBIDDEN');
    expect(codeOf(await tell(key.client, 'none-such', false))).toBe('NOT_FOUND');
    const long = await tell(key.client, 'openai', false, 'x'.repeat(501));
    expect(long.errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'input.detail' });
    expect((await acme.viewer('{ providerHealth { provider healthy } }')).data.providerHealth).toEqual([
      { provider: 'openai', healthy: true },
    ]);
    // That it answers no more, and again, is told; what was said again is not, nor with which words.
    const log = await acme.owner(LOG, { id: 'openai' });
    expect(log.data.auditLog.nodes).toEqual([
      { action: 'provider_health.updated', actor: expect.anything(), changes: [{ path: 'healthy', after: true }] },
      {
        action: 'provider_health.created',
        actor: { kind: 'API_KEY', id: key.id },
        changes: [{ path: 'healthy', after: false }],
      },
    ]);
  });

  test('is said with the token of a claim, which holds for as long again', async () => {
    const { acme, executor } = await givenRouting();
    const { id, worker } = await work(acme, executor);
    for (const say of [() => tell(worker, 'openai', true), () => resolve(worker)]) {
      await sql(`update run_claim set expires_at = clock_timestamp() + interval '20 seconds' where run_id = $1`, [id]);
      expect((await say()).errors).toEqual([]);
      const { rows } = await sql(
        `select expires_at > clock_timestamp() + interval '5 minutes' as "isRenewed" from run_claim where run_id = $1`,
        [id],
      );
      expect(rows).toEqual([{ isRenewed: true }]);
    }
  });

  test('is kept of 500 at most: those that no credential names any more go first', async () => {
    const { acme } = await givenRouting();
    await sql(
      `insert into provider_health (org_id, provider, healthy, reported_at) select $1, 'gone ' || n, true, now() from generate_series(1, 499) n`,
      [acme.id],
    );
    for (const provider of ['openai', 'google'])
      expect((await tell(acme.developer, provider, true)).errors).toEqual([]);
    const { data } = await acme.viewer('{ providerHealth { provider } }');
    expect(data.providerHealth).toEqual([{ provider: 'google' }, { provider: 'openai' }]);
  });
});

test('a token of a run is in another organization what one is that never was', async () => {
  const executor = await givenExecutor(server);
  const { acme, globex } = await givenTwoOrganizations(server);
  for (const each of [acme, globex]) {
    await putInPool(each, executor.pool);
    await set(each, { providerRouting: { llmPreference: `of ${each.slug}` } });
    await give(each, `of ${each.slug}`, { sharedExecutors: true });
  }
  const [mine, theirs] = [await work(acme, executor), await work(globex, executor)];
  const before = await globex.owner(PROVIDERS, { id: theirs.id });
  const bare = ({ text }: Answer) => text.replaceAll(/"requestId":"[^"]*"/g, '');

  // Its id with another's secret, and one that never was.
  const claimOf = ({ token }: Lease) => token.slice(0, 'og_run_'.length + 26);
  const spliced = claimOf(theirs.lease) + mine.lease.token.slice(claimOf(mine.lease).length);
  const never = `og_run_${'0'.repeat(26)}${mine.lease.token.slice(claimOf(mine.lease).length)}`;
  const doors = (named: { run: string; provider: string }): [string, Record<string, unknown>][] => [
    [RESOLVE, { input: { kind: 'LLM' } }],
    [HEALTH, { input: { provider: named.provider, healthy: false } }],
    [CLAIMED, {}],
    ['mutation ($id: ID!) { recordRunProgress(id: $id, input: { status: FAILED }) { id } }', { id: named.run }],
  ];
  const foreign = { run: theirs.id, provider: `of ${globex.slug}` };
  for (const [text, variables] of doors(foreign)) {
    const wrong = bare(await server.withToken(spliced)(text, variables));
    expect(wrong).toBe(bare(await server.withToken(never)(text, variables)));
    expect(wrong).toContain('UNAUTHENTICATED');
    // The token as it is, sent to the other organization, and to one that never was.
    const elsewhere = (organization: string) =>
      server.withToken(mine.lease.token, '', { 'x-organization-id': organization })(text, variables);
    const there = bare(await elsewhere(globex.id));
    for (const name of [globex.slug, 'none-such', `org_${'0'.repeat(26)}`])
      expect(bare(await elsewhere(name))).toBe(there);
  }
  // What it names there is as unknown as what never was.
  const unknown = { run: `run_${'0'.repeat(26)}`, provider: 'of nobody' };
  for (const place of [1, 3]) {
    const [text, variables] = doors(foreign)[place] ?? ['', {}];
    const [, others] = doors(unknown)[place] ?? ['', {}];
    const answer = await mine.worker(text, variables);
    expect(codeOf(answer)).toBe('NOT_FOUND');
    expect(bare(answer)).toBe(bare(await mine.worker(text, others)));
  }
  // And all that is its own is in its own.
  expect(await choose(mine.worker)).toMatchObject({ name: `of ${acme.slug}` });
  await tell(mine.worker, `of ${acme.slug}`, false);
  expect((await globex.owner(PROVIDERS, { id: theirs.id })).data).toEqual(before.data);
  expect((await globex.owner('{ providerHealth { provider } }')).data.providerHealth).toEqual([]);
  expect(await choose(theirs.worker)).toMatchObject({ name: `of ${globex.slug}` });
  // Nobody without such a token resolves.
  for (const by of [acme.owner, executor.client]) expect(codeOf(await resolve(by))).toBe('FORBIDDEN');
});

// Last, since it moves the clock.
test('a provider that did not answer is called again a minute later, and not before', async () => {
  const { acme, executor } = await givenRouting();
  const { worker } = await work(acme, executor);
  const { clock } = server.database.pool;
  expect((await tell(worker, 'anthropic', false)).errors).toEqual([]);
  clock.advance(30_000); // that it is a minute is told by `retryAt`; what is left is more than any answer takes
  expect(await choose(worker)).toMatchObject({ name: 'openai', reason: 'FALLBACK' });
  clock.advance(31_000);
  expect(await choose(worker)).toMatchObject({ name: 'anthropic', reason: 'PREFERRED', passedOver: [] });
});
