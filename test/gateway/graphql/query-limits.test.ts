import { expect, test } from '@jest/globals';
import { getIntrospectionQuery } from 'graphql';
import { DOCUMENT_LIMITS as QUERY_LIMITS } from '../../../src/gateway/graphql/document-limits.js';
import { givenOrganization } from '../../support/given.js';
import { type Answer, codeOf, useServer } from '../../support/server.js';

const server = useServer();

let signedIn: Awaited<ReturnType<typeof givenOrganization>>['owner'] | undefined;
async function ask(query: string, variables?: Record<string, unknown>, headers?: Record<string, string>) {
  signedIn ??= (await givenOrganization(server)).owner;
  return signedIn(query, variables, headers);
}
const times = (count: number, make: (index: number) => string): string =>
  Array.from({ length: count }, (_, i) => make(i)).join(' ');

function expectRefused(answer: Answer, code: string, what: RegExp): void {
  expect([codeOf(answer), answer.errors[0]?.message]).toEqual([code, expect.stringMatching(what)]);
  expect(answer.data).toBeNull();
}

test('tokens: a document of 4,000 is read, a longer one is not', async () => {
  const document = (tokens: number) => `{ ${'__typename '.repeat(tokens - 2)} }`;
  expect(codeOf(await ask(document(QUERY_LIMITS.tokens)))).toBe('GRAPHQL_VALIDATION_FAILED');
  expectRefused(await ask(document(QUERY_LIMITS.tokens + 1)), 'GRAPHQL_PARSE_FAILED', /4000 tokens/);
});

/** A chain of this many levels that costs little: one row of each list. */
function chain(levels: number): string {
  const steps = ['repositories(first: 1)', 'nodes', 'agents(first: 1)', 'nodes', 'repository', 'agents(first: 1)'];
  const at = (level: number) =>
    level < 4 ? steps[level] : ['repository', 'agents(first: 1)', 'nodes'][(level - 4) % 3];
  let open = '{';
  for (let level = 0; level < levels - 1; level += 1) open += ` ${at(level)} {`;
  return `${open} __typename ${'}'.repeat(levels)}`;
}

test('levels: 14 are answered, 15 are not', async () => {
  expect((await ask(chain(QUERY_LIMITS.depth))).errors).toEqual([]);
  expectRefused(await ask(chain(QUERY_LIMITS.depth + 1)), 'GRAPHQL_VALIDATION_FAILED', /more than 14 levels\.$/);
});

test('levels count through fragments, named and not, however deep they hide', async () => {
  const fragment = (index: number, inside: string) =>
    `fragment F${index} on AgentRepository { agents(first: 1) { nodes { repository { ${inside} } } } }`;
  const named = `{ repositories(first: 1) { nodes { ...F0 } } } ${times(5, (index) => fragment(index, index < 4 ? `...F${index + 1}` : 'id'))}`;
  expectRefused(await ask(named), 'GRAPHQL_VALIDATION_FAILED', /more than 14 levels\.$/);
  const inline = chain(15).replace('{ nodes {', '{ ... { nodes {').replace(/\}$/, '} }');
  expectRefused(await ask(inline), 'GRAPHQL_VALIDATION_FAILED', /more than 14 levels\.$/);
});

test('aliases: 30 are answered, 31 are not, wherever they stand', async () => {
  const flat = (count: number, name = 'a') => `{ ${times(count, (index) => `${name}${index}: __typename`)} }`;
  expect((await ask(flat(30))).errors).toEqual([]);
  expectRefused(await ask(flat(31)), 'GRAPHQL_VALIDATION_FAILED', /more than 30 aliases\.$/);
  const spread = `{ ...A ...B } fragment A on Query ${flat(16, 'a')} fragment B on Query ${flat(16, 'b')}`;
  expectRefused(await ask(spread), 'GRAPHQL_VALIDATION_FAILED', /more than 30 aliases\.$/);
  const logins = `mutation { ${times(31, (index) => `a${index}: switchOrganization(organizationId: "x") { token }`)} }`;
  expectRefused(await ask(logins), 'GRAPHQL_VALIDATION_FAILED', /more than 30 aliases\.$/);
});

