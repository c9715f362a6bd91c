import { describe, expect, test } from '@jest/globals';
import type { OrgId } from '../../../src/data/id.js';
import { brandOrgId, newId } from '../../../src/data/id.js';
import type { OpenOrganizationDb } from '../../../src/data/organization/organization-db.js';
import { budget } from '../../../src/domains/budget/index.js';
import { openAgreed } from '../../../src/domains/organization/outside.js';
import { createCallCounter } from '../../../src/domains/usage/count-calls.js';
import { OrgateError } from '../../../src/errors.js';
import type { DueKind } from '../../../src/jobs/due-kind.js';
import { byTest } from '../../support/act.js';
import { givenKey } from '../../support/api-key.js';
import { openReplica } from '../../support/due-work.js';
import { type GivenOrganization, givenOrganization } from '../../support/given.js';
import { givenImpersonation } from '../../support/impersonation.js';
import { startServer, unchecked, useServer } from '../../support/server.js';

const server = useServer();

const callsOf = async ({ viewer }: GivenOrganization): Promise<number> => {
  const { data } = await viewer('{ organizationUsage { metrics { metric quantity } } }');
  return Number(data.organizationUsage.metrics.find(({ metric }) => metric === 'api_calls')?.quantity);
};
const eventsOf = async ({ viewer }: GivenOrganization) => {
  const { data } = await viewer('{ usageEvents { nodes { metric quantity createdById costMicros } } }');
  return data.usageEvents.nodes.filter(({ metric }) => metric === 'api_calls');
};

test('what an organization asks for is counted once it closes, but what is refused before it is anyone’s, and what others ask', async () => {
  const acme = await givenOrganization(server);
  const { secret } = await givenKey(server, acme.owner, ['organization:read']);
  const { token } = await givenImpersonation(server, acme);
  const before = await callsOf(acme);
  const replica = await startServer();
  const client = replica.withToken(secret);
  for (const query of ['{ viewer { role } }', '{ currentOrganization { id } }', unchecked('{ wrong }')])
    await client(query);
  await replica.withToken('og_test_wrong')('{ viewer { role } }');
  await replica.withToken(token)('{ viewer { role } }');
  expect(await callsOf(acme)).toBe(before);
  await replica.close();
  expect(await callsOf(acme)).toBe(before + 3);
  expect(await eventsOf(acme)).toEqual([{ metric: 'api_calls', quantity: 3, createdById: '', costMicros: 0 }]);
});

const alertsOf = async ({ viewer }: GivenOrganization) =>
  (await viewer('{ usageAlerts { period metric threshold limit used limitMicros settledMicros } }')).data.usageAlerts;
const allow = ({ id }: GivenOrganization, max: number | null) =>
  server.database.outside(openAgreed).setEntitlements(id, { limits: { api_calls_per_month: max } }, byTest);
const month = () => server.database.pool.clock.now().toISOString().slice(0, 7);
const ofCalls = (threshold: number, limit: number, used: number) => ({
  period: month(),
  metric: 'api_calls',
  threshold,
  limit,
  used,
  limitMicros: 0,
  settledMicros: 0,
});

describe('How many calls a plan has for a month', () => {
  test('is told to OWNERs at each threshold, once, and nobody is refused for it', async () => {
    const acme = await givenOrganization(server);
    await allow(acme, 10);
    const counter = createCallCounter(server.database.organizationDb);
    const call = async (times: number, most: number | null = 10) => {
      for (let time = 0; time < times; time += 1) counter.count(acme.id, most);
      await counter.write();
    };
    await call(7);
    expect(await alertsOf(acme)).toEqual([]);
    await call(1);
    expect(await alertsOf(acme)).toEqual([ofCalls(80, 10, 8)]);
    await call(5);
    await call(1);
    const both = [ofCalls(80, 10, 8), ofCalls(100, 10, 13)];
    expect(await alertsOf(acme)).toEqual(both);
    // Neither anew once it is raised and lowered, nor beside those of what is spent.
    await call(1, null);
    await call(1, 1000);
    await call(1, 10);
    const spent = 'mutation { setCostLimits(input: { monthlyLimitMicros: 2500000 }) { hardStopAtLimit } }';
    expect((await acme.owner(spent)).errors).toEqual([]);
    const alerts = await alertsOf(acme);
    expect(alerts.map(({ metric, threshold }) => [metric, threshold])).toEqual([
      ['cost', 80],
      ['cost', 100],
      ['api_calls', 80],
      ['api_calls', 100],
    ]);
    await openReplica(server, { kinds: budget.due as unknown as DueKind<never>[] }).workOff();
    const { data } = await acme.owner('{ notifications { nodes { kind text } } }');
    const told = data.notifications.nodes.filter(({ text }) => text.includes('API calls'));
    expect(told.toSorted((a, b) => a.text.length - b.text.length)).toEqual(
      [80, 100].map((percent) => ({
        kind: 'ALERT',
        text: `acme Inc. has made ${percent}% of the API calls that it has for a month`,
      })),
    );
    expect((await acme.viewer('{ notifications { totalCount } }')).data.notifications.totalCount).toBe(0);
    const { rows } = await server.database.pool.queryAsLoginRole(
      `select count(*)::int from audit_entry where org_id = $1 and action = 'limit.threshold_reached' and changes ? 'metric'`,
      [acme.id],
    );
    expect(rows).toEqual([{ count: 2 }]);
    const { data: read } = await acme.viewer('{ currentOrganization { limits { name max used decidedBy } } }');
    expect(read.currentOrganization.limits).toContainEqual({
      name: 'api_calls_per_month',
      max: 10,
      used: 17,
      decidedBy: 'PLATFORM',
    });
  });

  test('counts when it is lowered with the next call, and at zero with the first', async () => {
    const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
    const counter = createCallCounter(server.database.organizationDb);
    for (let call = 0; call < 5; call += 1) counter.count(acme.id, 100);
    await counter.write();
    expect(await alertsOf(acme)).toEqual([]);
    counter.count(acme.id, 6);
    counter.count(globex.id, 0);
    await counter.write();
    expect(await alertsOf(acme)).toEqual([ofCalls(80, 6, 6), ofCalls(100, 6, 6)]);
    expect(await alertsOf(globex)).toEqual([ofCalls(80, 0, 1), ofCalls(100, 0, 1)]);
  });

  test('is what holds when the request comes', async () => {
    const acme = await givenOrganization(server);
    const { secret } = await givenKey(server, acme.owner, ['organization:read']);
    await allow(acme, 3_000_000_000);
    const replica = await startServer();
    const client = replica.withToken(secret);
    await client('{ viewer { role } }');
    await allow(acme, 2);
    for (let call = 0; call < 2; call += 1) expect((await client('{ viewer { role } }')).errors).toEqual([]);
    await replica.close();
    expect(await alertsOf(acme)).toEqual([ofCalls(80, 2, 3), ofCalls(100, 2, 3)]);
  });
});

