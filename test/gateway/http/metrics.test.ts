import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { givenOrganization } from '../../support/given.js';
import { freePort } from '../../support/process.js';
import { raw } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
let metrics = '';

beforeAll(async () => {
  const port = await freePort();
  metrics = `http://127.0.0.1:${port}`;
  server = await startServer({ env: { METRICS_PORT: String(port) } });
});
afterAll(() => server.close());

/** The value of a series, by its labels; 0 before its first count. */
async function read(name: string, labels: Record<string, string>): Promise<number> {
  const { text } = await raw(`${metrics}/metrics`);
  const line = text
    .split('\n')
    .find(
      (each) => each.startsWith(`${name}{`) && Object.entries(labels).every(([k, v]) => each.includes(`${k}="${v}"`)),
    );
  return Number(line?.split(' ').at(-1) ?? 0);
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

test('no series names an organization, a person or what they asked', async () => {
  const { viewer, id, slug } = await givenOrganization(server);
  await viewer('query Distinctive { repositories { totalCount } }');
  const { text } = await raw(`${metrics}/metrics`);
  expect(text).not.toMatch(new RegExp(`${id}|${slug}|${viewer.email}|Distinctive|usr_|org_`));
});

test('metrics are at a port of their own, and nothing else is there', async () => {
  for (const path of ['/metrics', '/metrics/']) expect((await raw(server.url + path)).status).toBe(404);
  for (const path of ['/', '/graphql', '/livez', '/readyz']) expect((await raw(metrics + path)).status).toBe(404);
  expect((await raw(`${metrics}/metrics`)).headers['content-type']).toContain('text/plain');
});
