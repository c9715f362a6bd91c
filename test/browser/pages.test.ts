import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { AxeResults } from 'axe-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { launchChromium } from '../support/chromium.js';
import { givenMember, givenOrganization, type GivenOrganization, personId, unique } from '../support/given.js';
import { secretFor } from '../support/mail.js';
import { DEMO_SECRET } from '../../src/development/webhook-receiver.js';
import { signatureHeaders } from '../../src/domains/webhook/sign.js';
import { startServer, type TestServer } from '../support/server.js';
import { givenBrowser, ownOrigin } from '../support/sessions.js';
import { byTest } from '../support/act.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Where pictures of all pages go, for whoever wants to look at them. */
const PICTURES = process.env['ORGATE_PICTURES'];
const WIDTHS = [360, 1280];
const SCHEMES = ['light', 'dark'] as const;

/** Needs Chromium, so it runs where ORGATE_BROWSER_TESTS says that there is one. */
(process.env['ORGATE_BROWSER_TESTS'] ? describe : describe.skip)('A page', () => {
  let server: TestServer;
  let choosing: TestServer;
  let browser: Browser;
  let acme: GivenOrganization;
  const invited = { email: `${unique('jane')}@new.example`, id: '', secret: '' };
  const troubles: string[] = [];
  const contexts = new Map<string, BrowserContext>();

  beforeAll(async () => {
    if (PICTURES) await mkdir(PICTURES, { recursive: true });
    server = await startServer();
    choosing = await startServer({
      env: { PRODUCT_NAME: 'Acme Console', SIGN_IN_PROVIDERS: JSON.stringify(PROVIDERS) },
    });
    browser = await launchChromium();
    acme = await givenOrganization(server);
    const query = 'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { invitation { id } } }';
    const { data } = await acme.owner(query, { input: { email: invited.email, name: 'Jane', role: 'DEVELOPER' } });
    invited.id = data.inviteUser.invitation.id as string;
    invited.secret = await secretFor(server, invited.email);
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
    await choosing.close();
  });

  /** A window in which this person is signed in; the same for the same person. */
  async function windowOf(email: string | null, name?: string): Promise<Page> {
    const key = email ?? '';
    const context = contexts.get(key) ?? (await browser.newContext());
    if (email !== null && !contexts.has(key)) {
      const { header } = await givenBrowser(server, await personId(await server.as(email)));
      const value = header.cookie.slice('__Host-orgate='.length);
      await context.addCookies([
        { name: '__Host-orgate', value, url: 'https://localhost', secure: true, httpOnly: true },
      ]);
    }
    contexts.set(key, context);
    if (name)
      await server.database.pool.queryAsLoginRole('update person set name = $1 where email = $2', [name, email]);
    const page = await context.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
        troubles.push(message.text());
    });
    return page;
  }

  const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
  const link = (rest = '') => `${ownOrigin(server)}/invitations/${invited.secret}${rest}`;
  const at =
    (path: string, of = () => server) =>
    async (page: Page) =>
      void (await page.goto(`${ownOrigin(of())}${path}`));
  const hostOf = ({ slug }: GivenOrganization) => `http://${slug}.localhost:${new URL(server.url).port}`;
  const hers = () => windowOf(invited.email, 'Jane Archer');
  const anyone = () => windowOf(null);

  async function signOut(page: Page): Promise<void> {
    await page.goto(`${ownOrigin(server)}/auth`);
    await page.fill('input[name=email]', `${unique('out')}@new.example`);
    await page.press('input[name=email]', 'Enter');
    await page.click('button:text-is("Sign out")');
    await page.locator('h1:text-is("You are signed out")').waitFor();
  }

  /** Someone who belongs to two organizations. */
  async function member(): Promise<Page> {
    const globex = await givenOrganization(server, 'globex');
    await givenMember(server, globex, 'VIEWER', { email: acme.developer.email });
    return windowOf(acme.developer.email, 'Dev Eloper');
  }

  const PAGES: readonly (readonly [
    name: string,
    window: () => Promise<Page>,
    open: (page: Page) => Promise<unknown>,
  ])[] = [
    ['start', anyone, at('/', () => choosing)],
    ['start-signed-in', hers, at('/')],
    ['sign-in', anyone, at('/auth', () => choosing)],
    ['sign-in-failed', anyone, at('/auth/oidc/demo/callback?state=x')],
    ['demo-provider', anyone, at('/auth')],
    ['organizations', member, at(`/auth/organizations?return_to=${encodeURIComponent('/graphiql')}`)],
    ['organizations-signed-in', member, at('/auth/organizations')],
    [
      'organizations-none',
      () => windowOf(`${unique('nobody')}@new.example`),
      at('/auth/organizations?return_to=/graphiql'),
    ],
    ['organizations-invited', hers, at('/auth/organizations?return_to=/graphiql')],
    ['invitation-stranger', anyone, (page) => page.goto(link())],
    [
      'invitation-stranger-provider',
      anyone,
      async (page) => {
        await server.database.organizationDb(acme.id, byTest).identityProvider.create({
          id: `idp_${'1'.repeat(26)}`,
          name: 'Acme SSO',
          kind: 'OIDC',
          issuer: 'https://id.acme.example',
          clientId: 'orgate',
          defaultRole: 'VIEWER',
        });
        await page.goto(link());
      },
    ],
    ['invitation', hers, (page) => page.goto(link())],
    ['invitation-of-another', member, (page) => page.goto(link())],
    [
      'invitation-unverified',
      hers,
      async (page) => {
        await sql('update person set email_verified_at = null where email = $1', [invited.email]);
        await page.goto(link());
        await sql('update person set email_verified_at = now() where email = $1', [invited.email]);
      },
    ],
    [
      'invitation-expired',
      hers,
      async (page) => {
        await sql(`update invitation set expires_at = now() - interval '1 s' where id = $1`, [invited.id]);
        await page.goto(link());
      },
    ],
    ['invitation-asked-again', hers, (page) => page.click('text=Ask for a new one')],
    [
      'invitation-accepted',
      hers,
      async (page) => {
        await sql(`update invitation set expires_at = now() + interval '7 days' where id = $1`, [invited.id]);
        await page.goto(link());
        await page.click('button:text-is("Accept")');
      },
    ],
    ['invitation-over', hers, (page) => page.goto(link())],
    ['signed-out', anyone, signOut],
    ['invitation-unknown', anyone, at(`/invitations/${'x'.repeat(43)}`)],
    ['not-found', anyone, at('/nothing/here')],
    ['mail-list', anyone, at('/dev/mail')],
    [
      'mail-text',
      anyone,
      async (page) => {
        await at('/dev/mail')(page);
        await page.click('text=Join acme Inc.');
      },
    ],
    ['mail-page', anyone, (page) => page.click('text=as mail programs show it')],
    [
      'dns',
      anyone,
      async (page) => {
        await at('/dev/dns')(page);
        await page.fill('input[name=name]', `_orgate-challenge.${unique('acme')}.example`);
        await page.fill('input[name=value]', 'orgate-domain-verification=2f8b6c0e9d1a4b7c8e5f6a7b8c9d0e1f');
        await page.click('button:text-is("Publish")');
      },
    ],
    [
      'webhooks',
      anyone,
      async (page) => {
        const [id, url] = [unique('aud'), `${server.url}/dev/webhooks`];
        const body = JSON.stringify({ id, type: 'repository.created', sequence: 11, data: { targetId: 'rep_1' } });
        const post = (headers: Record<string, string>) =>
          fetch(url, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body });
        await post(signatureHeaders({ id, at: new Date(), body }, [DEMO_SECRET]));
        await post({ 'webhook-id': id });
        await at('/dev/webhooks')(page);
        await page.fill('input[name=secret]', 'whsec_none');
        await page.press('input[name=secret]', 'Enter');
        await page.locator('text=That is no secret').waitFor();
        await page.locator('summary').first().click();
      },
    ],
    ['host-asks', member, (page) => page.goto(`${hostOf(acme)}/auth`)],
    [
      'start-branded',
      anyone,
      async (page) => {
        await acme.admin(`mutation { updateOrganization(input: { settings: { branding: {
          displayName: "Acme Assistant", colours: { primary: "#0b3d91", onPrimary: "#ffffff" } } } }) { id } }`);
        await page.goto(hostOf(acme));
      },
    ],
    ['graphiql-off', anyone, at('/graphiql')],
  ];
  let last: Page;

  test.each(PAGES)(
    '%s: is clean for axe, fits at 360 pixels, and has a name, in light and dark',
    async (name, window, open) => {
      const isNext = ['invitation-asked-again', 'mail-page'].includes(name);
      const page = isNext ? last : await window();
      await open(page);
      last = page;
      expect(await page.title()).toMatch(name === 'mail-page' ? /./ : / · orgate$|^orgate$|Acme Console/);
      const found: string[] = [];
      for (const width of WIDTHS) {
        for (const colorScheme of SCHEMES) {
          await page.setViewportSize({ width, height: 760 });
          await page.emulateMedia({ colorScheme });
          if (PICTURES)
            await page.screenshot({ path: `${PICTURES}/${name}-${colorScheme}-${width}.png`, fullPage: true });
          if (await page.evaluate('document.documentElement.scrollWidth > innerWidth'))
            found.push(`too wide at ${width}`);
          for (const word of (await page.evaluate(BROKEN_WORDS)) as string[])
            found.push(`“${word}” is broken in the middle at ${width}`);
          // As the debugger's own word: the page's policy lets no script in, ours neither.
          const results = (await page.evaluate(
            `${AXE}; axe.run({ rules: ${JSON.stringify(name === 'mail-page' ? OF_DOCUMENTS : {})} })`,
          )) as AxeResults;
          for (const { id, nodes } of results.violations)
            found.push(`${id} at ${width} ${colorScheme}: ${nodes[0]?.html}`);
        }
      }
      expect(found).toEqual([]);
      // Whoever has a keyboard only comes to what there is to do before the ways to be somebody else.
      if (await page.locator('.actions, .choices a').count()) {
        await page.evaluate('document.activeElement?.blur()');
        await page.keyboard.press('Tab');
        const isReached = `document.querySelector('main :focus') !== null && document.querySelector('.who :focus') === null`;
        expect(await page.evaluate(isReached)).toBe(true);
      }
    },
  );

  test('the console shows no error', () => expect(troubles).toEqual([]));
});

/** A mail is shown inside a page of whoever shows it. */
const OF_DOCUMENTS = { 'landmark-one-main': { enabled: false }, region: { enabled: false } };

/** Words that fit on a line, and stand on two; addresses and what is to be copied may. */
const BROKEN_WORDS = `(() => {
  const broken = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    for (const { 0: word, index } of node.data.matchAll(/(?<=^|[\\s(“])\\p{L}{2,20}(?=$|[\\s.,:;!?)”])/gu)) {
      const range = document.createRange();
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      if (new Set([...range.getClientRects()].map(({ top }) => top)).size > 1) broken.push(word);
    }
  }
  return broken;
})()`;

const PROVIDERS = ['Google', 'Microsoft', 'GitHub'].map((name) => ({
  id: name.toLowerCase(),
  name,
  kind: 'OIDC',
  issuer: `https://${name.toLowerCase()}.example`,
  clientId: 'orgate',
}));
