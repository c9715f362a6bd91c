import { describe, expect, test } from '@jest/globals';
import { print } from 'graphql';
import { DOCUMENT_LIMITS, STRANGERS_LIMITS } from '../../../src/gateway/graphql/document-limits.js';
import { Documents } from '../../../src/gateway/graphql/documents.js';
import { createExecute } from '../../../src/gateway/graphql/execute.js';
import { priceOf } from '../../../src/gateway/graphql/price.js';
import { Operation, readDocument, type ReadDocument } from '../../../src/gateway/graphql/read-document.js';
import { createContract } from '../../../src/gateway/graphql/schema.js';
import { givenOrganization, type GivenOrganization } from '../../support/given.js';
import { startServer, type TestServer } from '../../support/server.js';

const { schema } = createContract();
const newDocuments = () => new Documents({ schema, introspection: false });
const times = (count: number, make: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => make(index)).join(' ');

function operationOf(read: ReadDocument): Operation {
  const operation = read.operation(null);
  if (operation instanceof Operation) return operation;
  throw operation;
}

describe('documents', () => {
  test('that come again stay, however many others come once', () => {
    const documents = newDocuments();
    const read = documents.read('{ viewer { role } }', false);
    documents.read('{ viewer { role } }', false);
    for (let index = 0; index < 3000; index += 1) documents.read(`query Q${index} { viewer { role } }`, false);
    expect(documents.read('{ viewer { role } }', false)).toBe(read);
  });

  test('weigh what their comments weigh', () => {
    const documents = newDocuments();
    const commented = (index: number) => `query Q${index} { __typename } ${'#\n'.repeat(32_000)}`;
    const readTwice = (index: number) => [0, 1].map(() => documents.read(commented(index), false))[1];
    const first = readTwice(0);
    expect(documents.read(commented(0), false) === first).toBe(true);
    for (let index = 1; index < 8; index += 1) readTwice(index);
    expect(documents.read(commented(0), false) === first).toBe(false);
  });

  test('of strangers, and those that are wrong, leave nothing behind', () => {
    const documents = newDocuments();
    for (const [source, isStranger] of [
      ['{ __typename }', true],
      ['{ nope }', false],
      ['{', false],
    ] as const) {
      const read = documents.read(source, isStranger);
      expect(documents.read(source, isStranger)).not.toBe(read);
      expect(documents.read(source, false)).not.toBe(read);
    }
  });

  test('a stranger is told apart from who may ask more, for the same document', () => {
    const documents = newDocuments();
    const source = `{ __typename } #${'x'.repeat(STRANGERS_LIMITS.characters)}`;
    expect(documents.read(source, false).errors).toEqual([]);
    expect(documents.read(source, true).errors).toHaveLength(1);
  });

  test.each<[string, string, string]>([
    ['characters', `{ __typename } #${'x'.repeat(DOCUMENT_LIMITS.characters)}`, 'has more than 65536 characters'],
    [
      'levels of values',
      `{ node(id: ${'['.repeat(101)}${']'.repeat(101)}) { id } }`,
      'more than 100 levels in a value\\.',
    ],
    [
      'levels that no stack holds',
      `{ node(id: ${'['.repeat(1900)}${']'.repeat(1900)}) { id } }`,
      'more than (100 levels in a value|14 levels)\\.',
    ],
    [
      'selections of fragments',
      `{ ${times(90, (i) => `...F${i}`)} } ${times(90, (i) => `fragment F${i} on Query { ${times(24, (k) => `f${k}`)} }`)}`,
      'more than (2000 fields|1000 pairs)',
    ],
    [
      'fragments that double',
      `{ ...F0 } ${times(40, (i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`)} fragment F40 on Query { __typename }`,
      'more than (2000 fields|1000 pairs)',
    ],
    [
      'fragments',
      `{ __typename } ${times(101, (i) => `fragment F${i} on Query { __typename }`)}`,
      'more than 100 fragments\\.',
    ],
    ['operations', times(51, (i) => `query Q${i} { __typename }`), 'more than 50 operations\\.'],
    ['directives in one place', `{ __typename ${times(10, () => '@aa')} }`, 'more than 4 directives in one place\\.'],
    [
      'names in one place',
      `{ ${times(60, () => '... { viewer { role } }')} }`,
      'more than 1000 pairs of fields of one name',
    ],
    [
      'names with long arguments',
      `{ ${times(3, () => `... { ${times(7, () => `nodes(ids: [${times(160, () => '1')}]) { id }`)} }`)} }`,
      'more than 1000 pairs of fields of one name',
    ],
    [
      'names in a fragment that nothing spreads',
      `{ __typename } fragment F on Query { ${times(60, () => '... { viewer { role } }')} }`,
      'more than 1000 pairs of fields of one name',
    ],
    ['subscriptions', 'subscription { x }', 'Cannot query field'],
    [
      'subscriptions to what variables decide',
      'subscription ($x: Boolean!) { runUpdates(runId: "a") @skip(if: $x) { cursor } }',
      'without @skip and @include',
    ],
    [
      'subscriptions to nothing, behind fragments',
      'subscription { ...A } fragment A on Subscription { ... @include(if: false) { organizationRunUpdates { cursor } } ...A }',
      'without @skip and @include',
    ],
    ['errors', `{ ${times(100, (i) => `unknown${i}`)} }`, 'Cannot query field'],
    ['introspection', '{ __schema { types { name } } }', 'Introspection is off here'],
  ])('bounded: %s', (_, source, message) => {
    const { errors } = readDocument(source, { schema, introspection: false, isStranger: false });
    expect(errors[0]?.message).toMatch(new RegExp(message));
    expect(errors.length).toBeLessThanOrEqual(6);
    for (const error of errors) expect(error.message).not.toContain('Did you mean');
  });
});

test('what is nearly the name of a field is not told where the schema is not', () => {
  const [error] = readDocument('{ viewr { role } }', { schema, introspection: false, isStranger: false }).errors;
  expect(error?.message).toBe('Cannot query field "viewr" on type "Query".');
  const [hinted] = readDocument('{ viewr { role } }', { schema, introspection: true, isStranger: false }).errors;
  expect(hinted?.message).toContain('Did you mean "viewer"');
});

test.each<[string, number, Record<string, unknown>?]>([
  ['{ __schema { types { name fields { name } } } }', 500],
  ['{ node(id: "x") { id ... on Run { input output } ... on Agent { name } } }', 1 + 1 + 128],
  ['{ runs(first: 7) { nodes { id error } } }', 1 + 7 * (1 + 1 + 10)],
  ['{ claimedRun { credentials { id secret } } }', 1 + 1 + 20 * (1 + 10)],
  ['query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', 1 + 7, { ids: Array.from({ length: 7 }, () => 'x') }],
  ['{ nodes(ids: ["a", "b", "c"]) { id __typename } }', 1 + 3 * 2],
  ['{ repositories(first: 7) { nodes { id } } }', 1 + 7 * (1 + 1)],
  ['{ repositories(last: 7) { nodes { id } } }', 1 + 7 * (1 + 1)],
  ['{ repositories(last: 1000) { nodes { id } } }', 1 + 100 * (1 + 1)],
  ['{ repositories(first: 1, last: 100) { nodes { id } } }', 1 + 100 * (1 + 1)],
  ['{ repositories(first: null, last: null) { nodes { id } } }', 1 + 20 * (1 + 1)],
  ['{ repositories(last: 3) { nodes { agents(last: 50) { nodes { id } } } } }', 1 + 3 * (1 + 1 + 50 * (1 + 1))],
  ['{ repositories { nodes { id @skip(if: true) name } } }', 1 + 20 * (1 + 1)],
  ['{ usageByDay(from: "2026-11-01", to: "2026-11-02", by: KEY) { key } }', 1 + 500],
  ['{ providerHealth { provider detail } }', 1 + 100 * 2],
  ['{ verifyAuditChain { ok } }', 1 + 1 + 10_000],
  ['{ verifyAuditChain(from: 5, to: 7) { ok } }', 1 + 1 + 3],
  ['{ verifyAuditChain(from: 7, to: 5) { ok } }', 1 + 1],
  ['{ verifyDeploymentChain(from: 290001) { ok } }', 1 + 1 + 10_000],
  ['{ a: verifyAuditChain(to: 9) { ok } b: verifyAuditChain(to: 90000) { ok } }', 11 + 10_002],
])('priced: %s', (source, price, variables = {}) => {
  const operation = operationOf(readDocument(source, { schema, introspection: true, isStranger: false }));
  expect(priceOf(schema, operation, variables)).toBe(price);
});

test.each<[string, ...(readonly [Record<string, unknown>, number])[]]>([
  ['query ($n: Int) { repositories(first: $n) { nodes { id } } }', [{ n: 1 }, 3], [{ n: 9 }, 19], [{}, 41]],
  ['query ($n: Int = 3) { repositories(first: $n) { nodes { id } } }', [{}, 7], [{ n: 50 }, 101]],
  ['query ($n: Int) { repositories(last: $n) { nodes { id } } }', [{ n: 1 }, 3], [{ n: 1000 }, 201], [{}, 41]],
  ['query ($n: Int = 100) { repositories(last: $n) { nodes { id } } }', [{}, 201], [{ n: null }, 41], [{ n: 2 }, 5]],
  [
    'query ($f: RepositoryFilter = { search: "x" }) { repositories(filter: $f) { nodes { id } } }',
    [{}, 51],
    [{ f: null }, 41],
    [{ f: { search: 'y' } }, 51],
  ],
  [
    'query ($n: Int = 100) { repositories(first: 1) { nodes { agents(first: 1, last: $n) { nodes { id } } } } }',
    [{}, 203],
    [{ n: 1 }, 5],
  ],
  ['query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', [{ ids: ['a'] }, 2], [{ ids: ['a', 'b', 'c'] }, 4]],
  ['query ($no: Boolean!) { organization { id name @skip(if: $no) } }', [{ no: true }, 2], [{ no: false }, 3]],
  [
    'query ($is: Boolean!) { ...F @include(if: $is) } fragment F on Query { organization { id } }',
    [{ is: false }, 0],
    [{ is: true }, 2],
  ],
  [
    'query ($from: SafeInt, $to: SafeInt) { verifyAuditChain(from: $from, to: $to) { ok } }',
    [{}, 10_002],
    [{ from: 11, to: 20 }, 12],
    [{ from: '11', to: '20' }, 10_002],
    [{ from: null, to: 20 }, 22],
  ],
  ['query ($after: String) { repositories(first: 7, after: $after) { nodes { id } } }', [{}, 15], [{ after: 'x' }, 15]],
])('priced anew for other variables: %s', (source, ...prices) => {
  const operation = operationOf(readDocument(source, { schema, introspection: true, isStranger: false }));
  for (const [variables, price] of [...prices, ...prices]) expect(priceOf(schema, operation, variables)).toBe(price);
});

test('what lasts of an operation is the same, without text, places and comments, and weighs what it is', () => {
  const text = 'query Q($n: Int = 3) { repositories(first: $n) { nodes { ...R } } } fragment R on Repository { id }';
  const read = readDocument(`${'#\n'.repeat(32_000)}${text}`, { schema, introspection: true, isStranger: false });
  const operation = operationOf(read);
  const { lasting } = operation;
  expect(print(lasting.document)).toBe(print(operation.document));
  expect(JSON.stringify(lasting.document)).not.toContain('"loc"');
  expect(lasting.whole.bytes).toBeLessThan(10_000);
  expect(read.bytes).toBeGreaterThan(3_000_000);
  expect(operation.lasting).toBe(lasting);
  expect(priceOf(schema, lasting, {})).toBe(priceOf(schema, operation, {}));
});

test('an operation is compiled when it comes again, and never for whom nothing is kept', async () => {
  const execute = createExecute({ schema, compileFrom: 3 });
  const documents = newDocuments();
  const source = '{ __typename }';
  const run = (isStranger: boolean) => {
    const operation = operationOf(documents.read(source, isStranger));
    return execute({ operation, variables: {}, context: {} });
  };
  const results = [];
  for (let index = 0; index < 5; index += 1) results.push(await run(true));
  for (let index = 0; index < 5; index += 1) results.push(await run(false));
  expect(new Set(results.map((result) => JSON.stringify(result)))).toEqual(
    new Set(['{"data":{"__typename":"Query"}}']),
  );
  expect(operationOf(documents.read(source, true)).uses).toBe(0);
});

test('what is compiled weighs as much as its whole document', async () => {
  const execute = createExecute({ schema, compileFrom: 1 });
  const other = `query Other($ids: [ID!]! = [${times(3900, () => '1')}]) { nodes(ids: $ids) { id } }`;
  const compiled = async (index: number) => {
    const read = readDocument(`query Q${index} { __typename } ${other}`, {
      schema,
      introspection: false,
      isStranger: false,
    });
    const operation = read.operation(`Q${index}`) as Operation;
    // Whatever is compiled is no longer counted; compiling has its share of each second.
    for (let uses = -1; uses < operation.uses; await new Promise((resolve) => setTimeout(resolve, 20))) {
      uses = operation.uses;
      await execute({ operation, variables: {}, context: {} });
    }
    return operation;
  };
  const first = await compiled(0);
  const { uses } = first;
  for (let index = 1; index < 30; index += 1) await compiled(index);
  await execute({ operation: first, variables: {}, context: {} });
  expect(first.uses).toBe(uses + 1);
});

describe('compiled and interpreted', () => {
  test('operations answer the same bytes', async () => {
    const servers: TestServer[] = [];
    for (const compileFrom of [1, Infinity]) servers.push(await startServer({ compileFrom }));
    const [compiled, interpreted] = servers as [TestServer, TestServer];
    const acme = await givenOrganization(compiled);
    for (const [query, variables] of operations(acme)) {
      // One database; each server has an issuer of its own, and the same person for it.
      const answers = [];
      for (const server of [compiled, interpreted]) {
        const owner = await server.as(acme.owner.email, acme.slug);
        answers.push(mask((await owner(query, variables)).text));
      }
      if (variables?.['p']) expect(answers[0]).toContain('prompted');
      expect(answers[1]).toBe(answers[0]);
    }
    for (const server of servers) await server.close();
  });
});

const mask = (text: string): string => text.replaceAll(/"requestId":"[^"]*"/g, '"requestId":""');

const operations = ({ runId, agentId }: GivenOrganization): [string, Record<string, unknown>?][] => [
  // A variable inside JSON that is written out.
  [
    'mutation ($a: ID!, $p: String, $x: JSON) { startRun(input: { agentId: $a, input: { prompt: $p, deep: [{ x: $x }, $p] } }) { input } }',
    { a: agentId, p: 'prompted', x: { i: [1] } },
  ],
  [
    'mutation ($a: ID!, $p: JSON) { startRun(input: { agentId: $a, input: [$p] }) { input } }',
    { a: agentId, p: 'prompted' },
  ],
  [
    'query ($s: RunStatus!, $a: ID) { runs(filter: { status: [$s], agentId: $a }) { totalCount } }',
    { s: 'QUEUED', a: agentId },
  ],
  ['{ viewer { role user { name email } memberships { nodes { role organization { slug } } } } }'],
  [
    '{ repositories { totalCount nodes { id name createdAt agents { nodes { name runs(first: 2) { nodes { id } } } } } } }',
  ],
  [
    'query ($id: ID!) { run(id: $id) { status input output error createdAt finishedAt totalTokens totalCost } }',
    { id: runId },
  ],
  ['query ($id: ID!) { run(id: $id) { id } }', { id: agentId }],
  ['query ($id: ID!) { node(id: $id) { __typename id ... on Agent { name repository { name } } } }', { id: agentId }],
  ['query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Run { status } } }', { ids: [runId, 'nothing', agentId] }],
  ['query ($first: Int) { runs(first: $first) { totalCount pageInfo { hasNextPage } } }', { first: 'x' }],
  ['query ($first: Int) { runs(first: $first) { totalCount } }', { first: 1000 }],
  [
    'query ($it: Boolean!) { viewer { role @include(if: $it) } organizationUsage { totalRuns runsByStatus { status count } } }',
    { it: false },
  ],
  ['mutation { deleteRepository(id: "nope") }'],
  ['mutation { a: cancelRun(id: "nope") { id } b: cancelRun(id: "nope") { id } }'],
  ['{ members { nodes { role status user { name } } } currentOrganization { slug settings { featureFlags } } }'],
];
