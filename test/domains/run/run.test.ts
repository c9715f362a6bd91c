import { expect, test } from '@jest/globals';
import { newId } from '../../../src/data/id.js';
import { retryPolicyOf } from '../../../src/domains/run/index.js';
import { givenMember, givenOrganization, givenTwoOrganizations, personId, unique } from '../../support/given.js';
import { givenKey } from '../../support/api-key.js';
import { type Client, codeOf, useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

const server = useServer();

const START = 'mutation ($input: StartRunInput!) { startRun(input: $input) { id status } }';
const CANCEL = 'mutation ($id: ID!) { cancelRun(id: $id) { id status finishedAt } }';
const RECORD =
  'mutation ($id: ID!, $input: RunProgressInput!) { recordRunProgress(id: $id, input: $input) { status finishedAt } }';

test('a run starts QUEUED, by the person who asked, of the agent and the repository it has then', async () => {
  const { developer, viewer, agentId, repositoryId, slug } = await givenOrganization(server);
  const input = { ticket: 17, tags: ['a', { b: null }] };
  const started = await developer(START, { input: { agentId, input } });
  expect(started.data.startRun).toMatchObject({ status: 'QUEUED' });
  const { id } = started.data.startRun;
  expect(id).toMatch(/^run_[0-9a-v]{26}$/);
  const { data } = await viewer(
    `query ($id: ID!) { run(id: $id) {
      id status input output error createdAt startedAt finishedAt totalTokens totalCost totalCostMicros
      organization { slug } createdBy { id email } agent { id } repository { id }
    } }`,
    { id },
  );
  expect(data.run).toEqual({
    id,
    status: 'QUEUED',
    input,
    output: null,
    error: null,
    createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    startedAt: null,
    finishedAt: null,
    totalTokens: 0,
    totalCost: 0,
    totalCostMicros: 0,
    organization: { slug },
    createdBy: { id: await personId(developer), email: developer.email },
    agent: { id: agentId },
    repository: { id: repositoryId },
  });
  expect((await developer(START, { input: { agentId } })).errors).toEqual([]);
});

test('a run of an agent that is not there is NOT_FOUND, whether it is foreign or unknown', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  for (const agentId of [globex.agentId, `agt_${'0'.repeat(26)}`, acme.repositoryId]) {
    const answer = await acme.developer(START, { input: { agentId } });
    expect([codeOf(answer), answer.data]).toEqual(['NOT_FOUND', { startRun: null }]);
  }
});

test('an idempotency key names one start: repeated it answers the first run, with other words it is CONFLICT', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  const { developer, owner, agentId, repositoryId } = acme;
  const idempotencyKey = unique('key');
  const input = { b: [1, { c: 'x' }], a: true };
  const first = await developer(START, { input: { agentId, input, idempotencyKey } });
  const { id } = first.data.startRun;
  await developer(CANCEL, { id });
  const same = [
    await developer(START, { input: { agentId, input: { a: true, b: [1, { c: 'x' }] }, idempotencyKey } }),
    await owner(START, { input: { agentId, input, idempotencyKey } }),
    await developer(`mutation { startRun(input: {
      agentId: "${agentId}", idempotencyKey: "${idempotencyKey}", input: { b: [1, { c: "x" }], a: true }
    }) { id status } }`),
  ];
  for (const { data } of same) expect(data.startRun).toEqual({ id, status: 'CANCELLED' });

  const other = await developer('mutation ($input: CreateAgentInput!) { createAgent(input: $input) { id } }', {
    input: { repositoryId, name: 'Other' },
  });
  for (const changed of [
    { input: { ...input, a: false } },
    { input: null },
    { priority: 3 },
    { agentId: other.data.createAgent.id },
  ]) {
    const refused = await developer(START, { input: { agentId, input, idempotencyKey, ...changed } });
    expect(codeOf(refused)).toBe('CONFLICT');
    expect(refused.errors[0]?.extensions['argument']).toBe('input.idempotencyKey');
  }
  const elsewhere = await globex.developer(START, { input: { agentId: globex.agentId, input, idempotencyKey } });
  expect(elsewhere.data.startRun).toMatchObject({ status: 'QUEUED' });
  const { data } = await developer('{ runs { totalCount } }');
  expect(data.runs.totalCount).toBe(2); // the one that was given, and this
});

test("who starts runs and reads none gets their own by a key, and nobody else's, as if it stood for another start", async () => {
  const { developer, agentId, id: orgId, slug } = await givenOrganization(server);
  const starter = await givenMember(server, { id: orgId, slug }, 'DEVELOPER', { withheld: ['run:read'] });
  const [theirs, own] = [unique('key'), unique('key')];
  const input = { ticket: 17 };
  await developer(START, { input: { agentId, input, idempotencyKey: theirs } });
  const guessed = await starter(START, { input: { agentId, input, idempotencyKey: theirs } });
  const other = await starter(START, { input: { agentId, input: { ticket: 18 }, idempotencyKey: theirs } });
  expect([codeOf(guessed), guessed.data]).toEqual(['CONFLICT', { startRun: null }]);
  const told = ({ errors: [error] }: typeof guessed) => [error?.message, error?.extensions['argument']];
  expect(told(guessed)).toEqual(told(other));

  const first = await starter(START, { input: { agentId, input, idempotencyKey: own } });
  const again = await starter(START, { input: { agentId, input, idempotencyKey: own } });
  expect(again.data).toEqual(first.data);
});

