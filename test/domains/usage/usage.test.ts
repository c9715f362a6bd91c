import { expect, test } from '@jest/globals';
import { newId } from '../../../src/data/id.js';
import { type GivenOrganization, givenOrganization, givenTwoOrganizations, personId } from '../../support/given.js';
import { useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

const server = useServer();

const USAGE = `query ($period: String) {
  organizationUsage(period: $period) { ...usage } currentOrganization { usage(period: $period) { ...usage } }
}
fragment usage on OrganizationUsage {
  currentPeriodStart currentPeriodEnd totalRuns totalTokens totalCost totalCostMicros runsByStatus { status count }
}`;

async function usageOf({ viewer }: GivenOrganization, period?: string) {
  const { data, errors } = await viewer(USAGE, { period });
  expect(errors).toEqual([]);
  expect(data.currentOrganization.usage).toEqual(data.organizationUsage);
  return data.organizationUsage;
}

async function givenRun(acme: GivenOrganization, createdAt: string, more: object = {}): Promise<void> {
  const at = new Date(createdAt);
  const createdById = await personId(acme.owner);
  await server.database
    .organizationDb(acme.id, byTest)
    .run.create({ id: newId('run', at.getTime()), createdById, createdAt: at, ...more });
}

test('usage is counted by month, from its first instant in UTC up to and without its end', async () => {
  const acme = await givenOrganization(server);
  await givenRun(acme, '2025-10-31T23:59:59.999Z', { totalTokens: 1n });
  await givenRun(acme, '2025-11-01T00:00:00.000Z', { totalTokens: 10n, status: 'RUNNING' });
  await givenRun(acme, '2025-11-30T23:59:59.999Z', { totalTokens: 100n, status: 'SUCCEEDED', finishedAt: new Date() });
  await givenRun(acme, '2025-12-01T00:00:00.000Z', { totalTokens: 1000n });
  expect(await usageOf(acme, '2025-11')).toEqual({
    currentPeriodStart: '2025-11-01T00:00:00.000Z',
    currentPeriodEnd: '2025-12-01T00:00:00.000Z',
    totalRuns: 2,
    totalTokens: 110,
    totalCost: 0,
    totalCostMicros: 0,
    runsByStatus: [
      { status: 'AWAITING_APPROVAL', count: 0 },
      { status: 'QUEUED', count: 0 },
      { status: 'RUNNING', count: 1 },
      { status: 'SUCCEEDED', count: 1 },
      { status: 'FAILED', count: 0 },
      { status: 'CANCELLED', count: 0 },
    ],
  });
  expect((await usageOf(acme, '2025-10')).totalTokens).toBe(1);
  expect(await usageOf(acme, '2025-12')).toMatchObject({
    currentPeriodStart: '2025-12-01T00:00:00.000Z',
    currentPeriodEnd: '2026-01-01T00:00:00.000Z',
    totalTokens: 1000,
  });
});

test('without a month it is the current one', async () => {
  const acme = await givenOrganization(server);
  const month = () => new Date().toISOString().slice(0, 7);
  const before = month();
  const usage = await usageOf(acme);
  expect([before, month()]).toContain(usage.currentPeriodStart.slice(0, 7));
  expect(usage.currentPeriodStart).toMatch(/-01T00:00:00\.000Z$/);
});

test('a month without runs is all zeros, not missing', async () => {
  const acme = await givenOrganization(server);
  const usage = await usageOf(acme, '1999-02');
  expect(usage).toMatchObject({ totalRuns: 0, totalTokens: 0, totalCost: 0, totalCostMicros: 0 });
  expect(usage.currentPeriodEnd).toBe('1999-03-01T00:00:00.000Z');
  expect(usage.runsByStatus.map(({ count }: { count: number }) => count)).toEqual([0, 0, 0, 0, 0, 0]);
});

test('money is added up exactly, and counts past 2^31', async () => {
  const acme = await givenOrganization(server);
  for (let count = 0; count < 3; count += 1) {
    await givenRun(acme, '2024-05-05T05:05:05Z', { totalCostMicros: 100_000n, totalTokens: 3_000_000_000n });
  }
  const usage = await usageOf(acme, '2024-05');
  expect(usage).toMatchObject({ totalCostMicros: 300_000, totalCost: 0.3, totalTokens: 9_000_000_000 });
});

test('a sum that is past exact numbers does not take the whole answer with it', async () => {
  const acme = await givenOrganization(server);
  for (let count = 0; count < 2; count += 1) {
    await givenRun(acme, '2024-06-05T05:05:05Z', { totalTokens: BigInt(Number.MAX_SAFE_INTEGER) });
  }
  expect(await usageOf(acme, '2024-06')).toMatchObject({ totalRuns: 2, totalTokens: Number.MAX_SAFE_INTEGER });
});

test('one organization is not billed for the runs of another', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  await givenRun(globex, '2024-07-01T00:00:00Z', { totalTokens: 5n });
  expect((await usageOf(acme, '2024-07')).totalRuns).toBe(0);
  expect((await usageOf(globex, '2024-07')).totalTokens).toBe(5);
});
