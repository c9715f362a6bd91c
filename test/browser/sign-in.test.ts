import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { Browser as Fetcher } from '../support/browser.js';
import { launchChromium } from '../support/chromium.js';
import { givenOrganization, unique } from '../support/given.js';
import {
  fetchForm,
  SAML_ISSUER,
  type SamlIdentityProvider,
  startSamlIdentityProvider,
} from '../support/saml-identity-provider.js';
import { startServer, type TestServer } from '../support/server.js';
import { ownOrigin } from '../support/sessions.js';
import { byTest } from '../support/act.js';

/** Needs Chromium, so it runs where ORGATE_BROWSER_TESTS says that there is one. */
(process.env['ORGATE_BROWSER_TESTS'] ? describe : describe.skip)('Signing in in the browser', () => {
  let server: TestServer;
  let idp: SamlIdentityProvider;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  const troubles: string[] = [];

  beforeAll(async () => {
    server = await startServer({ env: { RATE_LIMIT_SIGN_IN: 'off' } });
    idp = await startSamlIdentityProvider();
    browser = await launchChromium();
    context = await browser.newContext();
    page = await context.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error') troubles.push(message.text());
    });
    page.on('pageerror', (error) => troubles.push(error.message));
  });
  afterAll(async () => {
    await browser.close();
    await idp.close();
    await server.close();
  });

  const home = () => ownOrigin(server);
  const session = async (of = context) => (await of.cookies()).find(({ name }) => name === '__Host-orgate');
  const heading = (text: string) => page.locator('h1', { hasText: text }).waitFor();

  test('through the demo provider, as one person and then as another', async () => {
    await page.goto(`${home()}/auth`);
    await heading('Who are you today?');
    await page.click('button[value="bob@globex.example"]');
    await heading('You are signed in');
    expect(await page.textContent('body')).toContain('bob@globex.example');
    expect(await session()).toMatchObject({
      httpOnly: true,
      secure: true,
      sameSite: 'Lax',
      path: '/',
      domain: 'localhost',
    });
    const before = (await session())?.value;

    await page.goto(`${home()}/auth`);
    await page.fill('input[type=email]', 'jane@anywhere.example');
    await page.click('button:text-is("Sign in")');
    await page.locator('body', { hasText: 'jane@anywhere.example' }).waitFor();
    expect((await session())?.value).not.toBe(before);
    expect(page.url()).toBe(`${home()}/auth/organizations`);
  });

  /** An organization with a SAML provider on another site, and someone who sits there. */
  async function givenSamlProvider(): Promise<{ slug: string; email: string }> {
    const { id, slug, owner } = await givenOrganization(server);
    await server.database.organizationDb(id, byTest).address.create({ name: `${slug}.example`, kind: 'DOMAIN' });
    const CREATE = 'mutation ($input: CreateSamlProviderInput!) { createSamlProvider(input: $input) { id } }';
    const certificates = [idp.certified.certificate];
    await owner(CREATE, { input: { name: 'Ours', issuer: SAML_ISSUER, signInUrl: idp.signInUrl, certificates } });
    const email = `${unique('jane')}@${slug}.example`;
    idp.account = { id: unique('subject'), name: { givenName: 'Jane', familyName: 'Doe' }, emails: [{ value: email }] };
    return { slug, email };
  }

  test('through a SAML provider of another site, whose form brings no cookie', async () => {
    const { slug, email } = await givenSamlProvider();
    const posted = page.waitForRequest((request) => request.method() === 'POST' && request.url().endsWith('/acs'));
    await page.goto(`${home()}/auth/${slug}`);
    await heading('You are signed in');
    expect(await page.textContent('body')).toContain(email);
    expect((await (await posted).allHeaders())['cookie']).toBeUndefined();
  });

  test('not with an answer that someone else was given, for OIDC and for SAML', async () => {
    const { slug } = await givenSamlProvider();
    const attacker = new Fetcher();
    const form = await fetchForm(attacker, `${home()}/auth/${slug}`);
    const { next: callback } = await attacker.send(form.action, {
      method: 'POST',
      form: { SAMLResponse: form.SAMLResponse, RelayState: form.RelayState },
      from: form.page,
    });
    const victim = await browser.newContext();
    const theirs = await victim.newPage();
    await theirs.goto(`${home()}/auth/${slug}`).catch(() => undefined);
    await victim.clearCookies({ name: '__Host-orgate' });
    await theirs.goto(callback as string);
    await theirs.locator('h1', { hasText: 'Not signed in' }).waitFor();
    expect(await session(victim)).toBeUndefined();

    const choosing = await attacker.visit(`${home()}/auth/start/demo`);
    const { url } = await attacker.visit(
      choosing.url,
      { method: 'POST', form: { email: 'eve@anywhere.example' }, from: choosing.url },
      (at) => at.includes('/callback'),
    );
    await theirs.goto(url);
    await theirs.locator('h1', { hasText: 'Not signed in' }).waitFor();
    expect(await session(victim)).toBeUndefined();
    await victim.close();
  });

  test('the console shows no error', () => {
    expect(troubles).toEqual([]);
  });
});
