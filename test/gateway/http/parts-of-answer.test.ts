import { afterEach, expect, jest, test } from '@jest/globals';
import type { FastifyReply } from 'fastify';
import { takenInTime, Taking } from '../../../src/gateway/http/parts-of-answer.js';

afterEach(() => void jest.useRealTimers());

test('whoever takes longer than two minutes for a part is cut off, and whoever takes it in time is not', () => {
  jest.useFakeTimers();
  let cut = 0;
  const reply = { raw: { destroy: () => (cut += 1) } } as unknown as FastifyReply;
  const inTime = takenInTime(reply, 'a part');
  expect(inTime.next()).toEqual({ done: false, value: 'a part' });
  jest.advanceTimersByTime(119_000);
  expect(inTime.next().done).toBe(true);
  jest.advanceTimersByTime(600_000);
  expect(cut).toBe(0);
  takenInTime(reply, 'another').next();
  jest.advanceTimersByTime(121_000);
  expect(cut).toBe(1);
  // Of a client that left in the middle of one nothing is waited for.
  const left = takenInTime(reply, 'a third');
  left.next();
  left.return(undefined);
  jest.advanceTimersByTime(121_000);
  expect(cut).toBe(1);
});

/** Takes parts of so many bytes, so many in a second, until cut off or done. @returns how many seconds that was, and whether it was done */
function take(kibibytes: number, perSecond: number, parts: number): [seconds: number, isDone: boolean] {
  jest.useFakeTimers();
  let isCut = false;
  const taking = new Taking({ raw: { destroy: () => (isCut = true) } } as unknown as FastifyReply);
  const began = performance.now();
  const seconds = () => Math.round((performance.now() - began) / 1000);
  for (let part = 0; part < parts; part += 1) {
    const taken = taking.part('x'.repeat(kibibytes * 1024));
    taken.next();
    jest.advanceTimersByTime((kibibytes / perSecond) * 1000);
    if (isCut) return [seconds(), false];
    taken.next();
    // What the next one takes in the making is nobody's fault.
    jest.advanceTimersByTime(600_000);
  }
  return [seconds(), true];
}

test('whoever takes all the parts too slowly is cut off, however small each of them is', () => {
  const [seconds, isDone] = take(30, 1, 1000);
  expect(isDone).toBe(false);
  // Five parts of half a minute each, and what those were in the making.
  expect(seconds).toBe(5 * 30 + 4 * 600);
  expect(take(30, 9, 1000)[1]).toBe(true);
  expect(take(1000, 1000, 10)[1]).toBe(true);
});

test('whoever was quick before has no longer for a part than anybody', () => {
  jest.useFakeTimers();
  let cut = 0;
  const taking = new Taking({ raw: { destroy: () => (cut += 1) } } as unknown as FastifyReply);
  const quick = taking.part('x'.repeat(100_000_000));
  quick.next();
  quick.next();
  taking.part('a part').next();
  jest.advanceTimersByTime(121_000);
  expect(cut).toBe(1);
});
