import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { createClient } from 'graphql-sse';
import { type GivenOrganization, givenOrganization, personId } from '../../support/given.js';
import { givenKey } from '../../support/api-key.js';
import { byTest } from '../../support/act.js';
import { type Events, openEvents, type Told } from '../../support/events.js';
import { givenImpersonation } from '../../support/impersonation.js';
import { claim, givenExecutor, putInPool } from '../../support/executors.js';
import { begin } from '../../support/raw.js';
import { givenSealed } from '../../support/sealed.js';
import { type Client, codeOf, startServer, useServer } from '../../support/server.js';
import { givenBrowser } from '../../support/sessions.js';
import { until } from '../../support/until.js';

const server = useServer({ scheduled: true });

const UPDATES = 'subscription ($runId: ID!, $after: String) { runUpdates(runId: $runId, after: $after) { ...told } }';
const ALL = 'subscription ($after: String) { organizationRunUpdates(after: $after) { ...told } }';
const TOLD = ' fragment told on RunUpdate { cursor change status at run { id status totalTokens } }';
const REPORT =
  'mutation ($id: ID!, $input: RunProgressInput!) { recordRunProgress(id: $id, input: $input) { status totalTokens } }';
const START = 'mutation ($agentId: ID!) { startRun(input: { agentId: $agentId }) { id } }';

const given = (): Promise<GivenOrganization> => givenSealed(server);

const opened: Events[] = [];

async function subscribe(
  { token }: Client,
  query: string,
  variables: Record<string, unknown> = {},
  url = server.url,
): Promise<Events> {
  const events = await openEvents({ url, token }, query + TOLD, variables);
  opened.push(events);
  return events;
}

afterEach(() => {
  for (const events of opened.splice(0)) events.close();
});

const updateOf = (told: Told | null) => told?.data?.runUpdates ?? told?.data?.organizationRunUpdates;
const report = (client: Client, id: string, input: Record<string, unknown>) => client(REPORT, { id, input });

async function nextUpdate(events: Events) {
  const told = await events.next();
  if (!updateOf(told)) throw new Error(`not an update: ${JSON.stringify(told)}`);
  return updateOf(told);
}

/** Updates up to the one of this status. */
async function updatesUntil(events: Events, status: string) {
  const all = [];
  for (;;) {
    const update = await nextUpdate(events);
    all.push(update);
    if (update.change === 'STATUS' && update.status === status) return all;
  }
}

const statusesOf = (updates: { change: string; status: string }[]) =>
  updates.filter(({ change }) => change === 'STATUS').map(({ status }) => status);

async function started({ developer, agentId }: GivenOrganization): Promise<string> {
  const { data } = await developer(START, { agentId });
  return data.startRun.id as string;
}

test('a run is told as it is, and then what becomes of it, each status once and in order', async () => {
  const acme = await given();
  const { developer, viewer } = acme;
  const id = await started(acme);
  const events = await subscribe(viewer, UPDATES, { runId: id });
  expect(events.status).toBe(200);
  expect(events.headers.get('content-type')).toMatch(/^text\/event-stream/);
  expect(events.headers.get('cache-control')).toBe('no-store');
  const first = await nextUpdate(events);
  expect(first).toMatchObject({ change: 'TOTALS', status: 'QUEUED', run: { id, totalTokens: 0 } });
  await report(developer, id, { status: 'RUNNING' });
  await report(developer, id, { totalTokens: 7 });
  await report(developer, id, { status: 'SUCCEEDED', totalTokens: 9 });
  const updates = await updatesUntil(events, 'SUCCEEDED');
  const statuses = statusesOf(updates).filter((status) => status !== 'QUEUED');
  expect(statuses).toEqual(['RUNNING', 'SUCCEEDED']);
  expect(updates.at(-1)?.run).toEqual({ id, status: 'SUCCEEDED', totalTokens: 9 });
});