test('repeated fields and directives are bounded', async () => {
  expect((await ask(`{ ${'__typename '.repeat(21)} }`)).errors).toEqual([]);
  expectRefused(
    await ask(`{ ${'__typename '.repeat(22)} }`),
    'GRAPHQL_VALIDATION_FAILED',
    /more than 20 repeated fields\.$/,
  );
  const directed = (count: number) =>
    `query ($x: Boolean = true) { ${times(count, () => '... @include(if: $x) { __typename }')} }`;
  expect((await ask(directed(30))).errors).toEqual([]);
  expectRefused(await ask(directed(31)), 'GRAPHQL_VALIDATION_FAILED', /more than 30 directives\.$/);
  const heaped = `{ __typename ${'@skip(if: false) '.repeat(200)} }`;
  expectRefused(await ask(heaped), 'GRAPHQL_VALIDATION_FAILED', /more than 4 directives in one place\.$/);
});

const NESTED = (rows: string, size = 'first') =>
  `repositories(${size}: ${rows}) { nodes { agents(${size}: ${rows}) { nodes { runs(${size}: ${rows}) { nodes { id } } } } } }`;

test('cost: lists within lists multiply, by what they ask for', async () => {
  expect((await ask(`{ ${NESTED('10')} }`)).errors).toEqual([]);
  expectRefused(await ask(`{ ${NESTED('100')} }`), 'QUERY_TOO_EXPENSIVE', /costs \d{5,}, more than 20000/);
});

test('cost: a batch costs by how much is in it', async () => {
  const batches = (count: number) =>
    `mutation ($b: [RecordUsageInput!]!) { ${times(count, (index) => `a${index}: recordUsageBatch(input: $b) { outcomes { duplicate } }`)} }`;
  const b = Array.from({ length: 1000 }, () => ({ idempotencyKey: '', metric: 'images', quantity: 1 }));
  expect((await ask(batches(1), { b })).errors).toEqual([]);
  expectRefused(await ask(batches(4), { b }), 'QUERY_TOO_EXPENSIVE', /costs 20408, more than 20000/);
  expect((await ask(batches(4), { b: b.slice(0, 10) })).errors).toEqual([]);
});

test.each<[string, string, Record<string, unknown>?]>([
  ['a variable', `query ($n: Int) { ${NESTED('$n')} }`, { n: 100 }],
  ['a default of a variable', `query ($n: Int = 100) { ${NESTED('$n')} }`],
  ['the other end', `query { ${NESTED('100', 'last')} }`],
  ['the other end, more than there may be', `query { ${NESTED('1000', 'last')} }`],
  ['the other end in a variable', `query ($n: Int) { ${NESTED('$n', 'last')} }`, { n: 1000 }],
  ['the other end in a default of a variable', `query ($n: Int = 1000) { ${NESTED('$n', 'last')} }`],
  ['both ends', `query ($n: Int = 1000) { ${NESTED('1, last: $n')} }`],
  ['a named fragment', `query { ...F } fragment F on Query { ${NESTED('100')} }`],
  ['a fragment without a name', `query { ... on Query { ${NESTED('100')} } }`],
  ['another name for it', `query { a: ${NESTED('100')} }`],
  ['many cheap ones', `query { ${times(25, (index) => `a${index}: ${NESTED('10')}`)} }`],
  ['one of several operations', `query Cheap { __typename } query Dear { ${NESTED('100')} }`],
  ['the organization', `query { currentOrganization { ${NESTED('100')} } }`],
  [
    'ids',
    `query ($ids: [ID!]!) { nodes(ids: $ids) { ... on AgentRepository { agents(first: 100) { nodes { runs(first: 100) { nodes { id } } } } } } }`,
    { ids: Array.from({ length: 100 }, () => 'x') },
  ],
])('cost counts through %s', async (_, query, variables = {}) => {
  signedIn ??= (await givenOrganization(server)).owner;
  const answer = await server.post(
    JSON.stringify({ query, variables, ...(query.includes('Dear') && { operationName: 'Dear' }) }),
    { authorization: `Bearer ${signedIn.token}` },
  );
  expect(codeOf(answer)).toBe('QUERY_TOO_EXPENSIVE');
});

