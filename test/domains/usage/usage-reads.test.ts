import { describe, expect, test } from '@jest/globals';
import { openFolding } from '../../../src/domains/usage/outside.js';
import { givenKey } from '../../support/api-key.js';
import {
  comeBack,
  type GivenOrganization,
  givenAdministrator,
  givenMember,
  givenOrganization,
  givenTwoOrganizations,
  personId,
  unique,
} from '../../support/given.js';
import { codeOf, useServer } from '../../support/server.js';

const server = useServer();
const sql = async (text: string, values: unknown[]) =>
  (await server.database.pool.queryAsLoginRole(text, values)).rows as Record<string, unknown>[];
const today = (): string => server.database.pool.clock.now().toISOString().slice(0, 10);

const BY_DAY = `query ($from: String!, $to: String!, $by: UsageDimension!, $metric: String) {
  usageByDay(from: $from, to: $to, by: $by, metric: $metric) { day key quantity costMicros } }`;
const byDay = async ({ viewer }: GivenOrganization, by: string, more: object = {}) =>
  (await viewer(BY_DAY, { from: today(), to: today(), by, ...more })).data.usageByDay as {
    day: string;
    key: string | null;
    quantity: number;
    costMicros: number;
  }[];
const RECORD = 'mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { event { id } } }';
const STATEMENT = `query ($period: String!) { usageStatement(period: $period) {
  period isClosed closesAt totalRuns totalTokens totalCost totalCostMicros costCents metrics { metric quantity costMicros } } }`;

describe('What each day used', () => {
  test('is told by metric, agent, person, key and provider, before and after it is added up', async () => {
    const acme = await givenOrganization(server);
    const key = await givenKey(server, acme.developer, ['usage:record']);
    const input = { metric: 'images', quantity: 3, costMicros: 50, attributes: { provider: 'openai' } };
    await key.client(RECORD, { input: { ...input, idempotencyKey: unique('key') } });
    await acme.developer(RECORD, {
      input: { ...input, idempotencyKey: unique('key'), attributes: { provider: 'not a name' } },
    });
    const [owner, developer] = [await personId(acme.owner), await personId(acme.developer)];
    const keyId = (
      await sql('select key_id from usage_event where org_id = $1 and key_id is not null', [acme.id])
    )[0]?.['key_id'];
    const row = (of: unknown, quantity: number, costMicros: number) => ({
      day: today(),
      key: of,
      quantity,
      costMicros,
    });
    const sorted = (rows: { key: unknown }[]) => rows.toSorted((a, b) => String(a.key).localeCompare(String(b.key)));
    const expected = {
      METRIC: [row('images', 6, 100), row('tokens', 1000, 2_500_000)],
      AGENT: [row(acme.agentId, 1000, 2_500_000), row(null, 6, 100)],
      PERSON: [row(owner, 1000, 2_500_000), row(developer, 6, 100)],
      KEY: [row(keyId, 3, 50), row(null, 1003, 2_500_050)],
      PROVIDER: [row('openai', 3, 50), row(null, 1003, 2_500_050)],
    };
    for (let isFolded = false; ; isFolded = true) {
      for (const [by, rows] of Object.entries(expected)) {
        expect([by, sorted(await byDay(acme, by))]).toEqual([by, sorted(rows)]);
      }
      expect(await byDay(acme, 'AGENT', { metric: 'images' })).toEqual([row(null, 6, 100)]);
      if (isFolded) break;
      while ((await server.database.outside(openFolding).fold(acme.id, 2)) > 0);
    }
    expect(await byDay(acme, 'METRIC', { from: '2020-01-01', to: '2020-12-31' })).toEqual([]);
  });

  test.each([
    ['from', { from: '2026-11', to: '2026-11-02' }],
    ['to', { from: '2026-11-02', to: '2026-11-31' }],
    ['to', { from: '2026-11-02', to: '2026-11-01' }],
    ['to', { from: '2024-01-01', to: '2025-01-01' }],
  ])('needs days: a wrong %s of %j is refused', async (argument, days) => {
    const acme = await givenOrganization(server);
    const { errors } = await acme.viewer(BY_DAY, { ...days, by: 'METRIC' });
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument });
    const EXPORT = 'mutation ($input: ExportUsageInput!) { exportUsage(input: $input) { url } }';
    const refused = await acme.viewer(EXPORT, { input: { ...days, format: 'CSV' } });
    expect(refused.errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: `input.${argument}` });
  });
});

