import { expect, test } from '@jest/globals';
import { Browser, type Visited } from '../../support/browser.js';
import { givenMember, givenOrganization, unique } from '../../support/given.js';
import { raw } from '../../support/raw.js';
import { useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

const server = useServer({ env: { RATE_LIMIT_SIGN_IN: 'off' } });

const home = () => server.url.replace('127.0.0.1', 'localhost');

/** Chooses who to be, on the page of the demo provider. */
async function choose(browser: Browser, start: string, form: Record<string, string>): Promise<Visited> {
  const page = await browser.visit(start);
  expect(page.text).toContain('Who are you today?');
  return browser.visit(page.url, { method: 'POST', form, from: page.url });
}
const ask = async (browser: Browser, query: string) => {
  const cookie = `__Host-orgate=${browser.cookie(home(), '__Host-orgate') ?? ''}`;
  return (await server.post(JSON.stringify({ query }), { cookie, origin: home() })).data;
};
const WHO = '{ viewer { user { email name } role memberships { totalCount } } }';

test('a newcomer signs in as anyone of the demo world', async () => {
  for (const [email, name] of [
    ['bob@globex.example', 'Bob'],
    ['ina@initech.example', 'Ina'],
  ] as const) {
    const browser = new Browser();
    const page = await choose(browser, `${home()}/auth`, { email });
    expect([page.status, page.url]).toEqual([200, `${home()}/auth/organizations`]);
    expect((await ask(browser, WHO)).viewer.user).toEqual({ email, name });
  }
});

test('as someone whose address was not verified nobody signs in', async () => {
  const form = { email: `${unique('eve')}@anywhere.example`, unverified: 'on' };
  const page = await choose(new Browser(), `${home()}/auth`, form);
  expect([page.status, page.text.includes('was verified')]).toEqual([403, true]);
});

test('an organization takes it as its own provider', async () => {
  const acme = await givenOrganization(server);
  const domain = `${acme.slug}.example`;
  await server.database.organizationDb(acme.id, byTest).address.create({ name: domain, kind: 'DOMAIN' });
  const CREATE = 'mutation ($input: CreateOidcProviderInput!) { createOidcProvider(input: $input) { startUrl } }';
  const { data } = await acme.owner(CREATE, {
    input: { name: 'Ours', issuer: `${home()}/dev/idp`, clientId: 'orgate', defaultRole: 'DEVELOPER' },
  });
  const email = `${unique('jane')}@${domain}`;
  await givenMember(server, await givenOrganization(server, 'globex'), 'OWNER', { email });
  const browser = new Browser();
  await choose(browser, data.createOidcProvider.startUrl, { email });
  expect((await ask(browser, WHO)).viewer).toMatchObject({ role: 'DEVELOPER', memberships: { totalCount: 1 } });
});

test('whoever comes to another name of this machine is led to the one that works', async () => {
  const { next } = await new Browser().send(`${server.url}/auth?return_to=%2Fgraphiql`);
  expect(next).toBe(`${home()}/auth?return_to=%2Fgraphiql`);
});

test('it answers to no other name', async () => {
  for (const path of ['/dev/idp/.well-known/openid-configuration', '/dev/idp/interaction/x', '/dev/idp/auth']) {
    expect((await raw(server.url + path, { headers: { host: 'orgate.example' } })).status).toBe(404);
  }
});

test('it sends nobody anywhere but back to this gateway', async () => {
  const ask = new URLSearchParams({
    client_id: 'orgate',
    response_type: 'code',
    scope: 'openid',
    redirect_uri: 'https://evil.example/auth/oidc/x/callback',
    code_challenge: 'x'.repeat(43),
    code_challenge_method: 'S256',
  });
  const { status, next } = await new Browser().send(`${home()}/dev/idp/auth?${ask.toString()}`);
  expect([status, next]).toEqual([400, null]);
});