test('totals are told once in a while, the latest, with the cursor of the status before them', async () => {
  const acme = await given();
  const { developer } = acme;
  const id = await started(acme);
  await report(developer, id, { status: 'RUNNING' });
  const events = await subscribe(developer, UPDATES, { runId: id });
  await nextUpdate(events);
  const [running] = (await updatesUntil(events, 'RUNNING')).slice(-1);
  for (let tokens = 1; tokens <= 20; tokens += 1) await report(developer, id, { totalTokens: tokens });
  const told: number[] = [];
  while (told.at(-1) !== 20) {
    const update = await nextUpdate(events);
    expect(update).toMatchObject({ change: 'TOTALS', status: 'RUNNING', cursor: running.cursor });
    told.push(update.run.totalTokens as number);
  }
  // Twenty reports within a second or two are told of a few times.
  expect(told.length).toBeLessThan(10);
  expect(told).toEqual(told.toSorted((a, b) => a - b));
});

test('whoever goes on behind a cursor loses nothing and hears nothing twice', async () => {
  const acme = await given();
  const { developer } = acme;
  const events = await subscribe(developer, ALL);
  const ids: string[] = [];
  for (let count = 0; count < 3; count += 1) ids.push(await started(acme));
  const heard: { run: { id: string }; status: string; cursor: string }[] = [];
  for (const id of ids) heard.push(await nextUpdate(events).then((update) => ({ ...update, id })));
  expect(heard.map(({ run }) => run.id)).toEqual(ids);
  events.close();
  for (const id of ids) await report(developer, id, { status: 'RUNNING', totalTokens: 3 });
  for (const id of ids) await report(developer, id, { status: 'FAILED', error: 'no' });
  await until(async () => {
    const { data } = await acme.admin(
      '{ auditLog(first: 1, filter: { action: "run.failed" }) { nodes { sequence } } }',
    );
    return data.auditLog.nodes[0]?.sequence != null;
  });
  const again = await subscribe(developer, ALL, { after: heard.at(-1)?.cursor });
  const statuses: string[] = [];
  for (let left = 6; left > 0;) {
    const update = await nextUpdate(again);
    if (update.change !== 'STATUS') continue;
    statuses.push(`${update.run.id} ${update.status}`);
    left -= 1;
  }
  expect(statuses).toEqual([...ids.map((id) => `${id} RUNNING`), ...ids.map((id) => `${id} FAILED`)]);
  // From the middle of it, what follows the middle.
  const middle = await subscribe(developer, ALL, { after: heard[1]?.cursor });
  expect(await nextUpdate(middle)).toMatchObject({ change: 'STATUS', status: 'QUEUED', run: { id: ids[2] } });
});

test('a claim is heard, and that its run was put back; what nobody changed is told once', async () => {
  const acme = await given();
  const executor = await givenExecutor(server);
  await putInPool(acme, executor.pool);
  const old = await started(acme);
  await report(acme.developer, old, { status: 'RUNNING', totalTokens: 3 });
  await server.database.pool.queryAsLoginRole(
    `update run set reported_at = clock_timestamp() - interval '2 minutes' where id = $1`,
    [old],
  );
  const id = await started(acme);
  const [events, all] = [await subscribe(acme.viewer, UPDATES, { runId: id }), await subscribe(acme.viewer, ALL)];
  const first = await nextUpdate(events);
  expect(first).toMatchObject({ change: 'TOTALS', status: 'QUEUED' });
  // Every listener looks for what got lost every five seconds.
  await new Promise((resolve) => setTimeout(resolve, 5500));
  const [lease] = await claim(executor.client);
  expect(lease).toMatchObject({ runId: id });
  const heard = await updatesUntil(events, 'RUNNING');
  expect(heard.filter(({ change, status }) => change === 'TOTALS' && status === 'QUEUED')).toEqual([]);
  await server.database.pool.queryAsLoginRole(
    `update run_claim set expires_at = clock_timestamp() - interval '1 second' where run_id = $1`,
    [id],
  );
  expect(statusesOf(await updatesUntil(events, 'QUEUED'))).toEqual(['QUEUED']);
  const others = [];
  do others.push(await nextUpdate(all));
  while (others.at(-1).run.id !== id || others.at(-1).status !== 'RUNNING');
  expect(others.filter(({ change, run }) => change === 'TOTALS' && run.id === old)).toEqual([]);
});

