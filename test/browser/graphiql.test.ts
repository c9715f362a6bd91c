import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../support/chromium.js';
import { samples } from '../../src/gateway/pages/graphiql/samples.js';
import { newDirectory, type Process, start } from '../support/process.js';

jest.setTimeout(120_000);

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
  }, 120_000);
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
  const choose = (label: string, value: string) => page.selectOption(`select[aria-label=${label}]`, value);

  test.each(['/', '/graphiql'])('%s is signed in, under a strict policy', async (path) => {
    const response = await page.goto(`${server.url}${path}`);
    const policy = response?.headers()['content-security-policy'] ?? '';
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain('unsafe-eval');
    await page.waitForSelector('.graphiql-execute-button');
    await standing('Ann Archer is OWNER here.');
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
    const lines = samples('agt_01k3m40309ec6p3083egp82fk4').flatMap(({ query }) => query.split('\n'));
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

  test('every tab names its own operation, and StartRun runs as it stands', async () => {
    const sent: { query: string; operationName?: string | null }[] = [];
    page.on('request', (request) => {
      if (request.url().endsWith('/graphql')) sent.push(request.postDataJSON() as { query: string });
    });
    await choose('Person', 'ann@acme.example');
    await standing('Ann Archer is');
    await choose('Organization', 'acme');
    await standing('Ann Archer is OWNER here.');
    const tabs = page.locator('.graphiql-tab');
    for (const index of [0, 1, 2, 3, 4]) {
      await tabs.nth(index).locator('.graphiql-tab-button').click();
      await page.click('.graphiql-execute-button');
    }
    await answer('"status": "QUEUED"');
    // Straight back: the editor would still name the operation of the tab before.
    for (const index of [0, 3, 1, 0]) {
      await tabs.nth(index).locator('.graphiql-tab-button').click();
      await page.click('.graphiql-execute-button');
    }
    await answer('"organizationSource"');
    for (const { query, operationName } of sent) if (operationName) expect(query).toContain(operationName);
    expect(sent.length).toBeGreaterThan(8);
  });

  test('no request left the machine, and the console shows no error', () => {
    expect(troubles).toEqual([]);
  });
});
