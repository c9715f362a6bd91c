import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { Browser, type Visited } from '../../support/browser.js';
import { type GivenOrganization, givenMember, givenOrganization, personId, unique } from '../../support/given.js';
import {
  type Account,
  CLIENT_ID,
  CLIENT_SECRET,
  type OidcIdentityProvider,
  startOidcIdentityProvider,
} from '../../support/oidc-identity-provider.js';
import { useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

const server = useServer({ env: { RATE_LIMIT_SIGN_IN: 'off' } });
let idp: OidcIdentityProvider;
beforeAll(async () => {
  idp = await startOidcIdentityProvider();
});
afterAll(() => idp.close());

const home = () => server.url.replace('127.0.0.1', 'localhost');
const domainOf = ({ slug }: { slug: string }) => `${slug}.example`;

/** An organization that holds its domain and has an OIDC provider of its own. */
async function givenProvider(more: object = {}): Promise<GivenOrganization & { providerId: string }> {
  const organization = await givenOrganization(server);
  await server.database
    .organizationDb(organization.id, byTest)
    .address.create({ name: domainOf(organization), kind: 'DOMAIN' });
  const input = { name: 'Corporate', issuer: idp.issuer, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, ...more };
  const { data, text } = await organization.owner(
    'mutation ($input: CreateOidcProviderInput!) { createOidcProvider(input: $input) { id } }',
    { input },
  );
  if (!data) throw new Error(text);
  return { ...organization, providerId: data.createOidcProvider.id };
}

const personOf = (organization: { slug: string }, more: Partial<Account> = {}): Account => ({
  sub: unique('subject'),
  email: `${unique('jane')}@${domainOf(organization)}`,
  email_verified: true,
  name: 'Jane Doe',
  ...more,
});

/** Signs the account in, in a browser of their own. */
async function signIn(path: string, account: Account | null, browser = new Browser()): Promise<Visited> {
  idp.account = account;
  return browser.visit(`${home()}${path}`);
}

/** Asks as the browser would: by its cookie. */
const ask = (browser: Browser, query: string, headers: Record<string, string> = {}) =>
  server.post(JSON.stringify({ query }), {
    cookie: `__Host-orgate=${browser.cookie(home(), '__Host-orgate') ?? ''}`,
    origin: home(),
    ...headers,
  });
const WHO =
  '{ viewer { user { id email name } role currentOrganization { slug } memberships { nodes { role organization { slug } } } } }';

const members = async (organization: GivenOrganization) =>
  (await organization.owner('{ members(first: 100) { nodes { role status user { id email name } } } }')).data.members
    .nodes as { role: string; status: string; user: { id: string; email: string; name: string } }[];

/** The reason in the log: people are told less. */
const lastLog = () =>
  server.logs
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .findLast(({ msg }) => /sign/.test(String(msg)));
const refused = (visited: Visited, status: number, reason: string) => {
  expect([visited.status, lastLog()?.['reason']]).toEqual([status, reason]);
  expect(visited.text).toContain('Not signed in');
};

describe('Someone of the organization', () => {
  test('is made a person and a member on first sight, and enters that organization', async () => {
    const acme = await givenProvider({ defaultRole: 'DEVELOPER' });
    const [browser, jane] = [new Browser(), personOf(acme)];
    const page = await signIn(`/auth/${acme.slug}`, jane, browser);
    expect([page.status, page.url]).toEqual([200, `${home()}/auth/organizations`]);
    expect(page.text).toContain('Jane Doe');
    const { data } = await ask(browser, WHO);
    expect(data.viewer).toMatchObject({
      user: { email: jane.email, name: 'Jane Doe' },
      role: 'DEVELOPER',
      currentOrganization: { slug: acme.slug },
    });
    expect(await members(acme)).toContainEqual({ role: 'DEVELOPER', status: 'ACTIVE', user: data.viewer.user });
  });

  test('is the same person the next time, by their subject and not by their e-mail', async () => {
    const acme = await givenProvider();
    const jane = personOf(acme);
    const [first, second] = [new Browser(), new Browser()];
    await signIn(`/auth/${acme.slug}`, jane, first);
    await signIn(`/auth/${acme.slug}`, { ...jane, email: `other@${domainOf(acme)}` }, second);
    const [before, after] = [await ask(first, WHO), await ask(second, WHO)];
    expect(after.data.viewer.user).toEqual(before.data.viewer.user);
    expect(after.data.viewer.user.email).toBe(jane.email);

    const other = new Browser();
    await signIn(`/auth/${acme.slug}`, personOf(acme), other);
    expect((await ask(other, WHO)).data.viewer.user.id).not.toBe(before.data.viewer.user.id);
  });

  test('who was a member already keeps their role', async () => {
    const acme = await givenProvider();
    const email = `${unique('adam')}@${domainOf(acme)}`;
    await givenMember(server, acme, 'ADMIN', { email });
    const browser = new Browser();
    await signIn(`/auth/${acme.slug}`, personOf(acme, { email }), browser);
    expect((await ask(browser, WHO)).data.viewer).toMatchObject({ user: { email }, role: 'ADMIN' });
  });

  test('who was invited gets what they were invited to', async () => {
    const acme = await givenProvider();
    const email = `${unique('ida')}@${domainOf(acme)}`;
    const invitation = { email, name: 'Ida', role: 'ADMIN', withheldPermissions: ['member:remove'] };
    const INVITE = 'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { role } }';
    expect((await acme.owner(INVITE, { input: invitation })).errors).toEqual([]);
    const browser = new Browser();
    await signIn(`/auth/${acme.slug}`, personOf(acme, { email }), browser);
    const { data } = await ask(browser, '{ viewer { role permissions } }');
    expect(data.viewer.role).toBe('ADMIN');
    expect(data.viewer.permissions).not.toContain('member:remove');
  });

  test('whose invitation nobody stands behind any more, or that is over, gets the default role', async () => {
    const acme = await givenProvider();
    const adam = await givenMember(server, acme, 'ADMIN');
    const emails = ['ida', 'eve'].map((name) => `${unique(name)}@${domainOf(acme)}`);
    for (const [index, inviter] of [adam, acme.owner].entries()) {
      const INVITE = 'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { role } }';
      await inviter(INVITE, { input: { email: emails[index], name: 'Ida', role: 'ADMIN' } });
    }
    await server.database.pool.queryAsLoginRole(
      `update invitation set expires_at = current_timestamp where org_id = $1 and email = $2`,
      [acme.id, emails[1]],
    );
    const DEMOTE = 'mutation ($id: ID!) { updateMemberRole(userId: $id, role: VIEWER) { role } }';
    await acme.owner(DEMOTE, { id: await personId(adam) });
    for (const email of emails) {
      const browser = new Browser();
      await signIn(`/auth/${acme.slug}`, personOf(acme, { email }), browser);
      expect((await ask(browser, WHO)).data.viewer.role).toBe('VIEWER');
    }
    const { data } = await acme.owner('{ invitations { nodes { email status } } }');
    expect(data.invitations.nodes.map(({ status }: { status: string }) => status)).not.toContain('PENDING');
  });

  test('who was removed comes back once that is cleared', async () => {
    const acme = await givenProvider();
    const jane = personOf(acme);
    const browser = new Browser();
    await signIn(`/auth/${acme.slug}`, jane, browser);
    const { id } = (await ask(browser, WHO)).data.viewer.user;
    await acme.owner('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id });
    refused(await signIn(`/auth/${acme.slug}`, jane), 403, 'NO_MEMBERSHIP');
    await acme.owner('mutation ($id: ID!) { clearRemoval(userId: $id) { status } }', { id });
    expect((await signIn(`/auth/${acme.slug}`, jane, browser)).status).toBe(200);
    expect((await ask(browser, WHO)).data.viewer.role).toBe('VIEWER');
  });

  test('comes in when the provider tells claims only on demand, and without a client secret', async () => {
    const other = await startOidcIdentityProvider({ thin: true, publicClient: true });
    try {
      const acme = await givenProvider({ issuer: other.issuer, clientSecret: null });
      const jane = personOf(acme);
      other.account = jane;
      const browser = new Browser();
      await browser.visit(`${home()}/auth/${acme.slug}`);
      expect((await ask(browser, WHO)).data.viewer.user).toMatchObject({ email: jane.email, name: 'Jane Doe' });
      expect(other.asked).toContain('/me');
    } finally {
      await other.close();
    }
  });

  test('is known by an address that Entra ID verified in its own words', async () => {
    const acme = await givenProvider();
    const { email_verified: _, ...jane } = personOf(acme, { xms_edov: '1' });
    expect((await signIn(`/auth/${acme.slug}`, jane)).status).toBe(200);
  });
});

describe('A session that came through an organization’s own provider', () => {
  test('reaches that organization only, of whatever else the person is a member, and whatever they run', async () => {
    const [acme, globex] = [await givenProvider(), await givenOrganization(server, 'globex')];
    const email = `${unique('sam')}@${domainOf(acme)}`;
    await givenMember(server, globex, 'OWNER', { email });
    await server.database.pool.queryAsLoginRole(`update person set system_role = 'SYSTEM_ADMIN' where email = $1`, [
      email,
    ]);
    const browser = new Browser();
    await signIn(`/auth/${acme.slug}`, personOf(acme, { email }), browser);
    expect((await ask(browser, WHO)).data.viewer).toMatchObject({
      role: 'VIEWER',
      memberships: { nodes: [{ role: 'VIEWER', organization: { slug: acme.slug } }] },
    });
    const elsewhere = await ask(browser, '{ viewer { role } }', { 'x-organization-id': globex.slug });
    expect(elsewhere.errors[0]?.extensions['code']).toBe('NOT_FOUND');
    const all = await ask(browser, '{ organizations { totalCount } }');
    expect(all.errors[0]?.extensions['code']).toBe('FORBIDDEN');
  });

  test('ends with the membership', async () => {
    const acme = await givenProvider();
    const browser = new Browser();
    const jane = personOf(acme);
    await signIn(`/auth/${acme.slug}`, jane, browser);
    const { id } = (await ask(browser, WHO)).data.viewer.user;
    await acme.owner('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id });
    expect((await ask(browser, WHO)).errors[0]?.extensions['code']).toBe('UNAUTHENTICATED');
    // Whoever was removed is not captured again.
    refused(await signIn(`/auth/${acme.slug}`, jane, browser), 403, 'NO_MEMBERSHIP');
  });
});

describe('Nobody is signed in', () => {
  test.each<[string, Record<string, unknown>, string]>([
    ['whose address was not verified', { email_verified: false }, 'EMAIL_UNVERIFIED'],
    ['who has no address', { email: undefined }, 'EMAIL_UNVERIFIED'],
    ['whose address is elsewhere', { email: 'jane@elsewhere.example' }, 'EMAIL_DOMAIN'],
    ['whose address only ends alike', { email: 'jane@not-$domain' }, 'EMAIL_DOMAIN'],
    ['whose address is in a subdomain', { email: 'jane@mail.$domain' }, 'EMAIL_DOMAIN'],
    ['whose address hides another', { email: 'jane@elsewhere.example@$domain' }, 'EMAIL_UNVERIFIED'],
  ])('%s', async (_who, more, reason) => {
    const acme = await givenProvider();
    const email = typeof more['email'] === 'string' ? more['email'].replace('$domain', domainOf(acme)) : undefined;
    const browser = new Browser();
    const account = personOf(acme, { ...more, ...('email' in more && { email: email as string }) });
    refused(await signIn(`/auth/${acme.slug}`, account, browser), 403, reason);
    expect(browser.cookie(home(), '__Host-orgate')).toBeUndefined();
    const { rowCount } = await server.database.pool.queryAsLoginRole('select from identity where subject = $1', [
      account.sub,
    ]);
    expect(rowCount).toBe(0);
  });

  test('under a domain that another organization holds', async () => {
    const [acme, globex] = [await givenProvider(), await givenProvider()];
    refused(await signIn(`/auth/${acme.slug}`, personOf(globex)), 403, 'EMAIL_DOMAIN');
  });

  test('who is suspended, and the membership stays as it is', async () => {
    const acme = await givenProvider();
    const email = `${unique('sue')}@${domainOf(acme)}`;
    await givenMember(server, acme, 'VIEWER', { email, status: 'SUSPENDED' });
    refused(await signIn(`/auth/${acme.slug}`, personOf(acme, { email })), 403, 'NO_MEMBERSHIP');
    expect((await members(acme)).find(({ user }) => user.email === email)?.status).toBe('SUSPENDED');
  });

  test('who is new while the organization is suspended', async () => {
    const acme = await givenProvider();
    await server.database.pool.queryAsLoginRole(`update organization set status = 'SUSPENDED' where id = $1`, [
      acme.id,
    ]);
    refused(await signIn(`/auth/${acme.slug}`, personOf(acme)), 403, 'NO_MEMBERSHIP');
  });

  test('when every seat is taken', async () => {
    const acme = await givenProvider();
    await server.database.pool.queryAsLoginRole('update organization set seat_limit = 4 where id = $1', [acme.id]);
    const jane = personOf(acme);
    refused(await signIn(`/auth/${acme.slug}`, jane), 403, 'NO_MEMBERSHIP');
    await server.database.pool.queryAsLoginRole('update organization set seat_limit = 5 where id = $1', [acme.id]);
    expect((await signIn(`/auth/${acme.slug}`, jane)).status).toBe(200);
  });

  test('whom the deployment disabled', async () => {
    const acme = await givenProvider();
    const jane = personOf(acme);
    await signIn(`/auth/${acme.slug}`, jane);
    await server.database.pool.queryAsLoginRole(`update person set status = 'DISABLED' where email = $1`, [jane.email]);
    refused(await signIn(`/auth/${acme.slug}`, jane), 403, 'DISABLED');
  });

  test('who turned back at the provider', async () => {
    const acme = await givenProvider();
    refused(await signIn(`/auth/${acme.slug}`, null), 403, 'REFUSED');
    expect(lastLog()).toMatchObject({ error: 'access_denied' });
  });

  test('through a provider that is disabled or deleted, or while it cannot be reached', async () => {
    const acme = await givenProvider();
    const start = `/auth/start/${acme.providerId}`;
    const UPDATE =
      'mutation ($input: UpdateIdentityProviderInput!) { updateIdentityProvider(input: $input) { status } }';
    await acme.owner(UPDATE, { input: { id: acme.providerId, status: 'DISABLED' } });
    refused(await signIn(start, personOf(acme)), 404, 'UNKNOWN');
    await acme.owner('mutation ($id: ID!) { deleteIdentityProvider(id: $id) }', { id: acme.providerId });
    refused(await signIn(start, personOf(acme)), 404, 'UNKNOWN');
    const gone = await givenProvider({ issuer: 'http://127.0.0.1:1' });
    refused(await signIn(`/auth/${gone.slug}`, personOf(gone)), 502, 'UNREACHABLE');
  });

  test.each([
    ['hangs up', undefined],
    ['cannot be reached', 'http://127.0.0.1:1/token'],
  ])('whose provider %s once they are back', async (_what, tokenEndpoint) => {
    const hangingUp = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(hangingUp, 'listening');
    const { port } = hangingUp.address() as AddressInfo;
    idp.tamper = {
      path: '/.well-known/openid-configuration',
      change: (body) =>
        JSON.stringify({ ...JSON.parse(body), token_endpoint: tokenEndpoint ?? `http://127.0.0.1:${port}/token` }),
    };
    const [browser, callback] = await onTheWayBack(await givenProvider()).finally(() => (idp.tamper = null));
    refused(await browser.visit(callback), 502, 'UNREACHABLE');
    hangingUp.close();
  });

  test('whose provider was disabled while they were there', async () => {
    const acme = await givenProvider();
    const [browser, callback] = await onTheWayBack(acme);
    const UPDATE =
      'mutation ($input: UpdateIdentityProviderInput!) { updateIdentityProvider(input: $input) { status } }';
    await acme.owner(UPDATE, { input: { id: acme.providerId, status: 'DISABLED' } });
    refused(await browser.visit(callback), 404, 'UNKNOWN');
  });
});

/** A sign-in up to the callback: the browser, and the address that the provider sends it back to. */
async function onTheWayBack(
  acme: GivenOrganization & { providerId: string },
  account = personOf(acme),
): Promise<[Browser, string]> {
  const browser = new Browser();
  idp.account = account;
  const { url } = await browser.visit(`${home()}/auth/${acme.slug}`, {}, (next) => next.includes('/callback'));
  return [browser, url];
}

const withParameter = (address: string, name: string, value: string): string => {
  const url = new URL(address);
  url.searchParams.set(name, value);
  return url.href;
};

describe('The way back', () => {
  test('is asked for with PKCE, state and nonce, at the provider’s own callback', async () => {
    const acme = await givenProvider();
    const browser = new Browser();
    const { next } = await browser.send(`${home()}/auth/${acme.slug}`);
    const { origin, searchParams } = new URL(next as string);
    expect(origin).toBe(idp.issuer);
    expect(Object.fromEntries(searchParams)).toEqual({
      client_id: CLIENT_ID,
      response_type: 'code',
      redirect_uri: `${home()}/auth/oidc/${acme.providerId}/callback`,
      scope: 'openid email profile',
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
    });
    const { rows } = await server.database.pool.queryAsLoginRole(
      'select * from sign_in_attempt where provider_id = $1',
      [acme.providerId],
    );
    const kept = JSON.stringify(rows);
    for (const name of ['state', 'nonce']) expect(kept).not.toContain(searchParams.get(name) as string);
    expect(kept).not.toContain(browser.cookie(home(), '__Host-orgate-sign-in') as string);
  });

  test('leads in once', async () => {
    const acme = await givenProvider();
    const [browser, callback] = await onTheWayBack(acme);
    expect((await browser.visit(callback)).status).toBe(200);
    refused(await browser.visit(callback), 400, 'NOT_UNDER_WAY');
  });

  test('leads in once, of two that come at the same moment', async () => {
    const acme = await givenProvider();
    const [browser, callback] = await onTheWayBack(acme);
    const statuses = await Promise.all([browser.send(callback), browser.send(callback)]);
    expect(statuses.map(({ status }) => status).sort((a, b) => a - b)).toEqual([303, 400]);
  });

  test('leads in only the browser that began', async () => {
    const acme = await givenProvider();
    const [browser, callback] = await onTheWayBack(acme);
    const victim = new Browser();
    refused(await victim.visit(callback), 400, 'NOT_UNDER_WAY');
    await victim.send(`${home()}/auth/${acme.slug}`);
    refused(await victim.visit(callback), 400, 'NOT_UNDER_WAY');
    expect(victim.cookie(home(), '__Host-orgate')).toBeUndefined();
    expect((await browser.visit(callback)).status).toBe(200);
  });

  test('leads in nobody who took too long', async () => {
    const acme = await givenProvider();
    const [browser, callback] = await onTheWayBack(acme);
    await server.database.pool.queryAsLoginRole(
      `update sign_in_attempt set expires_at = current_timestamp - interval '1 second' where provider_id = $1`,
      [acme.providerId],
    );
    refused(await browser.visit(callback), 400, 'NOT_UNDER_WAY');
  });

  test('leads in nobody with another state, or without one', async () => {
    const acme = await givenProvider();
    const [browser, callback] = await onTheWayBack(acme);
    const [, other] = await onTheWayBack(acme);
    const state = new URL(other).searchParams.get('state') as string;
    for (const value of [state, 'guessed', '']) {
      refused(await browser.visit(withParameter(callback, 'state', value)), 400, 'NOT_UNDER_WAY');
    }
  });

  test('leads in nobody with the code of another sign-in', async () => {
    const acme = await givenProvider();
    const [browser, callback] = await onTheWayBack(acme);
    const [, stolen] = await onTheWayBack(acme);
    const code = new URL(stolen).searchParams.get('code') as string;
    refused(await browser.visit(withParameter(callback, 'code', code)), 403, 'REFUSED');
  });

  test('leads in nobody at the callback of another provider', async () => {
    const [acme, globex] = [await givenProvider(), await givenProvider()];
    const [browser, callback] = await onTheWayBack(acme);
    refused(await browser.visit(callback.replace(acme.providerId, globex.providerId)), 400, 'NOT_UNDER_WAY');
    refused(await browser.visit(callback.replace(acme.providerId, 'idp_unknown')), 400, 'NOT_UNDER_WAY');
  });

  test('leads in nobody whose answer names another issuer', async () => {
    const acme = await givenProvider();
    const [browser, callback] = await onTheWayBack(acme);
    refused(await browser.visit(withParameter(callback, 'iss', 'https://evil.example')), 403, 'REFUSED');
  });
});

describe('An ID token is refused', () => {
  const change = (acme: { providerId: string }, remake: (token: string) => string | Promise<string>) => {
    idp.tamper = {
      path: '/token',
      change: async (body) => {
        const answer = JSON.parse(body) as { id_token: string };
        return JSON.stringify({ ...answer, id_token: await remake(answer.id_token) });
      },
    };
    return acme;
  };
  const FORGED: [string, (token: string) => string | Promise<string>][] = [
    [
      'whose claims were changed',
      (token) => {
        const [header, payload = '', signature] = token.split('.');
        const claims = { ...JSON.parse(Buffer.from(payload, 'base64url').toString()), sub: 'someone-else' };
        return [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
      },
    ],
    ['that is signed by another key', async (token) => forge(token, {})],
    ['that is not signed', (token) => `${Buffer.from('{"alg":"none"}').toString('base64url')}.${token.split('.')[1]}.`],
    [
      'that is signed with the client secret',
      async (token) =>
        new SignJWT(decodeJwt(token))
          .setProtectedHeader({ alg: 'HS256' })
          .sign(new TextEncoder().encode(CLIENT_SECRET)),
    ],
  ];
  const forge = async (token: string, claims: object) => {
    const { privateKey } = await generateKeyPair('RS256');
    return new SignJWT({ ...decodeJwt(token), ...claims })
      .setProtectedHeader({ alg: 'RS256', kid: 'first' })
      .sign(privateKey);
  };

  test.each(FORGED)('%s', async (_what, remake) => {
    const acme = await givenProvider();
    const [browser, callback] = await onTheWayBack(acme);
    change(acme, remake);
    refused(await browser.visit(callback).finally(() => (idp.tamper = null)), 403, 'REFUSED');
    expect(browser.cookie(home(), '__Host-orgate')).toBeUndefined();
  });

  /** The provider's own key signs these: only what they say is wrong. */
  test.each([
    ['for another audience', { aud: 'another-client' }],
    ['of another issuer', { iss: 'https://evil.example' }],
    ['that is over', { exp: 1_700_000_000 }],
    ['with another nonce', { nonce: 'another' }],
    ['without a nonce', { nonce: undefined }],
  ])('%s', async (_what, claims) => {
    const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: 'other', alg: 'RS256', use: 'sig' };
    const other = await startOidcIdentityProvider();
    try {
      const acme = await givenProvider({ issuer: other.issuer });
      const sign = (token: string, changed: object) =>
        new SignJWT({ ...decodeJwt(token), ...changed })
          .setProtectedHeader({ alg: 'RS256', kid: 'other' })
          .sign(privateKey);
      let changed: object = claims;
      other.account = personOf(acme);
      const attempt = async (): Promise<Visited> => {
        const browser = new Browser();
        other.tamper = { path: '/jwks', change: () => JSON.stringify({ keys: [jwk] }) };
        const { url } = await browser.visit(`${home()}/auth/${acme.slug}`, {}, (next) => next.includes('/callback'));
        const jwks = other.tamper;
        other.tamper = {
          path: '/token',
          change: async (body) => {
            other.tamper = jwks;
            const answer = JSON.parse(body) as { id_token: string };
            return JSON.stringify({ ...answer, id_token: await sign(answer.id_token, changed) });
          },
        };
        return browser.visit(url);
      };
      refused(await attempt(), 403, 'REFUSED');
      changed = {};
      expect((await attempt()).status).toBe(200);
    } finally {
      await other.close();
    }
  });
});
