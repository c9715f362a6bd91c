import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Browser } from '../../support/browser.js';
import { givenOrganization, unique } from '../../support/given.js';
import {
  CLIENT_ID,
  CLIENT_SECRET,
  type OidcIdentityProvider,
  startOidcIdentityProvider,
} from '../../support/oidc-identity-provider.js';
import { givenDirectory } from '../../support/scim.js';
import { useServer } from '../../support/server.js';

const server = useServer();
let idp: OidcIdentityProvider;
beforeAll(async () => {
  idp = await startOidcIdentityProvider();
});
afterAll(() => idp.close());

const home = () => server.url.replace('127.0.0.1', 'localhost');
const WHO = '{ viewer { role user { email name } memberships { nodes { role } } } }';

test('whom a directory made signs in through the organization’s provider, as it made them; until it ends them', async () => {
  const acme = await givenOrganization(server);
  const directory = await givenDirectory(server, acme);
  const email = `${unique('jane')}@${directory.domain}`;
  const { body: jane } = await directory('POST', '/Users', { userName: email, displayName: 'Jane Directory' });
  const group = await directory('POST', '/Groups', { displayName: 'Admins', members: [{ value: jane.id }] });
  await acme.owner('mutation ($input: SetScimGroupRoleInput!) { setScimGroupRole(input: $input) { role } }', {
    input: { groupId: group.body.id, role: 'ADMIN' },
  });
  const provider = await acme.owner(
    'mutation ($input: CreateOidcProviderInput!) { createOidcProvider(input: $input) { id } }',
    { input: { name: 'Corporate', issuer: idp.issuer, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET } },
  );
  expect(provider.errors).toEqual([]);

  idp.account = { sub: unique('subject'), email, email_verified: true, name: 'Jane Provider' };
  const browser = new Browser();
  const ask = () =>
    server.post(JSON.stringify({ query: WHO }), {
      cookie: `__Host-orgate=${browser.cookie(home(), '__Host-orgate') ?? ''}`,
      origin: home(),
    });
  expect((await browser.visit(`${home()}/auth/${acme.slug}`)).status).toBe(200);
  expect((await ask()).data.viewer).toMatchObject({
    role: 'ADMIN',
    user: { email },
    memberships: { nodes: [{ role: 'ADMIN' }] },
  });

  const Operations = [{ op: 'Replace', path: 'active', value: false }];
  await directory('PATCH', `/Users/${jane.id}`, { Operations });
  expect((await ask()).errors[0]?.extensions['code']).toBe('UNAUTHENTICATED');
  const again = await browser.visit(`${home()}/auth/${acme.slug}`);
  expect(again.text).toContain('Not signed in');
});
