import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openSessions } from '../../../src/identity/sessions.js';
import { Browser } from '../../support/browser.js';
import { givenOrganization, unique } from '../../support/given.js';
import {
  CLIENT_ID,
  CLIENT_SECRET,
  type OidcIdentityProvider,
  startOidcIdentityProvider,
} from '../../support/oidc-identity-provider.js';
import { withOutside } from '../../support/outside.js';
import { startServer, type TestServer } from '../../support/server.js';

let idp: OidcIdentityProvider;
let server: TestServer;
/** Runs at the last moment: everything was checked, and the session is not there yet. */
let meanwhile: () => Promise<unknown> = async () => undefined;
beforeAll(async () => {
  idp = await startOidcIdentityProvider();
  server = await startServer({
    wrap: (database) => ({
      ...database,
      outside: withOutside(database.outside, openSessions, (sessions) => ({
        ...sessions,
        start: async (session) => {
          await meanwhile();
          return sessions.start(session);
        },
      })),
    }),
  });
}, 60_000);
afterAll(async () => {
  await server.close();
  await idp.close();
});

test('a provider that is switched off at the very moment of a sign-in leaves no session behind', async () => {
  const { id, slug, owner } = await givenOrganization(server);
  await server.database.organizationDb(id).address.create({ name: `${slug}.example`, kind: 'DOMAIN' });
  const input = { name: 'Corporate', issuer: idp.issuer, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET };
  const CREATE = 'mutation ($input: CreateOidcProviderInput!) { createOidcProvider(input: $input) { id } }';
  const providerId = (await owner(CREATE, { input })).data.createOidcProvider.id as string;
  idp.account = { sub: unique('jane'), email: `${unique('jane')}@${slug}.example`, email_verified: true };

  const UPDATE = 'mutation ($input: UpdateIdentityProviderInput!) { updateIdentityProvider(input: $input) { status } }';
  meanwhile = async () => owner(UPDATE, { input: { id: providerId, status: 'DISABLED' } });
  const browser = new Browser();
  const start = `${server.url.replace('127.0.0.1', 'localhost')}/auth/${slug}`;
  expect((await browser.visit(start)).status).toBe(404);
  expect(browser.cookie(start, '__Host-orgate')).toBeUndefined();
  const { rows } = await server.database.pool.queryAsLoginRole('select ended_at from session where provider = $1', [
    providerId,
  ]);
  expect(rows).toEqual([{ ended_at: expect.anything() }]);
});
