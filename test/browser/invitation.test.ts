import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import cookie from '@fastify/cookie';
import fastify from 'fastify';
import { type Browser, chromium, type Page } from 'playwright-core';
import { setSessionCookie } from '../../src/gateway/sign-in/session-cookie.js';
import { givenOrganization, type GivenOrganization, personId, unique } from '../support/given.js';
import { startServer, type TestServer } from '../support/server.js';
import { ownOrigin } from '../support/sessions.js';

jest.setTimeout(120_000);

/** Needs Chromium, so it runs where ORGATE_BROWSER_TESTS says that there is one. */
(process.env['ORGATE_BROWSER_TESTS'] ? describe : describe.skip)('An invitation in the browser', () => {
  let server: TestServer;
  let browser: Browser;
  let page: Page;
  let acme: GivenOrganization;

  beforeAll(async () => {
    server = await startServer();
    browser = await chromium.launch({
      executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu'],
    });
    acme = await givenOrganization(server);
    page = await browser.newPage();
  }, 120_000);
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  /** Stands for the end of a sign-in: cookies are kept by host, whatever the port. */
  async function signIn(email: string): Promise<void> {
    const started = await server.database.sessions.start({
      personId: await personId(await server.as(email)),
      provider: null,
      boundOrgId: null,
      userAgent: null,
    });
    const app = fastify();
    await app.register(cookie);
    app.get('/', (_request, reply) => setSessionCookie(reply, started).type('text/html').send('signed in'));
    const address = await app.listen({ host: '127.0.0.1', port: 0 });
    await page.goto(address.replace('127.0.0.1', 'localhost'));
    await app.close();
  }

  test('is found at /dev/mail, followed and accepted with a click', async () => {
    const email = `${unique('jane')}@new.example`;
    const query = 'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { role } }';
    await acme.admin(query, { input: { email, name: 'Jane', role: 'DEVELOPER' } });
    await signIn(email);
    await page.goto(`${ownOrigin(server)}/dev/mail`);
    await page.click('text=Join acme Inc.');
    await page.click('a[href*="/invitations/"]');
    await page.locator('h1', { hasText: 'acme Inc. invites you' }).waitFor();
    const sent = page.waitForRequest((request) => request.method() === 'POST');
    await page.click('text=Accept');
    await page.locator('text=You are a member now.').waitFor();
    const { referer } = await (await sent).allHeaders();
    expect(referer ?? '').not.toContain('/invitations/');
    const jane = await server.as(email, acme.slug);
    expect((await jane('{ viewer { role } }')).data.viewer.role).toBe('DEVELOPER');
  });
});
