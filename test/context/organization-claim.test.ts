import { expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import { newId } from '../../src/data/id.js';
import { givenMember, givenOrganization, givenTwoOrganizations, unique } from '../support/given.js';
import { type Client, codeOf, useServer, withoutRequestId } from '../support/server.js';

const server = useServer();

const WHERE =
  '{ viewer { organizationSource role permissions currentOrganization { id } memberships { totalCount } } }';

/** The same person, with any `org` claim. */
const claiming = async (client: Client, org: unknown): Promise<Client> =>
  server.withToken(
    await server.issuer.sign({ sub: client.email, email: client.email, email_verified: true, org }),
    client.email,
  );

test('the claim names the organization by id or by slug', async () => {
  const { id, slug, admin } = await givenOrganization(server);
  for (const name of [id, slug]) {
    expect((await (await claiming(admin, name))(WHERE)).data.viewer).toMatchObject({
      organizationSource: 'TOKEN',
      role: 'ADMIN',
      currentOrganization: { id },
    });
  }
});

test('a claim no longer held leaves no organization: reading oneself and switching still work', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  const ben = await givenMember(server, globex, 'VIEWER');
  await givenMember(server, acme, 'DEVELOPER', { email: ben.email, status: 'REMOVED' });
  for (const org of [acme.slug, acme.id, unique('nobody'), newId('org'), '', 'a b', 'x'.repeat(300)]) {
    const client = await claiming(ben, org);
    // The one membership left is not taken in its place: the token named another.
    expect((await client(WHERE)).data.viewer).toEqual({
      organizationSource: null,
      role: null,
      permissions: [],
      currentOrganization: null,
      memberships: { totalCount: 1 },
    });
    const mine = await client('{ myOrganizations { nodes { id viewerRole } } }');
    expect(mine.data.myOrganizations.nodes).toEqual([{ id: globex.id, viewerRole: 'VIEWER' }]);
    const switched = await client(
      'mutation ($to: ID!) { switchOrganization(organizationId: $to) { currentOrganization { id } } }',
      { to: globex.slug },
    );
    expect(switched.data.switchOrganization.currentOrganization).toEqual({ id: globex.id });
    const refused = await client('{ repositories { totalCount } }');
    expect([codeOf(refused), refused.errors[0]?.message]).toEqual([
      'ORG_CONTEXT_REQUIRED',
      expect.stringContaining('one of your organizations'),
    ]);
    expect(codeOf(await client('{ currentOrganization { id } }'))).toBe('ORG_CONTEXT_REQUIRED');
  }
});

test('a claim that names a foreign organization answers like one that names none', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  const ask = async (org: string) =>
    withoutRequestId(await (await claiming(acme.owner, org))(`{ viewer { role } node(id: "${globex.runId}") { id } }`));
  const unknown = await ask(unique('nobody'));
  for (const org of [globex.id, globex.slug]) expect(await ask(org)).toBe(unknown);
});

test.each([[7], [true], [null], [['acme']], [{ id: 'acme' }]])('a claim that is %j names nothing', async (org) => {
  const { owner, id } = await givenOrganization(server);
  const { data } = await (await claiming(owner, org))(WHERE);
  expect(data.viewer).toMatchObject({ organizationSource: 'SOLE_MEMBERSHIP', currentOrganization: { id } });
});

test('where orgate did not issue the session, switching gives no token', async () => {
  const { owner, slug } = await givenOrganization(server);
  const { data } = await owner('mutation ($to: ID!) { switchOrganization(organizationId: $to) { token } }', {
    to: slug,
  });
  expect(data.switchOrganization).toEqual({ token: null });
});

test('where orgate did, the token acts in the new organization and never outlives the old one', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  await givenMember(server, globex, 'VIEWER', { email: acme.owner.email });
  const issued = await fetch(`${server.url}/dev/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: acme.owner.email, org: acme.slug }),
  });
  const { token } = (await issued.json()) as { token: string };
  const ann = server.withToken(token);
  const SWITCH = 'mutation ($to: ID!) { switchOrganization(organizationId: $to) { token currentOrganization { id } } }';
  for (const to of [globex.id, globex.slug]) {
    const { data } = await ann(SWITCH, { to });
    const switched = data.switchOrganization.token as string;
    expect(decodeJwt(switched).exp).toBe(decodeJwt(token).exp);
    expect((await server.withToken(switched)(WHERE)).data.viewer).toMatchObject({
      organizationSource: 'TOKEN',
      currentOrganization: { id: globex.id },
    });
  }
  // The old token goes on in the old organization.
  expect((await ann(WHERE)).data.viewer.currentOrganization.id).toBe(acme.id);
  for (const to of [unique('nobody'), newId('org'), (await givenOrganization(server)).slug]) {
    expect(codeOf(await ann(SWITCH, { to }))).toBe('NOT_FOUND');
  }
});
