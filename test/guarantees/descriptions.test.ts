import { expect, test } from '@jest/globals';
import {
  type GraphQLNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
} from 'graphql';
import { createContract } from '../../src/gateway/graphql/schema.js';

const { schema, access } = createContract();

const types = Object.values(schema.getTypeMap()).filter(
  (type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type),
);

/** Whatever a client can see, by its path: a type, a field, an argument, an enum value. */
function* described(type: GraphQLNamedType): Generator<[path: string, description: string]> {
  yield [type.name, type.description ?? ''];
  if (isEnumType(type)) {
    for (const { name, description } of type.getValues()) yield [`${type.name}.${name}`, description ?? ''];
  }
  if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type)) return;
  for (const field of Object.values(type.getFields())) {
    const path = `${type.name}.${field.name}`;
    yield [path, field.description ?? ''];
    const args = 'args' in field ? field.args : [];
    for (const { name, description } of args) yield [`${path}.${name}`, description ?? ''];
  }
}

const descriptions = new Map(types.flatMap((type) => [...described(type)]));

/** The rules of all fields but those that whoever has the parent may read. */
const guarded = [...access].flatMap(([type, fields]) =>
  [...fields]
    .filter(([, { name }]) => name !== 'allow')
    .map(([field, rule]) => ({ path: `${type}.${field}`, rule, text: descriptions.get(`${type}.${field}`) ?? '' })),
);

test('every type, field, argument, input field and enum value MUST have a description', () => {
  expect(descriptions.size).toBeGreaterThan(700);
  expect([...descriptions].filter(([, text]) => text.trim() === '').map(([path]) => path)).toEqual([]);
});

test('a description MUST say more than the name', () => {
  const words = (text: string): string[] => text.toLowerCase().match(/[a-z]+|\d+/g) ?? [];
  const filler = new Set(['a', 'an', 'the', 'of', 'this', 'its', 'is', 'for', 'to']);
  const saysNothing = ([path, text]: [string, string]): boolean => {
    const named = new Set(words(path.replaceAll(/([A-Z])/g, ' $1').replaceAll('_', ' ')));
    return words(text).every((word) => filler.has(word) || named.has(word) || named.has(word.replace(/s$/, '')));
  };
  expect([...descriptions].filter(saysNothing)).toEqual([]);
});

test('the permission that a field needs MUST stand in its description, and no other', () => {
  const needy = guarded.filter(({ rule }) => rule.permission !== null);
  const silent = needy.filter(({ rule, text }) => !text.includes(`\`${rule.permission}\``));
  expect(silent.map(({ path, rule }) => `${path} ${rule.permission}`)).toEqual([]);
  const needs = new Set(needy.map(({ path, rule }) => `${path} ${rule.permission}`));
  const said = [...descriptions].flatMap(([path, text]) =>
    [...text.matchAll(/\bNeeds\s+`([\w-]+:[\w-]+)`/g)].map(([, permission]) => `${path} ${permission}`),
  );
  expect(said.filter((each) => !needs.has(each))).toEqual([]);
});

test('that a field is for persons and not for keys MUST stand in its description, and only there', () => {
  const isForPersons =
    /^(canAsPerson|canCreateOrganization|canEndImpersonation|isMember|isMemberOneself|isOneself|isPerson|isUnboundPerson)\b/;
  const wrong = guarded.filter(({ rule, text }) => isForPersons.test(rule.name) !== /\bas\s+a\s+person\b/i.test(text));
  expect(wrong.map(({ path, rule }) => `${path} ${rule.name}`)).toEqual([]);
});

test('the queries that need no organization MUST be those that the description of Query names', () => {
  const needNone = guarded.filter(
    ({ path, rule }) => path.startsWith('Query.') && rule.permission === null && rule.name !== 'isMemberOneself',
  );
  const [sentence = ''] = /except[^.]*\./.exec(descriptions.get('Query') ?? '') ?? [];
  const named = [...sentence.matchAll(/`(\w+)`/g)].map(([, name]) => `Query.${name}`);
  expect(new Set(named)).toEqual(new Set(needNone.map(({ path }) => path)));
});
