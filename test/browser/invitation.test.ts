import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../support/chromium.js';
import { givenOrganization, type GivenOrganization, unique } from '../support/given.js';
import { mailTo } from '../support/mail.js';
import { startServer, type TestServer } from '../support/server.js';
import { ownOrigin } from '../support/sessions.js';

/** Needs Chromium, so it runs where ORGATE_BROWSER_TESTS says that there is one. */
(process.env['ORGATE_BROWSER_TESTS'] ? describe : describe.skip)('An invitation in the browser', () => {
  let product: Server;
  let productUrl: string;
  let server: TestServer;
  let browser: Browser;
  let acme: GivenOrganization;
  const troubles: string[] = [];

  beforeAll(async () => {
    // On an origin of its own, and leading on to another: what came of a form is held against where it began.
    product = createServer((request, response) => {
      response.setHeader('content-type', 'text/html');
      if (request.url?.startsWith('/start'))
        response.writeHead(303, { location: request.url.replace('/start', '/app') });
      response.end('<link rel="icon" href="data:,"><h1>The product</h1>');
    });
    await new Promise<void>((resolve) => product.listen(0, '127.0.0.1', resolve));
    productUrl = `http://127.0.0.1:${(product.address() as AddressInfo).port}`;
    server = await startServer({ env: { PRODUCT_URL: `${productUrl}/start?from=orgate` } });
    browser = await launchChromium();
    acme = await givenOrganization(server);
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
    product.close();
  });

  const inProduct = () => `${productUrl}/app?from=orgate&organization=${acme.slug}`;

  async function givenMail(page: Page): Promise<string> {
    page.setDefaultTimeout(15_000);
    page.on('console', (message) => {
      if (message.type() === 'error') troubles.push(message.text());
    });
    const email = `${unique('jane')}@new.example`;
    const query = 'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { role } }';
    await acme.admin(query, { input: { email, name: 'Jane', role: 'DEVELOPER' } });
    await mailTo(server, email);
    await page.goto(`${ownOrigin(server)}/dev/mail`);
    await page.locator('li', { hasText: email }).locator('a').click();
    return email;
  }
  const roleOf = async (email: string) =>
    (await (await server.as(email, acme.slug))('{ viewer { role } }')).data.viewer.role;
  const heading = (page: Page, text: string) => page.locator('h1', { hasText: text }).waitFor();
  async function signInAs(page: Page, email: string): Promise<void> {
    await page.fill('input[name=email]', email);
    await page.press('input[name=email]', 'Enter');
  }

  test('leads a newcomer from the mail into the product by two clicks, with signing in on the way', async () => {
    const page = await browser.newPage();
    const email = await givenMail(page);
    await page.click('a[href*="/invitations/"]');
    await heading(page, 'Join acme Inc.');
    const said = await page.locator('main').innerText();
    for (const each of [`ADMIN of ${acme.slug} invites you.`, 'Developer', 'j***@new.example', 'UTC'])
      expect(said).toContain(each);
    await page.click('a:text-is("Accept")');
    await signInAs(page, email);
    await page.waitForURL(inProduct());
    expect(await roleOf(email)).toBe('DEVELOPER');
  });

  test('is accepted by the button, and says as whom; whoever comes again goes straight into the product', async () => {
    const page = await browser.newPage();
    const email = await givenMail(page);
    const mail = page.url();
    await page.goto(`${ownOrigin(server)}/auth`);
    await signInAs(page, email);
    await page.click('text=Continue without an organization');
    await page.waitForURL(`${productUrl}/app?from=orgate`);
    await page.goto(mail);
    await page.click('a[href*="/invitations/"]');
    await page.locator('text=Signed in as Jane').waitFor();
    expect(await page.locator('button').allTextContents()).toEqual(['Accept', 'Decline', 'Sign out']);
    const sent = page.waitForRequest((request) => request.method() === 'POST');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForURL(inProduct());
    const { referer } = await (await sent).allHeaders();
    expect(referer ?? '').not.toContain('/invitations/');
    expect(await roleOf(email)).toBe('DEVELOPER');
    await page.goto(`${ownOrigin(server)}/auth`);
    await signInAs(page, email);
    await page.waitForURL(inProduct());
  });

  test('is not accepted by somebody else who signs in after Accept, and is there for whom it is for', async () => {
    const page = await browser.newPage();
    const email = await givenMail(page);
    await page.click('a[href*="/invitations/"]');
    await page.click('a:text-is("Accept")');
    await signInAs(page, `${unique('eve')}@new.example`);
    await page.locator('text=This invitation is for j***@new.example').waitFor();
    await page.click('text=Use another account');
    await signInAs(page, email);
    await page.locator('button:text-is("Accept")').waitFor();
    await page.click('text=Decline');
    await page.locator('text=You declined this invitation.').waitFor();
  });

  test('needs no script', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    const email = await givenMail(page);
    await page.click('a[href*="/invitations/"]');
    await page.click('a:text-is("Accept")');
    await signInAs(page, email);
    await page.waitForURL(inProduct());
  });

  test('the console shows no error', () => expect(troubles).toEqual([]));
});
