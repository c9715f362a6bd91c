import { beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { makeExecutableSchema } from '@graphql-tools/schema';
import type { GraphQLObjectType, GraphQLSchema } from 'graphql';
import { pino } from 'pino';
import type { RequestContext } from '../../../src/context/context.js';
import { ReadBound, readLimits } from '../../../src/data/connection/read-bound.js';
import { OrgateError } from '../../../src/errors.js';
import { answerOnce } from '../../../src/gateway/graphql/answer-once.js';
import { createFormatError } from '../../../src/gateway/graphql/format-error.js';
import type { OperationRequest, StreamRequest } from '../../../src/gateway/graphql/operation-request.js';
import { createHall, type Hall, type Run } from '../../../src/gateway/graphql/run.js';
import { createContract } from '../../../src/gateway/graphql/schema.js';
import { createMetrics } from '../../../src/gateway/http/metrics.js';
import { createRateLimits } from '../../../src/gateway/http/rate-limits.js';
import { createTellRequest } from '../../../src/gateway/http/tell-request.js';
import { contextOf } from '../../support/context.js';
import { givenOrganization } from '../../support/given.js';
import { type Client, useServer } from '../../support/server.js';

// Whichever door an operation comes in at, or none: ONE function MUST bound, price, permit, mask, count and tell it. No
// HTTP is spoken here.
const server = useServer();

const { schema, catalogue } = createContract();
const metrics = createMetrics();
const lines: string[] = [];
const reported: unknown[] = [];
let run: Run;
let given: Awaited<ReturnType<typeof givenOrganization>>;

const noop = (): void => undefined;
const hallOf = (of: GraphQLSchema): Hall =>
  createHall({
    schema: of,
    introspection: false,
    limits: createRateLimits({ perMinute: POINTS, redisUrl: null, onRefused: noop, onRedis: noop }),
    maxCost: 500,
    maxAnswer: 1000,
    compileFrom: 1,
    formatError: createFormatError({
      unexpected: (error) => void reported.push(error),
      busy: (reason) => void reported.push(reason),
    }),
    tellRequest: createTellRequest(pino({ base: null }, { write: (line: string) => void lines.push(line) }), metrics),
  });

beforeAll(async () => {
  given = await givenOrganization(server);
  ({ run } = hallOf(schema));
});

beforeEach(() => {
  lines.length = 0;
  reported.length = 0;
});

const POINTS = new Proxy(
  {},
  // Refusals cost by the time that they took: on a busy machine, much.
  { get: (_, limit) => ({ organizationPoints: 1_000_000, personPoints: 30_000 })[String(limit)] ?? 1000 },
) as never;

const contextFor = (client: Client) => contextOf(server, catalogue, client, given);

const told = (): Record<string, unknown>[] => lines.map((line) => JSON.parse(line) as Record<string, unknown>);

async function ask(client: Client, document: string, more: Partial<OperationRequest> = {}) {
  return run({ document, variables: {}, context: await contextFor(client), ...more });
}

test('an operation is answered, counted and told in one line', async () => {
  const document = 'query Mine { currentOrganization { slug } } query Other { viewer { role } }';
  expect(await ask(given.viewer, document, { operationName: 'Mine' })).toEqual({
    data: { currentOrganization: { slug: given.slug } },
  });
  expect(told()).toEqual([
    expect.objectContaining({
      requestId: `request of ${given.viewer.email}`,
      operationName: 'Mine',
      operationType: 'query',
      cost: expect.any(Number),
      organization: given.id,
      organizationSource: 'TOKEN',
      msg: 'graphql',
    }),
  ]);
  const { values } = await metrics.requests.get();
  expect(values).toContainEqual({ value: 1, labels: { operation: 'query', code: 'none' } });
});

test.each<[string, string, string, Partial<OperationRequest>]>([
  ['text that is no document', 'GRAPHQL_PARSE_FAILED', '{', {}],
  ['structure', 'GRAPHQL_VALIDATION_FAILED', `{ ${nested(40)} }`, {}],
  ['a kind that is not there yet', 'GRAPHQL_VALIDATION_FAILED', 'subscription { viewer { role } }', {}],
  ['introspection', 'GRAPHQL_VALIDATION_FAILED', '{ __schema { description } }', {}],
  ['a name it has not', 'OPERATION_RESOLUTION_FAILURE', 'query A { viewer { role } }', { operationName: 'B' }],
  ['writing where one reads', 'METHOD_NOT_ALLOWED', 'mutation { deleteAgent(id: "x") }', { isReadOnly: true }],
  ['variables that do not fit', 'BAD_USER_INPUT', 'query ($id: ID!) { agent(id: $id) { id } }', {}],
  [
    'its price',
    'QUERY_TOO_EXPENSIVE',
    '{ repositories(first: 100) { nodes { agents(first: 100) { nodes { id } } } } }',
    {},
  ],
])('refused whole, for %s: %s', async (_, code, document, more) => {
  const answer = await ask(given.developer, document, more);
  expect(answer).toEqual({ errors: [expect.objectContaining({ extensions: expect.objectContaining({ code }) })] });
  expect(told()).toEqual([expect.objectContaining({ codes: [code], msg: 'graphql' })]);
});

test('once an operation is over, what was read for it is let go of, though its answer is not taken yet', async () => {
  const context = await contextFor(given.viewer);
  const { db } = context;
  expect((await run({ document: '{ agents { nodes { repository { name } } } }', variables: {}, context })).errors).toBe(
    undefined,
  );
  expect(context.db).not.toBe(db);
});

test('what fails again and again is noted once', async () => {
  const record = { requestId: 'r', address: null, codes: new Set<string>() };
  const formatError = createFormatError({ unexpected: () => undefined, busy: () => undefined });
  for (let times = 0; times < 1000; times += 1) {
    for (const code of ['FORBIDDEN', 'NOT_FOUND'] as const) formatError(new OrgateError(code), record);
  }
  expect([...record.codes]).toEqual(['FORBIDDEN', 'NOT_FOUND']);
});

const LONG = 'Syntax_Error'.repeat(2000);

test.each<[string, string, Partial<OperationRequest>]>([
  ['the name of an operation', 'query A { __typename } query B { __typename }', { operationName: LONG }],
  ['one that is looked like', 'query A { __typename }', { operationName: 'Syntax Error: '.repeat(100) }],
  ['a field', `{ ${LONG} }`, {}],
  ['a variable', `query ($${LONG}: ID!) { agent(id: $${LONG}) { id } }`, { variables: { [LONG]: { [LONG]: LONG } } }],
  ['what stands where it may not', `query "${LONG}" { __typename }`, {}],
])('of what was sent no more than a piece comes back: %s', async (_, document, more) => {
  const answer = await ask(given.owner, document, more);
  expect(answer.data).toBeUndefined();
  expect(JSON.stringify(answer).length).toBeLessThan(3000);
});

test('an operation that is named at length is refused as what it is', async () => {
  const answer = await ask(given.viewer, 'query A { __typename }', { operationName: LONG });
  expect(answer.errors).toMatchObject([{ message: 'An operation name has at most 200 characters.' }]);
  expect(answer.errors).toMatchObject([{ extensions: { code: 'BAD_REQUEST' } }]);
});

test.each<[string, string, string, Partial<OperationRequest>]>([
  ['permissions', 'FORBIDDEN', 'mutation { deleteAgent(id: "x") }', {}],
  [
    'the bounds of arguments',
    'BAD_USER_INPUT',
    'query ($id: ID!) { agent(id: $id) { id } }',
    { variables: { id: 'x'.repeat(10_001) } },
  ],
])('refused at a field, for %s: %s', async (_, code, document, more) => {
  const { errors } = await ask(given.viewer, document, more);
  expect(errors).toMatchObject([{ extensions: { code, requestId: `request of ${given.viewer.email}` } }]);
});

test('an answer beyond its bound is not shown', async () => {
  const { owner } = given;
  const document = `{ ${Array.from({ length: 20 }, (_, each) => `a${each}: currentOrganization { name slug }`).join(' ')} }`;
  expect(await ask(owner, document)).toMatchObject({
    data: null,
    errors: [{ extensions: { code: 'QUERY_TOO_EXPENSIVE' } }],
  });
});

test('where too much is held already a query is refused whole, and of a mutation it is said that it was carried out', async () => {
  const printed = () => {
    throw new OrgateError('SERVICE_UNAVAILABLE');
  };
  const held = Object.assign(new ReadBound(readLimits(1000)), { printed });
  const askHeld = async (document: string) => {
    const context = await contextFor(given.developer);
    return run({
      document,
      variables: {},
      context,
      record: { requestId: 'req', address: null, context, held, codes: new Set() },
    });
  };
  const refused = { extensions: { code: 'SERVICE_UNAVAILABLE' } };
  const query = await askHeld('{ viewer { role } }');
  expect([query.data, query.errors]).toMatchObject([undefined, [refused]]);
  expect(await askHeld('mutation { deleteAgent(id: "x") }')).toMatchObject({
    data: null,
    errors: [{ ...refused, message: expect.stringContaining('The mutation was carried out.') }],
  });
});

test('what fails is masked, and reported whole', async () => {
  const context = await contextFor(given.viewer);
  const broken = Object.create(context, {
    db: {
      get() {
        throw new Error('canary');
      },
    },
  }) as RequestContext;
  const answer = await ask(given.viewer, '{ agents { totalCount } }', { context: broken });
  expect(JSON.stringify(answer)).not.toContain('canary');
  expect(answer.errors).toMatchObject([{ extensions: { code: 'INTERNAL_SERVER_ERROR' } }]);
  expect(reported).toEqual([expect.objectContaining({ message: 'canary' })]);
});

test('points are charged until there are none', async () => {
  const document = '{ agents(first: 100) { nodes { name } } }';
  const codes = [];
  for (let round = 0; round < 300 && codes.at(-1) === undefined; round += 1) {
    const { errors = [] } = await ask(given.admin, document);
    codes.push(errors[0]?.extensions?.['code']);
  }
  expect(codes[0]).toBeUndefined();
  expect(codes.at(-1)).toBe('RATE_LIMITED');
});

test('what was answered is let go of once it is over, though its client still takes it', async () => {
  const one = {};
  let asked = 0;
  let again: (() => unknown) | undefined;
  const typeDefs = 'type Query { one: One } type One { text: String }';
  const resolvers = { Query: { one: () => one }, One: { text: () => `${(asked += 1)}` } };
  const small = answerOnce(makeExecutableSchema({ typeDefs, resolvers }));
  const field = (small.getType('One') as GraphQLObjectType).getFields()['text'];
  const { resolve } = field ?? {};
  if (field) field.resolve = (...args) => (again = () => resolve?.(...args))();
  const { run: runSmall } = hallOf(small);
  const answer = await runSmall({
    document: '{ one { text } }',
    variables: {},
    context: await contextFor(given.viewer),
  });
  expect(answer).toEqual({ data: { one: { text: '1' } } });
  expect(again?.()).toBe('2');
});

describe('what a stream keeps', () => {
  const MIB = 1024 * 1024;
  let left = 0;
  async function* ticks() {
    try {
      yield await Promise.resolve([]);
    } finally {
      left += 1;
    }
  }
  /** Begun, so that it is left when it is over. */
  async function subscribe() {
    const source = ticks();
    await source.next();
    return source;
  }
  const typeDefs = 'type Query { none: Int } type Subscription { ticks: Int }';
  const resolvers = { Subscription: { ticks: { subscribe } } };

  /** Opens streams, one after the other; tells whether each is there, or by what code it is refused. */
  async function givenStreams() {
    const { stream } = hallOf(makeExecutableSchema({ typeDefs, resolvers }));
    const context = await contextFor(given.viewer);
    left = 0;
    return async (doorBytes: number, over: AbortSignal = new AbortController().signal) => {
      const record = { requestId: 'req', address: null, context, codes: new Set<string>() };
      const inTurn: StreamRequest['inTurn'] = (work) => work();
      const renew = () => Promise.resolve(context);
      const asked = { document: 'subscription { ticks }', variables: {}, context, record, over, inTurn, renew };
      const answered = await stream({ ...asked, doorBytes, giveWay: () => false });
      return 'errors' in answered ? answered.errors?.[0]?.extensions?.['code'] : 'open';
    };
  }

  test('is what its door keeps, too', async () => {
    const open = await givenStreams();
    expect([await open(MIB), await open(MIB / 2), await open(MIB / 2)]).toEqual([
      'LIMIT_REACHED',
      'open',
      'LIMIT_REACHED',
    ]);
  });

  test('is given back at once of one whose client is gone by then', async () => {
    const open = await givenStreams();
    const codes = [await open(MIB / 2, AbortSignal.abort()), await open(MIB / 2), await open(MIB / 2)];
    expect(codes).toEqual(['open', 'open', 'LIMIT_REACHED']);
  });

  test('is nothing where it is refused: its source is left', async () => {
    const open = await givenStreams();
    expect([await open(MIB), left]).toEqual(['LIMIT_REACHED', 1]);
  });
});

function nested(levels: number): string {
  return levels === 0 ? 'id' : `repository(id: "x") { ${nested(levels - 1)} }`;
}
