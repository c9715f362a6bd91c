import { afterEach, expect, test } from '@jest/globals';
import type { Database } from '../../../src/data/database.js';
import { newId } from '../../../src/data/id.js';
import { DOCUMENT_LIMITS } from '../../../src/gateway/graphql/document-limits.js';
import { collectGarbage } from '../../support/collect-garbage.js';
import { byTest } from '../../support/act.js';
import { type Events, openEvents, type Told } from '../../support/events.js';
import { type GivenOrganization, givenOrganization, personId } from '../../support/given.js';
import { unchecked, useServer } from '../../support/server.js';
import { until } from '../../support/until.js';

const DETAIL = 'duplicate key value violates "run_pkey" at /srv/orgate/data.js:7 for secret-c4n4ry';
let isBroken = false;
/** What the rows that somebody reads are kept in, by who. */
const read: { readonly by: string | null | undefined; readonly rows: WeakRef<object> }[] = [];

const breakable = (database: Database): Database => ({
  ...database,
  organizationDb: (...args) => {
    const db = database.organizationDb(...args);
    const { run } = db;
    const get: typeof run.get = (key) => (isBroken ? Promise.reject(new Error(DETAIL)) : run.get(key));
    const breaking = Object.create(db, { run: { value: { ...run, get } } }) as typeof db;
    read.push({ by: args[1].id, rows: new WeakRef(breaking) });
    return breaking;
  },
});

const server = useServer({ wrap: breakable, env: { LOG_LEVEL: 'info' } });

const opened: Events[] = [];
afterEach(() => {
  for (const events of opened.splice(0)) events.close();
});

async function subscribe(
  { token }: { token: string },
  query: string,
  variables = {},
  headers: Record<string, string> = {},
): Promise<Events> {
  const events = await openEvents({ url: server.url, token, headers }, query, variables);
  opened.push(events);
  return events;
}

const times = (count: number, make: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => make(index)).join(' ');

const selecting = (of: string): string => `subscription { organizationRunUpdates { ${of} } }`;
const LISTS =
  'agent { runs(first: 100) { nodes { agent { runs(first: 100) { nodes { agent { runs { totalCount } } } } } } } }';

const REFUSED: readonly [
  what: string,
  code: string,
  message: RegExp,
  query: string,
  variables?: Record<string, unknown>,
][] = [
  ['what is not there', 'GRAPHQL_VALIDATION_FAILED', /Cannot query field/, selecting('nothing')],
  ['no GraphQL', 'GRAPHQL_PARSE_FAILED', /Syntax Error/, 'subscription {'],
  ['too many tokens', 'GRAPHQL_PARSE_FAILED', /tokens/, selecting('cursor '.repeat(DOCUMENT_LIMITS.tokens))],
  [
    'too many aliases',
    'GRAPHQL_VALIDATION_FAILED',
    /more than 30 aliases/,
    selecting(times(31, (index) => `a${index}: cursor`)),
  ],
  [
    'too deep',
    'GRAPHQL_VALIDATION_FAILED',
    /more than 14 levels/,
    selecting(`run { ${'agent { repository { agents(first: 1) { nodes { '.repeat(4)} id ${'} } } }'.repeat(4)} }`),
  ],
  [
    'two at once',
    'GRAPHQL_VALIDATION_FAILED',
    /only one/,
    'subscription { a: organizationRunUpdates { cursor } b: organizationRunUpdates { cursor } }',
  ],
  ['lists within lists', 'QUERY_TOO_EXPENSIVE', /more than 20000/, selecting(`run { ${LISTS} }`)],
  [
    'an argument that is too long',
    'BAD_USER_INPUT',
    /At most 10000 characters/,
    'subscription ($after: String) { organizationRunUpdates(after: $after) { cursor } }',
    { after: 'x'.repeat(10_001) },
  ],
];

