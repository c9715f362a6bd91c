import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fastifyStatic from '@fastify/static';
import fastify, { type FastifyInstance } from 'fastify';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { newId } from '../../src/data/id.js';
import { launchChromium } from '../support/chromium.js';
import { givenMember, givenOrganization, type GivenOrganization, personId, unique } from '../support/given.js';
import { freePort } from '../support/process.js';
import { type Client, startServer, type TestServer } from '../support/server.js';
import { ownOrigin } from '../support/sessions.js';
import { byTest } from '../support/act.js';

const EXAMPLE = fileURLToPath(new URL('../../docs/examples/frontend', import.meta.url));

const json = async (file: string): Promise<Record<string, Record<string, string>>> =>
  JSON.parse(await readFile(file, 'utf8')) as Record<string, Record<string, string>>;

test('the example frontend is tried with the versions that it installs', async () => {
  const example = await json(path.join(EXAMPLE, 'package.json'));
  const own = await json(path.join(EXAMPLE, '../../../package.json'));
  expect({ ...own['dependencies'], ...own['devDependencies'] }).toMatchObject({
    ...example['dependencies'],
    ...example['devDependencies'],
  });
});

/** Needs Chromium, so it runs where ORGATE_BROWSER_TESTS says that there is one. */
(process.env['ORGATE_BROWSER_TESTS'] ? describe : describe.skip)('The example frontend, on another origin', () => {
  let server: TestServer;
  let frontend: FastifyInstance;
  let origin: string;
  let built: string;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let acme: GivenOrganization;
  let globex: GivenOrganization;
  let ann: Client;
  const troubles: string[] = [];

  beforeAll(async () => {
    const port = await freePort();
    origin = `http://localhost:${port}`;
    server = await startServer({ env: { CORS_ORIGINS: origin, RATE_LIMIT_SIGN_IN: 'off' } });
    built = await mkdtemp(path.join(tmpdir(), 'orgate-frontend-'));
    const { build } = await import('vite');
    await build({
      root: EXAMPLE,
      configFile: path.join(EXAMPLE, 'vite.config.ts'),
      logLevel: 'error',
      define: { 'import.meta.env.VITE_GATEWAY': JSON.stringify(ownOrigin(server)) },
      build: { outDir: built },
    });
    frontend = fastify();
    await frontend.register(fastifyStatic, { root: built });
    await frontend.listen({ host: 'localhost', port });

    acme = await givenOrganization(server, 'acme');
    globex = await givenOrganization(server, 'globex');
    ann = await givenMember(server, acme, 'OWNER', { email: `${unique('ann')}@acme.example` });
    await givenMember(server, globex, 'VIEWER', { email: ann.email });
    // Two pages of members and a bit.
    await server.database.organizationDb(acme.id, byTest).membership.createMany(
      Array.from({ length: 20 }, (_, each) => ({
        userId: newId('usr'),
        email: `member-${String(each).padStart(2, '0')}@${acme.slug}.example`,
        name: `Member ${each}`,
        role: 'VIEWER' as const,
        status: 'ACTIVE' as const,
        joinedAt: new Date(),
      })),
    );
    browser = await launchChromium();
    context = await browser.newContext();
    context.setDefaultTimeout(15_000);
    page = await openTab();
  });
  afterAll(async () => {
    await browser.close();
    await frontend.close();
    await server.close();
    await rm(built, { recursive: true, force: true });
  });

  async function openTab(): Promise<Page> {
    const tab = await context.newPage();
    tab.on('pageerror', (error) => troubles.push(error.message));
    return tab;
  }

  const standing = (tab: Page, text: string) => tab.locator('main [role=status]', { hasText: text }).first().waitFor();
  const heading = (tab: Page, text: string) => tab.locator('h1', { hasText: text }).waitFor();
  const counted = (tab: Page, count: number) => tab.locator('caption', { hasText: new RegExp(`^${count} `) }).waitFor();
  const chosen = (member: string, role: string) =>
    page
      .locator(`select[aria-label="Role of ${member}"] option:checked`, { hasText: role })
      .waitFor({ state: 'attached' });
  const emails = (tab: Page) => tab.locator('tbody td:nth-child(2)').allTextContents();
  const inTab = (slug: string) => `${origin}/?organization=${slug}`;

  test('sends people to the gateway to sign in, and has them back in the organization they chose', async () => {
    await page.goto(origin);
    await page.click('a:text-is("Sign in")');
    await page.fill('input[type=email]', ann.email);
    await page.click('button:text-is("Sign in")');
    await page.locator('a', { hasText: 'acme Inc.' }).click();
    await standing(page, 'You are OWNER here.');
    expect(page.url()).toBe(inTab(acme.slug));
    expect(await page.evaluate('document.cookie')).toBe('');
  });

  test('pages through the members, and searches them', async () => {
    await counted(page, 25);
    expect(await emails(page)).toHaveLength(10);
    for (const shown of [20, 25]) {
      await page.click('button:text-is("More")');
      await page.locator(`tbody tr:nth-child(${shown})`).waitFor();
    }
    expect(await page.locator('button:text-is("More")').count()).toBe(0);
    const all = await emails(page);
    expect([all.length, new Set(all).size, all]).toEqual([25, 25, all.toSorted()]);
    await page.fill('input[type=search]', 'member-1');
    await counted(page, 10);
    await page.fill('input[type=search]', '');
    await counted(page, 25);
  });

  test('two tabs work in two organizations, each with a cache of its own', async () => {
    const other = await openTab();
    await other.goto(inTab(globex.slug));
    await standing(other, 'You are VIEWER here.');
    await counted(other, 5);
    expect(await other.locator('form').count()).toBe(0);
    await page.reload();
    await standing(page, 'You are OWNER here.');
    // The same person, the same page, another organization and back.
    await page.locator('header select').selectOption(globex.slug);
    await standing(page, 'You are VIEWER here.');
    await counted(page, 5);
    expect((await emails(page)).join()).not.toContain(acme.slug);
    await page.locator('header select').selectOption(acme.slug);
    await standing(page, 'You are OWNER here.');
    await counted(page, 25);
    expect((await emails(page)).join()).not.toContain(globex.slug);
    await page.goBack();
    await standing(page, 'You are VIEWER here.');
    await page.goForward();
    await standing(page, 'You are OWNER here.');
    await other.close();
  });

  test('shows what a mutation changed wherever it is shown, without asking again', async () => {
    const member = `member-00@${acme.slug}.example`;
    await page.fill('input[type=search]', 'member-00');
    await counted(page, 1);
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.postData() ?? ''));
    await page.selectOption(`select[aria-label="Role of ${member}"]`, 'DEVELOPER');
    await chosen(member, 'DEVELOPER');
    await page.fill('input[type=search]', '');
    await counted(page, 25);
    await chosen(member, 'DEVELOPER');
    expect(asked.filter((body) => body.includes('UpdateRole'))).toHaveLength(1);
  });

  test('invites, and shows at the field what is wrong with it', async () => {
    const email = `${unique('jane')}@new.example`;
    await page.fill('form input', 'nobody');
    await page.click('button:text-is("Invite")');
    await page.locator('form [role=alert]').waitFor();
    expect(await page.locator('form input').getAttribute('aria-invalid')).toBe('true');
    await page.fill('form input', email);
    await page.click('button:text-is("Invite")');
    await page.locator('form [role=status]', { hasText: 'Invited.' }).waitFor();
    await counted(page, 26);
    await page.fill('input[type=search]', email);
    await counted(page, 1);
    await page.locator('tbody tr', { hasText: 'INVITED' }).waitFor();
    expect(await emails(page)).toEqual([email]);
    await page.fill('input[type=search]', '');
  });

  test('a role that was lost is noticed with the first refusal, and what it allowed is gone from the page', async () => {
    const userId = await personId(ann);
    const change = 'mutation ($id: ID!) { updateMemberRole(userId: $id, role: VIEWER) { role } }';
    expect((await acme.owner(change, { id: userId })).errors).toEqual([]);
    await page.fill('form input', `${unique('late')}@new.example`);
    await page.click('button:text-is("Invite")');
    await standing(page, 'You are VIEWER here.');
    expect(await page.locator('form').count()).toBe(0);
    await counted(page, 26);
  });

  test('whoever is removed is asked where else they want to work, and nothing of it stays on the page', async () => {
    const userId = await personId(ann);
    const remove = 'mutation ($id: ID!) { removeMember(userId: $id) { status } }';
    expect((await acme.owner(remove, { id: userId })).errors).toEqual([]);
    await page.click('button:text-is("More")');
    await heading(page, 'Where do you want to work?');
    expect(await page.locator('[role=alert]').textContent()).toContain(acme.slug);
    expect(await page.content()).not.toContain('member-00');
    await page.click('button:text-is("globex Inc.")');
    await standing(page, 'You are VIEWER here.');
    expect(await page.locator('header option').allTextContents()).toEqual(['globex Inc.']);
  });

  test('signs out', async () => {
    await page.click('button:text-is("Sign out")');
    await page.locator('a:text-is("Sign in")').waitFor();
    expect((await context.cookies()).map(({ name }) => name)).not.toContain('__Host-orgate');
    expect(troubles).toEqual([]);
  });
});
