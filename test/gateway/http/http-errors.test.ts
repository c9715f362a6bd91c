import { expect, test } from '@jest/globals';
import { ERROR_CODES } from '../../../src/errors.js';
import { givenOrganization } from '../../support/given.js';
import { raw, type RawAnswer, rawBytes } from '../../support/raw.js';
import { startServer, useServer } from '../../support/server.js';

const server = useServer({ env: { BODY_LIMIT_BYTES: '2048' } });

const json = { 'content-type': 'application/json' };
const at = (path: string) => `${server.url}${path}`;

/** Every refusal has GraphQL's shape, a code of the closed set and the id of the request; and repeats nothing. */
function expectRefusal(answer: Pick<RawAnswer, 'status' | 'text'>, status: number, code: string): void {
  expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(code)]);
  const body = JSON.parse(answer.text) as { data?: unknown; errors: { message: string; extensions: object }[] };
  expect(body.data ?? null).toBeNull();
  expect(body.errors).toHaveLength(1);
  expect(body.errors[0]).toEqual({
    message: expect.any(String),
    extensions: { code, requestId: expect.stringMatching(/^[\w-]{8,}$/) },
  });
  expect(ERROR_CODES).toContain(code);
  expect(answer.text).not.toMatch(/canary|node_modules|FST_ERR|\.js:\d/);
}

test.each<[string, string, Record<string, string>?]>([
  ['no JSON', '{"query": "canary'],
  ['JSON of another kind', '["canary"]'],
  ['a number', '7'],
  ['null', 'null'],
  ['nothing', ''],
  ['an empty object', '{}'],
  ['no query', '{"operationName":"canary"}'],
  ['a query that is no text', '{"query":{"canary":1}}'],
  ['variables that are text', '{"query":"{ __typename }","variables":"canary"}'],
  ['an operation name that is no text', '{"query":"{ __typename }","operationName":{"canary":1}}'],
  ['a batch', '[{"query":"{ __typename }"},{"query":"{ __typename }"}]'],
  ['a poisoned prototype', '{"query":"{ __typename }","__proto__":{"canary":1}}'],
  ['a length that is not its own', 'canary', { 'content-encoding': 'gzip' }],
])('400: a body that is %s', async (_, body, headers = {}) => {
  const answer = await raw(at('/graphql'), { headers: { ...json, ...headers }, body });
  expectRefusal(answer, 400, 'BAD_REQUEST');
});

/** Apollo's client sends the document itself when it reads this, and asks for a status of 200. */
test.each<[string, object | undefined]>([
  ['a hash', undefined],
  ['a hash and its document', { query: '{ __typename }' }],
])('a client that sends %s in place of a document is told to send documents', async (_, more = {}) => {
  const { owner } = await givenOrganization(server);
  const extensions = { persistedQuery: { version: 1, sha256Hash: 'canary' } };
  const search = new URLSearchParams({ ...more, extensions: JSON.stringify(extensions) });
  for (const headers of [json, { ...json, authorization: `Bearer ${owner.token}` }]) {
    for (const answer of [
      await raw(at('/graphql'), { headers, body: JSON.stringify({ ...more, extensions }) }),
      await raw(at(`/graphql?${search.toString()}`), { headers: { ...headers, 'apollo-require-preflight': '1' } }),
    ]) {
      expectRefusal(answer, 200, 'PERSISTED_QUERY_NOT_SUPPORTED');
      expect(answer.text).toContain('"message":"PersistedQueryNotSupported"');
    }
  }
});

test('413: a body over the limit, by its length or by what comes', async () => {
  const query = `{ __typename } # ${'canary'.repeat(400)}`;
  expectRefusal(
    await raw(at('/graphql'), { headers: json, body: JSON.stringify({ query }) }),
    413,
    'PAYLOAD_TOO_LARGE',
  );
  const chunked = { ...json, 'transfer-encoding': 'chunked' };
  expectRefusal(
    await raw(at('/graphql'), { headers: chunked, body: JSON.stringify({ query }) }),
    413,
    'PAYLOAD_TOO_LARGE',
  );
});

