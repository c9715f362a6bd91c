import { afterEach, expect, test } from '@jest/globals';
import { NoTurnError } from '../src/data/connection/statement-kinds.js';
import { busy, notFound } from '../src/errors.js';

const { prepareStackTrace } = Error;
afterEach(() => void (Error.prepareStackTrace = prepareStackTrace));

test.each([
  ['busy', () => busy({ cause: new NoTurnError() }), 0],
  ['a turn that does not come', () => new NoTurnError(), 0],
  ['any other error', notFound, 1],
])('where %s came from is looked up only where that tells something', (_, make, times) => {
  let looked = 0;
  Error.prepareStackTrace = () => {
    looked += 1;
    return 'a stack';
  };
  const error: Error = make();
  expect(error.stack).toBe(times === 0 ? `${error.name}: ${error.message}` : 'a stack');
  expect(looked).toBe(times);
});
