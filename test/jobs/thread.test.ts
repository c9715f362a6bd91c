import { getPriority } from 'node:os';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Thread } from '../../src/jobs/thread.js';
import type { Told } from '../support/thread.js';

const threads: Thread<unknown, unknown>[] = [];
afterEach(() => {
  for (const thread of threads.splice(0)) thread.end();
});

function given(times: { answerMs?: number; idleMs?: number } = {}) {
  const deaths: Error[] = [];
  const module = new URL('../support/thread.js', import.meta.url);
  const all = { answerMs: 20_000, idleMs: 20_000, ...times };
  const thread = new Thread<{ told: Told; bytes?: Uint8Array }, number>(module, (error) => deaths.push(error), all);
  threads.push(thread as Thread<unknown, unknown>);
  return { deaths, ask: (told: Told) => thread.ask({ told }, []), thread };
}

const UNAVAILABLE = { code: 'SERVICE_UNAVAILABLE', detail: { retryAfter: 1 } };

test('one thread answers, in turn, each what it was asked', async () => {
  const { ask, thread, deaths } = given();
  expect(await Promise.all([ask('its own number'), ask('its own number')])).toEqual([1, 2]);
  const bytes = new Uint8Array(1000);
  expect(await thread.ask({ told: 'its own number', bytes }, [bytes.buffer])).toBe(1000);
  expect([bytes.length, deaths]).toEqual([0, []]);
});

// Elsewhere than on Linux a thread has no priority of its own.
(process.platform === 'linux' ? test : test.skip)('a thread yields to the one that everybody waits on', async () => {
  const before = getPriority();
  expect(await given().ask('its priority')).toBeGreaterThan(before);
  expect(getPriority()).toBe(before);
});

test('a thread that nobody asks any more ends, and another begins when it is needed', async () => {
  const { ask, deaths } = given({ idleMs: 50 });
  expect(await ask('its own number')).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect([await ask('its own number'), deaths]).toEqual([1, []]);
});

describe.each<[Told, RegExp, number]>([
  ['throw', /as it was told/, 120_000],
  ['leave', /in the middle of its work/, 120_000],
  ['go on', /in the middle of its work/, 3000],
  ['take all memory', /memory limit/, 120_000],
])('where one is told to %s', (told, why, answerMs) => {
  test('whoever waits is told to come again, and is answered then', async () => {
    const { ask, deaths } = given({ answerMs });
    const asked = await Promise.allSettled([ask(told), ask('its own number')]);
    const refused = { status: 'rejected', reason: expect.objectContaining(UNAVAILABLE) };
    expect(asked).toEqual([refused, refused]);
    expect(deaths.map(({ message }) => message)).toEqual([expect.stringMatching(why)]);
    expect(await ask('its own number')).toBe(1);
  });
});
