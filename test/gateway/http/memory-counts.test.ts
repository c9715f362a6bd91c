import { expect, test } from '@jest/globals';
import { MemoryCounts } from '../../../src/gateway/http/memory-counts.js';

function givenCounts() {
  const clock = { now: 0 };
  return { clock, counts: new MemoryCounts(60_000, () => clock.now) };
}

test('a window begins with the first count of a subject, and the next one with nothing', () => {
  const { clock, counts } = givenCounts();
  expect(counts.add('ann', 3)).toEqual({ points: 3, msBeforeNext: 60_000 });
  clock.now = 20_000;
  expect(counts.add('bob', 1)).toEqual({ points: 1, msBeforeNext: 60_000 });
  clock.now = 59_999;
  expect(counts.add('ann', 1)).toEqual({ points: 4, msBeforeNext: 1 });
  clock.now = 60_000;
  expect(counts.add('ann', 1)).toEqual({ points: 1, msBeforeNext: 60_000 });
  expect(counts.add('bob', 1)).toEqual({ points: 2, msBeforeNext: 20_000 });
});

test('what is taken off again is never more than what was counted', () => {
  const { counts } = givenCounts();
  counts.add('ann', 3);
  expect(counts.add('ann', -2).points).toBe(1);
  expect(counts.add('ann', -2).points).toBe(0);
});

test('windows that have ended are forgotten, whoever counts', () => {
  const { clock, counts } = givenCounts();
  for (let each = 0; each < 1000; each += 1) counts.add(`subject-${each}`, 1);
  expect(counts.size).toBe(1000);
  clock.now = 60_000;
  counts.add('ann', 1);
  expect(counts.size).toBe(1);
});
