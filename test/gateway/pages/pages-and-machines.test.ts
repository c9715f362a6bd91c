import { expect, test } from '@jest/globals';
import { givenOrganization, personId, unique } from '../../support/given.js';
import { raw } from '../../support/raw.js';
import { startServer, useServer } from '../../support/server.js';
import { givenBrowser } from '../../support/sessions.js';

const PROVIDERS = [{ id: 'first', name: 'First', kind: 'OIDC', issuer: 'https://id.example', clientId: 'orgate' }];
const server = useServer({
  env: {
    PRODUCT_NAME: 'Acme <Console>',
    SIGN_IN_PROVIDERS: JSON.stringify(PROVIDERS),
    ORGANIZATION_CREATION: 'anyone',
  },
});

/** What browsers send when somebody goes somewhere. */
const BROWSER = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };
const visit = (path: string, headers = {}) => raw(`${server.url}${path}`, { headers: { ...BROWSER, ...headers } });

test('/ is a page for people, by the product’s name, that leads to the sign-in', async () => {
  const { status, text, headers } = await visit('/');
  expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
  expect(text).toContain('<title>Acme &lt;Console&gt;</title>');
  expect(text).toContain('href="/auth"');
  expect(headers['content-security-policy']).toMatch(
    /^default-src 'none'; style-src 'sha256-[^']+'; img-src 'self'; form-action 'self'/,
  );
});

test('/ says who is signed in, and leads on', async () => {
  const { owner } = await givenOrganization(server);
  const { header } = await givenBrowser(server, await personId(owner));
  const { text } = await visit('/', header);
  expect(text).toContain(owner.email);
  expect(text).toContain('href="/auth/organizations"');
});

test('/ offers no sign-in where there is none', async () => {
  const closed = await startServer({ env: { HOST: '0.0.0.0' } });
  try {
    expect((await raw(`${closed.url.replace('0.0.0.0', '127.0.0.1')}/`, { headers: BROWSER })).text).not.toContain(
      '/auth',
    );
  } finally {
    await closed.close();
  }
});

test.each(['/', '/nothing'])('%s is JSON for machines, as before: NOT_FOUND', async (path) => {
  for (const accept of ['*/*', 'application/json']) {
    const { status, text } = await visit(path, { accept });
    expect([status, JSON.parse(text)]).toMatchObject([404, { errors: [{ extensions: { code: 'NOT_FOUND' } }] }]);
  }
});

test('what is not there is a page for people, with the id of the request, which repeats nothing of the path', async () => {
  const { status, text, headers } = await visit('/noth1ng?here=<b>');
  expect([status, headers['content-type']]).toEqual([404, 'text/html; charset=utf-8']);
  expect(text).toContain('There is nothing here');
  expect(text).toContain(headers['x-request-id']);
  expect(text).not.toMatch(/noth1ng|<b>/);
});

test('who asks too often is told on a page when to try again', async () => {
  const strict = await startServer({ env: { RATE_LIMIT_SIGN_IN: '1' } });
  try {
    const ask = (accept: string) => raw(`${strict.url}/auth/nobody`, { headers: { accept } });
    await ask(BROWSER.accept);
    const [person, machine] = [await ask(BROWSER.accept), await ask('*/*')];
    expect([person.status, person.text]).toEqual([429, expect.stringMatching(/Try again in \d+ seconds?\./)]);
    expect(person.headers['retry-after']).toMatch(/^\d+$/);
    expect([machine.status, JSON.parse(machine.text)]).toMatchObject([
      429,
      { errors: [{ extensions: { code: 'RATE_LIMITED' } }] },
    ]);
  } finally {
    await strict.close();
  }
});

test('there is a picture beside the name, which browsers may keep', async () => {
  for (const path of ['/favicon.svg', '/favicon.ico']) {
    const { status, headers } = await raw(`${server.url}${path}`, {});
    expect([status, headers['content-type']]).toEqual([200, 'image/svg+xml']);
    expect(headers['cache-control']).toContain('max-age');
  }
});

test('who signed in and came for nothing else goes to the product; who came for an invitation, straight there', async () => {
  const productUrl = 'https://app.example/start?from=orgate';
  const own = await startServer({ env: { PRODUCT_URL: productUrl } });
  try {
    const acme = await givenOrganization(own);
    const { header } = await givenBrowser(own, await personId(acme.owner));
    const { header: newcomer } = await givenBrowser(own, await personId(await own.as(`${unique('new')}@new.example`)));
    const follow = (headers: Record<string, string>, returnTo?: string) =>
      raw(
        `${own.url.replace('127.0.0.1', 'localhost')}/auth/organizations${returnTo ? `?return_to=${encodeURIComponent(returnTo)}` : ''}`,
        { headers },
      );
    expect((await follow(header)).headers.location).toBe(`${productUrl}&organization=${acme.slug}`);
    expect((await follow(header, 'https://app.example/x')).headers.location).toBe(
      `https://app.example/x?organization=${acme.slug}`,
    );
    expect((await follow(header, 'https://app.example.evil.example/')).status).toBe(400);
    const none = await follow(newcomer);
    expect([none.status, none.text]).toEqual([
      200,
      expect.stringContaining('href="https://app.example/start?from=orgate"'),
    ]);
    for (const headers of [header, newcomer]) {
      expect((await follow(headers, '/invitations/x')).headers.location).toMatch(
        /^http:\/\/localhost:\d+\/invitations\/x$/,
      );
    }
  } finally {
    await own.close();
  }
});
