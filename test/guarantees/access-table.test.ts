import { expect, test } from '@jest/globals';
import { type GraphQLObjectType, isObjectType } from 'graphql';
import { domains } from '../../src/domains/index.js';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { ROLES } from '../../src/permissions/catalogue.js';
import { accessTable, guard } from '../../src/permissions/shield.js';
import { composeRecord } from '../../src/resource/record.js';

const { schema, catalogue, access } = createContract();

test('the access table MUST be this one: who may use each field', () => {
  const lines = [...access].flatMap(([type, fields]) =>
    [...fields].filter(([, rule]) => rule.name !== 'allow').map(([field, rule]) => `${type}.${field}: ${rule.name}`),
  );
  expect(lines.toSorted().join('\n')).toMatchSnapshot();
});

test('what is done and not recorded singly MUST be this, with the reasons', () => {
  const lines = composeRecord(domains).untold.map(({ what, because }) => `${what}: ${because}`);
  expect(lines.join('\n')).toMatchSnapshot();
});

test('the role table MUST be this one: what each role holds', () => {
  const lines = ROLES.map((role) => `${role}: ${[...catalogue.effective(role, [], [])].join(' ')}`);
  expect(lines.join('\n')).toMatchSnapshot();
});

test('each role MUST hold what the one below it holds', () => {
  for (const [index, role] of ROLES.entries()) {
    const below = ROLES[index - 1];
    if (!below) continue;
    const held = catalogue.effective(role, [], []);
    for (const permission of catalogue.effective(below, [], [])) expect(held).toContain(permission);
  }
});

test('every field of every object type MUST have a rule', () => {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue;
    for (const field of Object.keys(type.getFields()))
      expect([type.name, field, access.get(type.name)?.has(field)]).toEqual([type.name, field, true]);
  }
});

test('only what is reached through a guarded field MAY allow: no root field does', () => {
  for (const root of ['Query', 'Mutation', 'Subscription']) {
    for (const [field, rule] of access.get(root) ?? []) expect(`${root}.${field} ${rule.name}`).not.toMatch(/ allow$/);
  }
});

test('a field without a rule MUST stop the start', () => {
  expect(() => accessTable(schema, [], catalogue)).toThrow('has no rule');
});

test('a field that the table does not name MUST be denied', async () => {
  const query = schema.getQueryType() as GraphQLObjectType;
  const partial = new Map([...access].filter(([type]) => type === 'Mutation'));
  const guarded = guard(schema, partial);
  const field = (guarded.getQueryType() as GraphQLObjectType).getFields()['viewer'];
  expect(query.getFields()['viewer']).toBeDefined();
  const answer: unknown = await field?.resolve?.({}, {}, { viewer: { person: {} } }, { parentType: query } as never);
  expect(answer).toMatchObject({ code: 'FORBIDDEN' });
});
