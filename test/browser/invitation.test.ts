import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../support/chromium.js';
import { givenOrganization, type GivenOrganization, unique } from '../support/given.js';
import { mailTo } from '../support/mail.js';
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
    browser = await launchChromium();
    acme = await givenOrganization(server);
    page = await browser.newPage();
  }, 120_000);
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  test('is found at /dev/mail, and accepted by a newcomer who signs in on the way', async () => {
    const email = `${unique('jane')}@new.example`;
    const query = 'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { role } }';
    await acme.admin(query, { input: { email, name: 'Jane', role: 'DEVELOPER' } });
    await mailTo(server, email);
    await page.goto(`${ownOrigin(server)}/dev/mail`);
    await page.click('text=Join acme Inc.');
    await page.click('a[href*="/invitations/"]');
    await page.locator('h1', { hasText: 'acme Inc. invites you' }).waitFor();
    await page.click('a:text-is("Sign in")');
    await page.fill('input[name=email]', email);
    await page.click('button:text-is("Sign in")');
    await page.click('text=Go on without one');
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
