import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { RequestContext } from '../../../src/context/context.js';
import { OrgateError } from '../../../src/errors.js';
import { follow, type Source } from '../../../src/gateway/graphql/follow.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** Of nobody, who is asked anew at each look. */
const nobody = { viewer: null, current: null } as unknown as RequestContext;

async function* once(...told: readonly unknown[]): Source {
  yield Promise.resolve(told);
}

/** Follows what comes at once, as somebody who may hear it for so many looks. */
const hear = (looks: number, ...told: readonly unknown[]) => hearFrom(once(...told), looks);

function hearFrom(source: Source, looks: number) {
  let left = looks;
  const renew = () => {
    left -= 1;
    return left < 0 ? Promise.reject(new OrgateError('UNAUTHENTICATED')) : Promise.resolve(nobody);
  };
  return follow(source, {
    request: {
      context: nobody,
      over: new AbortController().signal,
      inTurn: (work: () => Promise<unknown>) => work(),
      renew,
    } as never,
    price: 0,
    limits: {} as never,
    answer: (_context, root) => Promise.resolve({ data: { root } }),
    refuse: (error) => ({ errors: [(error as OrgateError).code as never] }),
  });
}

const rest = async (answers: AsyncGenerator<unknown>) => {
  const all = [];
  for await (const each of answers) all.push(each);
  return all;
};

test('what comes at once is heard by whoever may when it comes', async () => {
  expect(await rest(hear(1, 1, 2, 3))).toEqual([1, 2, 3].map((root) => ({ data: { root } })));
});

test('and no more of it by whoever may not any more while they read it slowly', async () => {
  const answers = hear(1, 1, 2, 3);
  expect((await answers.next()).value).toEqual({ data: { root: 1 } });
  jest.advanceTimersByTime(1001);
  expect(await rest(answers)).toEqual([{ errors: ['UNAUTHENTICATED'] }]);
});

test('that something happened which is not theirs to hear is seen by nobody; that they still wait is', async () => {
  async function* quiet(): Source {
    yield Promise.resolve([]);
    yield null;
    yield [];
  }
  expect(await rest(hearFrom(quiet(), 3))).toEqual([null]);
  expect(await rest(hearFrom(quiet(), 2))).toEqual([null, { errors: ['UNAUTHENTICATED'] }]);
});
