import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { openRegistry } from '../../../src/identity/registry.js';
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
import { byTest } from '../../support/act.js';

let idp: OidcIdentityProvider;
let server: TestServer;
type Meanwhile = () => Promise<unknown>;
const nothing: Meanwhile = async () => undefined;
/** Runs at the last moment: everything was checked, and the session is not there yet. */
let beforeSession = nothing;
/** Runs once the provider has said who someone is, whom nothing here knows yet. */
let beforeAdmitting = nothing;
beforeAll(async () => {
  idp = await startOidcIdentityProvider();
  server = await startServer({
    wrap: (database) => ({
      ...database,
      outside: withOutside(
        withOutside(database.outside, openSessions, (sessions) => ({
          ...sessions,
          start: async (session) => {
            await beforeSession();
            return sessions.start(session);
          },
        })),
        openRegistry,
        (directory) => ({
          ...directory,
          findPerson: async (...asked) => {
            const found = await directory.findPerson(...asked);
            if (!found) await beforeAdmitting();
            return found;
          },
        }),
      ),
    }),
  });
});
afterAll(async () => {
  await server.close();
  await idp.close();
});

beforeEach(() => {
  [beforeSession, beforeAdmitting] = [nothing, nothing];
});

const CREATE = 'mutation ($input: CreateOidcProviderInput!) { createOidcProvider(input: $input) { id } }';
const DISABLE = `mutation ($id: ID!) { updateIdentityProvider(input: { id: $id, status: DISABLED }) { status } }`;

/** An organization with a provider that knows somebody new. */
async function given() {
  const acme = await givenOrganization(server);
  const { id, slug, owner } = acme;
  await server.database.organizationDb(id, byTest).address.create({ name: `${slug}.example`, kind: 'DOMAIN' });
  const input = { name: 'Corporate', issuer: idp.issuer, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET };
  const providerId = (await owner(CREATE, { input })).data.createOidcProvider.id as string;
  const email = `${unique('jane')}@${slug}.example`;
  idp.account = { sub: unique('jane'), email, email_verified: true };
  const start = `${server.url.replace('127.0.0.1', 'localhost')}/auth/${slug}`;
  const switchOff = async () => owner(DISABLE, { id: providerId });
  return { id, email, start, providerId, switchOff };
}

test('a provider that is switched off at the very moment of a sign-in leaves no session behind', async () => {
  const { start, providerId, switchOff } = await given();
  beforeSession = switchOff;
  const browser = new Browser();
  expect((await browser.visit(start)).status).toBe(404);
  expect(browser.cookie(start, '__Host-orgate')).toBeUndefined();
  const { rows } = await server.database.pool.queryAsLoginRole('select ended_at from session where provider = $1', [
    providerId,
  ]);
  expect(rows).toEqual([{ ended_at: expect.anything() }]);
});

test('and one that was switched off while it answered makes nobody a member', async () => {
  const { id, email, start, switchOff } = await given();
  beforeAdmitting = switchOff;
  const browser = new Browser();
  expect((await browser.visit(start)).status).toBe(404);
  expect(browser.cookie(start, '__Host-orgate')).toBeUndefined();
  expect(await server.database.organizationDb(id, byTest).membership.find({ email })).toBeNull();
});
