import { expect, test } from '@jest/globals';
import { PAGE_BYTES } from '../../../src/page-bytes.js';
import { LargeParts } from '../../../src/gateway/export/large-parts.js';

test('parts beyond a page wait for their takers one of an organization and four in all, whatever others hold', () => {
  const large = new LargeParts();
  const taken = ['a', 'b', 'c', 'd'].map((orgId) => large.take(orgId, 5 * PAGE_BYTES));
  expect(taken.every((each) => each !== null)).toBe(true);
  expect([large.take('a', 5 * PAGE_BYTES), large.take('e', 5 * PAGE_BYTES)]).toEqual([null, null]);
  expect(large.take('e', PAGE_BYTES)).not.toBeNull();
  taken[0]?.();
  taken[0]?.();
  expect(large.take('e', 5 * PAGE_BYTES)).not.toBeNull();
});
