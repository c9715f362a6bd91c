import { expect, test } from '@jest/globals';
import { newId } from '../../src/data/id.js';
import {
  provisionFromProvider,
  type AssertingProvider,
} from '../../src/domains/identity-provider/provision-from-provider.js';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { givenHeldDomain, givenOrganization, givenProvider, personId, unique } from '../support/given.js';
import { givenDirectory } from '../support/scim.js';
import { useServer } from '../support/server.js';
import { givenBrowser } from '../support/sessions.js';

/** What an organization learns of a person who is elsewhere too: what was said of them in it, and nothing else. */
const server = useServer();
const { catalogue } = createContract();

const ELSEWHERE = 'Jane Elsewhere';
const WHO = '{ viewer { user { id name email } } }';
const NAMES = '{ members { nodes { user { name email } } } }';
const JOINERS = '{ joinRequests { nodes { user { name email } } } }';

/** Someone who signed in to the deployment under a name of their own. */
async function givenElsewhere(email: string): Promise<string> {
  const claims = { sub: email, email, email_verified: true, name: ELSEWHERE };
  const client = server.withToken(await server.issuer.sign(claims));
  const { id, name } = (await client(WHO)).data.viewer.user;
  expect(name).toBe(ELSEWHERE);
  return id as string;
}

const signIn = (provider: AssertingProvider, verifiedEmail: string, name: string | null) =>
  provisionFromProvider(
    { ...server.database, catalogue },
    provider,
    { subject: newId('sub'), verifiedEmail, name },
    {},
  );

test('ids of persons MUST tell nothing of when they were made', async () => {
  const ids = [];
  for (let index = 0; index < 20; index += 1) ids.push(await givenElsewhere(`${unique('jane')}@elsewhere.example`));
  const uuids = ids.map((id) => BigInt(parseInt(id.slice(4, 14), 32)));
  // Made in a row, ids that begin with a time begin alike.
  expect(new Set(uuids.map((bits) => bits >> 20n)).size).toBeGreaterThan(15);
  expect(ids).not.toEqual(ids.toSorted());
  const acme = await givenOrganization(server);
  const invite =
    'mutation ($email: String!) { inviteUser(input: { email: $email, name: "x", role: VIEWER }) { user { id } } }';
  const places = [];
  for (let index = 0; index < 5; index += 1) {
    places.push((await acme.admin(invite, { email: `${unique('y')}@y.example` })).data.inviteUser.user.id as string);
  }
  expect(new Set(places.map((id) => id.slice(4, 8))).size).toBeGreaterThan(3);
  for (const id of [...ids, ...places]) expect(id).toMatch(/^usr_[0-9a-v]{26}$/);
});

test("an organization's provider MUST be the one that names its members, and no other organization's", async () => {
  const acme = await givenOrganization(server);
  const { name: domain } = await givenHeldDomain(server, acme);
  const [known, fresh, silent] = ['known', 'fresh', 'silent'].map((name) => `${unique(name)}@${domain}`) as [
    string,
    string,
    string,
  ];
  await givenElsewhere(known);
  await signIn(await givenProvider(server, acme), known, 'Jane of Acme');
  await signIn(await givenProvider(server, acme), fresh, 'Fresh of Acme');
  await givenElsewhere(silent);
  await signIn(await givenProvider(server, acme), silent, null);
  const { text } = await acme.viewer(NAMES);
  expect(text).toContain('Jane of Acme');
  expect(text).toContain('Fresh of Acme');
  expect(text).toContain(`"name":"${silent.split('@')[0]}"`);
  expect(text).not.toContain(ELSEWHERE);
  // What acme's provider said is acme's own: the person is called something else where they join by themselves.
  const person = await server.database.pool.queryAsLoginRole('select name from person where email = $1', [fresh]);
  expect(person.rows[0]?.['name']).toBe(fresh.split('@')[0]);
});

test('a directory MUST neither name a person elsewhere, nor learn what they are called there', async () => {
  const acme = await givenOrganization(server);
  const entra = await givenDirectory(server, acme);
  const [known, fresh] = [`${unique('known')}@${entra.domain}`, `${unique('fresh')}@${entra.domain}`];
  await givenElsewhere(known);
  for (const userName of [known, fresh]) await entra('POST', '/Users', { userName, displayName: 'Jo of Acme' });
  expect((await acme.viewer(NAMES)).text).not.toContain(ELSEWHERE);
  const client = await server.as(fresh);
  expect((await client(WHO)).data.viewer.user.name).not.toBe('Jo of Acme');
  // Whoever then signs in to the deployment as a whole is called what that says.
  const another = `${unique('another')}@${entra.domain}`;
  await entra('POST', '/Users', { userName: another, displayName: 'Jo of Acme' });
  await givenElsewhere(another);
});

test("whom an organization's provider signed in MUST be shown to it as the organization knows them", async () => {
  const acme = await givenOrganization(server);
  const { name: domain } = await givenHeldDomain(server, acme);
  const email = `${unique('jane')}@${domain}`;
  const id = await givenElsewhere(email);
  await signIn(await givenProvider(server, acme), email, 'Jane of Acme');
  const browser = await givenBrowser(server, id, { boundOrgId: acme.id });
  for (const query of [WHO, `mutation { switchOrganization(organizationId: "${acme.id}") { user { name } } }`]) {
    const { text } = await browser(query);
    expect(text).toContain('Jane of Acme');
    expect(text).not.toContain(ELSEWHERE);
  }
  const page = await fetch(`${server.url}/auth/organizations`, { headers: browser.header });
  expect(await page.text()).not.toContain(ELSEWHERE);
  const own = await givenBrowser(server, id);
  expect((await own(WHO)).text).toContain(ELSEWHERE);
});

test('whoever asks to join MAY be seen by the name that they have on the deployment, and by nothing else', async () => {
  const acme = await givenOrganization(server);
  const { name: domain } = await givenHeldDomain(server, acme, { joining: 'SUGGEST' });
  const email = `${unique('jane')}@${domain}`;
  await givenElsewhere(email);
  const jane = await server.as(email);
  await jane('mutation ($id: ID!) { requestToJoin(organizationId: $id) { slug } }', { id: acme.id });
  expect((await acme.admin(JOINERS)).data.joinRequests.nodes).toEqual([{ user: { name: ELSEWHERE, email } }]);
  expect(await personId(jane)).toMatch(/^usr_/);
});