test('what is in a run is for whoever reads runs, or started it, whatever they may do to it', async () => {
  const { admin, developer, agentId, id: orgId, slug } = await givenOrganization(server);
  const withheld = ['run:read', 'member:read'];
  const blind = await givenMember(server, { id: orgId, slug }, 'DEVELOPER', { withheld });
  const { client: reporter } = await givenKey(server, admin, ['run:record']);
  const { client: canceller } = await givenKey(server, admin, ['run:cancel']);
  const start = async (client: Client) =>
    (await client(START, { input: { agentId, input: { secret: 42 } } })).data.startRun.id as string;
  const report = 'mutation ($id: ID!) { recordRunProgress(id: $id, input: {}) { run: id status totalTokens FIELD } }';
  const cancel = 'mutation ($id: ID!) { cancelRun(id: $id) { run: id status totalTokens FIELD } }';
  const done = await start(developer);
  const output = { input: { status: 'FAILED', output: { secret: 43 }, error: 'secret' } };
  await developer(
    'mutation ($id: ID!, $input: RunProgressInput!) { recordRunProgress(id: $id, input: $input) { id } }',
    {
      id: done,
      ...output,
    },
  );
  const cancelled = await start(developer);
  await developer(cancel.replace('FIELD', ''), { id: cancelled });
  const queued = await start(developer);
  for (const field of ['input', 'output', 'error', 'createdBy { id }']) {
    for (const [client, document, id] of [
      [reporter, report, done],
      [reporter, report, queued],
      [canceller, cancel, cancelled],
      [blind, report, done],
      [blind, cancel, cancelled],
    ] as const) {
      const { errors, text } = await client(document.replace('FIELD', field), { id });
      expect([field, errors[0]?.extensions]).toMatchObject([
        field,
        { code: 'FORBIDDEN', requiredPermission: 'run:read' },
      ]);
      expect(text).not.toContain('secret');
    }
  }
  // How it stands is what they need, and what they started is theirs.
  const stands = await reporter(report.replace('FIELD', ''), { id: done });
  expect([stands.errors, stands.data]).toMatchObject([[], { recordRunProgress: { status: 'FAILED' } }]);
  const own = await start(blind);
  const theirs = await blind(cancel.replace('FIELD', 'input createdBy { email }'), { id: own });
  expect([theirs.errors, theirs.data]).toMatchObject([
    [],
    { cancelRun: { input: { secret: 42 }, createdBy: { email: blind.email } } },
  ]);
});

test('a run whose agent is gone is tried again as those of an agent that says nothing of it', async () => {
  const { agentId, id: orgId } = await givenOrganization(server);
  const agent = await server.database.organizationDb(orgId, byTest).agent.get({ id: agentId });
  expect(retryPolicyOf(null)).toEqual(retryPolicyOf(agent));
});

test('whoever says nothing of a run that is over changes nothing of it', async () => {
  const { developer, runId, id: orgId } = await givenOrganization(server);
  const report =
    'mutation ($id: ID!, $input: RunProgressInput!) { recordRunProgress(id: $id, input: $input) { status } }';
  await developer(report, { id: runId, input: { status: 'SUCCEEDED' } });
  const reported = async () =>
    (
      await server.database.pool.queryAsLoginRole(
        'select reported_at, updated_at, xmin::text from run where org_id = $1 and id = $2',
        [orgId, runId],
      )
    ).rows;
  const before = await reported();
  const { data } = await developer(report, { id: runId, input: {} });
  expect(data.recordRunProgress).toEqual({ status: 'SUCCEEDED' });
  expect(await reported()).toEqual(before);
});

test('without a key every start is a new run', async () => {
  const { developer, agentId } = await givenOrganization(server);
  const ids = [];
  for (const idempotencyKey of [undefined, null, undefined]) {
    ids.push((await developer(START, { input: { agentId, idempotencyKey } })).data.startRun.id);
  }
  expect(new Set(ids).size).toBe(3);
});

