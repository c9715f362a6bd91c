import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Kind, type OperationDefinitionNode, parse } from 'graphql';
import type { Browser, Page, Request } from 'playwright-core';
import { launchChromium } from '../support/chromium.js';
import { samples } from '../../src/gateway/pages/graphiql/samples.js';
import { newDirectory, type Process, start } from '../support/process.js';

/** What the page asks for. */
interface Sent {
  readonly query: string;
  readonly operationName?: string | null;
}

const NOTHING_KNOWN = { agent: null, approval: null, notification: null, member: null };
const operationsOf = (query: string): OperationDefinitionNode[] =>
  parse(query).definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION);
const namesOf = (query: string) => operationsOf(query).map(({ name }) => name?.value);

/** Needs Chromium, so it runs where ORGATE_BROWSER_TESTS says that there is one. */
(process.env['ORGATE_BROWSER_TESTS'] ? describe : describe.skip)('GraphiQL in the browser', () => {
  let server: Process;
  let browser: Browser;
  let page: Page;
  const troubles: string[] = [];

  beforeAll(async () => {
    server = await start({ DATA_DIR: await newDirectory(), GRAPHIQL: 'true' });
    browser = await launchChromium();
    page = await browser.newPage({ viewport: { width: 1400, height: 850 } });
    page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(server.url) && !/^(blob|data):/.test(url)) troubles.push(`left the machine: ${url}`);
    });
    page.on('console', (message) => {
      if (message.type() === 'error') troubles.push(message.text());
    });
    page.on('pageerror', (error) => troubles.push(error.message));
  });
  afterAll(async () => {
    await browser.close();
    await server.end();
  });

  const answer = (text: string) => page.locator('.graphiql-response', { hasText: text }).waitFor();
  const standing = (text: string) => page.locator('[role=status]', { hasText: text }).waitFor();
  /** GraphiQL shows its button a moment before its editor can say what to run. */
  const run = async () => {
    await page.locator('.graphiql-query-editor .view-line', { hasText: 'viewer' }).first().waitFor();
    await page.click('.graphiql-execute-button');
  };
  /** Types a token of Bob's under Headers, and the organization where he is. */
  const typeToken = async () => {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ email: 'bob@globex.example' });
    const { token } = (await (await fetch(`${server.url}/dev/token`, { method: 'POST', headers, body })).json()) as {
      token: string;
    };
    await page.locator('.graphiql-tab', { hasText: 'WhoAmI' }).locator('.graphiql-tab-button').click();
    await page.click('button:text-is("Headers")');
    await headersEditor().click();
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.insertText(JSON.stringify({ Authorization: `Bearer ${token}`, 'X-Organization-Id': 'globex' }));
    return token;
  };
  const headersEditor = () => page.locator('.graphiql-editor-tool .monaco-editor').last();
  const open = async () => {
    await page.goto(`${server.url}/graphiql?organization=acme`);
    await standing('Ann Archer is OWNER here.');
    await page.waitForSelector('.graphiql-execute-button');
  };
  const showHistory = async () => {
    await page.waitForSelector('.graphiql-execute-button');
    const show = page.locator('button[aria-label="Show History"]');
    if (await show.isVisible()) await show.click();
    await page.locator('.graphiql-history').waitFor();
  };
  /** All that the browser keeps of this page. */
  const kept = () => page.evaluate<string>('JSON.stringify([{ ...localStorage }, { ...sessionStorage }])');
  const choose = (label: string, value: string) => page.selectOption(`select[aria-label=${label}]`, value);

  test.each(['/', '/graphiql'])('%s is signed in, under a strict policy', async (path) => {
    const response = await page.goto(`${server.url}${path}`);
    const policy = response?.headers()['content-security-policy'] ?? '';
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain('unsafe-eval');
    await page.waitForSelector('.graphiql-execute-button');
    await standing('Ann Archer is OWNER here.');
  });

  test('its editor turns dark and light with the system', async () => {
    for (const [colorScheme, theme] of [
      ['dark', 'vs-dark'],
      ['light', 'vs'],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      await page.locator(`.graphiql-query-editor .monaco-editor.${theme}`).first().waitFor({ timeout: 10_000 });
    }
  });

  test('it fits at 360 pixels', async () => {
    await page.setViewportSize({ width: 360, height: 760 });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    for (const part of ['.graphiql-query-editor', '.graphiql-response']) {
      const { width = 0 } = (await page.locator(part).boundingBox()) ?? {};
      expect([part, width > 240]).toEqual([part, true]);
    }
    await page.setViewportSize({ width: 1400, height: 850 });
  });

  test('what the tabs hold stands there whole, without scrolling, at 1280 pixels', () => {
    const known = { ...NOTHING_KNOWN, agent: 'agt_01k3m40309ec6p3083egp82fk4' };
    const lines = samples(known, server.url).flatMap(({ query }) => query.split('\n'));
    expect(lines.filter((line) => line.length > 50)).toEqual([]);
  });

  test('the first tab says who is asking, and another organization answers after a switch', async () => {
    await run();
    await answer('"slug": "acme"');
    await answer('"role": "OWNER"');
    await choose('Organization', 'globex');
    await answer('"role": "VIEWER"');
    await answer('"name": "Globex"');
  });

  test('another person sees what is theirs', async () => {
    await choose('Person', 'bob@globex.example');
    await answer('"name": "Bob Baker"');
    await standing('Bob Baker is OWNER here.');
    await choose('Person', 'sam@orgate.example');
    await standing('Sam Summers belongs to no organization.');
  });

  test('samples stand in tabs, and docs, history and explorer open', async () => {
    expect(await page.locator('.graphiql-tab').count()).toBeGreaterThanOrEqual(4);
    for (const [label, text] of [
      ['Documentation Explorer', 'Docs'],
      ['History', 'History'],
      ['GraphiQL Explorer', 'Explorer'],
    ] as const) {
      await page.click(`button[aria-label*="${label}"]`);
      await page.locator('.graphiql-plugin', { hasText: text }).waitFor();
    }
  });

  test('every tab that asks names its own operation, and so does StartRun, which runs as it stands', async () => {
    const sent: Sent[] = [];
    const note = (request: Request) => {
      if (request.url().endsWith('/graphql')) sent.push(request.postDataJSON() as Sent);
    };
    page.on('request', note);
    await choose('Person', 'ann@acme.example');
    await standing('Ann Archer is');
    await choose('Organization', 'acme');
    await standing('Ann Archer is OWNER here.');
    const tabs = page.locator('.graphiql-tab');
    const asks = samples(NOTHING_KNOWN, server.url).map(({ query }) => operationsOf(query)[0]);
    expect(await tabs.count()).toBe(asks.length);
    /** At once: the editor would still name the operation of the tab before. */
    const runTab = async (index: number) => {
      const name = asks[index]?.name?.value;
      const isOwn = (request: Request) =>
        request.url().endsWith('/graphql') && namesOf((request.postDataJSON() as Sent).query).includes(name);
      const asked = page.waitForRequest(isOwn);
      await tabs.nth(index).locator('.graphiql-tab-button').click();
      await page.click('.graphiql-execute-button');
      await asked;
    };
    for (const [index, operation] of asks.entries()) {
      const isStartRun = operation?.name?.value === 'StartRun';
      // What other tabs would change is what the samples after this are about.
      if (operation?.operation === 'query' || isStartRun) await runTab(index);
      if (isStartRun) await answer('"status": "QUEUED"');
    }
    for (const index of [0, 3, 1, 0]) await runTab(index);
    await answer('"organizationSource"');
    page.off('request', note);
    // A name that is none of the query's own is not sent; the only operation runs without one.
    for (const { query, operationName = null } of sent) expect([null, ...namesOf(query)]).toContain(operationName);
    expect(sent.length).toBeGreaterThan(8);
  });

  const choosePerson = async (email: string, name: string) => {
    await choose('Person', email);
    await standing(name);
  };
  const runSample = async (name: string) => {
    await page.locator('.graphiql-tab-button', { hasText: new RegExp(`^${name}$`) }).click();
    await page.locator('.graphiql-query-editor .view-line', { hasText: name }).first().waitFor();
    await page.click('.graphiql-execute-button');
  };
  /** As Ann in acme, beside the page. */
  const asAnn = async (query: string) => {
    const json = { 'content-type': 'application/json' };
    const ask = async (path: string, body: object, headers = {}) =>
      (
        await fetch(`${server.url}${path}`, {
          method: 'POST',
          headers: { ...json, ...headers },
          body: JSON.stringify(body),
        })
      ).json();
    const { token } = (await ask('/dev/token', { email: 'ann@acme.example' })) as { token: string };
    const headers = { authorization: `Bearer ${token}`, 'x-organization-id': 'acme' };
    return (await ask('/graphql', { query }, headers)) as { data: Record<string, unknown>; errors?: unknown };
  };

  test('the samples of limits, claims and live updates are walked through', async () => {
    await runSample('Limits');
    await answer('"usageAlerts"');
    await runSample('SetLimits');
    await answer('"limitMicros": 0');
    await runSample('StartRun');
    await answer('BUDGET_EXCEEDED');
    const unlimited = 'mutation { setCostLimits(input: { monthlyLimitMicros: null }) { hardStopAtLimit } }';
    expect((await asAnn(unlimited)).errors).toBeUndefined();
    await runSample('StartRun');
    await answer('"status": "QUEUED"');
    // What comes before its head did is not told.
    const opened = page.waitForResponse(
      (response) => response.headers()['content-type']?.startsWith('text/event-stream') ?? false,
    );
    await runSample('RunUpdates');
    await opened;
    await page.locator('.graphiql-execute-button[aria-label*="Stop"]').waitFor();
    // As in another window.
    const started = 'mutation { claimRuns(input: { leaseSeconds: 600 }) { runs { runId } } }';
    expect((await asAnn(started)).errors).toBeUndefined();
    await answer('"status": "RUNNING"');
    await page.click('.graphiql-execute-button');
    await runSample('StartRun');
    await answer('"status": "QUEUED"');
    await runSample('Claim');
    await answer('"token": "og_run_');
    await choosePerson('sam@orgate.example', 'Sam Summers');
    await runSample('Executors');
    await answer('"lastFour"');
    await choosePerson('ann@acme.example', 'Ann Archer');
    await choose('Organization', 'acme');
    await standing('Ann Archer is OWNER here.');
  });

  test.each([
    ['Siblings', '"siblings"'],
    ['CompareOrganizations', '"differences"'],
    ['PromoteSettings', '"changes"'],
    ['Accounts', '"environment"'],
    ['Decide', '"decisions"'],
    ['Read', '"readAt"'],
  ])('the sample %s runs as it stands, in acme, for its OWNER', async (name, text) => {
    await runSample(name);
    await answer(text);
    const shown = await page.locator('.graphiql-response').innerText();
    expect(shown).not.toContain('"errors"');
    const folder = process.env['SHOTS'];
    if (folder) await page.screenshot({ path: `${folder}/${name}.png` });
  });

  test('what stands under Headers goes before who and what is chosen above', async () => {
    await open();
    await typeToken();
    await run();
    await answer('"name": "Bob Baker"');
    await standing('Ann Archer is OWNER here.');
  });

  test('what is typed under Headers is kept nowhere', async () => {
    await open();
    const token = await typeToken();
    await run();
    await answer('"name": "Bob Baker"');
    await showHistory();
    await page.locator('button[aria-label="Add favorite"]').first().click();
    await page.locator('button[aria-label="Remove favorite"]').first().waitFor();
    // Tabs are written half a second after they change.
    await page.waitForTimeout(1_000);
    const values = await kept();
    for (const list of ['tabState', 'queries', 'favorites']) expect(values).toContain(`"graphiql:${list}"`);
    expect(values).not.toContain(token);
  });

  test.each<[string, () => Promise<unknown>, string]>([
    ['another organization', () => choose('Organization', 'globex'), 'Ann Archer is VIEWER here.'],
    ['another person', () => choose('Person', 'vic@acme.example'), 'Vic Vance is VIEWER here.'],
    ['a reload', () => page.reload(), 'Ann Archer is OWNER here.'],
  ])('what is typed under Headers is gone after %s, from the history, too', async (_, turn, status) => {
    await open();
    const token = await typeToken();
    const sent: string[] = [];
    page.on('request', (request) => sent.push(request.headers()['authorization'] ?? ''));
    await run();
    await answer('"name": "Bob Baker"');
    expect(sent).toContain(`Bearer ${token}`);
    expect(await headersEditor().innerText()).toContain('Bearer');
    sent.length = 0;
    await turn();
    await standing(status);
    await page.click('button:text-is("Headers")');
    expect(await headersEditor().innerText()).not.toContain('Bearer');
    await run();
    await answer('"viewer"');
    await showHistory();
    const items = await page.locator('.graphiql-history-item-label', { hasText: 'WhoAmI' }).all();
    expect(items).not.toEqual([]);
    for (const item of items) {
      await item.click();
      expect(await headersEditor().innerText()).not.toContain('Bearer');
    }
    await run();
    await answer('"viewer"');
    expect(sent).not.toEqual([]);
    expect(sent).not.toContain(`Bearer ${token}`);
  });

  test('headers that an older version kept are forgotten, and what was asked stays', async () => {
    await page.goto(`${server.url}/auth`);
    const request = { query: '{ viewer { id } }', variables: '{"headers":"stay"}', headers: 'og_run_forgotten' };
    const tab = { ...request, id: 'old', title: 'old', operationName: null, response: null };
    const lists = {
      headers: request.headers,
      tabState: JSON.stringify({ activeTabIndex: 0, tabs: [tab] }),
      queries: JSON.stringify({ queries: [request] }),
      favorites: JSON.stringify({ favorites: [{ ...request, favorite: true }] }),
    };
    for (const [key, value] of Object.entries(lists))
      await page.evaluate(`localStorage.setItem('graphiql:${key}', ${JSON.stringify(value)})`);
    expect(await kept()).toContain('og_run_forgotten');
    await open();
    expect(await kept()).not.toContain('og_run_forgotten');
    for (const list of ['tabState', 'queries', 'favorites'])
      expect(await page.evaluate(`localStorage.getItem('graphiql:${list}')`)).toContain('stay');
  });

  test('no request left the machine, and the console shows no error', () => {
    expect(troubles).toEqual([]);
  });
});