describe.each([1, 2, 3])('A random history (%i)', (seed) => {
  let state = seed * 2_654_435_761;
  const random = (below: number): number => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 0x9e3779b9) >>> 0;
    return state % below;
  };

  test('with what is late and corrected is the sum of what was told, by whatever it is asked, at any moment', async () => {
    const acme = await givenOrganization(server);
    const expected = new Map<string, number>();
    const add = (name: string, micros: number) => expected.set(name, (expected.get(name) ?? 0) + micros);
    const count = (day: string, provider: string | null, micros: number) => {
      for (const name of [`METRIC ${day} images`, `PROVIDER ${day} ${provider}`]) add(name, micros);
    };
    const events: { id: string; day: string; left: number; provider: string | null }[] = [];
    for (let step = 0; step < 40; step += 1) {
      const kind = random(4);
      if (kind < 2 || events.length === 0) {
        const provider = [null, 'openai', 'google'][random(3)] ?? null;
        const occurredAt = new Date(server.database.pool.clock.now().getTime() - random(30) * 86_400_000).toISOString();
        const costMicros = random(1_000_000);
        const { data } = await acme.developer(
          'mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { event { id day late } } }',
          {
            input: {
              idempotencyKey: unique('key'),
              metric: 'images',
              quantity: 1,
              costMicros,
              occurredAt,
              attributes: provider && { provider },
            },
          },
        );
        const { id, day } = data.recordUsage.event;
        count(day, provider, costMicros);
        events.push({ id, day, left: costMicros, provider });
      } else if (kind === 2) {
        const event = events[random(events.length)] as (typeof events)[number];
        const costMicros = random(1000) - Math.min(event.left, random(1_000_000));
        if (costMicros === 0) continue;
        const { data } = await acme.owner(
          'mutation ($input: CorrectUsageInput!) { correctUsage(input: $input) { event { day } } }',
          { input: { eventId: event.id, idempotencyKey: unique('key'), costMicros, reason: 'x' } },
        );
        event.left += costMicros;
        count(data.correctUsage.event.day, event.provider, costMicros);
      } else await server.database.outside(openFolding).fold(acme.id, 1 + random(10));
      const [name, micros] = [...expected][random(expected.size)] as [string, number];
      const [by = '', day = '', key] = name.split(' ');
      const rows = await byDay(acme, by, { from: day, to: day, metric: 'images' });
      expect([name, rows.find((row) => String(row.key) === key)?.costMicros]).toEqual([name, micros]);
    }
  });
});

describe('A statement', () => {
  test('tells a month, open until three days after its end, and no day', async () => {
    const acme = await givenOrganization(server);
    const period = today().slice(0, 7);
    const { usageStatement } = (await acme.viewer(STATEMENT, { period })).data;
    expect(usageStatement).toMatchObject({
      period,
      isClosed: false,
      totalRuns: 1,
      totalTokens: 1000,
      totalCost: 2.5,
      totalCostMicros: 2_500_000,
      costCents: 250,
    });
    const closes = new Date(Date.UTC(Number(period.slice(0, 4)), Number(period.slice(5)), 4, 0, 1)).toISOString();
    expect(usageStatement.closesAt).toBe(closes);
    expect(usageStatement.metrics).toContainEqual({ metric: 'tokens', quantity: 1000, costMicros: 2_500_000 });
    for (const wrong of [today(), '2026', '2026-13']) {
      const { errors } = await acme.viewer(STATEMENT, { period: wrong });
      expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'period' });
    }
  });

  test('of a closed month stays what it is, whatever is written for it', async () => {
    const acme = await givenOrganization(server);
    const before = (await acme.viewer(STATEMENT, { period: '2024-03' })).data.usageStatement;
    expect(before).toMatchObject({ isClosed: true, totalCostMicros: 0 });
    // As from a replica that was stopped for a month in the midst of it.
    const event = {
      id: unique('use'),
      metric: 'images',
      quantity: 1n,
      costMicros: 9n,
      occurredAt: new Date('2024-03-05T00:00:00Z'),
      recordedAt: new Date('2024-03-05T00:00:00Z'),
      day: '2024-03-05',
      createdById: 'usr_x',
    };
    const by = { kind: 'SYSTEM', id: null, name: 'test' } as const;
    const written = await server.database.organizationDb(acme.id, by).usageEvent.create(event);
    expect(written).toMatchObject({ day: new Date().toISOString().slice(0, 10), late: true });
    expect((await acme.viewer(STATEMENT, { period: '2024-03' })).data.usageStatement).toEqual(before);
  });
});

