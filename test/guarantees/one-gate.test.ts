import { describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { getOperationAST, type OperationDefinitionNode, parse } from 'graphql';
import { openEvents } from '../support/events.js';
import { givenOrganization, unique } from '../support/given.js';
import { type Answer, codeOf, useServer } from '../support/server.js';

// What decides and what executes MUST take the operation from one place: the set that ran is the set that was let through.
const server = useServer({ env: { QUERY_MAX_COST: '500' } });

/** A seed that a failure prints, so that it can be had again. */
const SEED = Number(process.env['ONE_GATE_SEED'] ?? randomBytes(4).readUInt32LE());
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}
let state = SEED;
const oneOf = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;

interface Made {
  readonly source: string;
  readonly names: readonly (string | null)[];
}

const DEAR = 'repositories(first: 100) { nodes { agents(first: 100) { nodes { id } } } }';

/** One to three operations, named or not, each of which leaves a trace of its own when it runs. */
function makeDocument(mark: string): Made {
  const names = Array.from({ length: oneOf([1, 1, 2, 3]) }, (_, index) => oneOf([null, `Op${index}`, `Op${index}`]));
  const operations = names.map((name, index) => {
    const head = (kind: string) => `${kind}${name ? ` ${name}` : ''}`;
    const repository = `createRepository(input: { name: "${mark}-${index}", gitUrl: "https://git.example/x" }) { id }`;
    return oneOf([
      `${head('query')} { viewer { role } }`,
      `${head('query')} { ${DEAR} }`,
      `${head('mutation')} { ${repository} }`,
      `${head('mutation')} { ${repository} organization: updateOrganization(input: { description: "x" }) { ${DEAR} } }`,
      `${head('subscription')} { viewer { role } }`,
      `${head('mutation')} { ...F${index} } fragment F${index} on Mutation { ${repository} }`,
    ]);
  });
  return { source: operations.join('\n'), names };
}

const NAMES = ['nope', '', 'Op0', 'Op0', 'Op1', 'Op2', null, undefined, undefined];

test(`random documents, names, methods and doors (ONE_GATE_SEED=${SEED})`, async () => {
  const { owner } = await givenOrganization(server);
  const outcomes = { ran: 0, refused: 0 };
  for (let round = 0; round < 900; round += 1) {
    const mark = unique('made');
    const { source } = makeDocument(mark);
    const operationName = oneOf(NAMES);
    const method = oneOf(['GET', 'POST', 'EVENTS'] as const);
    const logged = server.logs.length;
    const sent = { source, operationName, method };
    const answer = await send(sent, owner.token);
    const { data } = await owner('{ repositories(first: 20) { nodes { name } } }');
    const made = (data.repositories.nodes as { name: string }[])
      .map(({ name }) => name)
      .filter((name) => name.startsWith(mark));
    for (const name of made) await remove(owner, name);

    const document = parse(source);
    const meant = getOperationAST(document, operationName);
    const operations = document.definitions.filter(isOperation);
    const mayRun = meant != null && isLetThrough(source, operations, meant, method);
    const line = JSON.parse(server.logs.slice(logged).find((each) => each.includes('"msg":"graphql"')) ?? '{}') as {
      operationName?: string;
      operationType?: string;
    };
    const expected = mayRun && meant.operation === 'mutation' ? [`${mark}-${operations.indexOf(meant)}`] : [];
    expect({ ...sent, made }).toEqual({ ...sent, made: expected });
    expect({ ...sent, isRefused: answer.data === null }).toEqual({ ...sent, isRefused: !mayRun });
    if (mayRun) {
      // The log line names what ran.
      const { operationName: name, operationType: type } = line;
      expect({ ...sent, name, type }).toEqual({ ...sent, name: meant.name?.value, type: meant.operation });
      outcomes.ran += 1;
    } else {
      expect(answer.status).toBeLessThan(500);
      expect(codesOf(answer)).not.toContain('INTERNAL_SERVER_ERROR');
      outcomes.refused += 1;
    }
  }
  // A generator that makes nothing to run, or nothing to refuse, proves nothing.
  expect(Math.min(outcomes.ran, outcomes.refused)).toBeGreaterThan(30);
});

const codesOf = (answer: Answer): unknown[] => answer.errors.map(({ extensions }) => extensions['code']);

interface Sent {
  readonly source: string;
  readonly operationName: string | null | undefined;
  /** EVENTS is a POST whose client waits for events. */
  readonly method: 'GET' | 'POST' | 'EVENTS';
}

async function send({ source, operationName, method }: Sent, token: string): Promise<Answer> {
  const authorization = `Bearer ${token}`;
  if (method === 'EVENTS') {
    const events = await openEvents({ url: server.url, token, operationName }, source);
    const [answer, ...others] = await events.rest();
    expect(others).toEqual([{ event: 'complete', data: null, errors: [] }]);
    return { data: null, errors: [], ...answer, text: '', status: events.status, headers: events.headers };
  }
  if (method === 'POST') return server.post(JSON.stringify({ query: source, operationName }), { authorization });
  const parameters = new URLSearchParams({ query: source, ...(operationName != null && { operationName }) });
  const headers = { authorization, 'apollo-require-preflight': 'yes' };
  const response = await fetch(`${server.url}/graphql?${parameters.toString()}`, { headers });
  const text = await response.text();
  return { data: null, errors: [], ...JSON.parse(text), text, status: response.status, headers: response.headers };
}

