import { expect, test } from '@jest/globals';
import { getNamedType, getNullableType, isCompositeType, isListType, isObjectType } from 'graphql';
import { priceOf, ROWS_OF } from '../../../src/gateway/graphql/price.js';
import { readDocument } from '../../../src/gateway/graphql/read-document.js';
import { createContract } from '../../../src/gateway/graphql/schema.js';

const { schema } = createContract();

function costOf(text: string): number {
  const operation = readDocument(text, { schema, introspection: true, isStranger: false }).operation(undefined);
  if (operation instanceof Error) throw operation;
  return priceOf(schema, operation, {});
}

/** Lists of objects of which nobody can say how many they want. */
const WHOLE_LISTS = Object.values(schema.getTypeMap()).flatMap((type) => {
  if (!isObjectType(type) || type.name.startsWith('__') || type.name.endsWith('Connection')) return [];
  return Object.values(type.getFields())
    .filter((field) => isListType(getNullableType(field.type)) && isCompositeType(getNamedType(field.type)))
    .filter(({ args }) => !args.some(({ name }) => ['first', 'last', 'ids'].includes(name)))
    .map(({ name }) => `${type.name}.${name}`);
});

test('of every list that is answered whole it MUST be said what it may come to, and no less than several', () => {
  expect(WHOLE_LISTS.toSorted()).toEqual([...ROWS_OF.keys()].toSorted());
  expect([...ROWS_OF].filter(([, rows]) => rows < 2)).toEqual([]);
});

const nested = (levels: number, inside: string): string =>
  levels === 0 ? inside : nested(levels - 1, `set { organizations { ${inside} } }`);

test.each<[string, string]>([
  ['sets of sets', `{ currentOrganization { ${nested(6, 'id')} } }`],
  ['siblings of siblings', `{ currentOrganization { ${'siblings { '.repeat(6)} id ${'} '.repeat(6)} } }`],
  [
    'permissions of each row’s organization',
    `{ runs(first: 100) { nodes { agent { runs(first: 6) { nodes { organization {
      ${Array.from({ length: 27 }, (_, index) => `a${index}: viewerPermissions`).join(' ')} } } } } } } }`,
  ],
])('%s multiply, and cost more than an operation may', (_, text) => {
  expect(costOf(text)).toBeGreaterThan(20_000);
});

test('a list of leaves is more than a leaf', () => {
  expect(costOf('{ viewer { permissions } }') - costOf('{ viewer { role } }')).toBe(9);
});