test('of another organization nothing is heard, and its runs are as if they had never been', async () => {
  const [acme, globex] = [await given(), await given()];
  const foreign = await (await subscribe(acme.owner, UPDATES, { runId: globex.runId })).rest();
  const unknown = await (await subscribe(acme.owner, UPDATES, { runId: `run_${'0'.repeat(26)}` })).rest();
  const shown = (told: Told[]) => JSON.stringify(told).replaceAll(/"requestId":"[^"]+"/g, '');
  expect(foreign[0]?.errors[0]?.extensions['code']).toBe('NOT_FOUND');
  expect(shown(foreign)).toBe(shown(unknown));

  const events = await subscribe(acme.owner, ALL);
  const theirs = await started(globex);
  await report(globex.developer, theirs, { status: 'RUNNING' });
  const ours = await started(acme);
  expect(await nextUpdate(events)).toMatchObject({ status: 'QUEUED', run: { id: ours } });
});

test('whoever may not read runs opens nothing', async () => {
  const acme = await given();
  const { viewer } = acme;
  const userId = await personId(viewer);
  await server.database
    .organizationDb(acme.id, byTest)
    .membership.update({ userId }, { withheld: ['run:read'] } as never);
  const before = server.statements.length;
  const told = await (await subscribe(viewer, ALL)).rest();
  expect(told.map(({ event }) => event)).toEqual(['next', 'complete']);
  expect(told[0]?.errors).toMatchObject([{ extensions: { code: 'FORBIDDEN', requiredPermission: 'run:read' } }]);
  const asked = server.statements.slice(before).filter(({ frame }) => 'orgId' in frame && frame.orgId === acme.id);
  expect(asked.filter(({ text }) => text.includes('audit_seal') && !text.includes('audit_unsealed'))).toEqual([]);
  const anyone = await openEvents({ url: server.url }, ALL + TOLD);
  expect((await anyone.rest())[0]?.errors[0]?.extensions['code']).toBe('UNAUTHENTICATED');
});

const ENDINGS: readonly (readonly [string, string, (acme: GivenOrganization, userId: string) => Promise<unknown>])[] = [
  [
    'lost the permission',
    'FORBIDDEN',
    ({ id }, userId) =>
      server.database.organizationDb(id, byTest).membership.update({ userId }, { withheld: ['run:read'] } as never),
  ],
  [
    'was removed',
    'ORG_CONTEXT_REQUIRED', // the token names it, and a token may name what its person is in no more

    ({ owner }, userId) =>
      owner('mutation ($userId: ID!) { removeMember(userId: $userId) { status } }', { userId }).then((answer) =>
        expect(answer.errors).toEqual([]),
      ),
  ],
  [
    'was suspended on the whole deployment',
    'UNAUTHENTICATED',
    (_, userId) =>
      server.database.pool.queryAsLoginRole(`update person set status = 'DISABLED' where id = $1`, [userId]),
  ],
];

test.each(ENDINGS)('whoever %s hears %s, and nothing more', async (_, code, end) => {
  const acme = await given();
  const events = await subscribe(acme.viewer, ALL);
  const id = await started(acme);
  expect(await nextUpdate(events)).toMatchObject({ status: 'QUEUED' });
  await end(acme, await personId(acme.viewer));
  await report(acme.developer, id, { status: 'RUNNING' });
  await report(acme.developer, id, { status: 'SUCCEEDED' });
  const [refused, complete, ...more] = await events.rest();
  expect(refused?.data?.organizationRunUpdates).toBeUndefined();
  expect(refused?.errors.map(({ extensions }) => extensions['code'])).toEqual([code]);
  expect([complete?.event, more]).toEqual(['complete', []]);
});