const isOperation = (node: { kind: string }): node is OperationDefinitionNode => node.kind === 'OperationDefinition';

/** As the contract says it, worked out here once more from nothing but the text. */
function isLetThrough(
  source: string,
  operations: readonly OperationDefinitionNode[],
  meant: OperationDefinitionNode,
  method: Sent['method'],
): boolean {
  const names = operations.map(({ name }) => name?.value);
  const isValid =
    operations.every(({ operation }) => operation !== 'subscription') &&
    (operations.length === 1 || !names.includes(undefined)) &&
    new Set(names).size === names.length;
  const text = source.slice(meant.loc?.start, meant.loc?.end);
  return isValid && !text.includes('first: 100') && (method !== 'GET' || meant.operation === 'query');
}

async function remove(owner: Awaited<ReturnType<typeof givenOrganization>>['owner'], name: string): Promise<void> {
  const { data } = await owner('{ repositories(first: 100) { nodes { id name } } }');
  const found = (data.repositories.nodes as { id: string; name: string }[]).find((each) => each.name === name);
  if (found) await owner('mutation ($id: ID!) { deleteRepository(id: $id) }', { id: found.id });
}

test.each(['nope', '', 'M2'])('a mutation is never run under another name than its own: %j', async (operationName) => {
  const { owner } = await givenOrganization(server);
  const name = unique('made');
  const query = `mutation M { createRepository(input: { name: "${name}", gitUrl: "https://git.example/x" }) { id } }`;
  const answer = await server.post(JSON.stringify({ query, operationName }), {
    authorization: `Bearer ${owner.token}`,
    accept: 'application/graphql-response+json',
  });
  expect([answer.status, codeOf(answer)]).toEqual([400, 'OPERATION_RESOLUTION_FAILURE']);
  expect(answer.errors[0]?.message).toBe(`Unknown operation named "${operationName}".`);
  expect((await owner('{ repositories { nodes { name } } }')).text).not.toContain(name);
});

test('several operations and no name are refused in GraphQL’s own words', async () => {
  const { owner } = await givenOrganization(server);
  const answer = await owner('query A { viewer { role } } query B { viewer { role } }');
  expect(codeOf(answer)).toBe('OPERATION_RESOLUTION_FAILURE');
  expect(answer.errors[0]?.message).toBe('Must provide operation name if query contains multiple operations.');
});

const MANY = 'Must provide operation name if query contains multiple operations.';
const creating = (name: string) =>
  `createRepository(input: { name: "${name}", gitUrl: "https://git.example/x" }) { id }`;
const named = (name: string | null | undefined, message = `Unknown operation named "${name}".`) => ({ name, message });

describe('whoever waits for events', () => {
  test.each([
    {
      what: 'one mutation',
      sent: (made: string) => `mutation M { ${creating(made)} }`,
      names: [named('nope'), named(''), named('m')],
    },
    {
      what: 'two mutations',
      sent: (made: string) => `mutation M { ${creating(made)} } mutation N { ${creating(made)} }`,
      names: [named('nope'), named(''), named('M N'), named(null, MANY), named(undefined, MANY)],
    },
    {
      what: 'a subscription and a mutation',
      sent: (made: string) => `subscription S { organizationRunUpdates { cursor } } mutation M { ${creating(made)} }`,
      names: [named('nope'), named(''), named(null, MANY)],
    },
  ])(
    'has nothing of $what executed under a name that none of them has, or under no name of several',
    async ({ sent, names }) => {
      const { owner } = await givenOrganization(server);
      const made = unique('made');
      for (const { name: operationName, message } of names) {
        const events = await openEvents({ url: server.url, token: owner.token, operationName }, sent(made));
        const extensions = expect.objectContaining({ code: 'OPERATION_RESOLUTION_FAILURE' });
        expect(await events.rest()).toEqual([
          { event: 'next', data: null, errors: [{ message, extensions }] },
          { event: 'complete', data: null, errors: [] },
        ]);
      }
      expect((await owner('{ repositories { nodes { name } } }')).text).not.toContain(made);
    },
  );

  test.each([0, true, ['M'], { M: 'M' }])(
    'is refused before anything is read where a name is no text: %j',
    async (name) => {
      const { owner } = await givenOrganization(server);
      const made = unique('made');
      const body = JSON.stringify({ query: `mutation M { ${creating(made)} }`, operationName: name });
      const headers = { authorization: `Bearer ${owner.token}`, accept: 'text/event-stream' };
      const answer = await server.post(body, headers);
      expect([answer.status, codeOf(answer), answer.errors[0]?.message]).toEqual([
        400,
        'BAD_REQUEST',
        'An operation name is text.',
      ]);
      expect((await owner('{ repositories { nodes { name } } }')).text).not.toContain(made);
    },
  );
});