describe('Events', () => {
  const EVENTS = `query ($first: Int, $after: String, $filter: UsageEventFilter) {
    usageEvents(first: $first, after: $after, filter: $filter) {
      totalCount nodes { id metric day agentId createdById keyId provider } pageInfo { hasNextPage endCursor } } }`;

  test('are listed by day, page by page, of some days', async () => {
    const acme = await givenOrganization(server);
    const ago = (days: number) => new Date(server.database.pool.clock.now().getTime() - days * 86_400_000);
    for (const days of [1, 2, 3]) {
      const input = { metric: 'images', quantity: 1, occurredAt: ago(days).toISOString(), idempotencyKey: unique('k') };
      await acme.developer(RECORD, { input });
    }
    const first = (await acme.viewer(EVENTS, { first: 3 })).data.usageEvents;
    expect(first).toMatchObject({ totalCount: 4, pageInfo: { hasNextPage: true } });
    const rest = (await acme.viewer(EVENTS, { first: 3, after: first.pageInfo.endCursor })).data.usageEvents;
    const days = [...first.nodes, ...rest.nodes].map(({ day }: { day: string }) => day);
    expect(days).toHaveLength(4);
    expect(days).toEqual(days.toSorted().toReversed());
    expect(first.nodes[0]).toMatchObject({ metric: 'tokens', agentId: acme.agentId, keyId: null, provider: null });
    const some = await acme.viewer(EVENTS, { filter: { to: days[1] } });
    expect(some.data.usageEvents.totalCount).toBe(3);
    const { errors } = await acme.viewer(EVENTS, { filter: { from: '2026-11' } });
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'filter.from' });
  });

  test('and days are read where the organization was named, and not because it is the default', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const { email } = await givenMember(server, acme, 'VIEWER');
    await givenMember(server, globex, 'VIEWER', { email });
    const anywhere = await server.as(email);
    await anywhere('mutation ($id: ID) { setDefaultOrganization(organizationId: $id) { user { id } } }', {
      id: acme.id,
    });
    expect((await anywhere('{ organizationUsage { totalTokens } }')).errors).toEqual([]);
    expect(codeOf(await anywhere(EVENTS))).toBe('ORG_CONTEXT_REQUIRED');
    expect(codeOf(await anywhere(BY_DAY, { from: today(), to: today(), by: 'METRIC' }))).toBe('ORG_CONTEXT_REQUIRED');
  });
});

