import { createSeal } from '../../../src/secrets/seal.js';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Browser } from '../../support/browser.js';
import { givenHeldDomain, givenMember, givenOrganization, unique } from '../../support/given.js';
import {
  type Account,
  CLIENT_ID,
  CLIENT_SECRET,
  type OidcIdentityProvider,
  startOidcIdentityProvider,
} from '../../support/oidc-identity-provider.js';
import { startServer, type TestServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

const FRONTEND = 'https://app.acme.example';

let idp: OidcIdentityProvider;
let server: TestServer;
beforeAll(async () => {
  idp = await startOidcIdentityProvider();
  const common = { kind: 'OIDC', issuer: idp.issuer, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET };
  server = await startServer({
    env: {
      RATE_LIMIT_SIGN_IN: 'off',
      CORS_ORIGINS: FRONTEND,
      SIGN_IN_PROVIDERS: JSON.stringify([
        { ...common, id: 'first', name: 'First & foremost' },
        { ...common, id: 'corp', name: 'Corporate', emailDomains: ['Corp.example'] },
      ]),
    },
  });
});
afterAll(async () => {
  await server.close();
  await idp.close();
});

const home = () => server.url.replace('127.0.0.1', 'localhost');
const personOf = (domain: string, more: Partial<Account> = {}): Account => ({
  sub: unique('subject'),
  email: `${unique('jane')}@${domain}`,
  email_verified: true,
  name: '<b>Jane</b>',
  ...more,
});
const signIn = (path: string, account: Account, browser = new Browser(), until?: (url: string) => boolean) => {
  idp.account = account;
  return browser.visit(`${home()}${path}`, {}, until);
};
const query = (returnTo: string) => `?return_to=${encodeURIComponent(returnTo)}`;
const isSignedIn = (browser: Browser) => browser.cookie(home(), '__Host-orgate') !== undefined;
const ask = (browser: Browser, text: string, headers: Record<string, string> = {}) =>
  server.post(JSON.stringify({ query: text }), {
    cookie: `__Host-orgate=${browser.cookie(home(), '__Host-orgate') ?? ''}`,
    origin: home(),
    ...headers,
  });

describe('The start', () => {
  test('offers what the deployment has, escaped, under a policy that runs nothing', async () => {
    const page = await new Browser().visit(`${home()}/auth${query('/x?a=1&b=2')}`);
    expect(page.status).toBe(200);
    expect(page.text).toContain('First &amp; foremost');
    expect(page.text).toContain('href="/auth/start/first?return_to=http%3A%2F%2Flocalhost');
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('script-src');
  });

  const ownProvider = (owner: Awaited<ReturnType<typeof givenOrganization>>['owner'], name: string) =>
    owner('mutation ($input: CreateOidcProviderInput!) { createOidcProvider(input: $input) { id } }', {
      input: { name, issuer: idp.issuer, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET },
    });

  test('of an organization leads to its own provider, or offers its several, and no others', async () => {
    const { slug, owner } = await givenOrganization(server);
    await ownProvider(owner, 'Main office');
    const { next } = await new Browser().send(`${home()}/auth/${slug}`);
    expect(new URL(next as string).origin).toBe(idp.issuer);
    await ownProvider(owner, 'Branch office');
    const { text } = await new Browser().visit(`${home()}/auth/${slug}`);
    expect(text).toContain('Main office');
    expect(text).toContain('Branch office');
    expect(text).not.toContain('foremost');
  });

  test('of an organization without a provider and of none at all are one answer, for the same work', async () => {
    const { slug } = await givenOrganization(server);
    const answers = [];
    for (const name of [slug, unique('never'), 'idp_x', 'A'.repeat(150)]) {
      const before = server.statements.length;
      const { status, text } = await new Browser().visit(`${home()}/auth/${name}`);
      answers.push([status, text, server.statements.slice(before)]);
    }
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  test.each(['/auth/start/idp_x', '/auth/start/second', '/auth/start/%00', '/auth/start/__proto__'])(
    '%s leads nowhere',
    async (path) => {
      expect((await new Browser().visit(home() + path)).status).toBe(404);
    },
  );

  test('sets a cookie that is for this host alone, and out of reach of scripts', async () => {
    const { headers } = await new Browser().send(`${home()}/auth/start/first`);
    const [cookie = ''] = headers.getSetCookie();
    expect(cookie).toMatch(/^__Host-orgate-sign-in=[\w-]{43}; /);
    for (const attribute of ['Max-Age=600', 'Path=/', 'HttpOnly', 'Secure', 'SameSite=Lax']) {
      expect(cookie.split('; ')).toContain(attribute);
    }
    expect(cookie).not.toContain('Domain');
  });

  test('in two tabs of one browser, both arrive', async () => {
    const browser = new Browser();
    idp.account = personOf('elsewhere.example');
    const until = (url: string) => url.includes('/callback');
    const first = await browser.visit(`${home()}/auth/start/first`, {}, until);
    const second = await browser.visit(`${home()}/auth/start/first`, {}, until);
    expect((await browser.visit(first.url)).status).toBe(200);
    expect((await browser.visit(second.url)).status).toBe(200);
  });
});

describe('Someone of the whole deployment', () => {
  test('is made a person, and belongs to nothing', async () => {
    const browser = new Browser();
    const jane = personOf('anywhere.example');
    const page = await signIn('/auth/start/first', jane, browser);
    expect(page.text).toContain('&lt;b&gt;Jane&lt;/b&gt;');
    expect(page.text).toContain('You do not belong to an organization yet.');
    const { data } = await ask(browser, '{ viewer { user { email } memberships { totalCount } } }');
    expect(data.viewer).toEqual({ user: { email: jane.email }, memberships: { totalCount: 0 } });
  });

  test('is the person whose verified address it is, with all their organizations', async () => {
    const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
    const email = `${unique('ann')}@anywhere.example`;
    for (const [organization, role] of [
      [acme, 'OWNER'],
      [globex, 'VIEWER'],
    ] as const) {
      await givenMember(server, organization, role, { email });
    }
    const browser = new Browser();
    await signIn('/auth/start/first', personOf('x', { email }), browser);
    for (const [{ slug }, role] of [
      [acme, 'OWNER'],
      [globex, 'VIEWER'],
    ] as const) {
      const { data } = await ask(browser, '{ viewer { role } }', { 'x-organization-id': slug });
      expect(data.viewer.role).toBe(role);
    }
  });

  test('joins the organization that holds the domain of their address, the next time they sign in', async () => {
    const acme = await givenOrganization(server);
    const { id, name } = await givenHeldDomain(server, acme, { joining: 'SUGGEST' });
    const jane = personOf(name);
    const role = async () => {
      const browser = new Browser();
      await signIn('/auth/start/first', jane, browser);
      const { data } = await ask(browser, '{ viewer { role user { id } } }');
      return data.viewer as { role: string | null; user: { id: string } };
    };
    expect((await role()).role).toBeNull();
    await server.database.organizationDb(acme.id, byTest).organizationDomain.update({ id }, { joining: 'AUTO' });
    const { role: joined, user } = await role();
    expect(joined).toBe('VIEWER');
    await acme.admin('mutation ($id: ID!) { removeMember(userId: $id) { status } }', user);
    expect((await role()).role).toBeNull();
  });

  test.each([
    ['unverified', 'first', { email_verified: false }],
    ['outside the domains that the provider speaks for', 'corp', {}],
  ])('is nobody when the address is %s', async (_why, id, more) => {
    const email = `${unique('ann')}@anywhere.example`;
    await givenMember(server, await givenOrganization(server), 'OWNER', { email });
    const browser = new Browser();
    expect((await signIn(`/auth/start/${id}`, personOf('x', { email, ...more }), browser)).status).toBe(403);
    expect(isSignedIn(browser)).toBe(false);
  });

  test('comes in under a domain that the provider speaks for', async () => {
    expect((await signIn('/auth/start/corp', personOf('corp.example'))).status).toBe(200);
  });

  test('is known to each provider by itself: the same subject elsewhere is someone else', async () => {
    const [first, second] = [new Browser(), new Browser()];
    const jane = personOf('corp.example');
    await signIn('/auth/start/first', jane, first);
    await signIn('/auth/start/corp', { ...jane, email: `${unique('joe')}@corp.example` }, second);
    const ids = [first, second].map(
      async (browser) => (await ask(browser, '{ viewer { user { id } } }')).data.viewer.user.id,
    );
    expect(new Set(await Promise.all(ids)).size).toBe(2);
  });
});

describe('After sign-in', () => {
  const until = (url: string) => url.startsWith(FRONTEND);
  const page = `${FRONTEND}/inbox?tab=1`;

  async function givenMemberOf(...slugs: string[]) {
    const email = `${unique('ann')}@anywhere.example`;
    const organizations = [];
    for (const name of slugs) {
      const organization = await givenOrganization(server, name);
      await givenMember(server, organization, 'VIEWER', { email });
      organizations.push(organization);
    }
    return { account: personOf('x', { email }), organizations, client: await server.as(email) };
  }

  test('the only organization is taken', async () => {
    const { account, organizations } = await givenMemberOf('acme');
    const { url } = await signIn(`/auth/start/first${query(page)}`, account, new Browser(), until);
    expect(url).toBe(`${page}&organization=${organizations[0]?.slug}`);
  });

  test('the default stands', async () => {
    const { account, organizations, client } = await givenMemberOf('acme', 'globex', 'initech');
    const SET = 'mutation ($id: ID!) { setDefaultOrganization(organizationId: $id) { role } }';
    await client(SET, { id: organizations[1]?.id });
    const { url } = await signIn(`/auth/start/first${query(page)}`, account, new Browser(), until);
    expect(url).toBe(`${page}&organization=${organizations[1]?.slug}`);
  });

  test.each(['slug', 'id'] as const)(
    'a page that names one of theirs by its %s goes on there, whatever the default; of others it says nothing',
    async (by) => {
      const { account, organizations, client } = await givenMemberOf('acme', 'globex');
      const [acme, globex] = organizations;
      const foreign = await givenOrganization(server, 'initech');
      const browser = new Browser();
      const back = async (named: string | undefined) =>
        signIn(
          `/auth/start/first${query(`${page}&organization=${encodeURIComponent(named ?? '')}`)}`,
          account,
          browser,
          until,
        );
      expect((await back(globex?.[by])).url).toBe(`${page}&organization=${globex?.slug}`);
      for (const other of [foreign[by], unique('nowhere'), '\0', 'x'.repeat(65)]) {
        const { text } = await back(other);
        expect([other, text.includes('Where do you want to work?')]).toEqual([other, true]);
      }
      const SET = 'mutation ($id: ID!) { setDefaultOrganization(organizationId: $id) { role } }';
      await client(SET, { id: acme?.id });
      expect((await back(globex?.[by])).url).toBe(`${page}&organization=${globex?.slug}`);
      expect((await back(foreign[by])).url).toBe(`${page}&organization=${acme?.slug}`);
    },
  );

  test('else the person chooses, and nothing is stored by that', async () => {
    const { account, organizations, client } = await givenMemberOf('acme', 'globex', 'initech');
    const browser = new Browser();
    const { text, status } = await signIn(`/auth/start/first${query(page)}`, account, browser, until);
    expect([status, text.includes('Where do you want to work?')]).toEqual([200, true]);
    for (const { slug } of organizations)
      expect(text).toContain(`${page.replace('&', '&amp;')}&amp;organization=${slug}`);
    expect((await client('{ viewer { organizationSource } }')).data.viewer.organizationSource).toBeNull();
  });

  test.each([
    ['/graphiql', (origin: string) => `${origin}/graphiql`],
    [`${FRONTEND}/a`, () => `${FRONTEND}/a`],
    ['/a/../b?x=1#y', (origin: string) => `${origin}/b?x=1#y`],
  ])('someone without an organization goes back to %s all the same', async (asked, expected) => {
    const { text } = await signIn(`/auth/start/first${query(asked)}`, personOf('anywhere.example'));
    expect(text).toContain(`href="${expected(home())}"`);
  });

  test.each([
    'https://evil.example/',
    '//evil.example/',
    '/\\evil.example/',
    'https://app.acme.example.evil.example/',
    'https://app.acme.example@evil.example/',
    'https://user@app.acme.example/',
    'javascript:alert(1)',
    'data:text/html,x',
    '/\t/evil.example',
    'inbox',
    `/${'x'.repeat(2001)}`,
  ])('nobody is led to %s', async (asked) => {
    for (const path of ['/auth', '/auth/start/first', '/auth/organizations']) {
      const { status, text } = await new Browser().visit(`${home()}${path}${query(asked)}`);
      expect([path, status]).toEqual([path, 400]);
      expect(text).not.toContain('evil');
    }
  });

  test('the log says which origin was refused, and nothing else of the address', async () => {
    await new Browser().visit(`${home()}/auth${query('https://forgotten.example:8443/app?token=s3cret')}`);
    const line = server.logs.findLast((each) => each.includes('RETURN_TO'));
    expect(line).toContain('it leads to https://forgotten.example:8443; CORS_ORIGINS names where it may lead');
    expect(line).not.toContain('s3cret');
    await new Browser().visit(`${home()}/auth${query(`https://${'x'.repeat(1500)}.example/`)}`);
    const { fault } = JSON.parse(server.logs.at(-1) ?? '') as { fault: string };
    expect([fault.length, fault.slice(0, 24)]).toEqual([200, 'it leads to https://xxxx']);
  });

  test('whoever asks for a switch is asked for by the provider anew; nobody else is', async () => {
    const promptOf = async (path: string) => {
      const { next } = await new Browser().send(`${home()}${path}`);
      return new URL(next as string).searchParams.get('prompt');
    };
    expect(await promptOf('/auth/start/corp?switch=1')).toBe('login');
    expect(await promptOf('/auth/start/corp')).toBeNull();
    const { text } = await new Browser().visit(`${home()}/auth?switch=1`);
    expect(text).toContain('href="/auth/start/first?switch=1"');
  });

  test('who is not signed in, or no longer, is led to the start', async () => {
    const browser = new Browser();
    for (const value of [undefined, 'made-up']) {
      if (value) browser.setCookie(home(), '__Host-orgate', value);
      const { next } = await browser.send(`${home()}/auth/organizations${query('/x')}`);
      expect(next).toBe(`${home()}/auth${query(`${home()}/x`)}`);
    }
  });

  test('sign-ins that nobody finished are forgotten', async () => {
    await new Browser().send(`${home()}/auth/start/corp`);
    const count = async () =>
      (await server.database.pool.queryAsLoginRole(`select from sign_in_attempt where expires_at < current_timestamp`))
        .rowCount;
    await server.database.pool.queryAsLoginRole(`update sign_in_attempt set expires_at = '2020-01-01'`);
    expect(await count()).toBeGreaterThan(0);
    const { createSignInAttempts } = await import('../../../src/identity/sign-in-attempts.js');
    await createSignInAttempts(server.database.pool, createSeal([Buffer.alloc(32).toString('base64')])).sweep();
    expect(await count()).toBe(0);
  });
});
