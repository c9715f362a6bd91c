import { expect, jest, test } from '@jest/globals';
import { Clock } from '../../../src/data/connection/clock.js';

const HOUR_MS = 3_600_000;
/** An answer that takes a while, on its way there and back. */
const answering =
  (ms: () => number, eachWayMs = 0) =>
  async () => {
    const way = () => new Promise((resolve) => setTimeout(resolve, eachWayMs));
    await way();
    const told = ms();
    await way();
    return told;
  };

test('is the time of the database, whatever the clock of this machine says, or is set to meanwhile', async () => {
  const real = Date.now();
  const clock = new Clock();
  await clock.keep(answering(() => Date.now() - HOUR_MS));
  const isAnHourBehind = () => expect(Math.abs(clock.now().getTime() - (real - HOUR_MS))).toBeLessThan(5000);
  isAnHourBehind();
  const set = jest.spyOn(Date, 'now').mockReturnValue(real + 24 * HOUR_MS);
  isAnHourBehind();
  set.mockRestore();
});

test('is only as exact as the answer was quick: within that it stays what it was', async () => {
  const clock = new Clock();
  await clock.keep(answering(() => Date.now()));
  const ahead = () => clock.now().getTime() - Date.now();
  await clock.keep(answering(() => Date.now() + 60, 100));
  expect(Math.abs(ahead())).toBeLessThan(40);
  await clock.keep(answering(() => Date.now() + HOUR_MS, 100));
  expect(ahead()).toBeGreaterThan(HOUR_MS - 500);
});

test('keeps the time it had where the database does not say it', async () => {
  const clock = new Clock();
  await expect(clock.keep(answering(() => NaN))).rejects.toThrow('did not say');
  await expect(clock.keep(() => Promise.reject(new Error('away')))).rejects.toThrow('away');
  expect(Math.abs(clock.now().getTime() - Date.now())).toBeLessThan(1000);
});

test('is moved ahead only, and by no more than a century', () => {
  const clock = new Clock();
  for (const ms of [-1, 0.5, NaN, Infinity, 200 * 366 * 24 * HOUR_MS]) {
    expect(() => clock.advance(ms)).toThrow(RangeError);
  }
  clock.advance(HOUR_MS);
  clock.advance(HOUR_MS);
  expect(clock.movedMs).toBe(2 * HOUR_MS);
  expect(clock.now().getTime() - Date.now()).toBeGreaterThan(2 * HOUR_MS - 1000);
});