describe('exportUsage', () => {
  const EXPORT = 'mutation ($input: ExportUsageInput!) { exportUsage(input: $input) { url expiresAt } }';
  const linkOf = async ({ viewer }: GivenOrganization, format: string): Promise<string> => {
    const { data } = await viewer(EXPORT, { input: { format, from: today(), to: today() } });
    return `${server.url}${new URL(String(data.exportUsage?.url)).pathname}`;
  };
  const follow = (url: string, { token }: { token: string }) =>
    fetch(url, { headers: { authorization: `Bearer ${token}` } });

  test('leads to every event of its days, once, for whoever asked', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const input = { metric: 'images', quantity: 2, idempotencyKey: '=1+1', attributes: { a: '-x' } };
    await acme.developer(RECORD, { input });
    await sql(
      `insert into usage_event (org_id, id, metric, quantity, cost_micros, occurred_at, recorded_at, day, created_by)
       select $1, 'use_' || n, 'images', 1, 1, now(), now(), $2, 'usr_x' from generate_series(1, 1200) n`,
      [acme.id, today()],
    );
    const url = await linkOf(acme, 'NDJSON');
    for (const other of [acme.owner, globex.viewer]) expect((await follow(url, other)).status).toBe(404);
    expect((await follow(url.replace(/[^/]+$/, 'x%00'), acme.viewer)).status).toBe(404);
    const response = await follow(url, acme.viewer);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/x-ndjson']);
    const lines = (await response.text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toHaveLength(1202);
    expect(new Set(lines.map(({ id }) => id)).size).toBe(1202);
    expect(lines).toContainEqual(
      expect.objectContaining({ metric: 'images', quantity: 2, idempotencyKey: '=1+1', attributes: { a: '-x' } }),
    );
    for (let status = 200; status !== 404;) ({ status } = await follow(url, acme.viewer));
    const csv = await follow(await linkOf(acme, 'CSV'), acme.viewer);
    expect(csv.headers.get('content-type')).toContain('text/csv');
    const rows = (await csv.text()).trimEnd().split('\r\n');
    expect(rows).toHaveLength(1203);
    expect(rows[0]).toMatch(/^id,day,metric,quantity,costMicros,/);
    expect(rows.some((row) => row.includes(`"'=1+1"`))).toBe(true);
    const { data } = await acme.owner(`{
      created: auditLog(filter: { action: "usage_export.created" }) { totalCount }
      opened: auditLog(filter: { action: "usage_export.opened" }) { totalCount }
    }`);
    expect(data).toEqual({ created: { totalCount: 2 }, opened: { totalCount: 2 } });
  });

  test('goes no more to whoever lost the right, nor when its time is over', async () => {
    const acme = await givenOrganization(server);
    const url = await linkOf(acme, 'NDJSON');
    await sql(`update usage_export set expires_at = now() - interval '1 second' where org_id = $1`, [acme.id]);
    expect((await follow(url, acme.viewer)).status).toBe(404);
    const late = await linkOf(acme, 'NDJSON');
    await sql(`update membership set withheld = '{usage:read}' where org_id = $1 and email = $2`, [
      acme.id,
      acme.viewer.email,
    ]);
    expect((await follow(late, acme.viewer)).status).toBe(403);
  });

  test('goes to nobody who was removed since, also when they are back', async () => {
    const acme = await givenOrganization(server);
    const url = await linkOf(acme, 'NDJSON');
    await comeBack(server, acme, acme.viewer);
    expect((await follow(url, acme.viewer)).status).toBe(404);
    expect((await follow(await linkOf(acme, 'NDJSON'), acme.viewer)).status).toBe(200);
  });
});

test('whoever runs the deployment sees the sums of every organization, whose record tells it once a day', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  const sam = await givenAdministrator(server);
  await acme.owner('mutation { setCostLimits(input: { monthlyLimitMicros: 5000000 }) { hardStopAtLimit } }');
  const SUMS = `query ($search: String) { organizations(filter: { search: $search }) { nodes { slug
    usage { totalCostMicros percentUsed budget { monthly { limitMicros settledMicros } } } } } }`;
  for (let look = 0; look < 2; look += 1) {
    const { data, errors } = await sam(SUMS, { search: acme.slug });
    expect(errors).toEqual([]);
    const usage = {
      totalCostMicros: 2_500_000,
      percentUsed: 50,
      budget: { monthly: { limitMicros: 5_000_000, settledMicros: 2_500_000 } },
    };
    expect(data.organizations.nodes).toEqual([{ slug: acme.slug, usage }]);
  }
  const told = `select actor_id from audit_entry where org_id = $1 and action = 'usage.summed'`;
  expect(await sql(told, [acme.id])).toEqual([{ actor_id: await personId(sam) }]);
  expect(await sql(told, [globex.id])).toEqual([]);
  const theirs = await globex.owner('query ($id: ID!) { organization(id: $id) { usage { totalRuns } } }', {
    id: acme.id,
  });
  expect(theirs.errors.length).toBeGreaterThan(0);
});
