import { expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import { unique } from '../support/given.js';
import { raw } from '../support/raw.js';
import { signatureHeaders } from '../../src/domains/webhook/sign.js';
import { useServer } from '../support/server.js';

const server = useServer();

const NOT_FOUND = { errors: [{ message: 'No such path.', extensions: { code: 'NOT_FOUND' } }] };
const json = { 'content-type': 'application/json' };
const port = () => new URL(server.url).port;

const people = (headers: Record<string, string>) => raw(`${server.url}/dev/people`, { headers });
const token = (headers: Record<string, string>, body: object) =>
  raw(`${server.url}/dev/token`, { headers: { ...json, ...headers }, body: JSON.stringify(body) });

test('the demo people are offered, one in every role', async () => {
  const offered = JSON.parse((await people({})).text) as { email: string; label: string }[];
  expect(offered.map(({ email }) => email)).toEqual(
    expect.arrayContaining([
      'ann@acme.example',
      'adam@acme.example',
      'dev@acme.example',
      'vic@acme.example',
      'bob@globex.example',
      'sam@orgate.example',
    ]),
  );
});

test('webhooks that come are shown, and of each whether it is to be believed', async () => {
  const [secret, id] = [`whsec_${Buffer.alloc(24, unique('s')).toString('base64')}`, unique('aud')];
  const body = JSON.stringify({ id, type: 'repository.created', sequence: 1 });
  const post = (headers: Record<string, string>, text: string) =>
    raw(`${server.url}/dev/webhooks`, { headers, body: text });
  const shown = async () =>
    (await raw(`${server.url}/dev/webhooks`, {})).text.split('<tr>').filter((row) => row.includes(id));
  const signed = signatureHeaders({ id, at: new Date(), body }, [secret]);
  expect((await post({ ...json, ...signed }, body)).status).toBe(204);
  expect(await shown()).toEqual([expect.stringContaining('signed under no secret')]);
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  expect((await post(form, `secret=${encodeURIComponent(secret)}`)).status).toBe(303);
  expect(await shown()).toEqual([expect.stringContaining('Verified')]);
  await post({ ...json, ...signed }, body.replace('created', 'deleted'));
  await post({ ...json, ...signatureHeaders({ id, at: new Date(0), body }, [secret]) }, body);
  await post(json, body);
  await post({ ...json, ...signed }, body);
  const tail = `by whsec_…${secret.slice(-4)}`;
  const why = [`${tail}, came before<`, 'no signature', 'too old', 'no secret', `${tail}<`];
  expect(await shown()).toEqual(why.map((each) => expect.stringContaining(each)));
  const refused = await post(form, 'secret=nothing');
  expect([refused.status, refused.headers['content-type']]).toEqual([400, 'text/html; charset=utf-8']);
  expect(refused.text).toContain('That is no secret');
});

test('a token signs its person in, in the organization it was asked for', async () => {
  const email = `${unique('ann')}@acme.example`;
  const answer = await token({}, { email, org: 'acme' });
  const issued = (JSON.parse(answer.text) as { token: string }).token;
  expect(decodeJwt(issued)).toMatchObject({ email, org: 'acme' });
  const { data } = await server.withToken(issued)('{ viewer { user { email } } }');
  expect(data.viewer.user.email).toBe(email);
});

test.each([{}, { email: 'ann' }, { email: 7 }, { email: 'ann@acme.example', org: 'x'.repeat(65) }])(
  'a token is not made for %j',
  async (body) => {
    const answer = await token({}, body);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] });
  },
);

test.each(['localhost', 'LOCALHOST', 'acme.localhost', '127.0.0.1', '127.8.8.8', '[::1]'])(
  'both answer at the host name %s',
  async (name) => {
    const host = `${name}:${port()}`;
    expect((await people({ host })).status).toBe(200);
    expect((await token({ host }, { email: 'ann@acme.example' })).status).toBe(200);
    expect((await token({ host, origin: `http://${host}` }, { email: 'ann@acme.example' })).status).toBe(200);
  },
);