test.each(['signed out', 'revoked'])('a session that is %s hears nothing more', async (how) => {
  const acme = await given();
  const userId = await personId(acme.viewer);
  const [browser, other] = [await givenBrowser(server, userId), await givenBrowser(server, userId)];
  const events = await subscribe(server.withToken((await browser.token()).access), ALL);
  const id = await started(acme);
  expect(await nextUpdate(events)).toMatchObject({ status: 'QUEUED' });
  const ended =
    how === 'revoked'
      ? await other(`mutation { revokeSession(id: "${browser.sessionId}") }`)
      : await browser('mutation { signOut }');
  expect(ended.errors).toEqual([]);
  await report(acme.developer, id, { status: 'RUNNING' });
  await report(acme.developer, id, { status: 'SUCCEEDED' });
  const [refused, complete, ...more] = await events.rest();
  expect(refused?.data?.organizationRunUpdates).toBeUndefined();
  expect(refused?.errors.map(({ extensions }) => extensions['code'])).toEqual(['UNAUTHENTICATED']);
  expect([complete?.event, more]).toEqual(['complete', []]);
});

// Every role reads runs: what a lesser one may no more is seen by what it is told that it may.
test('whoever is given a lesser role is answered as one of that role from then on', async () => {
  const acme = await given();
  const AS = `subscription { organizationRunUpdates { change status
    run { organization { viewerRole viewerPermissions } } } }`;
  const events = await openEvents({ url: server.url, token: acme.admin.token }, AS);
  opened.push(events);
  const asOn = async (status: string) => (await updatesUntil(events, status)).at(-1).run.organization;
  const id = await started(acme);
  expect(await asOn('QUEUED')).toMatchObject({
    viewerRole: 'ADMIN',
    viewerPermissions: expect.arrayContaining(['audit:read']),
  });
  const LESSER = 'mutation ($id: ID!) { updateMemberRole(userId: $id, role: VIEWER) { role } }';
  expect((await acme.owner(LESSER, { id: await personId(acme.admin) })).errors).toEqual([]);
  await report(acme.developer, id, { status: 'RUNNING' });
  const { viewerRole, viewerPermissions } = await asOn('RUNNING');
  expect(viewerRole).toBe('VIEWER');
  expect(viewerPermissions).not.toContain('audit:read');
});

test('a key that is revoked hears nothing more', async () => {
  const acme = await given();
  const key = await givenKey(server, acme.developer, ['run:read']);
  const events = await openEvents({ url: server.url, token: key.secret }, ALL + TOLD);
  opened.push(events);
  const id = await started(acme);
  expect(await nextUpdate(events)).toMatchObject({ status: 'QUEUED' });
  const revoked = await acme.developer('mutation ($id: ID!) { revokeApiKey(id: $id) { id } }', { id: key.id });
  expect(revoked.errors).toEqual([]);
  await report(acme.developer, id, { status: 'RUNNING' });
  const told = await events.rest();
  expect(told.flatMap(({ errors }) => errors.map(({ extensions }) => extensions['code']))).toEqual(['UNAUTHENTICATED']);
});

