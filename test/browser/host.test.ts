import { mkdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { launchChromium } from '../support/chromium.js';
import { givenMember, givenOrganization } from '../support/given.js';
import { startServer, type TestServer } from '../support/server.js';
import { ownOrigin } from '../support/sessions.js';

/** Needs Chromium, so it runs where ORGATE_BROWSER_TESTS says that there is one. */
(process.env['ORGATE_BROWSER_TESTS'] ? describe : describe.skip)('Two hosts in the browser', () => {
  let server: TestServer;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  const troubles: string[] = [];

  beforeAll(async () => {
    server = await startServer({ env: { RATE_LIMIT_SIGN_IN: 'off' } });
    browser = await launchChromium();
    // The gateway's own pages ask for nothing; those of a frontend do, and are what is tried here.
    context = await browser.newContext({ bypassCSP: true });
    page = await context.newPage();
    page.on('pageerror', (error) => troubles.push(error.message));
    page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) troubles.push(message.text());
    });
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  const heading = (text: string) => page.locator('h1', { hasText: text }).waitFor();
  const pictures = process.env['ORGATE_PICTURES'];
  const picture = async (name: string) => {
    if (!pictures) return;
    mkdirSync(pictures, { recursive: true });
    for (const width of [360, 1280]) {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 760 });
        await page.screenshot({ path: `${pictures}/${name}-${width}-${colorScheme}.png` });
      }
    }
  };
  const isWide = () => page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth');

  test('one person has a session at each, which reaches that organization and no other', async () => {
    const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
    for (const each of [acme, globex]) await givenMember(server, each, 'VIEWER', { email: 'bob@globex.example' });
    await acme.admin(`mutation { updateOrganization(input: { settings: { branding: {
      displayName: "Acme Assistant", colours: { primary: "#0b3d91", onPrimary: "#ffffff" }, supportEmail: "help@acme.example"
    } } }) { id } }`);
    const { port } = new URL(server.url);
    const at = ({ slug }: { slug: string }) => `http://${slug}.localhost:${port}`;
    const asked = async (origin: string) =>
      page.evaluate(
        `fetch(${JSON.stringify(`${origin}/graphql`)}, { method: 'POST', credentials: 'include', headers: { 'content-type': 'application/json' },
          body: '{"query":"{ viewer { organizationSource currentOrganization { slug } memberships { totalCount } } }"}' })
          .then((answer) => answer.json(), () => 'blocked')`,
      );

    const strict = await (await browser.newContext()).newPage();
    await strict.goto(at(acme));
    const button = "getComputedStyle(document.querySelector('.button')).backgroundColor";
    expect(await strict.evaluate(button)).toBe('rgb(11, 61, 145)');
    await page.goto(at(acme));
    await heading('Welcome');
    await picture('home-branded');
    await page.goto(`${at(acme)}/auth`);
    await heading('Who are you today?');
    await page.click('button[value="bob@globex.example"]');
    await heading(`Sign in at ${acme.slug}.localhost?`);
    expect(new URL(page.url()).origin).toBe(ownOrigin(server));
    expect(await page.textContent('main')).toContain('bob@globex.example');
    await picture('asks');
    await page.setViewportSize({ width: 360, height: 760 });
    expect(await isWide()).toBe(false);
    await page.click('text=Continue');
    await heading('You are signed in');
    expect(new URL(page.url()).origin).toBe(at(acme));
    await page.goto(`${at(globex)}/auth`);
    await page.click('text=Continue');
    await heading('You are signed in');

    const cookies = (await context.cookies()).filter(({ name }) => name === '__Host-orgate');
    const hosts = ['localhost', `${acme.slug}.localhost`, `${globex.slug}.localhost`];
    expect(cookies.map(({ domain }) => domain).toSorted()).toEqual(hosts.toSorted());
    expect(new Set(cookies.map(({ value }) => value)).size).toBe(3);
    for (const each of [acme, globex]) {
      await page.goto(`${at(each)}/auth/organizations`);
      expect(await asked(at(each))).toEqual({
        data: {
          viewer: {
            organizationSource: 'HOST',
            currentOrganization: { slug: each.slug },
            memberships: { totalCount: 1 },
          },
        },
      });
    }
    // A page of one host has no say at the other, nor at the gateway's own address.
    expect(await asked(at(acme))).toBe('blocked');
    expect(await asked(ownOrigin(server))).toBe('blocked');

    // The second time nobody is asked; and who signs out at one host is signed in at the other.
    await page.click('text=Sign out');
    await heading('You are signed out');
    await page.goto(`${at(acme)}/auth/organizations`);
    await heading('You are signed in');
    await page.goto(`${at(globex)}/auth`);
    await heading('You are signed in');
    expect(troubles).toEqual([]);
  });
});
