import { expect, test } from '@jest/globals';
import { ToldTotals } from '../../../src/domains/run-update/told-totals.js';
import { collectGarbage } from '../../support/collect-garbage.js';

const totals = (run: number, totalTokens = 0) => ({
  id: `run_${String(run).padStart(26, '0')}`,
  reportedAt: new Date(1_764_518_400_000 + run),
  totalTokens: BigInt(totalTokens),
  totalCostMicros: 0n,
  stopRequestedAt: null,
});

test('what was told of a run is no news, and what is new of it is', () => {
  const told = new ToldTotals();
  for (let run = 0; run < 1000; run += 1) expect(told.isNews(totals(run))).toBe(true);
  for (let run = 0; run < 1000; run += 1) expect(told.isNews(totals(run))).toBe(false);
  expect([told.isNews(totals(7, 1)), told.isNews(totals(7, 1)), told.isNews(totals(7))]).toEqual([true, false, true]);
  expect(told.isNews({ ...totals(8), stopRequestedAt: new Date(1) })).toBe(true);
  expect(told.isNews({ ...totals(9), totalCostMicros: 1n })).toBe(true);
  expect(told.isNews({ ...totals(10), reportedAt: null })).toBe(true);
});

test('of what was told long ago it may be told again', () => {
  const told = new ToldTotals();
  for (let run = 0; run <= 1000; run += 1) told.isNews(totals(run));
  expect([told.isNews(totals(1000)), told.isNews(totals(0))]).toEqual([false, true]);
});

test('what a stream was told of a thousand runs takes little, also for hours', async () => {
  await collectGarbage();
  const before = process.memoryUsage().heapUsed;
  const streams = Array.from({ length: 50 }, () => new ToldTotals());
  for (const told of streams) for (let run = 0; run < 1000; run += 1) told.isNews(totals(run));
  await collectGarbage();
  expect((process.memoryUsage().heapUsed - before) / streams.length).toBeLessThan(50_000);
  expect(streams.every((told) => !told.isNews(totals(999)))).toBe(true);
});
