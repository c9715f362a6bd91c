import { expect, test } from '@jest/globals';
import { makeExecutableSchema } from '@graphql-tools/schema';
import { execute, type GraphQLObjectType, parse } from 'graphql';
import type { Deployment } from '../../../src/context/deployment.js';
import { RequestContext } from '../../../src/context/context.js';
import { answerOnce, forgetAnswered } from '../../../src/gateway/graphql/answer-once.js';
import { collectGarbage } from '../../support/collect-garbage.js';
import { givenOrganization } from '../../support/given.js';
import { unchecked, useServer } from '../../support/server.js';

const server = useServer();

/** What of an organization takes a statement of its own. */
const ASKED = `
  a: runs(first: 1, filter: { status: $statuses }) { totalCount nodes { id } }
  b: runs(first: 1, filter: { status: $statuses }) { nodes { id } }
  members(first: 1) { totalCount nodes { role } } repositories(first: 1) { totalCount } agents(first: 1) { nodes { id } }
  usage { __typename } formerSlugs { slug } limits { used } features { name } settings { version } description`;

test.each([1, 5])('an organization that many rows belong to MUST be asked once, the %sth time too', async (times) => {
  const { owner } = await givenOrganization(server);
  const more = ['a', 'b', 'c', 'd', 'e'].map(
    (name) => `${name}: createRepository(input: { name: "${name}", gitUrl: "https://git.example/x" }) { id }`,
  );
  await owner(unchecked(`mutation { ${more.join(' ')} }`));
  const document = `query ($statuses: [RunStatus!], $rows: Int) {
    repositories(first: $rows) { nodes { organization { ${ASKED} } } } }`;
  const statementsFor = async (rows: number) => {
    const from = server.statements.length;
    const answer = await owner(unchecked(document), { statuses: ['QUEUED', 'FAILED', 'FAILED'], rows });
    expect(answer.errors).toEqual([]);
    expect(answer.data.repositories.nodes).toHaveLength(rows);
    return {
      texts: server.statements.slice(from).map(({ text }) => text.replace(/limit \d+$/, 'limit …')),
      nodes: answer.data.repositories.nodes,
    };
  };
  for (let warm = 1; warm < times; warm += 1) await statementsFor(1);
  const one = await statementsFor(1);
  const six = await statementsFor(6);
  expect(one.texts.length).toBeGreaterThan(8);
  expect(six.texts.toSorted()).toEqual(one.texts.toSorted());
  expect(six.nodes).toEqual(six.nodes.map(() => one.nodes[0]));
});

test('what a mutation did is seen by what is read after it, though it is asked at the same place', async () => {
  const { owner } = await givenOrganization(server);
  const input = (name: string) => `input: { name: "${name}", gitUrl: "https://git.example/x" }`;
  const { data } = await owner(
    unchecked(`mutation { a: createRepository(${input('a')}) { ...R } b: createRepository(${input('b')}) { ...R } }
      fragment R on AgentRepository { organization { repositories(first: 0) { totalCount } } }`),
  );
  const counts = [data.a, data.b].map(({ organization }) => organization.repositories.totalCount as number);
  expect(counts).toEqual([2, 3]);
});

test('what was answered is held while its operation lasts, and no longer', async () => {
  const one = {};
  const typeDefs = 'type Query { many: [One!]! } type One { text: String }';
  let asked = 0;
  let again: (() => unknown) | undefined;
  const text = () => `${(asked += 1)}`;
  const schema = answerOnce(
    makeExecutableSchema({ typeDefs, resolvers: { Query: { many: () => [one, one] }, One: { text } } }),
  );
  const { resolve } = (schema.getType('One') as GraphQLObjectType).getFields()['text'] ?? {};
  const contextValue = new RequestContext('req', null, null, {} as Deployment);
  const field = (schema.getType('One') as GraphQLObjectType).getFields()['text'];
  if (field) {
    field.resolve = (parent, args, context, info) => {
      again = () => resolve?.(parent, args, context, info);
      return again();
    };
  }
  const { data } = await execute({ schema, document: parse('{ many { text } }'), contextValue });
  expect(data).toMatchObject({ many: [{ text: '1' }, { text: '1' }] });
  expect(again?.()).toBe('1');
  forgetAnswered(contextValue);
  expect(again?.()).toBe('2');
});

test('nor is what its variables hold: one that is over keeps none of them', async () => {
  const one = {};
  const typeDefs = 'type Query { one(text: String): One } type One { text: String }';
  const resolvers = { Query: { one: () => one }, One: { text: () => 'text' } };
  const schema = answerOnce(makeExecutableSchema({ typeDefs, resolvers }));
  const contextValue = new RequestContext('req', null, null, {} as Deployment);
  const document = parse('query ($text: String) { one(text: $text) { text } }');
  let variables: WeakRef<object> | undefined;
  const field = schema.getQueryType()?.getFields()['one'];
  if (field) {
    field.resolve = (_parent, _args, _context, info) => {
      variables = new WeakRef(info.variableValues);
      return one;
    };
  }
  await execute({ schema, document, contextValue, variableValues: { text: 'x' } });
  forgetAnswered(contextValue);
  await collectGarbage();
  expect(variables?.deref()).toBeUndefined();
  expect(contextValue.requestId).toBe('req');
});

test('what one operation was answered is not answered to the next of the same request', async () => {
  const one = {};
  let asked = 0;
  const typeDefs = 'type Query { one: One } type One { text: String }';
  const resolvers = { Query: { one: () => one }, One: { text: () => `${(asked += 1)}` } };
  const schema = answerOnce(makeExecutableSchema({ typeDefs, resolvers }));
  const contextValue = new RequestContext('req', null, null, {} as Deployment);
  const document = parse('{ one { text } }');
  const answers = [
    await execute({ schema, document, contextValue }),
    await execute({ schema, document, contextValue }),
  ];
  expect(answers.map(({ data }) => data)).toMatchObject([{ one: { text: '1' } }, { one: { text: '2' } }]);
});

test('a value that a filter names a thousand times is sought once', async () => {
  const { owner } = await givenOrganization(server);
  const textsFor = async (statuses: string[]) => {
    const from = server.statements.length;
    const { errors } = await owner(
      'query ($statuses: [RunStatus!]) { runs(filter: { status: $statuses }) { totalCount nodes { id } } }',
      { statuses },
    );
    expect(errors).toEqual([]);
    return server.statements.slice(from).map(({ text }) => text);
  };
  const twice = await textsFor(['QUEUED', 'FAILED']);
  expect(await textsFor(Array.from({ length: 500 }, () => ['QUEUED', 'FAILED']).flat())).toEqual(twice);
});
