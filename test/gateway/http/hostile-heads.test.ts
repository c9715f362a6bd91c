import { afterEach, expect, test } from '@jest/globals';
import { begin, leaveBegun, raw } from '../../support/raw.js';
import { useServer } from '../../support/server.js';
import { until } from '../../support/until.js';

const server = useServer();

afterEach(leaveBegun);

const named = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, each) => [`x-${each}`, '1']));

async function ask(headers: Record<string, string>, path = '/graphql') {
  const body = '{"query":"{ __typename }"}';
  const { status, text } = await raw(`${server.url}${path}`, {
    headers: { host: 'localhost', 'content-type': 'application/json', ...headers },
    body,
  });
  return [status, (JSON.parse(text) as { errors?: { message: string }[] }).errors?.[0]?.message ?? null];
}

test('a request has a hundred headers at most', async () => {
  expect(await ask(named(90))).toEqual([200, null]);
  const refused = [431, 'The request has more than 100 headers.'];
  expect(await ask(named(100))).toEqual(refused);
  expect(await ask(named(1000))).toEqual(refused);
  expect(await ask(named(1000), '/nope')).toEqual(refused);
});

test('what would take long to choose a media type from is not looked at', async () => {
  expect(await ask({ accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' })).toEqual([200, null]);
  expect(await ask({ accept: 'a/b,'.repeat(3500) })).toEqual([431, 'The Accept header has more than 1000 characters.']);
});

/** Promises bytes that never come. */
const announce = (from: string, bytes: number, ...headers: string[]) =>
  begin(
    server.url,
    ['POST /auth/token HTTP/1.1', 'Host: x', 'Content-Type: application/json', ...headers, `Content-Length: ${bytes}`],
    { from },
  );

test('requests that wait for their bodies are counted with their heads', async () => {
  const large = `X-Large: ${'x'.repeat(14_000)}`;
  const waiting = await Promise.all(Array.from({ length: 400 }, () => announce('127.0.0.9', 10, large)));
  const refused = () => waiting.filter(({ answer }) => answer().startsWith('HTTP/1.1 503 ')).length;
  await until(() => refused() > 50);
});
