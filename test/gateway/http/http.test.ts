import { expect, test } from '@jest/globals';
import { givenOrganization, personId } from '../../support/given.js';
import { raw } from '../../support/raw.js';
import { useServer } from '../../support/server.js';
import { givenBrowser } from '../../support/sessions.js';

const APP = 'https://app.example.com';
const server = useServer({ env: { CORS_ORIGINS: `${APP}, https://admin.example.com` } });

const json = { 'content-type': 'application/json' };
const TYPENAME = '{"query":"{ __typename }"}';
const NOBODY = '{"query":"{ viewer { role } }"}';
const ask = (headers: Record<string, string | string[]>, body = TYPENAME) =>
  raw(`${server.url}/graphql`, { headers: { ...json, ...headers }, body });

const OWN_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The line of the request with this id, which is written once its answer is out. */
async function lineOf(requestId: string): Promise<Record<string, unknown>> {
  for (;;) {
    const lines = server.logs.map((line) => JSON.parse(line) as Record<string, unknown>);
    const found = lines.find((line) => line['msg'] === 'graphql' && line['requestId'] === requestId);
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test.each(['x', '0123abcd', 'a.b:c+d/e=f_g-h', '5f0c3b1e-9d0a-4b0e-8b7a-1c2d3e4f5a6b', 'x'.repeat(128)])(
  'a well-formed X-Request-Id stands in the log beside the id of our own: %s',
  async (id) => {
    const answer = await server.post(NOBODY, { 'x-request-id': id });
    const own = answer.headers.get('x-request-id') ?? '';
    expect(own).toMatch(OWN_ID);
    expect(own).not.toBe(id);
    expect(answer.errors[0]?.extensions['requestId']).toBe(own);
    expect(await lineOf(own)).toMatchObject({ clientRequestId: id });
  },
);

test.each([
  '',
  'x'.repeat(129),
  'with a space',
  '{"a":"bbbbb"}',
  '<script>alert(1)</script>',
  'ünïcödé-id',
  'a;b;c;d;e;f',
])('any other is left out: "%s"', async (id) => {
  const answer = await server.post(NOBODY, { 'x-request-id': id });
  const own = answer.headers.get('x-request-id') ?? '';
  expect(own).toMatch(OWN_ID);
  expect(answer.errors[0]?.extensions['requestId']).toBe(own);
  expect(await lineOf(own)).not.toHaveProperty('clientRequestId');
});

test('every request has an id of its own, whatever path it asks for', async () => {
  const ids = await Promise.all(
    ['/graphql', '/livez', '/readyz', '/nothing', '/livez'].map(
      async (path) => (await raw(server.url + path)).headers['x-request-id'],
    ),
  );
  expect(new Set(ids).size).toBe(5);
});

test('pages of the origins in CORS_ORIGINS may ask and read, with a token and an organization', async () => {
  const preflight = await raw(`${server.url}/graphql`, {
    method: 'OPTIONS',
    headers: {
      origin: APP,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type,x-organization-id',
    },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers['access-control-allow-origin']).toBe(APP);
  expect(preflight.headers['access-control-allow-methods']).toBe('GET, POST');
  const allowed = preflight.headers['access-control-allow-headers']?.split(', ');
  expect(allowed).toEqual(
    expect.arrayContaining(['authorization', 'content-type', 'x-organization-id', 'x-tenant-id']),
  );
  const answer = await ask({ origin: APP });
  expect(answer.headers['access-control-allow-origin']).toBe(APP);
  expect(answer.headers['access-control-expose-headers']).toContain('x-request-id');
  // What clients send along by themselves does not keep their requests from coming.
  expect(allowed).toEqual(
    expect.arrayContaining([
      'traceparent',
      'tracestate',
      'baggage',
      'sentry-trace',
      'apollographql-client-name',
      'apollographql-client-version',
      'x-apollo-operation-name',
      'x-request-id',
    ]),
  );
  // Answers to two origins are never one another's in a cache.
  expect(answer.headers['vary']).toMatch(/origin/i);
});

test.each([
  'https://evil.example',
  `${APP}.evil.example`,
  'http://app.example.com',
  'https://APP.example.com:8443',
  'null',
  '*',
])('a page of %s may not', async (origin) => {
  const preflight = await raw(`${server.url}/graphql`, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST' },
  });
  expect(preflight.headers['access-control-allow-origin']).toBeUndefined();
  expect((await ask({ origin })).headers['access-control-allow-origin']).toBeUndefined();
});

test('only a page of CORS_ORIGINS sends cookies and reads what they got', async () => {
  expect((await ask({ origin: APP })).headers['access-control-allow-credentials']).toBe('true');
  const { headers } = await ask({ origin: 'https://evil.example' });
  expect(headers['access-control-allow-origin']).toBeUndefined();
});

test('what a page can send without a preflight does nothing', async () => {
  const { owner, repositoryId } = await givenOrganization(server);
  const query = `mutation { deleteRepository(id: "${repositoryId}") }`;
  const authorization = `Bearer ${owner.token}`;
  const get = await raw(`${server.url}/graphql?query=${encodeURIComponent('{ __typename }')}`);
  expect(get.status).toBe(400);
  expect(get.text).toContain('(CSRF): POST with content-type application/json');
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', '']) {
    for (const body of [JSON.stringify({ query }), `query=${encodeURIComponent(query)}`]) {
      const answer = await raw(`${server.url}/graphql`, { headers: { 'content-type': type, authorization }, body });
      expect([400, 415]).toContain(answer.status);
      expect(JSON.parse(answer.text)).toMatchObject({ errors: [{ extensions: { requestId: expect.any(String) } }] });
    }
  }
  const { data } = await owner('query ($id: ID!) { repository(id: $id) { id } }', { id: repositoryId });
  expect(data.repository.id).toBe(repositoryId);
});

test('a query by GET answers to those who could not have been a page in disguise', async () => {
  const url = `${server.url}/graphql?query=${encodeURIComponent('{ __typename }')}`;
  for (const headers of [{ 'apollo-require-preflight': '1' }, json]) {
    expect(JSON.parse((await raw(url, { headers })).text)).toEqual({ data: { __typename: 'Query' } });
  }
});

test('a query by GET answers to a bearer token, which no other site can send, and to no cookie beside it', async () => {
  const { owner } = await givenOrganization(server);
  const url = `${server.url}/graphql?query=${encodeURIComponent('{ viewer { user { email } } }')}`;
  const { header } = await givenBrowser(server, await personId(owner));
  const bearer = { authorization: `Bearer ${owner.token}` };
  const answer = await raw(url, { headers: { ...bearer, origin: APP } });
  expect(JSON.parse(answer.text)).toEqual({ data: { viewer: { user: { email: owner.email } } } });
  expect(answer.headers).toMatchObject({
    'cache-control': 'no-store',
    vary: 'Origin, Authorization, Cookie, X-Organization-Id, X-Tenant-ID, Accept',
  });
  expect((await raw(url, { headers: { ...bearer, ...header } })).status).toBe(200);
  for (const authorization of ['Bearer a.b.c', 'Bearer', 'Basic b3duZXI6aHVudGVyMg==', 'Negotiate abc', 'x']) {
    const { status, text } = await raw(url, { headers: { ...header, authorization } });
    expect([status, JSON.parse(text)]).toEqual([401, expect.objectContaining({ errors: [expect.anything()] })]);
    expect(text).not.toContain(owner.email);
  }
  for (const headers of [header, { ...header, authorization: '' }, {}]) {
    const { status, text } = await raw(url, { headers });
    expect([400, 401]).toContain(status);
    expect(text).not.toContain(owner.email);
  }
});

test('answers are kept by no cache, framed by no page and taken for nothing but what they are', async () => {
  for (const { headers } of [await ask({}), await raw(`${server.url}/nothing`), await raw(`${server.url}/livez`)]) {
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none';frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
      'content-type': expect.stringMatching(/^application\/(graphql-response\+)?json/),
    });
    expect(headers['x-powered-by']).toBeUndefined();
    expect(headers['server']).toBeUndefined();
    expect(headers['set-cookie']).toBeUndefined();
    // Development speaks HTTP; a promise of HTTPS would lock this machine's browser out.
    expect(headers['strict-transport-security']).toBeUndefined();
  }
});

test('long answers are compressed for those who ask, and short ones are not', async () => {
  const introspection = '{"query":"{ __schema { types { name description fields { name description } } } }"}';
  const plain = await ask({}, introspection);
  expect(plain.headers['content-encoding']).toBeUndefined();
  const zipped = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { ...json, 'accept-encoding': 'gzip' },
    body: introspection,
  });
  expect(zipped.headers.get('content-encoding')).toBe('gzip');
  expect(await zipped.text()).toBe(plain.text);
  expect((await ask({ 'accept-encoding': 'gzip, br' }, introspection)).headers['content-encoding']).toBe('br');
  expect((await ask({ 'accept-encoding': 'gzip' })).headers['content-encoding']).toBeUndefined();
});
