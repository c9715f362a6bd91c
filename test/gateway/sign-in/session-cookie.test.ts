import cookie from '@fastify/cookie';
import { describe, expect, test } from '@jest/globals';
import fastify from 'fastify';
import { clearSessionCookie, setSessionCookie } from '../../../src/gateway/sign-in/session-cookie.js';
import { givenMember, givenOrganization, givenTwoOrganizations, personId, unique } from '../../support/given.js';
import { codeOf, useServer } from '../../support/server.js';
import { givenBrowser, ownOrigin } from '../../support/sessions.js';

const FRONTEND = 'https://app.orgate.example';
const server = useServer({ env: { CORS_ORIGINS: FRONTEND } });

const CONTEXT = '{ viewer { user { id } systemRole role currentOrganization { slug } organizationSource } }';
const own = () => ownOrigin(server);

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

describe('The cookie', () => {
  test('is kept by browsers for this host alone, out of reach of scripts and of what other sites send', async () => {
    const app = fastify();
    await app.register(cookie);
    const expiresAt = new Date('2026-12-20T08:30:00Z');
    app.get('/in', (_request, reply) =>
      setSessionCookie(reply, { sessionId: 'x', cookie: 'secret', expiresAt }).send(),
    );
    app.get('/out', (_request, reply) => clearSessionCookie(reply).send());
    const address = await app.listen({ host: '127.0.0.1', port: 0 });
    const lineOf = async (path: string) =>
      (await fetch(`${address}${path}`)).headers.getSetCookie().join().split('; ').toSorted();
    const attributes = ['HttpOnly', 'Path=/', 'SameSite=Lax', 'Secure'];
    const expires = (at: string) => `Expires=${new Date(at).toUTCString()}`;
    const signedIn = ['__Host-orgate=secret', expires('2026-12-20T08:30:00Z'), ...attributes];
    expect(await lineOf('/in')).toEqual(signedIn.toSorted());
    const cleared = ['__Host-orgate=', expires('1970-01-01T00:00:00Z'), ...attributes];
    expect(await lineOf('/out')).toEqual(expect.arrayContaining(cleared));
    await app.close();
  });

  test('names the person, and a header the organization', async () => {
    const acme = await givenOrganization(server);
    const id = await personId(acme.developer);
    const browser = await givenBrowser(server, id);
    expect((await browser(CONTEXT, { 'x-organization-id': acme.slug })).data.viewer).toMatchObject({
      user: { id },
      role: 'DEVELOPER',
      currentOrganization: { slug: acme.slug },
      organizationSource: 'HEADER',
    });
    expect((await browser(CONTEXT, { 'x-organization-id': unique('globex') })).errors[0]?.extensions['code']).toBe(
      'NOT_FOUND',
    );
  });

  test('is read live: a session that ended, or whose person was disabled, ends at once', async () => {
    const id = await personId((await givenOrganization(server)).viewer);
    const [ended, expired, disabled] = [
      await givenBrowser(server, id),
      await givenBrowser(server, id),
      await givenBrowser(server, id),
    ];
    for (const browser of [ended, expired, disabled]) expect((await browser(CONTEXT)).status).toBe(200);
    await sql(`update session set ended_at = now(), end_reason = 'REVOKED' where id = $1`, [ended.sessionId]);
    await sql(`update session set expires_at = now() where id = $1`, [expired.sessionId]);
    for (const browser of [ended, expired]) {
      const answer = await browser(CONTEXT);
      expect([answer.status, codeOf(answer)]).toEqual([401, 'UNAUTHENTICATED']);
      expect(answer.headers.get('set-cookie')).toMatch(/^__Host-orgate=;.*Expires=Thu, 01 Jan 1970/);
    }
    await sql(`update person set status = 'DISABLED' where id = $1`, [id]);
    expect((await disabled(CONTEXT)).status).toBe(401);
  });

  test('costs no more than a token: who asks, whether they are still signed in, and where, in one statement', async () => {
    const acme = await givenOrganization(server);
    const browser = await givenBrowser(server, await personId(acme.viewer));
    const { access } = await browser.token();
    const named = { 'x-organization-id': acme.slug };
    for (const ask of [
      () => browser(CONTEXT, named),
      () => server.withToken(access)(CONTEXT, {}, named),
      () => server.withToken(access)(CONTEXT, {}, { ...named, ...browser.header }),
    ]) {
      const before = server.statements.length;
      expect((await ask()).data.viewer.role).toBe('VIEWER');
      expect(server.statements.length - before).toBe(1);
    }
  });

  test('that never was anyone’s is refused', async () => {
    const answer = await server.post(JSON.stringify({ query: CONTEXT }), {
      origin: own(),
      cookie: '__Host-orgate=AAAA',
    });
    expect([answer.status, codeOf(answer)]).toEqual([401, 'UNAUTHENTICATED']);
  });

  test.each([
    ['the page of the gateway', () => ({ origin: own() }), 200],
    [
      'the page at the address it listens at, in development',
      () => ({ origin: server.url, host: new URL(server.url).host }),
      200,
    ],
    [
      'another site whose name was made to lead here',
      () => ({ origin: 'http://evil.example:4000', host: 'evil.example:4000' }),
      403,
    ],
    ['a frontend of CORS_ORIGINS', () => ({ origin: FRONTEND }), 200],
    ['the browser says that it is the same origin', () => ({ origin: '', 'sec-fetch-site': 'same-origin' }), 200],
    ['another site', () => ({ origin: 'https://evil.example' }), 403],
    [
      'another site, whatever the browser says',
      () => ({ origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' }),
      403,
    ],
    ['another port', () => ({ origin: 'http://localhost:1' }), 403],
    ['another scheme', () => ({ origin: own().replace('http:', 'https:') }), 403],
    ['a sandboxed page', () => ({ origin: 'null' }), 403],
    ['the same site, and no more', () => ({ origin: '', 'sec-fetch-site': 'same-site' }), 403],
    ['nobody says who', () => ({ origin: '' }), 403],
  ])('counts for a POST by its origin: %s', async (_, make, status) => {
    const browser = await givenBrowser(server, await personId((await givenOrganization(server)).viewer));
    const { origin, ...rest } = make() as { origin: string };
    const headers = { ...browser.header, ...rest, ...(origin && { origin }) };
    const answer = await server.post(JSON.stringify({ query: CONTEXT }), headers);
    expect(answer.status).toBe(status);
    if (status === 403) expect([codeOf(answer), answer.data]).toEqual(['FORBIDDEN', null]);
  });

  test('needs no origin to read, where Apollo’s own guard against foreign pages is satisfied', async () => {
    const browser = await givenBrowser(server, await personId((await givenOrganization(server)).viewer));
    const get = (headers: Record<string, string>, query = CONTEXT) =>
      fetch(`${server.url}/graphql?query=${encodeURIComponent(query)}`, { headers: { ...browser.header, ...headers } });
    expect((await get({ 'apollo-require-preflight': '1' })).status).toBe(200);
    expect((await get({})).status).toBe(400);
    const mutation = await get(
      { 'apollo-require-preflight': '1' },
      'mutation { setDefaultOrganization { systemRole } }',
    );
    expect(mutation.status).toBe(405);
  });
});

describe('A cookie beside a bearer token', () => {
  test('counts for nothing where they name one person: the token decides', async () => {
    const acme = await givenOrganization(server);
    const browser = await givenBrowser(server, await personId(acme.owner));
    const { data } = await acme.owner(CONTEXT, {}, { ...browser.header, origin: 'https://anywhere.example' });
    expect(data.viewer).toMatchObject({ role: 'OWNER', organizationSource: 'TOKEN' });
  });

  test('is refused where they name different people, and forgotten where it is over', async () => {
    const acme = await givenOrganization(server);
    const other = await givenBrowser(server, await personId(acme.developer));
    const answer = await acme.owner(CONTEXT, {}, other.header);
    expect([answer.status, codeOf(answer)]).toEqual([401, 'UNAUTHENTICATED']);
    expect(answer.headers.get('set-cookie')).toBeNull();
    await sql(`update session set ended_at = now(), end_reason = 'REVOKED' where id = $1`, [other.sessionId]);
    expect((await acme.owner(CONTEXT, {}, other.header)).status).toBe(200);
  });

  test('does not mend a bad one', async () => {
    const browser = await givenBrowser(server, await personId((await givenOrganization(server)).viewer));
    expect((await browser(CONTEXT, { authorization: 'Bearer a.b.c' })).status).toBe(401);
  });
});

describe('A session that an organization’s own provider opened', () => {
  test('reaches that organization only, by whatever it is named', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const email = `${unique('ann')}@acme.example`;
    const ann = await givenMember(server, acme, 'ADMIN', { email });
    await givenMember(server, globex, 'OWNER', { email });
    const browser = await givenBrowser(server, await personId(ann), { boundOrgId: acme.id, provider: 'idp_1' });
    await sql('update person set default_org_id = $2 where id = $1', [await personId(ann), globex.id]);
    expect((await browser(CONTEXT)).data.viewer).toMatchObject({
      currentOrganization: { slug: acme.slug },
      organizationSource: 'SOLE_MEMBERSHIP',
    });
    for (const name of [globex.id, globex.slug]) {
      expect(codeOf(await browser(CONTEXT, { 'x-organization-id': name }))).toBe('NOT_FOUND');
      expect(codeOf(await browser(`mutation { switchOrganization(organizationId: "${name}") { token } }`))).toBe(
        'NOT_FOUND',
      );
      expect(codeOf(await browser(`{ organization(slug: "${globex.slug}") { id } }`))).toBe('NOT_FOUND');
    }
    const { data } = await browser(`{
      viewer { memberships { totalCount nodes { organization { slug } } } } myOrganizations { totalCount nodes { slug } }
    }`);
    const only = { totalCount: 1, nodes: [{ slug: acme.slug }] };
    expect(data.myOrganizations).toEqual(only);
    expect(data.viewer.memberships).toEqual({ totalCount: 1, nodes: [{ organization: { slug: acme.slug } }] });
  });

  test('gives no rights in the deployment, and changes nothing that counts elsewhere', async () => {
    const acme = await givenOrganization(server);
    const id = await personId(acme.owner);
    await sql(`update person set system_role = 'SYSTEM_ADMIN' where id = $1`, [id]);
    const bound = await givenBrowser(server, id, { boundOrgId: acme.id });
    expect((await bound(CONTEXT)).data.viewer.systemRole).toBe('USER');
    expect((await (await givenBrowser(server, id))(CONTEXT)).data.viewer.systemRole).toBe('SYSTEM_ADMIN');
    for (const query of [
      '{ organizations { nodes { id } } }',
      `mutation { createOrganization(input: { name: "x", slug: "${unique('x')}" }) { id } }`,
      `mutation { setDefaultOrganization(organizationId: "${acme.id}") { systemRole } }`,
      'mutation { setDefaultOrganization { systemRole } }',
    ]) {
      expect(codeOf(await bound(query))).toBe('FORBIDDEN');
    }
  });
});