describe('The counter', () => {
  /** Whether what was written is answered, and whether it is at all. */
  type Fault = 'none' | 'away' | 'unheard' | 'slow' | 'refused';

  const given = (most?: number) => {
    const faults = new Map<OrgId, Fault>();
    const asked: OrgId[] = [];
    const open: OpenOrganizationDb = (orgId, act) => {
      const db = server.database.organizationDb(orgId, act);
      const createMany: typeof db.usageEvent.createMany = async (rows, more) => {
        asked.push(orgId);
        const fault = faults.get(orgId) ?? 'none';
        if (fault === 'away') throw new OrgateError('SERVICE_UNAVAILABLE');
        if (fault === 'slow') throw new OrgateError('TIMEOUT');
        if (fault === 'refused') throw new OrgateError('NOT_FOUND');
        const count = await db.usageEvent.createMany(rows, more);
        if (fault === 'unheard') throw new Error('the connection was lost');
        return count;
      };
      return { ...db, now: () => db.now(), usageEvent: { ...db.usageEvent, createMany } } as typeof db;
    };
    return { faults, asked, counter: createCallCounter(open, most) };
  };

  test('asks nothing for who asks nothing, and writes one event for each who does', async () => {
    const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
    const { counter, asked } = given();
    await counter.write();
    for (let count = 0; count < 1000; count += 1) counter.count(acme.id, null);
    counter.count(globex.id, null);
    expect(asked).toEqual([]);
    await Promise.all([counter.write(), counter.write()]);
    await counter.write();
    expect(asked).toEqual([acme.id, globex.id]);
    expect([await callsOf(acme), await callsOf(globex)]).toEqual([1000, 1]);
  });

  test('keeps what it could not write, asks a database that is away once, and writes nothing twice', async () => {
    const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
    const { counter, faults, asked } = given();
    for (const { id } of [acme, globex]) counter.count(id, null);
    faults.set(acme.id, 'away');
    await expect(counter.write()).rejects.toThrow('calls were not written');
    expect(asked).toEqual([acme.id]);
    counter.count(acme.id, null);
    faults.set(acme.id, 'unheard');
    await expect(counter.write()).rejects.toThrow('calls were not written');
    counter.count(acme.id, null);
    faults.clear();
    await counter.write();
    expect([await callsOf(acme), await callsOf(globex)]).toEqual([1, 1]);
    await counter.write();
    expect(await callsOf(acme)).toBe(3);
  });

  test('keeps what took too long, and writes the others before it', async () => {
    const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
    const { counter, faults, asked } = given();
    for (const { id } of [acme, globex]) counter.count(id, null);
    faults.set(acme.id, 'slow');
    await expect(counter.write()).rejects.toThrow('calls were not written');
    expect(await callsOf(globex)).toBe(1);
    faults.clear();
    counter.count(globex.id, null);
    await counter.write();
    expect([await callsOf(acme), asked]).toEqual([1, [acme.id, globex.id, acme.id, globex.id]]);
  });

  test('lets go of an organization that is gone, and writes the others', async () => {
    const acme = await givenOrganization(server);
    const { counter, faults, asked } = given();
    const gone = brandOrgId(newId('org'));
    faults.set(gone, 'refused');
    for (const id of [gone, acme.id]) counter.count(id, null);
    await counter.write();
    expect(await callsOf(acme)).toBe(1);
    await counter.write();
    expect(asked).toEqual([gone, acme.id]);
  });

  test('counts for so many organizations at once, and goes on with those it knows', async () => {
    const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
    const { counter } = given(1);
    for (const { id } of [acme, globex, acme]) counter.count(id, null);
    await counter.write();
    expect([await callsOf(acme), await callsOf(globex)]).toEqual([2, 0]);
  });
});