test('a cost counted before never stands for another one', async () => {
  const query = `query Remembered($n: Int = 100) { ${NESTED('$n')} }`;
  for (const n of [1, null, 5]) expect((await ask(query, { n })).errors).toEqual([]);
  expect(codeOf(await ask(query, {}))).toBe('QUERY_TOO_EXPENSIVE');
  expect(codeOf(await ask(query, { n: 100 }))).toBe('QUERY_TOO_EXPENSIVE');
  const chosen = `query Chosen($it: Boolean!) { __typename ... @include(if: $it) { ${NESTED('100')} } }`;
  expect((await ask(chosen, { it: false })).data).toEqual({ __typename: 'Query' });
  expect(codeOf(await ask(chosen, { it: true }))).toBe('QUERY_TOO_EXPENSIVE');
});

test('of variables that do not fit a few are told, however many there are and however often they come', async () => {
  const { viewer } = await givenOrganization(server);
  const query = 'query Wrong($filter: RunFilter) { runs(filter: $filter) { totalCount } }';
  const variables = { filter: { status: Array.from({ length: 20_000 }, () => 'NOPE') } };
  for (let times = 0; times < 4; times += 1) {
    const { errors, data } = await viewer(query, variables);
    expect(errors.length).toBeLessThanOrEqual(6);
    expect(errors[0]?.message).toMatch(/^Variable "\$filter" is not valid at "filter.status\[0\]": /);
    expect([new Set(errors.map(({ extensions }) => extensions['code'])), data]).toEqual([
      new Set(['BAD_USER_INPUT']),
      null,
    ]);
  }
});

test('what is refused has asked nothing of any organization', async () => {
  await ask('{ __typename }');
  const before = server.statements.length;
  for (const query of [chain(20), `{ ${NESTED('100')} }`, `{ ${'__typename '.repeat(30)} }`]) await ask(query);
  expect(server.statements.slice(before).filter(({ frame }) => frame.role === 'orgate_app')).toEqual([]);
});

test.each<[string, string]>([
  ['spread themselves', '{ ...A } fragment A on Query { ...A }'],
  [
    'spread one another',
    '{ ...A } fragment A on Query { viewer { ...B } } fragment B on Viewer { currentOrganization { ...C } } fragment C on Organization { repositories { nodes { organization { ...C } } } }',
  ],
  [
    'double at every level',
    `{ ...F0 } ${times(40, (index) => `fragment F${index} on Query { ...F${index + 1} ... on Query { ...F${index + 1} } }`)} fragment F40 on Query { __typename }`,
  ],
  [
    'ask for the schema without end',
    `{ __schema { types { ${'fields { type { '.repeat(6)} name ${'} } '.repeat(6)} } } }`,
  ],
])('fragments and introspection that %s are refused, and at once', async (_, query) => {
  expect((await ask(query)).errors.map((error) => error.extensions['code'])).toContain('GRAPHQL_VALIDATION_FAILED');
});

test.each<[string, string]>([
  ['the standard one', getIntrospectionQuery()],
  [
    'the one with everything',
    getIntrospectionQuery({
      descriptions: true,
      specifiedByUrl: true,
      directiveIsRepeatable: true,
      schemaDescription: true,
      inputValueDeprecation: true,
      oneOf: true,
    }),
  ],
])('an introspection query of the tools passes: %s', async (_, query) => {
  const answer = await ask(query);
  expect(answer.errors).toEqual([]);
  expect(answer.data.__schema.types.length).toBeGreaterThan(30);
});

test('a refused document is a 400 in the newer media type, and a 200 in the legacy one', async () => {
  const accept = 'application/graphql-response+json';
  for (const query of [chain(15), `{ ${NESTED('100')} }`, '{']) {
    expect((await ask(query, {}, { accept })).status).toBe(400);
    expect((await ask(query)).status).toBe(200);
  }
});
