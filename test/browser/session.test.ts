import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import cookie from '@fastify/cookie';
import fastify from 'fastify';
import type { Browser, Page } from 'playwright-core';
import { setSessionCookie } from '../../src/gateway/sign-in/session-cookie.js';
import { openSessions } from '../../src/identity/sessions.js';
import { launchChromium } from '../support/chromium.js';
import { givenMember, givenOrganization, type GivenOrganization, personId } from '../support/given.js';
import { startServer, type TestServer } from '../support/server.js';
import { ownOrigin } from '../support/sessions.js';

/** Needs Chromium, so it runs where ORGATE_BROWSER_TESTS says that there is one. */
(process.env['ORGATE_BROWSER_TESTS'] ? describe : describe.skip)('A session in the browser', () => {
  let server: TestServer;
  let browser: Browser;
  let page: Page;
  let acme: GivenOrganization;
  let sessionId: string;

  beforeAll(async () => {
    server = await startServer({ env: { GRAPHIQL: 'true' } });
    browser = await launchChromium();
    acme = await givenOrganization(server);
    const started = await server.database.outside(openSessions).start({
      personId: await personId(await givenMember(server, acme, 'ADMIN', { email: `ursula@${acme.slug}.example` })),
      provider: null,
      boundOrgId: null,
      userAgent: null,
    });
    sessionId = started.sessionId;
    page = await browser.newPage();
    // Stands for the end of a sign-in: cookies are kept by host, whatever the port.
    const signIn = fastify();
    await signIn.register(cookie);
    signIn.get('/', (_request, reply) => setSessionCookie(reply, started).type('text/html').send('signed in'));
    const address = await signIn.listen({ host: '127.0.0.1', port: 0 });
    await page.goto(address.replace('127.0.0.1', 'localhost'));
    await signIn.close();
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  const standing = (text: string) => page.locator('[role=status]', { hasText: text }).waitFor();

  /** What a script of the page that is open gets for a request of its own. */
  const ask = (path: string, body: object): Promise<{ status: number; text: string }> =>
    page.evaluate(
      async ({ url, sent }) => {
        const response = await fetch(url, {
          method: 'POST',
          credentials: 'include',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(sent),
        });
        return { status: response.status, text: await response.text() };
      },
      { url: `${ownOrigin(server)}${path}`, sent: body },
    );

  test('is whom GraphiQL shows first; a person of the demo acts beside it', async () => {
    await page.goto(`${ownOrigin(server)}/`);
    await standing('ursula is ADMIN here.');
    await page.selectOption('select[aria-label=Person]', 'bob@globex.example');
    await page.locator('[role=status]', { hasText: /^(?!ursula)/ }).waitFor();
    expect(await page.locator('[role=status]').textContent()).not.toContain('different people');
    await page.selectOption('select[aria-label=Person]', '');
    await standing('ursula is ADMIN here.');
  });

  test('that nothing was asked of beside ends in GraphiQL, as who signed in and where they work', async () => {
    const context = await browser.newContext();
    const visitor = await context.newPage();
    await visitor.goto(`${ownOrigin(server)}/auth`);
    await visitor.fill('input[name=email]', acme.developer.email);
    await visitor.press('input[name=email]', 'Enter');
    await visitor.locator('[role=status]', { hasText: 'is DEVELOPER here.' }).waitFor();
    expect(visitor.url()).toBe(`${ownOrigin(server)}/`);
    await context.close();
  });

  test('is out of reach of scripts, and gives tokens to pages of the gateway', async () => {
    expect(await page.evaluate('document.cookie')).toBe('');
    const { status, text } = await ask('/auth/token', { grant_type: 'session' });
    expect(status).toBe(200);
    const { access_token: access } = JSON.parse(text) as { access_token: string };
    const { data } = await server.withToken(access)('{ viewer { user { name } } }');
    expect(data.viewer.user.name).toBe('ursula');
  });

  test('ends at once with signOut', async () => {
    const over = await ask('/graphql', { query: 'mutation { signOut }' });
    expect(JSON.parse(over.text)).toEqual({ data: { signOut: true } });
    expect((await ask('/graphql', { query: '{ viewer { role } }' })).status).toBe(401);
    expect(await page.context().cookies()).toEqual([]);
    const { rows } = await server.database.pool.queryAsLoginRole('select end_reason from session where id = $1', [
      sessionId,
    ]);
    expect(rows).toEqual([{ end_reason: 'SIGNED_OUT' }]);
  });
});
