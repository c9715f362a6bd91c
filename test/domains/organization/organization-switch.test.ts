import { describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import { openDevelopmentIssuer } from '../../../src/development/issuer.js';
import { givenMember, givenOrganization, givenTwoOrganizations, personId, unique } from '../../support/given.js';
import { codeOf, useServer } from '../../support/server.js';

const server = useServer();

const SWITCH = `mutation ($to: ID!) { switchOrganization(organizationId: $to) {
  user { name email } currentOrganization { id name slug status viewerRole viewerPermissions } token
} }`;
const SET_DEFAULT = `mutation ($to: ID) { setDefaultOrganization(organizationId: $to) {
  user { email } currentOrganization { slug } organizationSource
} }`;
const CONTEXT = '{ viewer { currentOrganization { slug } organizationSource } }';
const CREATE =
  'mutation { createRepository(input: { name: "r", gitUrl: "https://git.example/r" }) { organization { slug } } }';

/** Whoever is an OWNER of acme and a VIEWER of globex. */
async function givenAnn() {
  const { acme, globex } = await givenTwoOrganizations(server);
  const email = `${unique('ann')}@acme.example`;
  await givenMember(server, acme, 'OWNER', { email });
  await givenMember(server, globex, 'VIEWER', { email });
  return { acme, globex, email };
}

/** What must not be told apart from an organization that does not exist. */
async function givenClosedDoors(email: string): Promise<string[]> {
  const doors = [`org_${'0'.repeat(26)}`, 'no-such-organization', '', '%', email];
  doors.push((await givenOrganization(server)).id);
  for (const status of ['INVITED', 'SUSPENDED', 'REMOVED'] as const) {
    const organization = await givenOrganization(server);
    await givenMember(server, organization, 'ADMIN', { email, status });
    doors.push(organization.id, organization.slug);
  }
  return doors;
}

const withoutRequestId = (text: string): string => text.replaceAll(/"requestId":"[^"]+"/g, '');

describe('Switching', () => {
  test('names the new organization by id or slug, and gives no token where another issued the session', async () => {
    const { acme, globex, email } = await givenAnn();
    const ann = await server.as(email, acme.slug);
    for (const to of [globex.id, globex.slug]) {
      const { data } = await ann(SWITCH, { to });
      expect(data.switchOrganization).toMatchObject({
        user: { name: email.split('@')[0], email },
        currentOrganization: { id: globex.id, slug: globex.slug, status: 'ACTIVE', viewerRole: 'VIEWER' },
        token: null,
      });
      expect(data.switchOrganization.currentOrganization.viewerPermissions).toContain('run:read');
    }
    expect((await ann(CONTEXT)).data.viewer.currentOrganization).toEqual({ slug: acme.slug });
  });

  test('gives a token that acts in the new organization, while the old one goes on in the old', async () => {
    const { acme, globex, email } = await givenAnn();
    const issuer = await openDevelopmentIssuer(server.config.dataDirectory);
    const expiresAt = Math.floor(Date.now() / 1000) + 321;
    const old = server.withToken(await issuer.issue(email, null, acme.id, expiresAt));
    const { data } = await old(SWITCH, { to: globex.slug });
    const { token } = data.switchOrganization;
    expect(decodeJwt(token)).toMatchObject({ org: globex.id, email, exp: expiresAt });
    expect(decodeJwt(token).sub).toBe(decodeJwt(old.token).sub);
    const renewed = server.withToken(token);
    const at = async (client: typeof old) => (await client(CONTEXT)).data.viewer;
    expect(await at(renewed)).toEqual({ currentOrganization: { slug: globex.slug }, organizationSource: 'TOKEN' });
    expect(await at(old)).toEqual({ currentOrganization: { slug: acme.slug }, organizationSource: 'TOKEN' });

    // And on it goes: back with the new one, which still ends when the first one ends.
    const back = (await renewed(SWITCH, { to: acme.id })).data.switchOrganization.token;
    expect(decodeJwt(back)).toMatchObject({ org: acme.id, exp: expiresAt });

    // What was granted with the token is asked anew on every request.
    await globex.owner('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id: await personId(old) });
    expect(await at(renewed)).toEqual({ currentOrganization: null, organizationSource: null });
  });

  test('changes nothing inside the running request', async () => {
    const { acme, globex, email } = await givenAnn();
    const ann = await server.as(email, acme.slug);
    const { data } = await ann(`mutation {
      switchOrganization(organizationId: "${globex.slug}") { currentOrganization { slug } }
      createRepository(input: { name: "r", gitUrl: "https://git.example/r" }) { organization { slug } }
    }`);
    expect(data).toEqual({
      switchOrganization: { currentOrganization: { slug: globex.slug } },
      createRepository: { organization: { slug: acme.slug } },
    });
    const beyond = await ann(`mutation {
      switchOrganization(organizationId: "${globex.slug}") { currentOrganization { repositories { totalCount } } }
    }`);
    expect([codeOf(beyond), beyond.data.switchOrganization]).toEqual(['ORG_CONTEXT_REQUIRED', null]);
  });

  test('into what is no active membership is NOT_FOUND, the same for all of it', async () => {
    const { acme, email } = await givenAnn();
    const ann = await server.as(email, acme.slug);
    const answers = new Set<string>();
    for (const to of await givenClosedDoors(email)) answers.add(withoutRequestId((await ann(SWITCH, { to })).text));
    expect([...answers]).toEqual([expect.stringContaining('NOT_FOUND')]);
    expect([...answers][0]).toContain('"data":{"switchOrganization":null}');
  });
});

describe('A default', () => {
  test('counts from the next request on where nothing else is named, until it is cleared', async () => {
    const { acme, globex, email } = await givenAnn();
    const ann = await server.as(email);
    for (const to of [globex.id, globex.slug]) {
      const { data } = await ann(SET_DEFAULT, { to });
      expect(data.setDefaultOrganization.user).toEqual({ email });
      const byDefault = { currentOrganization: { slug: globex.slug }, organizationSource: 'DEFAULT' };
      expect((await ann(CONTEXT)).data.viewer).toEqual(byDefault);
      const named = await ann(CONTEXT, {}, { 'x-organization-id': acme.slug });
      expect(named.data.viewer.organizationSource).toBe('HEADER');
      expect((await (await server.as(email, acme.slug))(CONTEXT)).data.viewer.organizationSource).toBe('TOKEN');
      // A claim that is not held is not mended by guessing.
      const stale = await server.as(email, 'no-such-organization');
      expect((await stale(CONTEXT)).data.viewer.currentOrganization).toBeNull();

      await ann(SET_DEFAULT, { to: null });
      expect((await ann(CONTEXT)).data.viewer).toEqual({ currentOrganization: null, organizationSource: null });
    }
  });

  test('among several memberships serves queries only: a mutation names its organization', async () => {
    const { acme, email } = await givenAnn();
    const ann = await server.as(email);
    await ann(SET_DEFAULT, { to: acme.id });
    expect((await ann('{ repositories { totalCount } }')).data.repositories.totalCount).toBe(1);
    expect(codeOf(await ann(CREATE))).toBe('ORG_CONTEXT_REQUIRED');
    const named = await ann(CREATE, {}, { 'x-organization-id': acme.id });
    expect(named.data.createRepository.organization).toEqual({ slug: acme.slug });
  });

  test('that is the only membership serves mutations too', async () => {
    const acme = await givenOrganization(server);
    const dev = await server.as(acme.developer.email);
    await dev(SET_DEFAULT, { to: acme.slug });
    expect((await dev(CONTEXT)).data.viewer.organizationSource).toBe('DEFAULT');
    expect((await dev(CREATE)).data.createRepository.organization).toEqual({ slug: acme.slug });
  });

  test('is an active membership, or NOT_FOUND; and one that ended counts no longer', async () => {
    const { acme, globex, email } = await givenAnn();
    const ann = await server.as(email);
    await ann(SET_DEFAULT, { to: globex.id });
    const answers = new Set<string>();
    for (const to of await givenClosedDoors(email)) {
      answers.add(withoutRequestId((await ann(SET_DEFAULT, { to })).text));
    }
    expect([...answers]).toEqual([expect.stringContaining('NOT_FOUND')]);
    expect((await ann(CONTEXT)).data.viewer.currentOrganization).toEqual({ slug: globex.slug });

    await globex.owner('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id: await personId(ann) });
    // One membership is left, and serves alone.
    expect((await ann(CONTEXT)).data.viewer).toEqual({
      currentOrganization: { slug: acme.slug },
      organizationSource: 'SOLE_MEMBERSHIP',
    });
  });
});