test.each([
  'orgate.example',
  'localhost.orgate.example',
  '127.0.0.1.orgate.example',
  'localhost-orgate.example',
  'xlocalhost',
  '10.0.0.7',
  '0.0.0.0',
])(
  'neither answers at the host name %s, nor does a token of theirs: a page elsewhere may point its name here',
  async (name) => {
    const issued = (JSON.parse((await token({}, { email: 'ann@acme.example' })).text) as { token: string }).token;
    for (const host of [`${name}:${port()}`, name]) {
      for (const headers of [{ host }, { host, origin: `http://${host}` }]) {
        for (const answer of [await people(headers), await token(headers, { email: 'ann@acme.example' })]) {
          expect(answer.status).toBe(404);
          expect(JSON.parse(answer.text)).toMatchObject(NOT_FOUND);
        }
      }
      const signedIn = await raw(`${server.url}/graphql`, {
        headers: { ...json, host, authorization: `Bearer ${issued}` },
        body: '{"query":"{ viewer { role } }"}',
      });
      expect(signedIn.status).toBe(401);
    }
  },
);

test.each(['https://evil.example', 'null', 'http://localhost', 'https://localhost:1', 'http://127.0.0.1.evil.example'])(
  'neither answers a page of %s',
  async (origin) => {
    const host = `localhost:${port()}`;
    expect((await people({ host, origin })).status).toBe(404);
    expect((await token({ host, origin }, { email: 'ann@acme.example' })).status).toBe(404);
  },
);

test('a page elsewhere cannot ask for a token without a preflight, and a preflight is not answered', async () => {
  const simple = await raw(`${server.url}/dev/token`, {
    headers: { 'content-type': 'text/plain', origin: 'https://evil.example' },
    body: '{"email":"ann@acme.example"}',
  });
  expect(simple.status).toBeGreaterThanOrEqual(400);
  expect(simple.text).not.toContain('token"');
  const preflight = await raw(`${server.url}/dev/token`, {
    method: 'OPTIONS',
    headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
  });
  expect(preflight.headers['access-control-allow-origin']).toBeUndefined();
});

test.each([
  { forwarded: 'for=203.0.113.7' },
  { 'x-forwarded-for': '203.0.113.7' },
  { 'x-forwarded-host': 'orgate.example' },
  { 'x-forwarded-host': 'localhost' },
  { 'x-forwarded-proto': 'https' },
  { 'x-forwarded': 'yes' },
  { 'x-real-ip': '203.0.113.7' },
  { 'X-REAL-IP': '127.0.0.1' },
  { via: '1.1 proxy' },
])('neither answers behind a proxy that sends Host: localhost and %j, nor does a token of theirs', async (sent) => {
  const issued = (JSON.parse((await token({}, { email: 'sam@orgate.example' })).text) as { token: string }).token;
  const host = `localhost:${port()}`;
  for (const headers of [
    { host, ...sent },
    { host, origin: `http://${host}`, ...sent },
  ]) {
    for (const answer of [await people(headers), await token(headers, { email: 'sam@orgate.example' })]) {
      expect(answer.status).toBe(404);
      expect(JSON.parse(answer.text)).toMatchObject(NOT_FOUND);
    }
    for (const page of ['/dev/mail', '/dev/webhooks', '/dev/dns', '/dev/idp/jwks']) {
      expect((await raw(`${server.url}${page}`, { headers: { host } })).status).toBe(200);
      expect((await raw(`${server.url}${page}`, { headers })).status).toBe(404);
    }
  }
  const asked = { ...json, host, authorization: `Bearer ${issued}` };
  const ask = (headers: Record<string, string>) =>
    raw(`${server.url}/graphql`, { headers, body: '{"query":"{ viewer { user { id } } }"}' });
  expect((await ask(asked)).status).toBe(200);
  expect((await ask({ ...asked, ...sent })).status).toBe(401);
});

test.each([
  'localhost:',
  'localhost:80:80',
  'localhost:x',
  'localhost@evil.example',
  '127.0.0.1:4000.evil.example',
  '::1',
])('a host that only begins like a local one is none: %s', async (host) => {
  expect([404, 400]).toContain((await people({ host })).status);
});