/** Within the limit of bytes, and of more than may be. Its length is not what is wrong, so that is not what is said. */
test.each<[string, number, string, string, RegExp]>([
  ['levels', 413, 'PAYLOAD_TOO_LARGE', `${'['.repeat(129)}${']'.repeat(129)}`, /more than 128 levels/],
  ['elements', 413, 'PAYLOAD_TOO_LARGE', `[${'1,'.repeat(40_000)}1]`, /more than 40,000 elements/],
  [
    'names',
    413,
    'PAYLOAD_TOO_LARGE',
    `{${Array.from({ length: 10_001 }, (_, each) => `"${each}":1`).join(',')}}`,
    /members of the request body have more than 2,000 different names/,
  ],
  ['a prototype', 400, 'BAD_REQUEST', '{"a":{"__proto__":{"canary":1}}}', /a member named __proto__/],
])('a body that is refused for its %s is told so', async (_, status, code, body, message) => {
  const own = await startServer();
  try {
    const { owner } = await givenOrganization(own);
    const headers = { ...json, authorization: `Bearer ${owner.token}` };
    const answer = await raw(`${own.url}/graphql`, { headers, body });
    expectRefusal(answer, status, code);
    expect(answer.text).toMatch(message);
  } finally {
    await own.close();
  }
});

test.each(['text/html', 'application/xml', 'application/canary', 'nonsense'])('415: %s', async (type) => {
  const answer = await raw(at('/graphql'), { headers: { 'content-type': type }, body: '{"query":"{ __typename }"}' });
  expectRefusal(answer, 415, 'UNSUPPORTED_MEDIA_TYPE');
});

test('404: another path', async () => {
  for (const path of ['/graphql/', '/graphql/canary', '/canary', '/.env', '/dist/main.js', '/graphiql/../../canary']) {
    expectRefusal(await raw(at(path), { headers: json }), 404, 'NOT_FOUND');
    expectRefusal(await raw(at(path), { headers: json, body: '{"query":"{ __typename }"}' }), 404, 'NOT_FOUND');
  }
});

test.each(['PUT', 'PATCH', 'DELETE'])('405: %s', async (method) => {
  const answer = await raw(at('/graphql?query={__typename}'), { method, headers: json });
  expectRefusal(answer, 405, 'METHOD_NOT_ALLOWED');
  expect(answer.headers.allow).toBe('GET, POST');
});

test('405: a mutation by GET, which does nothing', async () => {
  const { owner, repositoryId } = await givenOrganization(server);
  const query = encodeURIComponent(`mutation { deleteRepository(id: "${repositoryId}") }`);
  const headers = { authorization: `Bearer ${owner.token}`, 'apollo-require-preflight': '1' };
  const answer = await raw(at(`/graphql?query=${query}`), { headers });
  expect(answer.status).toBe(405);
  expect(answer.headers.allow).toBe('POST');
  expect(JSON.parse(answer.text)).toMatchObject({ errors: [{ extensions: { code: 'METHOD_NOT_ALLOWED' } }] });
  const { data } = await owner('query ($id: ID!) { repository(id: $id) { id } }', { id: repositoryId });
  expect(data.repository.id).toBe(repositoryId);
});

test.each<[string, number, string]>([
  ['a method nobody knows', 400, 'CANARY /graphql HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['no HTTP at all', 400, 'canary\r\n\r\n'],
  ['headers without end', 431, `GET /graphql HTTP/1.1\r\nHost: a\r\nCanary: ${'canary'.repeat(4000)}\r\n\r\n`],
  ['a path that cannot be read', 400, 'GET /graphql/canary%E0%A4%A HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
  ['no host', 400, 'GET /graphql HTTP/1.0\r\n\r\n'],
  ['a host that is none', 400, 'GET /graphql HTTP/1.1\r\nHost: [canary\r\nConnection: close\r\n\r\n'],
  [
    'two lengths',
    400,
    'POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}',
  ],
])('bytes that are %s are refused in the same shape', async (_, status, bytes) => {
  const [head = '', text = ''] = (await rawBytes(server.url, bytes)).split('\r\n\r\n');
  expectRefusal({ status: Number(head.split(' ')[1]), text }, status, 'BAD_REQUEST');
});

test('the server goes on answering after all of that', async () => {
  expect((await server.post('{"query":"{ __typename }"}')).status).toBe(200);
  expect(server.logs.filter((line) => line.includes('"level":50'))).toEqual([]);
});
