import { setImmediate as othersTurn, setTimeout as wait } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { AnswerTimes } from '../../../src/data/connection/answer-times.js';

const keepBusy = (ms: number): void => {
  for (const until = performance.now() + ms; performance.now() < until;);
};

test('an answer that came while the thread was busy took no longer than until that began', async () => {
  const times = new AnswerTimes();
  const timeOf = times.begin();
  keepBusy(300);
  await othersTurn();
  expect(timeOf()).toBe(0);
});

test('what was waited for took that long, but for what the thread did at its end', async () => {
  const times = new AnswerTimes();
  const began = performance.now();
  const timeOf = times.begin();
  await wait(200);
  const waited = performance.now() - began;
  keepBusy(500);
  await othersTurn();
  const told = timeOf();
  expect(told).toBeGreaterThan(0);
  expect(told).toBeLessThanOrEqual(waited);
});

test('whoever is asked after a pause is told nothing of what was before it', async () => {
  const times = new AnswerTimes();
  times.begin()();
  await wait(100);
  expect(times.begin()()).toBe(0);
});
