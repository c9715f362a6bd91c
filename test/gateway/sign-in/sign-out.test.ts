import { expect, test } from '@jest/globals';
import { givenOrganization, personId } from '../../support/given.js';
import { raw } from '../../support/raw.js';
import { startServer, useServer } from '../../support/server.js';
import { givenBrowser, ownOrigin } from '../../support/sessions.js';

const server = useServer({ env: { GRAPHIQL: 'false' } });

const PEOPLE = { accept: 'text/html', 'content-type': 'application/x-www-form-urlencoded' };
const leave = (headers: Record<string, string>) =>
  raw(`${ownOrigin(server)}/auth/sign-out`, { method: 'POST', headers: { ...PEOPLE, ...headers } });
const FORM = '<form method="post" action="/auth/sign-out">';

async function givenSignedIn() {
  const { owner } = await givenOrganization(server);
  const browser = await givenBrowser(server, await personId(owner));
  return { browser, own: { ...browser.header, origin: ownOrigin(server) } };
}

test('each page that says who is signed in has the way out', async () => {
  const { browser } = await givenSignedIn();
  for (const path of ['/', '/auth/organizations']) {
    const page = await raw(`${ownOrigin(server)}${path}`, { headers: { ...browser.header, accept: 'text/html' } });
    expect([path, page.text]).toEqual([path, expect.stringContaining(FORM)]);
  }
  expect((await raw(`${ownOrigin(server)}/`, { headers: { accept: 'text/html' } })).text).not.toContain(FORM);
});

test('whoever takes it is signed out in this browser and in no other, and forgets the cookie', async () => {
  const { owner } = await givenOrganization(server);
  const [here, there] = [
    await givenBrowser(server, await personId(owner)),
    await givenBrowser(server, await personId(owner)),
  ];
  const out = await leave({ ...here.header, origin: ownOrigin(server) });
  expect([out.status, out.text]).toEqual([200, expect.stringContaining('You are signed out')]);
  expect(String(out.headers['set-cookie'])).toMatch(/__Host-orgate=;.*(Max-Age=0|Expires=Thu, 01 Jan 1970)/);
  expect((await here('{ viewer { role } }')).text).toContain('UNAUTHENTICATED');
  expect((await there('{ viewer { user { email } } }')).data).toEqual({ viewer: { user: { email: owner.email } } });
});

test('once more, or by nobody, says the same', async () => {
  const { own } = await givenSignedIn();
  const [once, twice, nobody] = [await leave(own), await leave(own), await leave({ origin: ownOrigin(server) })];
  expect([twice.status, nobody.status]).toEqual([200, 200]);
  expect([twice.text, nobody.text]).toEqual([once.text, once.text]);
});

test('a page of another site signs nobody out', async () => {
  const { browser } = await givenSignedIn();
  const { status } = await leave({ ...browser.header, origin: 'https://evil.example' });
  expect(status).toBe(403);
  expect((await browser('{ viewer { user { email } } }')).data.viewer?.user).not.toBeNull();
});

test('whoever signed in too often still gets out', async () => {
  const strict = await startServer({ env: { RATE_LIMIT_SIGN_IN: '1' } });
  try {
    const ask = (path: string, method: string) =>
      raw(`${ownOrigin(strict)}${path}`, { method, headers: { ...PEOPLE, origin: ownOrigin(strict) } });
    const statuses: number[] = [];
    for (let times = 0; times < 3; times += 1) statuses.push((await ask('/auth/sign-out', 'POST')).status);
    expect(statuses).toEqual([200, 200, 200]);
    await ask('/auth', 'GET');
    expect((await ask('/auth', 'GET')).status).toBe(429);
  } finally {
    await strict.close();
  }
});