test('a cursor tells nothing, and what is none of this organization is refused the same, whatever it is', async () => {
  const [acme, globex] = [await given(), await given()];
  const heard = async ({ viewer, ...rest }: GivenOrganization) => {
    const events = await subscribe(viewer, ALL);
    await started({ viewer, ...rest } as GivenOrganization);
    return String((await nextUpdate(events)).cursor);
  };
  const [own, foreign] = [await heard(acme), await heard(globex)];
  // What can be read of it, which is the same of every place.
  const [head = ''] = own.split('.');
  const purpose = `place/${acme.id}`;
  const read = { alg: 'dir', enc: 'A256GCM', kid: expect.any(String), purpose };
  expect(JSON.parse(Buffer.from(head, 'base64url').toString())).toEqual(read);
  const plain = (place: number) => Buffer.from(JSON.stringify(['AAAAAAAA', place])).toString('base64url');
  const altered = own.slice(0, -8) + (own.at(-8) === 'A' ? 'B' : 'A') + own.slice(-7);
  const refusals = new Set<string>();
  for (const after of ['', 'x', 'bm8', plain(0), plain(1e9), foreign, altered]) {
    const told = await (await subscribe(acme.viewer, ALL, { after })).rest();
    expect(told[0]?.errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', argument: 'after' } }]);
    refusals.add(JSON.stringify(told).replaceAll(/"requestId":"[^"]+"/g, ''));
  }
  expect(refusals.size).toBe(1);
});

test('where one answer is waited for, a subscription says how to ask for it', async () => {
  const acme = await given();
  const answer = await acme.viewer('subscription { organizationRunUpdates { cursor } }');
  expect(codeOf(answer)).toBe('BAD_REQUEST');
  expect(answer.errors[0]?.message).toContain('text/event-stream');
});

test('queries and mutations are answered by the same door, once', async () => {
  const acme = await given();
  const told = await (
    await openEvents({ url: server.url, token: acme.developer.token }, START, { agentId: acme.agentId })
  ).rest();
  expect(told).toMatchObject([
    { event: 'next', data: { startRun: { id: expect.any(String) } } },
    { event: 'complete' },
  ]);
  const wrong = await (await openEvents({ url: server.url, token: acme.viewer.token }, '{ nope }')).rest();
  expect(wrong[0]?.errors[0]?.extensions['code']).toBe('GRAPHQL_VALIDATION_FAILED');
});

/** So many that are open: each has heard of a run. On a busy machine some may be told to try again, as clients are. */
async function subscribeTimes(count: number, acme: GivenOrganization, client: Client): Promise<Events[]> {
  const open: Events[] = [];
  while (open.length < count) {
    const tried = await Promise.all(Array.from({ length: count - open.length }, () => subscribe(client, ALL)));
    await started(acme);
    const told = await Promise.all(tried.map((events) => events.next()));
    open.push(...tried.filter((_, index) => updateOf(told[index] ?? null)));
  }
  return open;
}

test('nobody has more than a hundred open, and each that is closed makes room', async () => {
  const acme = await given();
  const all = await subscribeTimes(100, acme, acme.viewer);
  const [told] = await (await subscribe(acme.viewer, ALL)).rest();
  expect(told?.errors).toMatchObject([{ extensions: { code: 'LIMIT_REACHED', max: 100, used: 100 } }]);
  // Others are not kept out by it.
  const others = await subscribe(acme.owner, ALL);
  await started(acme);
  expect(await nextUpdate(others)).toMatchObject({ status: 'QUEUED' });
  all[0]?.close();
  await until(async () => {
    const one = await subscribe(acme.viewer, ALL);
    const isOpen = await Promise.race([
      one.next().then((each) => (each?.errors.length ?? 0) === 0),
      started(acme).then(() => true),
    ]);
    one.close();
    return isOpen;
  });
});

test('who acts as a member takes no place of theirs', async () => {
  const acme = await given();
  const { acting } = await givenImpersonation(server, acme, { as: 'viewer' });
  await subscribeTimes(100, acme, acting);
  const [told] = await (await subscribe(acting, ALL)).rest();
  expect(told?.errors).toMatchObject([{ extensions: { code: 'LIMIT_REACHED', max: 100, used: 100 } }]);
  const own = await subscribe(acme.viewer, ALL);
  await started(acme);
  expect(await nextUpdate(own)).toMatchObject({ status: 'QUEUED' });
});

test('who acts as a member is told to have listened, and hears nothing more once that was ended', async () => {
  const acme = await given();
  const { acting, id } = await givenImpersonation(server, acme, { as: 'viewer' });
  const events = await subscribe(acting, ALL);
  await started(acme);
  expect(await nextUpdate(events)).toMatchObject({ status: 'QUEUED' });
  const { data } = await acme.admin(
    `query ($id: ID!) { auditLog(filter: { targetId: $id, action: "impersonation.query" }) { nodes { changes { after } } } }`,
    { id },
  );
  const fields = 'organizationRunUpdates { cursor change status at run { id status totalTokens } }';
  expect(data.auditLog.nodes).toEqual([{ changes: [{ after: fields }] }]);
  await acme.owner('mutation ($id: ID!) { endImpersonation(id: $id) { endedAt } }', { id });
  await started(acme);
  expect(await events.rest()).toMatchObject([
    { event: 'next', data: null, errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] },
    { event: 'complete' },
  ]);
});

test('whoever is gone before it is open keeps no place', async () => {
  const acme = await given();
  const body = JSON.stringify({ query: ALL + TOLD });
  const head = [
    'POST /graphql HTTP/1.1',
    'Host: x',
    `Authorization: Bearer ${acme.viewer.token}`,
    'Content-Type: application/json',
    'Accept: text/event-stream',
    `Content-Length: ${body.length}`,
  ];
  for (let times = 0; times < 60; times += 1) {
    const { socket } = await begin(server.url, head, { body });
    await wait(times % 12);
    socket.resetAndDestroy();
  }
  let isRoom = false;
  for (let times = 0; !isRoom && times < 20; times += 1) {
    await wait(100); // the server sees who is gone
    const all = await Promise.all(Array.from({ length: 100 }, () => subscribe(acme.viewer, ALL)));
    const told = Promise.all(all.map((events) => events.next()));
    await started(acme);
    isRoom = (await told).every((each) => updateOf(each));
    for (const events of all) events.close();
  }
  expect(isRoom).toBe(true);
});

test('whoever hears the same is looked up, and what they hear is read, once for all of them', async () => {
  const acme = await given();
  const all = await Promise.all(Array.from({ length: 20 }, () => subscribe(acme.viewer, ALL)));
  const id = await started(acme);
  await Promise.all(all.map(nextUpdate));
  const before = server.statements.length;
  await report(acme.developer, id, { status: 'RUNNING' });
  await Promise.all(all.map((events) => updatesUntil(events, 'RUNNING')));
  const since = server.statements.slice(before);
  const digests = since.filter(({ text }) => text.includes('as digest'));
  const entries = since.filter(
    ({ text, frame }) => 'orgId' in frame && frame.orgId === acme.id && /from "?audit_entry/.test(text),
  );
  // A few, as news come more than once; by each of them alone it would be twenty each time.
  expect(digests.length).toBeLessThan(20);
  expect(entries.length).toBeLessThan(20);
});

test('closing ends what is open at once, and says that it is not complete', async () => {
  const other = await startServer({ scheduled: true });
  const acme = await givenOrganization(other);
  const events = await openEvents({ url: other.url, token: acme.viewer.token }, ALL + TOLD);
  const closing = other.close();
  expect(await events.rest()).toEqual([]);
  await closing;
  expect(other.logs.filter((line) => line.includes('cut off'))).toEqual([]);
});

test('the client of the protocol understands it', async () => {
  const acme = await given();
  const client = createClient({
    url: `${server.url}/graphql`,
    headers: { authorization: `Bearer ${acme.viewer.token}` },
    retryAttempts: 0,
  });
  const updates = client.iterate({ query: 'subscription { organizationRunUpdates { status } }' });
  const first = updates.next();
  await until(async () => {
    await started(acme);
    return Promise.race([
      first.then(() => true),
      new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 500)),
    ]);
  });
  expect((await first).value).toEqual({ data: { organizationRunUpdates: { status: 'QUEUED' } } });
  await updates.return?.();
});
