import { expect, test } from '@jest/globals';
import { MOST_PENDING, Pending } from '../../../src/data/connection/pending.js';
import { NoTurnError } from '../../../src/data/connection/statement-kinds.js';

/** Statements that end when they are told to. */
function givenStatements(count: number) {
  const pending = new Pending();
  const begun: { answer: () => void; fail: (error: Error) => void }[] = [];
  const ask = () => pending.run(() => new Promise<void>((answer, fail) => begun.push({ answer, fail })));
  const all = Array.from({ length: count }, ask);
  return { begun, ask, outcomes: Promise.allSettled(all) };
}

const settled = () => new Promise(setImmediate);

test('of one request fifty are under way, and the next begins when one ends, however it does', async () => {
  const { begun, outcomes } = givenStatements(MOST_PENDING + 3);
  expect(begun).toHaveLength(MOST_PENDING);
  begun[7]?.answer();
  await settled();
  expect(begun).toHaveLength(MOST_PENDING + 1);
  begun[3]?.fail(new Error('no'));
  await settled();
  expect(begun).toHaveLength(MOST_PENDING + 2);
  begun[0]?.answer();
  await settled();
  for (const { answer } of begun) answer();
  expect((await outcomes).filter(({ status }) => status === 'rejected')).toHaveLength(1);
});

test('what is asked once others wait finds no room that one of them took', async () => {
  const { begun, ask, outcomes } = givenStatements(MOST_PENDING + 2);
  for (const { answer } of begun.slice(0, 2)) answer();
  await settled();
  expect(begun).toHaveLength(MOST_PENDING + 2);
  const late = ask();
  await settled();
  expect(begun).toHaveLength(MOST_PENDING + 2);
  for (const { answer } of begun.slice(0, MOST_PENDING + 2)) answer();
  await outcomes;
  begun.at(-1)?.answer();
  await late;
});

test('where one waited for its turn in vain, those that have none begin no wait of their own', async () => {
  const { begun, outcomes } = givenStatements(MOST_PENDING + 3);
  begun[0]?.fail(new NoTurnError());
  await settled();
  expect(begun).toHaveLength(MOST_PENDING);
  for (const { answer } of begun) answer();
  expect((await outcomes).filter(({ status }) => status === 'rejected')).toHaveLength(4);
});
