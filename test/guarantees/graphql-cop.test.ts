import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  execute,
  type ExecutionResult,
  type GraphQLError,
  MaxIntrospectionDepthRule,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { PRODUCTION } from '../support/production.js';
import { raw, type RawAnswer } from '../support/raw.js';
import { useServer } from '../support/server.js';

// A production server MUST NOT be flagged by any check of graphql-cop (https://github.com/dolevf/graphql-cop). These are
// its own requests, as its `lib/tests` send them, and its own reasons to flag an answer; it sends no other headers.

const server = useServer({ env: PRODUCTION });
const HEADERS = { 'user-agent': 'graphql-cop/1.15', accept: '*/*' };

/** What its answers are read as: anything that is not there flags nothing. */
interface Body {
  readonly data?: Record<string, unknown> | null;
  readonly errors?: readonly { message?: string; extensions?: Record<string, unknown> }[];
}

const json = ({ text }: RawAnswer): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
const bodyOf = (answer: RawAnswer): Body => (json(answer) ?? {}) as Body;

/** Its `graph_query`, which names every operation `cop`. */
const ask = (url: string, query: string) => post(url, JSON.stringify({ query, operationName: 'cop' }));
const post = (url: string, body: string) =>
  raw(url, { headers: { ...HEADERS, 'content-type': 'application/json', 'content-length': body.length }, body });
const get = (url: string, query: string) =>
  raw(`${url}?${new URLSearchParams({ query }).toString()}`, { headers: HEADERS });
const isTypename = (answer: RawAnswer): boolean => Boolean(bodyOf(answer).data?.['__typename']);
const schemaOf = (answer: RawAnswer) => bodyOf(answer).data?.['__schema'] as { types?: unknown[] } | undefined;
/** It looks for the extension where it belongs, and anywhere else. */
const hasExtension = (answer: RawAnswer, name: string): boolean =>
  Boolean(bodyOf(answer).errors?.[0]?.extensions?.[name]) ||
  JSON.stringify(json(answer))?.toLowerCase().includes(`"extensions":{"${name}":`) === true;

const CHECKS: Readonly<Record<string, (url: string) => Promise<boolean>>> = {
  'Alias Overloading': async (url) => {
    const aliases = Array.from({ length: 101 }, (_, index) => `alias${index}:__typename \n`).join('');
    return Boolean(bodyOf(await ask(url, `query cop { ${aliases} }`)).data?.['alias100']);
  },
  'Array-based Query Batching': async (url) => {
    const query = 'query cop { __typename }';
    const answer = json(await post(url, JSON.stringify(Array.from({ length: 10 }, () => ({ query })))));
    return typeof answer === 'object' && answer !== null && Object.keys(answer).length >= 10;
  },
  'Introspection-based Circular Query': async (url) => {
    const circular =
      'query cop { __schema { types { fields { type { fields { type { fields { type { fields { type { name } } } } } } } } } } }';
    return (schemaOf(await ask(url, circular))?.types?.length ?? 0) > 25;
  },
  'Directive Overloading': async (url) =>
    bodyOf(await ask(url, 'query cop { __typename @aa@aa@aa@aa@aa@aa@aa@aa@aa@aa }')).errors?.length === 10,
  'Field Duplication': async (url) => isTypename(await ask(url, `query cop { ${'__typename \n'.repeat(500)}} `)),
  'Field Suggestions': async (url) =>
    bodyOf(await ask(url, 'query cop { __schema { directive } }')).errors?.[0]?.message?.includes('Did you mean') ===
    true,
  'Mutation is allowed over GET (possible CSRF)': async (url) =>
    isTypename(await get(url, 'mutation cop {__typename}')),
  'GET Method Query Support': async (url) => isTypename(await get(url, 'query cop {__typename}')),
  'GraphQL IDE': async (url) => {
    const { text } = await raw(url, { headers: { ...HEADERS, accept: 'text/html' } });
    return ['graphiql.min.css', 'GraphQL Playground', 'GraphiQL', 'graphql-playground'].some((each) =>
      text.includes(each),
    );
  },
  Introspection: async (url) =>
    Boolean(schemaOf(await ask(url, 'query cop { __schema { types { name fields { name } } } }'))?.types),
  'POST based url-encoded query (possible CSRF)': async (url) =>
    isTypename(
      await raw(url, {
        headers: { ...HEADERS, 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ query: 'query cop { __typename }' }).toString(),
      }),
    ),
  'Trace Mode': async (url) => hasExtension(await ask(url, 'query cop { __typename }'), 'tracing'),
  'Unhandled Errors Detection': async (url) => hasExtension(await ask(url, 'qwerty cop { abc }'), 'exception'),
};

/** Executes whatever it is sent, however it comes, and tells all it knows. */
const careless = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { searchParams } = new URL(request.url ?? '', 'http://localhost');
    const sent = Buffer.concat(chunks).toString();
    const form = request.headers['content-type']?.includes('urlencoded') ? new URLSearchParams(sent) : searchParams;
    if (request.headers.accept === 'text/html') return void response.end('<title>GraphiQL</title>');
    const asked: unknown =
      sent.startsWith('{') || sent.startsWith('[') ? JSON.parse(sent) : { query: form.get('query') };
    const answer = async (each: unknown) => {
      const result = await answerOf((each as { query: string }).query);
      const errors = result.errors?.map((error) => ({ ...error.toJSON(), extensions: { exception: { stack: '…' } } }));
      return { ...result, ...(errors && { errors }), extensions: { tracing: { version: 1 } } };
    };
    void (Array.isArray(asked) ? Promise.all(asked.map(answer)) : answer(asked)).then((body) =>
      response.end(JSON.stringify(body)),
    );
  });
});
const { schema } = createContract();
const rules = specifiedRules.filter((rule) => rule !== MaxIntrospectionDepthRule);
async function answerOf(query: string): Promise<ExecutionResult> {
  try {
    const document = parse(query);
    const errors = validate(schema, document, rules);
    return errors.length > 0 ? { errors } : await execute({ schema, document });
  } catch (error) {
    return { errors: [error as GraphQLError] };
  }
}
beforeAll(() => new Promise<void>((resolve) => careless.listen(0, '127.0.0.1', resolve)));
afterAll(() => new Promise((resolve) => careless.close(resolve)));

test('it finds GraphQL here, so that it runs its checks at all', async () => {
  const answer = await ask(`${server.url}/graphql`, '\n    query cop {\n      __typename\n    }\n  ');
  expect(bodyOf(answer).data).toEqual({ __typename: 'Query' });
});

test.each(Object.entries(CHECKS))('%s: not flagged here, and flagged of a careless server', async (_, isFlagged) => {
  const { port } = careless.address() as AddressInfo;
  expect(await isFlagged(`http://127.0.0.1:${port}/graphql`)).toBe(true);
  expect(await isFlagged(`${server.url}/graphql`)).toBe(false);
});
