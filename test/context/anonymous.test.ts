import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { buildSchema, getIntrospectionQuery, type GraphQLObjectType } from 'graphql';
import { givenOrganization } from '../support/given.js';
import { callOf } from '../support/root-fields.js';
import { codeOf, useServer, withoutRequestId } from '../support/server.js';

const server = useServer();

const schema = buildSchema(
  readdirSync('schema')
    .map((file) => readFileSync(`schema/${file}`, 'utf8'))
    .join('\n')
    .replace('type Mutation\n', 'type Mutation { _: Int }\n'),
);

const rootFields = ['Query', 'Mutation'].flatMap((type) =>
  Object.values((schema.getType(type) as GraphQLObjectType).getFields())
    // How the organization looks that a host leads to is anybody's to know; at no host it is nothing.
    .filter(({ name }) => name !== '_' && name !== 'branding')
    .map((field) => [`${type}.${field.name}`, `${type.toLowerCase()} { ${callOf(field)} }`, field.name] as const),
);

test.each(rootFields)('%s: without a credential UNAUTHENTICATED, with HTTP 200', async (_, query, field) => {
  const answer = await server.post(JSON.stringify({ query }));
  expect(answer.status).toBe(200);
  expect(codeOf(answer)).toBe('UNAUTHENTICATED');
  expect(answer.errors[0]?.path).toEqual([field]);
  expect(answer.data).toEqual({ [field]: null });
  expect(answer.headers.get('www-authenticate')).toBeNull();
});

test('there are as many root fields as the contract has', () => {
  expect(rootFields.length).toBeGreaterThanOrEqual(30);
});

test('__typename answers to anyone, beside fields that do not', async () => {
  expect(JSON.parse((await server.post('{"query":"{ __typename }"}')).text)).toEqual({ data: { __typename: 'Query' } });
  const mixed = await server.post('{"query":"{ __typename viewer { role } repositories { totalCount } }"}');
  expect(mixed.data).toEqual({ __typename: 'Query', viewer: null, repositories: null });
  expect(mixed.errors.map((error) => error.extensions['code'])).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED']);
});

test('introspection answers to anyone where it is enabled', async () => {
  const answer = await server.post(JSON.stringify({ query: getIntrospectionQuery() }));
  expect(answer.errors).toEqual([]);
  expect(answer.data.__schema.queryType.name).toBe('Query');
});

test('naming an organization without a credential tells nothing about it', async () => {
  const { id, slug } = await givenOrganization(server);
  const ask = (name: string) =>
    server.post('{"query":"{ currentOrganization { id } }"}', { 'x-organization-id': name });
  const unknown = await ask('no-such-organization');
  expect(codeOf(unknown)).toBe('UNAUTHENTICATED');
  for (const name of [id, slug, '']) expect(withoutRequestId(await ask(name))).toBe(withoutRequestId(unknown));
});

test('nothing reaches the database for someone without a credential', async () => {
  const before = server.statements.length;
  for (const [, query] of rootFields) await server.post(JSON.stringify({ query }));
  expect(server.statements.slice(before)).toEqual([]);
});
