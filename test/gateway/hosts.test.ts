import { beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '../../src/data/id.js';
import { byTest } from '../support/act.js';
import { givenKey } from '../support/api-key.js';
import {
  givenHeldDomain,
  givenMember,
  givenOrganization,
  type GivenOrganization,
  personId,
  unique,
} from '../support/given.js';
import { raw, type RawAnswer, rawBytes } from '../support/raw.js';
import { givenDirectory } from '../support/scim.js';
import { type Client, startServer, type TestServer, useServer } from '../support/server.js';
import { givenBrowser } from '../support/sessions.js';

const BASE = 'orgate.example';
const env = { PUBLIC_URL: `https://app.${BASE}`, BASE_DOMAIN: BASE };
const server = useServer({ env });

const at = (slug: string): string => `${slug}.${BASE}`;
const dbOf = ({ id }: Pick<GivenOrganization, 'id'>) => server.database.organizationDb(id, byTest);

async function givenServing(organization: GivenOrganization): Promise<{ id: string; name: string }> {
  const domain = await givenHeldDomain(server, organization, { name: `${unique('host')}.example` });
  await dbOf(organization).organizationDomain.update({ id: domain.id }, { serving: true });
  return domain;
}

/** One who looks different from everybody else, wherever that is shown. */
async function givenDressed(name: string): Promise<GivenOrganization> {
  const organization = await givenOrganization(server, name);
  const { errors } = await organization.owner(
    'mutation ($input: UpdateOrganizationInput!) { updateOrganization(input: $input) { id } }',
    { input: { settings: { branding: { displayName: `Dress of ${name}` } } } },
  );
  expect(errors).toEqual([]);
  return organization;
}

/** Whatever of an answer differs between two requests for one thing, and between hosts by the name that was sent. */
function seen({ status, headers, text }: RawAnswer, host: string): string {
  const { date: _, 'x-request-id': id, 'content-length': __, ...kept } = headers;
  return JSON.stringify({ status, kept, text })
    .replaceAll(String(id), 'id')
    .replaceAll(host, 'host')
    .replaceAll(/access_token[^,]+/g, 'access_token')
    .replaceAll(/[\w-]{43}/g, 'secret')
    .replaceAll(/\b([rt])=\d+/g, '$1');
}

type Door = readonly [
  method: 'GET' | 'POST',
  path: string,
  body?: object | string | undefined,
  more?: Record<string, string>,
];

function ask(host: string, [method, path, body, more = {}]: Door, headers: Record<string, string> = {}) {
  const type = typeof body === 'string' ? 'application/x-www-form-urlencoded' : 'application/json';
  return raw(`${server.url}${path}`, {
    method,
    headers: { host, accept: 'text/html', ...(body !== undefined && { 'content-type': type }), ...headers, ...more },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
}

const VIEWER = { query: '{ viewer { organizationSource currentOrganization { id } } branding { displayName } }' };
const SECRET = 'x'.repeat(43);
const events = { accept: 'text/event-stream' };
const json = { accept: 'application/json' };

const doorsOf = ({ slug }: GivenOrganization): readonly Door[] => [
  ['POST', '/graphql', VIEWER, json],
  ['POST', '/graphql', VIEWER, events],
  [
    'GET',
    `/graphql?query=${encodeURIComponent('{branding{displayName}}')}`,
    undefined,
    { 'x-apollo-operation-name': 'x' },
  ],
  ['GET', '/'],
  ['GET', '/auth'],
  ['GET', `/auth/${slug}`],
  ['GET', '/auth/start/idp_none'],
  ['GET', '/auth/organizations'],
  ['GET', '/auth/host'],
  ['GET', `/auth/host/callback?code=${SECRET}&state=${SECRET}`],
  ['GET', `/auth/oidc/idp_none/callback?code=x&state=${SECRET}`],
  ['POST', '/auth/saml/idp_none/acs', 'SAMLResponse=x'],
  ['POST', '/auth/host', 'x=1'],
  ['POST', '/auth/sign-out', 'x=1'],
  ['POST', '/auth/token', { grant_type: 'session' }, json],
  ['GET', '/.well-known/jwks.json'],
  ['GET', `/invitations/${SECRET}`],
  ['GET', `/invitations/${SECRET}/accept`],
  ['POST', `/invitations/${SECRET}/accept`, 'x=1'],
  ['GET', '/scim/v2/Users', undefined, json],
  ['GET', '/scim/v2/nowhere', undefined, json],
  ['GET', `/organizations/${slug}/audit`, undefined, json],
  ['GET', `/organizations/${slug}/audit/exports/exp_none`, undefined, json],
  ['GET', `/organizations/${slug}/exports/oex_none`, undefined, json],
  ['GET', `/organizations/${slug}/usage/exports/uex_none`, undefined, json],
  ['GET', '/nowhere'],
  ['GET', '/nowhere', undefined, json],
];

describe('At a host that leads nowhere', () => {
  let acme: GivenOrganization;
  let strangers: string[];
  let nobodys: string[];
  beforeAll(async () => {
    acme = await givenDressed('acme');
    const globex = await givenOrganization(server, 'globex');
    const leaving = await givenDressed('leaving');
    await givenMember(server, leaving, 'OWNER', { email: acme.owner.email });
    const [pending, held] = [`${unique('pending')}.example`, `${unique('held')}.example`];
    await dbOf(acme).organizationDomain.create({ id: newId('dom'), name: pending, challenge: 'unused' });
    await givenHeldDomain(server, acme, { name: held });
    const lapsed = await givenServing(acme);
    await dbOf(acme).transaction(async (inside) => {
      await inside.organizationDomain.update({ id: lapsed.id }, { status: 'LAPSED', heldName: null, serving: false });
      await inside.address.delete({ name: lapsed.name });
    });
    const off = await givenServing(acme);
    await dbOf(acme).organization.update({}, { featureFlags: { custom_hosts: false } });
    const left = await givenServing(leaving);
    await dbOf(leaving).organization.update({}, { status: 'PENDING_DELETION', purgeAt: new Date(Date.now() + 1e9) });
    strangers = [(await givenServing(globex)).name, at(globex.slug)];
    nobodys = [pending, held, lapsed.name, off.name, left.name, at(leaving.slug)];
    nobodys.push(`${unique('nobody')}.example`, `a.${at(acme.slug)}`);
  });

  test('every door MUST answer everybody as at a stranger’s, byte for byte', async () => {
    const key = await givenKey(server, acme.owner, ['organization:read', 'audit:read']);
    const directory = await givenDirectory(server, acme);
    const { header } = await givenBrowser(server, await personId(acme.owner), { boundOrgId: acme.id });
    const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
    const callers: readonly ((host: string) => Record<string, string>)[] = [
      () => ({}),
      () => ({ ...bearer(acme.owner.token), 'x-organization-id': acme.id }),
      () => bearer(key.secret),
      () => bearer(directory.token),
      (host) => ({ ...header, origin: `https://${host}` }),
    ];
    for (const door of doorsOf(acme)) {
      for (const [index, caller] of callers.entries()) {
        const [first = '', ...others] = [...strangers, ...nobodys];
        const expected = seen(await ask(first, door, caller(first)), first);
        for (const host of others) {
          const answer = seen(await ask(host, door, caller(host)), host);
          expect([door, index, host, answer]).toEqual([door, index, host, expected]);
        }
      }
    }
  }, 300_000);

  test('whoever brings a session is nobody on a page, which ends nothing', async () => {
    const { header } = await givenBrowser(server, await personId(acme.owner), { boundOrgId: acme.id });
    const leave: Door = ['POST', '/auth/sign-out', 'x=1'];
    const from = (host: string) => ({ origin: `https://${host}` });
    for (const host of [...strangers, ...nobodys]) {
      const page = seen(await ask(host, leave, from(host)), host);
      expect(page).toContain('You are signed out');
      expect(seen(await ask(host, leave, { ...header, ...from(host) }), host)).toBe(page);
    }
    const own = at(acme.slug);
    const { text } = await ask(own, ['POST', '/graphql', VIEWER, json], { ...header, ...from(own) });
    expect(JSON.parse(text).data.viewer.currentOrganization).toEqual({ id: acme.id });
  });

  test('nor is it one of an organization where the path names another', async () => {
    const own = at(acme.slug);
    expect((await ask(own, ['GET', `/auth/${acme.slug}`])).status).toBe(303);
    const [theirs = ''] = (strangers[1] ?? '').split('.');
    const answers = await Promise.all(
      [theirs, unique('nobody')].map(async (slug) => seen(await ask(own, ['GET', `/auth/${slug}`]), slug)),
    );
    expect(answers[0]).toMatch(/"status":404/);
    expect(answers[1]).toBe(answers[0]);
  });

  test('the page that asks about it, and the one before, tell nothing of whose it was', async () => {
    const { header } = await givenBrowser(server, await personId(acme.owner));
    const home = `app.${BASE}`;
    for (const [path, among] of [
      [`/auth/host?state=${SECRET}&code_challenge=${SECRET}`, [...strangers, ...nobodys]],
      // What serves shows how its organization looks.
      ['/auth?x=1', nobodys],
    ] as const) {
      const pages = await Promise.all(
        among.map(async (host) => seen(await ask(home, ['GET', `${path}&host=${host}`], header), host)),
      );
      expect(new Set(pages).size).toBe(1);
    }
  });

  test('a directory’s token is refused, as no fault of ours, and counts at its own', async () => {
    const { token } = await givenDirectory(server, acme);
    const users = (host: string) =>
      ask(host, ['GET', '/scim/v2/Users', undefined, json], { authorization: `Bearer ${token}` });
    expect((await users(at(acme.slug))).status).toBe(200);
    for (const host of [...strangers, ...nobodys]) expect([host, (await users(host)).status]).toEqual([host, 403]);
  });

  test('a key is ORG_CONTEXT_CONFLICT, and counts at its own, by a former slug, too', async () => {
    const beta = await givenOrganization(server, 'beta');
    const { client: key } = await givenKey(server, beta.owner, ['organization:read']);
    const slug = unique('renamed');
    await beta.owner('mutation ($slug: String) { updateOrganization(input: { slug: $slug }) { id } }', { slug });
    const { name } = await givenServing(beta);
    const where = async (host: string) =>
      JSON.parse((await ask(host, ['POST', '/graphql', VIEWER, json], bearerOf(key))).text);
    for (const host of [name, at(slug), at(beta.slug)]) {
      expect((await where(host)).data.viewer.currentOrganization).toEqual({ id: beta.id });
    }
    for (const host of [...strangers, ...nobodys]) {
      expect((await where(host)).errors[0].extensions.code).toBe('ORG_CONTEXT_CONFLICT');
    }
  });
});

const bearerOf = ({ token }: Pick<Client, 'token'>) => ({ authorization: `Bearer ${token}` });

describe('However a host is written', () => {
  const sourceAt = async (host: string, client: Client) => {
    const { status, text } = await ask(host, ['POST', '/graphql', VIEWER, json], bearerOf(client));
    const { data, errors } = JSON.parse(text);
    return data?.viewer?.organizationSource ?? errors?.[0].extensions.code ?? status;
  };

  test('it is this one, another, or none; never what it begins or ends with', async () => {
    const acme = await givenOrganization(server);
    const { name } = await givenServing(acme);
    for (const host of [name, at(acme.slug)]) {
      const same = [host.toUpperCase(), `${host}.`, `${host}:443`, `${host}.:8443`, `${host}:`];
      for (const each of same) expect([each, await sourceAt(each, acme.owner)]).toEqual([each, 'HOST']);
      const others = [
        `${host}..`,
        `.${host}`,
        `x.${host}`,
        `xn--${host}`,
        `${host}.evil.example`,
        `a,${host}`,
        `127.0.0.1.${host}`,
      ];
      const unfit = [
        `me@${host}`,
        `${host}@evil.example`,
        `${host}:443:443`,
        `${host}:x`,
        `${host}/x`,
        `${host}?x`,
        `${host} x`,
      ];
      for (const each of [...others, ...unfit]) {
        expect([each, await sourceAt(each, acme.owner)]).toEqual([
          each,
          expect.stringMatching(/NOT_FOUND|BAD_REQUEST/),
        ]);
      }
    }
    for (const none of [
      'localhost',
      '127.0.0.1:80',
      '[::1]',
      '[::ffff:127.0.0.1]:80',
      'gateway',
      BASE,
      `APP.${BASE}.:443`,
    ]) {
      expect([none, await sourceAt(none, acme.owner)]).toEqual([none, 'TOKEN']);
    }
  });

  test('two of them in one request are refused, wherever they stand', async () => {
    const acme = await givenOrganization(server);
    const host = at(acme.slug);
    const { authorization } = bearerOf(acme.owner);
    const send = async (target: string, hosts: readonly string[], version = '1.1') => {
      const body = JSON.stringify(VIEWER);
      const answer = await rawBytes(
        server.url,
        [
          `POST ${target} HTTP/${version}`,
          ...hosts.map((each) => `Host: ${each}`),
          `Authorization: ${authorization}`,
          'Content-Type: application/json',
          `Content-Length: ${body.length}`,
          'Connection: close',
          '',
          body,
        ].join('\r\n'),
      );
      return [/^HTTP\/1.1 (\d+)/.exec(answer)?.[1], /"organizationSource":"(\w+)"/.exec(answer)?.[1]];
    };
    expect(await send('/graphql', [host])).toEqual(['200', 'HOST']);
    expect(await send(`http://${host}/graphql`, [host])).toEqual(['200', 'HOST']);
    const refused = ['400', undefined];
    expect(await send('/graphql', [host, host])).toEqual(refused);
    expect(await send('/graphql', ['localhost', host])).toEqual(refused);
    for (const target of [`http://${host}`, `https://${host}:443`, `http://me@${host}`, 'http://[::1]']) {
      expect([target, await send(`${target}/graphql`, ['localhost'])]).toEqual([target, refused]);
    }
    expect(await send(`http://localhost/graphql`, [host])).toEqual(refused);
    expect(await send(`http://${host}/graphql`, [], '1.0')).toEqual(refused);
    expect(await send('/graphql', [], '1.0')).toEqual(refused);
  });
});

test('A forwarded host counts from TRUST_PROXY alone, and then the last one does', async () => {
  const acme = await givenOrganization(server);
  const [slug, home] = [at(acme.slug), `app.${BASE}`];
  const sourceOf = async ({ url }: TestServer, host: string, forwarded: string | string[]) => {
    const headers = {
      host,
      'x-forwarded-host': forwarded,
      'content-type': 'application/json',
      ...bearerOf(acme.owner),
    };
    const { text } = await raw(`${url}/graphql`, { headers, body: JSON.stringify(VIEWER) });
    const { data, errors } = JSON.parse(text);
    return data?.viewer.organizationSource ?? errors[0].extensions.code;
  };
  const { issuer, jwksUri } = server.issuer;
  const AUTH_ISSUERS = JSON.stringify([{ issuer, jwksUri, audience: 'orgate', algorithms: ['ES256'], typ: 'at+jwt' }]);
  for (const [TRUST_PROXY, counts] of [
    ['127.0.0.1', true],
    ['192.0.2.1', false],
  ] as const) {
    const behind = await startServer({ env: { ...env, AUTH_ISSUERS, TRUST_PROXY } });
    try {
      expect(await sourceOf(behind, home, slug)).toBe(counts ? 'HOST' : 'TOKEN');
      expect(await sourceOf(behind, slug, home)).toBe(counts ? 'TOKEN' : 'HOST');
      expect(await sourceOf(behind, home, `nobody.example, ${slug}`)).toBe(counts ? 'HOST' : 'TOKEN');
      expect(await sourceOf(behind, home, [slug, 'nobody.example'])).toBe(counts ? 'NOT_FOUND' : 'TOKEN');
    } finally {
      await behind.close();
    }
  }
});
