import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { spreadOut } from '../src/spread-out.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test.each([1, 500, 501, 10_000, 100_000])('%d things are done in two seconds, in their order', (count) => {
  const later = spreadOut();
  const done: number[] = [];
  for (let index = 0; index < count; index += 1) later(() => done.push(index));
  expect(done).toEqual([]);
  jest.advanceTimersByTime(2000);
  expect(done.length).toBe(count);
  expect(done).toEqual(done.toSorted((a, b) => a - b));
});

test('few at a time, also after there were many', () => {
  const later = spreadOut();
  let done = 0;
  const ask = (count: number) => Array.from({ length: count }, () => later(() => (done += 1)));
  ask(5000);
  jest.advanceTimersByTime(1000);
  expect(done).toBeLessThan(5000);
  jest.advanceTimersByTime(1000);
  done = 0;
  ask(100);
  jest.advanceTimersByTime(40);
  expect(done).toBeLessThan(20);
});
