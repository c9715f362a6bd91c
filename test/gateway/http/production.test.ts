import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from '@jest/globals';
import { getIntrospectionQuery } from 'graphql';
import { PRODUCTION } from '../../support/production.js';
import { raw } from '../../support/raw.js';
import { codeOf, startServer, type TestServer } from '../../support/server.js';

// Servers with settings of their own, one at a time: the embedded database serves one connection.

let server: TestServer;
const start = async (env: NodeJS.ProcessEnv) => (server = await startServer({ env }));
afterEach(() => server.close());

const html = { accept: 'text/html' };
const INTROSPECTION = JSON.stringify({ query: getIntrospectionQuery() });

test('in production GraphiQL and introspection are off', async () => {
  const { url, post } = await start(PRODUCTION);
  for (const path of ['/', '/graphiql', '/graphiql/', '/graphiql/index.html', '/schema.graphql', '/graphql']) {
    const answer = await raw(url + path, { headers: html });
    const statuses: Record<string, number> = { '/': 200, '/graphql': 400 };
    expect([path, answer.status]).toEqual([path, statuses[path] ?? 404]);
    expect(answer.text).not.toMatch(/graphiql|<script/i);
  }
  const introspected = await post(INTROSPECTION);
  expect(codeOf(introspected)).toBe('GRAPHQL_VALIDATION_FAILED');
  expect(introspected.data).toBeNull();
  expect(codeOf(await post('{"query":"{ __type(name: \\"Run\\") { name } }"}'))).toBe('GRAPHQL_VALIDATION_FAILED');
  expect((await post('{"query":"{ __typename }"}')).data).toEqual({ __typename: 'Query' });
});

test('in production no message tells names of the schema that were not asked for', async () => {
  const { post } = await start(PRODUCTION);
  for (const query of [
    '{ viewr { role } }',
    '{ viewer { roel } }',
    '{ run { id } }',
    '{ runs(order: CREATED_AT) { totalCount } }',
    '{ runs(frist: 1) { totalCount } }',
    'query ($f: RunFiltr) { runs(filter: $f) { totalCount } }',
  ]) {
    const { errors } = await post(JSON.stringify({ query }));
    expect(errors.length).toBeGreaterThan(0);
    for (const { message } of errors) expect(message).not.toMatch(/Did you mean|viewer"|CREATED_AT_|RunFilter/);
  }
});

test('in production browsers are told to come back by HTTPS only', async () => {
  const { url } = await start(PRODUCTION);
  expect((await raw(`${url}/livez`)).headers['strict-transport-security']).toMatch(/max-age=\d{8}/);
});

test('both can be switched on in production; nobody is signed in there by itself', async () => {
  const { url, post } = await start({ ...PRODUCTION, GRAPHIQL: 'true', INTROSPECTION: 'true' });
  expect((await raw(`${url}/`, { headers: html })).text).toContain('GraphiQL');
  expect((await post(INTROSPECTION)).errors).toEqual([]);
  const sdl = await raw(`${url}/schema.graphql`);
  expect([sdl.status, sdl.headers['content-type']]).toEqual([200, 'text/plain; charset=utf-8']);
  expect(sdl.text).toBe(readFileSync(new URL('../../../schema.graphql', import.meta.url), 'utf8'));
  expect((await raw(`${url}/dev/people`)).status).toBe(404);
});

test('both can be switched off in development', async () => {
  const { url, post } = await start({ GRAPHIQL: 'false', INTROSPECTION: 'false' });
  expect((await raw(`${url}/schema.graphql`, { headers: html })).status).toBe(404);
  expect((await raw(`${url}/`, { headers: html })).text).not.toMatch(/graphiql|<script/i);
  expect(codeOf(await post(INTROSPECTION))).toBe('GRAPHQL_VALIDATION_FAILED');
});

test('in development GraphiQL comes whole from this server, under a policy that lets nothing else in', async () => {
  const { url } = await start({ GRAPHIQL: '' });
  for (const path of ['/', '/graphiql']) {
    const page = await raw(url + path, { headers: html });
    expect(page.status).toBe(200);
    // Nor shown again to whoever goes back after signing out.
    expect(page.headers).toMatchObject({
      'content-type': expect.stringContaining('text/html'),
      'cache-control': 'no-store',
    });
    const policy = page.headers['content-security-policy'] as string;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).toContain("connect-src 'self';");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe-eval|wasm|\*|https?:/);
    expect(policy.match(/script-src[^;]*unsafe/)).toBeNull();
    const sources = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source as string);
    expect(sources.length).toBeGreaterThan(1);
    for (const source of sources.filter((each) => !each.startsWith('data:'))) {
      expect(source).toMatch(/^\/(graphiql\/|favicon\.svg$)/);
      const asset = await raw(url + source);
      expect(asset.status).toBe(200);
      expect(asset.headers['x-content-type-options']).toBe('nosniff');
    }
  }
  for (const path of ['/graphiql/../server.js', '/graphiql/%2e%2e/main.js', '/graphiql/assets/', '/graphiql/assets']) {
    const { status, text } = await raw(url + path);
    expect([path, status]).toEqual([path, path.endsWith('/') ? 403 : 404]);
    expect(text).not.toMatch(/<|import|\.js/);
  }
});