test.each(REFUSED)(
  'a subscription is bounded as a query is: %s',
  async (_what, code, message, query, variables = {}) => {
    const { viewer } = await givenOrganization(server);
    const before = server.statements.length;
    const [told, complete, ...more] = await (await subscribe(viewer, query, variables)).rest();
    expect(told?.errors[0]).toMatchObject({ message: expect.stringMatching(message), extensions: { code } });
    expect([told?.data ?? null, complete?.event ?? 'complete', more]).toEqual([null, 'complete', []]);
    // Nothing of the organization was asked for it: no source was opened.
    const asked = server.statements.slice(before).filter(({ text }) => /from "?(?:run|audit_seal)\b/.test(text));
    expect(asked).toEqual([]);
  },
);

test('who may not read runs opens no source', async () => {
  const { admin, owner } = await givenOrganization(server);
  const WITHHOLD =
    'mutation ($id: ID!) { updateMemberPermissions(userId: $id, permissions: [], withheldPermissions: ["run:read"]) { role } }';
  const withheld = await owner(WITHHOLD, { id: await personId(admin) });
  expect(withheld.errors).toEqual([]);
  const before = server.statements.length;
  const [told] = await (await subscribe(admin, selecting('cursor'))).rest();
  expect(told?.errors[0]?.extensions['code']).toBe('FORBIDDEN');
  expect(server.statements.slice(before).filter(({ text }) => /from "?audit_seal\b/.test(text))).toEqual([]);
});

/** What is in use once nothing is there that nobody holds. */
async function heapUsed(): Promise<number> {
  await collectGarbage();
  return process.memoryUsage().heapUsed;
}

test('a stream keeps nothing of comments, nor of variables that its operation does not name', async () => {
  const { viewer } = await givenOrganization(server);
  const open = async (index: number) => {
    const comments = `#${index}\n${'#\n'.repeat(32_000)}`;
    const beside = Array.from({ length: 9000 }, (_, at) => ({ [`n${at % 1900}`]: {} }));
    expect((await subscribe(viewer, `${comments}${selecting('status')}`)).status).toBe(200);
    expect((await subscribe(viewer, selecting('status'), { beside })).status).toBe(200);
  };
  // What documents are kept for whoever asks anew is full then.
  for (let index = 0; index < 3; index += 1) await open(index);
  const before = await heapUsed();
  for (let index = 3; index < 13; index += 1) await open(index);
  expect((await heapUsed()) - before).toBeLessThan(12_000_000);
});

test('whoever would keep too much in streams is refused, whoever keeps little is not', async () => {
  const { viewer, runId: id } = await givenOrganization(server);
  const within = 'agent @include(if: $is) { repository { agents(first: 1, filter: $filter) { totalCount } } }';
  const query = `subscription ($id: ID!, $is: Boolean!, $filter: AgentFilter) { runUpdates(runId: $id) { run { id ${within} } } }`;
  const open = async (length = 240_000, headers: Record<string, string> = {}) => {
    const variables = { id, is: false, filter: { search: 'x'.repeat(length) } };
    const events = await subscribe(viewer, query, variables, headers);
    return { events, told: await events.next() };
  };
  const [first, second] = [await open(), await open()];
  for (const { told } of [first, second]) expect(told?.data).toEqual({ runUpdates: { run: { id } } });
  expect((await open()).told?.errors[0]).toMatchObject({
    extensions: { code: 'LIMIT_REACHED', limit: 'bytes that streams of one person keep' },
  });
  expect((await open(10)).told?.data).toEqual({ runUpdates: { run: { id } } });
  // A head is kept, too: of six that are large there is no room for all.
  const codes: unknown[] = [];
  for (let index = 0; index < 6; index += 1) {
    const { told } = await open(10, { 'x-filler': 'x'.repeat(14_000) });
    codes.push(told?.errors[0]?.extensions['code']);
  }
  expect([codes[0], codes[5]]).toEqual([undefined, 'LIMIT_REACHED']);
  first.events.close();
  // As soon as the gateway has seen that it is gone; and then it is theirs, so that it is asked for once.
  let isGivenBack = false;
  await until(async () => (isGivenBack ||= (await open()).told?.data != null));
});

test('an answer of a stream that was taken is held no more, however long the next one is waited for', async () => {
  const { owner, id: orgId, agentId, runId: id } = await givenOrganization(server);
  const db = server.database.organizationDb(orgId, byTest);
  const createdById = await personId(owner);
  for (let index = 0; index < 50; index += 1)
    await db.run.create({ id: newId('run'), agentId, createdById, input: { text: 'x'.repeat(65_000) } });
  const RUNS = 'agent { runs(first: 50) { nodes { input } } }';
  const query = `subscription ($id: ID!) { runUpdates(runId: $id) { run { ${RUNS} } } }`;
  // Six are more than an organization may hold at a time.
  for (let index = 0; index < 6; index += 1) {
    const told = await (await subscribe(owner, query, { id })).next();
    expect(told?.errors).toEqual([]);
  }
  const { errors } = await owner(unchecked(`query ($id: ID!) { run(id: $id) { ${RUNS} } }`), { id });
  expect(errors).toEqual([]);
});

test('a stream that waits for what happens next keeps no rows of what it answered before', async () => {
  const { viewer, runId: id } = await givenOrganization(server);
  const by = await personId(viewer);
  read.length = 0;
  const query = 'subscription ($id: ID!) { runUpdates(runId: $id) { run { agent { repository { name } } } } }';
  expect((await (await subscribe(viewer, query, { id })).next())?.errors).toEqual([]);
  await collectGarbage();
  const theirs = read.filter((each) => each.by === by);
  expect(theirs.length).toBeGreaterThan(0);
  expect(theirs.filter(({ rows }) => rows.deref() !== undefined)).toEqual([]);
});

const ONE = 'subscription Watch($id: ID!) { runUpdates(runId: $id) { cursor status } }';

async function brokenAnswer({ viewer, runId }: GivenOrganization): Promise<Told | undefined> {
  isBroken = true;
  try {
    const [told] = await (await subscribe(viewer, ONE, { id: runId })).rest();
    return told;
  } finally {
    isBroken = false;
  }
}

test('what nobody foresaw is told by a request id, and its detail to the log only', async () => {
  const acme = await givenOrganization(server);
  const told = await brokenAnswer(acme);
  expect(told?.errors).toMatchObject([
    { message: expect.stringContaining('request id'), extensions: { code: 'INTERNAL_SERVER_ERROR' } },
  ]);
  expect(JSON.stringify(told)).not.toContain('c4n4ry');
  const requestId = String(told?.errors[0]?.extensions['requestId']);
  await until(() => server.logs.some((line) => line.includes(requestId) && line.includes('secret-c4n4ry')));
});

test('one line of the log says who listened, for which organization, by what name, and how it ended', async () => {
  const acme = await givenOrganization(server);
  const events = await subscribe(acme.viewer, ONE, { id: acme.runId });
  expect((await events.next())?.data.runUpdates.status).toBe('QUEUED');
  events.close();
  const lines = () =>
    server.logs
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((line) => line['organization'] === acme.id && line['operationName'] === 'Watch');
  await until(() => lines().length > 0);
  expect(lines()).toEqual([
    expect.objectContaining({ msg: 'graphql', operationType: 'subscription', viewer: await personId(acme.viewer) }),
  ]);
});
