import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  getNamedType,
  getNullableType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLObjectType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
} from 'graphql';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { type GivenOrganization, givenOrganization } from '../support/given.js';
import { codeOf, useServer } from '../support/server.js';

const server = useServer();
let acme: GivenOrganization;
beforeAll(async () => {
  acme = await givenOrganization(server);
});

const CANARY = 'swordfish';

/** Something that fits a type; of an input only what is required. */
function sample(type: GraphQLInputType): unknown {
  const bare = getNullableType(type);
  if (isListType(bare)) return [];
  if (isEnumType(bare)) return bare.getValues()[0]?.name;
  if (!isInputObjectType(bare)) {
    const scalars: Record<string, unknown> = {
      Boolean: true,
      Int: 1,
      Float: 1,
      SafeInt: 1,
      DateTime: new Date(),
      JSONObject: {},
    };
    return scalars[bare.name] ?? 'x';
  }
  const required = Object.values(bare.getFields()).filter((field) => isNonNullType(field.type));
  return Object.fromEntries(required.map((field) => [field.name, sample(field.type)]));
}

interface Refusal {
  readonly at: string;
  readonly value: unknown;
}

/** Everything that could be wrong with the type of an argument, at every depth. */
function refusals(type: GraphQLInputType, at: string): Refusal[] {
  const bare = getNullableType(type);
  const missing = isNonNullType(type) ? [{ at, value: null }] : [];
  if (isListType(bare)) {
    const inner = refusals(bare.ofType as GraphQLInputType, `${at}.0`);
    return [...missing, ...inner.map((each) => ({ ...each, value: [each.value] }))];
  }
  if (isInputObjectType(bare)) {
    const fields = Object.values(bare.getFields()).flatMap(({ name, type: of }) =>
      refusals(of, `${at}.${name}`).map((each) => ({
        ...each,
        value: { ...(sample(bare) as object), [name]: each.value },
      })),
    );
    return [
      ...missing,
      { at, value: CANARY },
      { at: `${at}.${CANARY}`, value: { ...(sample(bare) as object), [CANARY]: 1 } },
      ...fields,
    ];
  }
  if (!isLeafType(bare) || bare.name === 'JSON') return missing;
  const takesText = ['String', 'ID'].includes(bare.name);
  const texts = [`${CANARY}\0`, `${CANARY}\ud800`, CANARY.repeat(1200)].map((value) => ({ at, value }));
  // Words of GraphQL's own messages inside a value do not hide where the value ends.
  const crafted = `"; ${CANARY} at "${at}"; ${CANARY}`;
  return [...missing, ...(takesText ? [{ at, value: { [CANARY]: CANARY } }, ...texts] : [{ at, value: crafted }])];
}

const schema = createContract().schema;
const ask = (kind: string, field: GraphQLField<unknown, unknown>): string => {
  const list = (each: (arg: GraphQLArgument) => string) => `(${field.args.map(each).join(', ')})`;
  const selection = isLeafType(getNamedType(field.type)) ? '' : '{ __typename }';
  const variables = list(({ name, type }) => `$${name}: ${String(type)}`);
  return `${kind} ${variables} { ${field.name}${list(({ name }) => `${name}: $${name}`)} ${selection} }`;
};
const fieldsOf = (kind: string, type: GraphQLObjectType | null | undefined) =>
  Object.values(type?.getFields() ?? {}).map((field) => ({ name: field.name, kind, field }));
const rootFields = [...fieldsOf('mutation', schema.getMutationType()), ...fieldsOf('query', schema.getQueryType())];

describe('A value that does not fit the type of its argument MUST be BAD_USER_INPUT with its path, and MUST NOT come back', () => {
  test.each(rootFields.filter(({ field }) => field.args.length > 0))('$name', async ({ kind, field }) => {
    const fitting = Object.fromEntries(field.args.map(({ name, type }) => [name, sample(type)]));
    const cases = field.args.flatMap(({ name, type }) => refusals(type, name).map((refusal) => ({ name, ...refusal })));
    expect(cases.length).toBeGreaterThan(0);
    for (const { name, at, value } of cases) {
      const refused = await acme.owner(ask(kind, field), { ...fitting, [name]: value });
      expect([at, codeOf(refused), refused.status]).toEqual([at, 'BAD_USER_INPUT', 200]);
      expect(refused.errors[0]?.extensions['argument']).toBe(at);
      if (!at.includes(CANARY)) expect(refused.text).not.toContain(CANARY);
    }
  });
});
