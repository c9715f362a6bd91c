import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { parse } from 'yaml';
import { countDueWork, createMetrics } from '../../../src/gateway/http/metrics.js';
import { watchRuns } from '../../../src/gateway/http/watch-metrics.js';
import { createSchedule } from '../../../src/jobs/schedule.js';
import { Browser } from '../../support/browser.js';
import { givenOrganization, unique } from '../../support/given.js';
import { startMailServer, type TestMailServer } from '../../support/mail.js';
import { freePort } from '../../support/process.js';
import { raw } from '../../support/raw.js';
import { isPostgres, startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
let smtp: TestMailServer;
let metrics = '';

beforeAll(async () => {
  const port = await freePort();
  metrics = `http://127.0.0.1:${port}`;
  smtp = await startMailServer();
  server = await startServer({
    env: { METRICS_PORT: String(port), SMTP_URL: smtp.url, MAIL_FROM: 'orgate@deployment.example' },
  });
});
afterAll(async () => {
  await server.close();
  await smtp.close();
});

/** The value of a series, by its labels; 0 before its first count. */
async function read(name: string, labels: Record<string, string> = {}): Promise<number> {
  const { text } = await raw(`${metrics}/metrics`);
  const isIt = (line: string) =>
    /^\w+/.exec(line)?.[0] === name && Object.entries(labels).every(([k, v]) => line.includes(`${k}="${v}"`));
  return Number(text.split('\n').find(isIt)?.split(' ').at(-1) ?? 0);
}

/** Waits until a series has grown by what was done. */
async function grows(name: string, labels: Record<string, string>, work: () => Promise<unknown>): Promise<void> {
  const before = await read(name, labels);
  await work();
  await until(async () => (await read(name, labels)) > before);
}

/** Counts are made once the answer is out, so they may come a moment later. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('requests are counted by operation and code, with how long they took', async () => {
  const { viewer } = await givenOrganization(server);
  const of = (operation: string, code: string) => read('orgate_graphql_requests_total', { operation, code });
  const before = [await of('query', 'none'), await of('mutation', 'FORBIDDEN'), await of('none', 'UNAUTHENTICATED')];
  await viewer('{ viewer { role } }');
  await viewer('mutation { cancelRun(id: "x") { id } }');
  await server.withToken('a.b.c')('{ viewer { role } }');
  await until(async () => (await of('none', 'UNAUTHENTICATED')) > (before[2] ?? 0));
  const after = [await of('query', 'none'), await of('mutation', 'FORBIDDEN'), await of('none', 'UNAUTHENTICATED')];
  expect(after).toEqual(before.map((count) => count + 1));
  expect(await read('orgate_graphql_request_duration_seconds_count', { operation: 'query' })).toBeGreaterThan(0);
});

test('waits for the thread and for a connection are counted, of those who had to wait', async () => {
  const { viewer } = await givenOrganization(server);
  const crowd = () => Promise.all(Array.from({ length: 40 }, () => viewer('{ repositories { totalCount } }')));
  await grows('orgate_wait_duration_seconds_count', { resource: 'thread' }, () =>
    grows('orgate_wait_duration_seconds_count', { resource: 'connection' }, crowd),
  );
  expect(await read('orgate_waiting', { resource: 'thread' })).toBe(0);
});

test('whoever waits is told of while they do, and when it was in vain', async () => {
  const { pool } = server.database;
  const kind = pool.turns.kindOf('select');
  const taken = Array.from({ length: 5 }, () => pool.turns.take('org_crowd', kind));
  const turns = taken.filter((turn) => 'end' in turn);
  let leave = () => {};
  const waiting = pool.turns.take('org_crowd', kind, (end) => {
    leave = end;
    return () => undefined;
  });
  expect(await read('orgate_waiting', { resource: 'connection' })).toBe(taken.length - turns.length + 1);
  await grows('orgate_waits_in_vain_total', { resource: 'connection' }, async () => {
    leave();
    await expect(waiting).rejects.toThrow();
  });
  for (const turn of turns) turn.end();
  for (const turn of taken) void Promise.resolve(turn).then(({ end }) => end());
});

test('connections are told of: those that there are, can be and should be', async () => {
  const [idle, busy] = [
    await read('orgate_database_connections', { state: 'idle' }),
    await read('orgate_database_connections', { state: 'busy' }),
  ];
  expect(idle + busy).toBe(server.database.pool.totalCount);
  expect(await read('orgate_database_connections_available')).toBe(isPostgres ? 4 : 1);
  expect(await read('orgate_database_connections_configured')).toBe(10);
});

test('mail is counted by how it ended', async () => {
  const { admin } = await givenOrganization(server);
  const query = 'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { invitation { id } } }';
  const invite = () => admin(query, { input: { email: `${unique('jane')}@new.example`, name: 'J', role: 'VIEWER' } });
  await grows('orgate_due_work_runs_total', { kind: 'mail', outcome: 'done' }, invite);
  smtp.refuseWith = { code: 550, message: 'no such mailbox' };
  await grows('orgate_due_work_runs_total', { kind: 'mail', outcome: 'given_up' }, invite);
  smtp.refuseWith = { code: 451, message: 'try again later' };
  await grows('orgate_due_work_runs_total', { kind: 'mail', outcome: 'failed' }, invite);
  expect(server.logs.join('')).toContain('"kind":"mail"');
});

test('what is due is told of each kind, and no longer where there is none', async () => {
  const own = createMetrics();
  const of = async (name: string) =>
    (await own.registry.getSingleMetricAsString(name)).split('\n').filter((line) => line.includes('{'));
  countDueWork(own, [
    { kind: 'mail', state: 'due', count: 3, oldestSeconds: 40 },
    { kind: 'mail', state: 'failed', count: 2, oldestSeconds: 0 },
  ]);
  expect(await of('orgate_due_work')).toEqual([
    'orgate_due_work{kind="mail",state="due"} 3',
    'orgate_due_work{kind="mail",state="failed"} 2',
  ]);
  expect(await of('orgate_due_work_oldest_seconds')).toEqual(['orgate_due_work_oldest_seconds{kind="mail"} 40']);
  countDueWork(own, []);
  expect([...(await of('orgate_due_work')), ...(await of('orgate_due_work_oldest_seconds'))]).toEqual([]);
});

test('SCIM requests are counted by their route, whatever they name', async () => {
  const labels = { method: 'GET', route: '/scim/v2/Users/:id', status: '401' };
  await grows('orgate_scim_requests_total', labels, () => raw(`${server.url}/scim/v2/Users/anyone`));
  const unknown = { method: 'GET', route: 'none', status: '401' };
  await grows('orgate_scim_requests_total', unknown, () => raw(`${server.url}/scim/v2/Anything`));
  expect(await read('orgate_scim_request_duration_seconds_count', { method: 'GET' })).toBeGreaterThan(0);
});

test('ends of signing in are counted by the provider’s kind', async () => {
  const home = server.url.replace('127.0.0.1', 'localhost');
  const browser = new Browser();
  await grows('orgate_sign_ins_total', { kind: 'oidc', outcome: 'SIGNED_IN' }, async () => {
    const { url } = await browser.visit(`${home}/auth`);
    await browser.visit(url, { method: 'POST', form: { email: `${unique('jo')}@new.example` }, from: url });
  });
  await grows('orgate_sign_ins_total', { kind: 'oidc', outcome: 'NOT_UNDER_WAY' }, () =>
    browser.visit(`${home}/auth/oidc/demo/callback?state=stale`),
  );
  await grows('orgate_sign_ins_total', { kind: 'saml', outcome: 'NOT_UNDER_WAY' }, () =>
    browser.visit(`${home}/auth/saml/x/finish?ticket=x`),
  );
  await grows('orgate_sign_ins_total', { kind: 'none', outcome: 'RETURN_TO' }, () =>
    browser.visit(`${home}/auth?return_to=https://elsewhere.example`),
  );
});

test('what is remembered is counted by whether it was found', async () => {
  const { viewer } = await givenOrganization(server);
  for (const [cache, times] of [
    ['documents', 2],
    ['operations', 5],
    ['tokens', 2],
  ] as const) {
    const query = `query ${unique('q').replaceAll('-', '_')} { viewer { role } }`;
    await grows('orgate_cache_lookups_total', { cache, found: 'true' }, async () => {
      for (let time = 0; time < times; time += 1) await viewer(query);
    });
    expect(await read('orgate_cache_lookups_total', { cache, found: 'false' })).toBeGreaterThan(0);
  }
  expect(await read('orgate_cache_lookups_total', { cache: 'providers' })).toBeGreaterThan(0);
});

test('scheduled work is counted by its outcome, with when it last succeeded', async () => {
  const own = createMetrics();
  const logged: unknown[] = [];
  const schedule = createSchedule(watchRuns(own, { error: (...line: unknown[]) => void logged.push(line) }));
  const began = Date.now() / 1000;
  schedule.every('good', 1, () => Promise.resolve());
  schedule.every('bad', 1, () => Promise.reject(new Error('broken')));
  const of = async (name: string) => (await own.registry.getSingleMetricAsString(name)).split('\n');
  await until(async () => (await of('orgate_job_runs_total')).length >= 4);
  await schedule.close();
  const runs = await of('orgate_job_runs_total');
  expect(runs).toContainEqual(expect.stringMatching(/\{job="good",outcome="succeeded"\} [1-9]/));
  expect(runs).toContainEqual(expect.stringMatching(/\{job="bad",outcome="failed"\} [1-9]/));
  const succeeded = (await of('orgate_job_last_success_timestamp_seconds')).filter((line) => line.includes('{'));
  expect(succeeded).toHaveLength(1);
  expect(Number(/job="good"\} (\S+)/.exec(succeeded[0] ?? '')?.[1])).toBeGreaterThanOrEqual(began);
  expect(logged[0]).toEqual([expect.objectContaining({ job: 'bad' }), 'scheduled work failed']);
});

test('scheduled work that goes on failing is told of once a minute, and anew after it succeeded', () => {
  const logged: unknown[] = [];
  const watch = watchRuns(createMetrics(), { error: (...line: unknown[]) => void logged.push(line) });
  const error = new Error('the database is away');
  const now = jest.spyOn(performance, 'now');
  // Twice a second, for two and a half minutes.
  for (let ms = 0; ms < 150_000; ms += 500) {
    now.mockReturnValue(1_000_000 + ms);
    watch({ name: 'seal-record', ms: 1, error });
    watch({ name: 'mail', ms: 1, error: undefined });
  }
  const told = { job: 'seal-record', err: error };
  expect(logged).toEqual([
    [told, 'scheduled work failed'],
    [{ ...told, untold: 119 }, 'scheduled work failed'],
    [{ ...told, untold: 119 }, 'scheduled work failed'],
  ]);
  watch({ name: 'seal-record', ms: 1 });
  watch({ name: 'seal-record', ms: 1, error });
  expect(logged).toHaveLength(4);
  now.mockRestore();
});

test('docs/operations.md says what each metric means, with its labels, and names no other', async () => {
  const page = await readFile(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
  const rows = page.split('\n').map((line) => /^\| `(orgate_\w+)` +\| (.*?) +\| \S/.exec(line));
  const documented = rows.flatMap((row) => (row ? [`${row[1]} ${row[2]}`] : []));
  const { text } = await raw(`${metrics}/metrics`);
  const served = [...text.matchAll(/^# TYPE (orgate_\w+)/gm)].map(([, name]) => name);
  expect(new Set(documented.map((each) => each.split(' ')[0]))).toEqual(new Set(served));
  const words = page.match(/\b(?:orgate|nodejs|process)_[a-z0-9_]+_[a-z0-9]+\b/g) ?? [];
  const named = words.map((word) => word.replace(/_bucket$/, ''));
  const known = new Set(text.match(/^\w+/gm));
  expect(named.filter((name) => !known.has(name) && !served.includes(name) && !ROLES.test(name))).toEqual([]);
  // Series that there are have the labels that are told of them.
  for (const each of documented) {
    const [name, ...labels] = each.replaceAll(/[`,]/g, '').split(' ');
    const line = text.split('\n').find((one) => new RegExp(`^${name}(_bucket)?\\{`).test(one));
    const told = [...(line ?? '').matchAll(/(\w+)="/g)].map(([, label]) => label).filter((label) => label !== 'le');
    if (line) expect([name, ...told]).toEqual([name, ...labels.filter((label) => label !== '-')]);
  }
});

test('the alerts of docs/operations.md are rules as Prometheus reads them', async () => {
  const page = await readFile(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
  const { groups } = parse(/```yaml\n(groups:[^]*?)```/.exec(page)?.[1] ?? '') as { groups: { rules: object[] }[] };
  const rules = groups.flatMap((group) => group.rules);
  expect(rules.length).toBeGreaterThan(10);
  for (const rule of rules) {
    expect(rule).toEqual({
      alert: expect.stringMatching(/^[A-Z]\w+$/),
      expr: expect.any(String),
      ...('for' in rule && { for: expect.stringMatching(/^\d+m$/) }),
    });
  }
  const brackets = rules.map((rule) => JSON.stringify(rule).replaceAll(/[^()[\]{}]/g, ''));
  const isClosed = (text: string): boolean => {
    const less = text.replaceAll(/\(\)|\[\]|\{\}/g, '');
    return less === '' || (less !== text && isClosed(less));
  };
  expect(brackets.filter((each) => !isClosed(each))).toEqual([]);
});

/** What else is called so in the database. */
const ROLES = /^orgate_(app|directory|owner|gateway|backup|restored)$/;

test('no series names an organization, a person or what they asked', async () => {
  const { viewer, id, slug } = await givenOrganization(server);
  await viewer('query Distinctive { repositories { totalCount } }');
  const { text } = await raw(`${metrics}/metrics`);
  expect(text).not.toMatch(new RegExp(`${id}|${slug}|${viewer.email}|Distinctive|usr_|org_`));
});

test('a second server on the machine of whoever develops goes without, and says so', async () => {
  const env = { METRICS_PORT: new URL(metrics).port };
  const second = await startServer({ env });
  expect((await raw(`${second.url}/livez`)).status).toBe(200);
  expect(second.logs.filter((line) => line.includes('METRICS_PORT is taken'))).toHaveLength(1);
  await second.close();
});

test('metrics are at a port of their own, and nothing else is there', async () => {
  for (const path of ['/metrics', '/metrics/']) expect((await raw(server.url + path)).status).toBe(404);
  for (const path of ['/', '/graphql', '/livez', '/readyz']) expect((await raw(metrics + path)).status).toBe(404);
  expect((await raw(`${metrics}/metrics`)).headers['content-type']).toContain('text/plain');
});