test('a run is cancelled before it finishes; again it stays so, and a finished one is CONFLICT', async () => {
  const { developer, agentId } = await givenOrganization(server);
  for (const begin of [[], ['RUNNING']]) {
    const { id } = (await developer(START, { input: { agentId } })).data.startRun;
    for (const status of begin) await developer(RECORD, { id, input: { status } });
    const cancelled = await developer(CANCEL, { id });
    expect(cancelled.data.cancelRun).toEqual({ id, status: 'CANCELLED', finishedAt: expect.any(String) });
    expect((await developer(CANCEL, { id })).data).toEqual(cancelled.data);
  }
  for (const status of ['SUCCEEDED', 'FAILED']) {
    const { id } = (await developer(START, { input: { agentId } })).data.startRun;
    const finished = await developer(RECORD, { id, input: { status } });
    expect(codeOf(await developer(CANCEL, { id }))).toBe('CONFLICT');
    const { data } = await developer('query ($id: ID!) { run(id: $id) { status finishedAt } }', { id });
    expect(data.run).toEqual(finished.data.recordRunProgress);
  }
  expect(codeOf(await developer(CANCEL, { id: `run_${'0'.repeat(26)}` }))).toBe('NOT_FOUND');
});

test('runs are listed newest first or oldest first, and a cursor is good only in its order', async () => {
  const { developer, viewer, agentId, repositoryId, runId } = await givenOrganization(server);
  const ids = [runId];
  for (let count = 0; count < 4; count += 1) {
    ids.push((await developer(START, { input: { agentId } })).data.startRun.id as string);
  }
  const within: Record<string, (list: string) => string> = {
    runs: (list) => list,
    currentOrganization: (list) => `currentOrganization { ${list} }`,
    agent: (list) => `agent(id: "${agentId}") { ${list} }`,
    repository: (list) => `repository(id: "${repositoryId}") { ${list} }`,
  };
  for (const [root, wrap] of Object.entries(within)) {
    const ask = async (order: string | undefined, after: string | null) => {
      const list = `runs(first: 3, after: $after, ${order ? 'order: $order' : ''}) {
        totalCount nodes { id } edges { cursor } pageInfo { hasNextPage endCursor }
      }`;
      const variables = order ? '($after: String, $order: RunOrder)' : '($after: String)';
      return viewer(`query ${variables} { ${wrap(list)} }`, { after, order });
    };
    for (const [order, expected] of [
      [undefined, [...ids].reverse()],
      ['CREATED_AT_ASC', ids],
    ] as const) {
      const seen: string[] = [];
      for (let after: string | null = null, more = true; more;) {
        const { data } = await ask(order, after);
        const page = data[root].runs ?? data[root];
        seen.push(...page.nodes.map((node: { id: string }) => node.id));
        expect(page.totalCount).toBe(5);
        ({ hasNextPage: more, endCursor: after } = page.pageInfo);
      }
      expect(seen).toEqual(expected);
    }
    const { data } = await ask('CREATED_AT_ASC', null);
    const cursor = (data[root].runs ?? data[root]).edges[0].cursor as string;
    for (const order of [undefined, 'CREATED_AT_DESC']) {
      const refused = await ask(order, cursor);
      expect([codeOf(refused), refused.errors[0]?.extensions['argument']]).toEqual(['BAD_USER_INPUT', 'after']);
    }
  }
});

test('a filter holds in all its parts, counts with them, and finds nothing of another organization', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  const db = server.database.organizationDb(acme.id, byTest);
  const developerId = await personId(acme.developer);
  const runs: string[] = [];
  for (const [day, status] of (['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED'] as const).entries()) {
    const createdAt = new Date(Date.UTC(2026, 0, 10 + day));
    const id = newId('run', createdAt.getTime());
    await db.run.create({ id, agentId: acme.agentId, createdById: developerId, status, createdAt });
    runs.push(id);
  }
  const [queued, running, succeeded, failed] = runs;
  const FILTERED = `query ($filter: RunFilter) {
    runs(filter: $filter) { totalCount nodes { id } } currentOrganization { runs(filter: $filter) { totalCount } }
  }`;
  const find = async (filter: object) => {
    const { data } = await acme.viewer(FILTERED, { filter });
    expect(data.currentOrganization.runs.totalCount).toBe(data.runs.totalCount);
    expect(data.runs.nodes).toHaveLength(data.runs.totalCount);
    return data.runs.nodes.map((node: { id: string }) => node.id);
  };
  const mine = { createdById: developerId };
  expect(await find(mine)).toEqual([failed, succeeded, running, queued]);
  expect(await find({ ...mine, status: ['QUEUED', 'FAILED'] })).toEqual([failed, queued]);
  expect(await find({ ...mine, status: ['RUNNING'], agentId: acme.agentId })).toEqual([running]);
  expect(await find({ ...mine, status: [] })).toEqual([]);
  expect(
    await find({ agentId: acme.agentId, createdFrom: '2026-01-11T00:00:00Z', createdBefore: '2026-01-13T00:00:00Z' }),
  ).toEqual([succeeded, running]);
  expect(await find({ createdBefore: '2026-01-11T01:00:00+01:00' })).toEqual([queued]);
  expect(await find({ repositoryId: acme.repositoryId })).toEqual([acme.runId]);
  expect(await find({ status: null, agentId: null, createdFrom: null })).toHaveLength(5);
  for (const foreign of [
    { agentId: globex.agentId },
    { repositoryId: globex.repositoryId },
    { createdById: await personId(globex.owner) },
  ]) {
    expect(await find(foreign)).toEqual([]);
  }
});
