import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

// Broken line by line by `npm run mutants`, at night. A line that was rewritten since is broken by nobody, and so MUST be named here.
const { MUTANTS } = (await import(new URL('../mutants/list.mjs', import.meta.url).href)) as {
  MUTANTS: readonly (readonly [file: string, line: string, broken: string, tests: string])[];
};

const pathOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const TESTS = readdirSync(pathOf('..'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => `test/${file}`);

test('every line that is to be broken MUST stand where it is said to, once', () => {
  const astray = MUTANTS.filter(
    ([file, line]) => readFileSync(pathOf(`../../src/${file}`), 'utf8').split(line).length !== 2,
  );
  expect(astray).toEqual([]);
});

test('every one MUST have tests that could see it, and be another line than it was', () => {
  const unseen = MUTANTS.filter(
    ([, line, broken, tests]) => line === broken || !TESTS.some((file) => new RegExp(tests).test(file)),
  );
  expect(unseen).toEqual([]);
});
