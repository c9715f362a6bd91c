import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { parseSync } from '@swc/core';

/** A cast says what nobody checks. Of those that are left, most are at what other libraries say of themselves. */
const SOURCE = new URL('../../src/', import.meta.url);

interface Cast {
  readonly file: string;
  /** What it is said to be, where that is a name. */
  readonly type: string | undefined;
}

interface Node {
  readonly type?: string;
  readonly typeAnnotation?: { readonly typeName?: { readonly value?: string } };
}

const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter(
  (file) => /\.tsx?$/.test(file) && !file.startsWith('generated'),
);
const textOf = (file: string): string => readFileSync(new URL(file, SOURCE), 'utf8');

/** `as const` is none: it says what is there. */
function castsOf(file: string): Cast[] {
  const found: Cast[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    const { type, typeAnnotation } = node as Node;
    if (type === 'TsAsExpression' || type === 'TsTypeAssertion' || type === 'TsNonNullExpression') {
      found.push({ file, type: typeAnnotation?.typeName?.value });
    }
    for (const each of Object.values(node)) visit(each);
  };
  visit(parseSync(textOf(file), { syntax: 'typescript', tsx: file.endsWith('x') }));
  return found;
}

const casts = files.flatMap(castsOf);

test('casts MUST stay below 5 in 1,000 lines', () => {
  const lines = files.reduce((sum, file) => sum + textOf(file).split('\n').length - 1, 0);
  expect(lines).toBeGreaterThan(10_000);
  expect(casts.length).toBeGreaterThan(20);
  expect(casts.length).toBeLessThan((lines * 5) / 1000);
});

test('the id of an organization MUST be made where ids are made, and nowhere else by a cast', () => {
  const ids = casts.filter(({ type }) => type === 'OrgId' || type === 'VerifiedOrgId');
  expect(ids.map(({ file }) => file)).toEqual(['data/id.ts', 'data/id.ts']);
});
