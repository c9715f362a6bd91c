import { beforeAll, beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import type { RequestContext } from '../../../src/context/context.js';
import { createFormatError } from '../../../src/gateway/graphql/format-error.js';
import type { OperationRequest } from '../../../src/gateway/graphql/operation-request.js';
import { createHall, type Run } from '../../../src/gateway/graphql/run.js';
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

beforeAll(async () => {
  given = await givenOrganization(server);
  const noop = (): void => undefined;
  ({ run } = createHall({
    schema,
    introspection: false,
    limits: createRateLimits({ perMinute: POINTS, redisUrl: null, onRefused: noop, onRedis: noop }),
    maxCost: 500,
    maxAnswer: 1000,
    compileFrom: 1,
    formatError: createFormatError((error) => void reported.push(error)),
    tellRequest: createTellRequest(pino({ base: null }, { write: (line: string) => void lines.push(line) }), metrics),
  }));
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

function nested(levels: number): string {
  return levels === 0 ? 'id' : `repository(id: "x") { ${nested(levels - 1)} }`;
}
