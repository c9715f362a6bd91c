import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { ERROR_CODES } from '../../src/errors.js';

test('docs/frontend.md says of each code what a page does about it, once, and names no other', async () => {
  const page = await readFile(new URL('../../docs/frontend.md', import.meta.url), 'utf8');
  const [, table, others] = /\n## Errors\n(.*?)\nThe others [^:]*: (.*?)\n\n/s.exec(page) ?? [];
  const cells = [...(table ?? '').matchAll(/^\| ([A-Z][^|]+?) +\|/gm)].map(([, cell]) => cell);
  const named = [...cells, others].join(' ').match(/\b[A-Z]{2,}(?:_[A-Z]+)*\b/g);
  // What names an argument, and what came too late, call for two things.
  expect(named?.toSorted()).toEqual([...ERROR_CODES, 'CONFLICT', 'NOT_FOUND'].toSorted());
});
