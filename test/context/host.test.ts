import { describe, expect, test } from '@jest/globals';
import { createHosts } from '../../src/context/hosts.js';
import { newId } from '../../src/data/id.js';
import { givenHeldDomain, givenMember, givenOrganization, givenTwoOrganizations, unique } from '../support/given.js';
import { byTest } from '../support/act.js';
import { raw, rawBytes } from '../support/raw.js';
import { type Client, useServer } from '../support/server.js';

const server = useServer();

const WHERE = '{ viewer { organizationSource currentOrganization { id } } }';

/** As a request at a host: what comes back, and all that a client can tell two answers apart by. */
async function at(host: string, client: Client | null, headers: Record<string, string> = {}, path = '/graphql') {
  const answer = await raw(`${server.url}${path}`, {
    method: path === '/graphql' ? 'POST' : 'GET',
    headers: {
      host,
      'content-type': 'application/json',
      ...(client && { authorization: `Bearer ${client.token}` }),
      ...headers,
    },
    ...(path === '/graphql' && { body: JSON.stringify({ query: WHERE }) }),
  });
  const requestId = String(answer.headers['x-request-id']);
  const { date: _, 'x-request-id': __, ...kept } = answer.headers;
  const text = answer.text.replaceAll(requestId, 'id');
  const { data, errors } = answer.text.startsWith('{') ? JSON.parse(answer.text) : {};
  return { visible: { status: answer.status, headers: kept, text }, data, code: errors?.[0]?.extensions.code };
}

async function givenServingDomain(organization: Awaited<ReturnType<typeof givenOrganization>>, name?: string) {
  const domain = await givenHeldDomain(server, organization, name === undefined ? {} : { name });
  await server.database
    .organizationDb(organization.id, byTest)
    .organizationDomain.update({ id: domain.id }, { serving: true });
  return domain;
}

describe('the host of a request', () => {
  test('names the organization, whatever the token claims', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    await givenMember(server, globex, 'VIEWER', { email: acme.owner.email });
    const { name } = await givenServingDomain(globex);
    for (const host of [
      `${globex.slug}.localhost:4000`,
      `${globex.slug.toUpperCase()}.LOCALHOST.`,
      name,
      `${name}:443`,
    ]) {
      expect((await at(host, acme.owner)).data?.viewer).toEqual({
        organizationSource: 'HOST',
        currentOrganization: { id: globex.id },
      });
    }
    expect((await at('localhost', acme.owner)).data.viewer.organizationSource).toBe('TOKEN');
  });

  test('MUST agree with what else names one, or the request is ORG_CONTEXT_CONFLICT', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    await givenMember(server, globex, 'VIEWER', { email: acme.owner.email });
    const host = `${acme.slug}.localhost`;
    expect((await at(host, acme.owner, { 'x-organization-id': globex.id })).code).toBe('ORG_CONTEXT_CONFLICT');
    expect((await at(host, acme.owner, { 'x-tenant-id': acme.id })).data.viewer.organizationSource).toBe('HOST');
  });

  test('that is nobody’s, lapsed, pending or switched off MUST answer as a stranger’s does, byte for byte', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const [pending, held, lapsed, off] = ['pending', 'held', 'lapsed', 'off'].map((each) => `${unique(each)}.example`);
    const db = server.database.organizationDb(acme.id, byTest);
    await db.organizationDomain.create({ id: newId('dom'), name: pending as string, challenge: 'unused' });
    await givenHeldDomain(server, acme, { name: held as string });
    const gone = await givenServingDomain(acme, lapsed);
    await db.transaction(async (inside) => {
      await inside.organizationDomain.update({ id: gone.id }, { status: 'LAPSED', heldName: null, serving: false });
      await inside.address.delete({ name: gone.name });
    });
    const without = await givenServingDomain(acme, off);
    await db.organization.update({}, { featureFlags: { custom_hosts: false } });
    const theirs = await givenServingDomain(globex);
    const hosts = [pending, held, lapsed, without.name, theirs.name, `${globex.slug}.localhost`];
    const others = ['nobody.example', 'nobody.localhost', `a.${acme.slug}.localhost`, 'under_score.example', '127.1'];
    for (const path of ['/graphql', `/organizations/${acme.slug}/audit`, `/organizations/${acme.slug}/exports/x`]) {
      for (const [client, headers] of [
        [acme.owner, {}],
        [acme.owner, { 'x-organization-id': acme.id }],
        [null, {}],
        [null, { authorization: 'Bearer og_live_nothing' }],
      ] as const) {
        const { visible } = await at(theirs.name, client, headers, path);
        expect(visible.text).toMatch(client ? 'NOT_FOUND' : /./);
        for (const host of [...hosts, ...others]) {
          expect((await at(host as string, client, headers, path)).visible).toEqual(visible);
        }
      }
    }
  });

  test('that serves is served until the very request after it stopped', async () => {
    const acme = await givenOrganization(server);
    const { id, name } = await givenServingDomain(acme);
    const db = server.database.organizationDb(acme.id, byTest);
    for (const serves of [true, false, true]) {
      await db.organizationDomain.update({ id }, { serving: serves });
      expect((await at(name, acme.owner)).code).toBe(serves ? undefined : 'NOT_FOUND');
    }
    await db.organization.update({}, { status: 'PENDING_DELETION', purgeAt: new Date(Date.now() + 1e9) });
    expect((await at(name, acme.owner)).code).toBe('NOT_FOUND');
    expect((await at(`${acme.slug}.localhost`, acme.owner)).code).toBe('NOT_FOUND');
  });

  test('twice in one head is refused, for a proxy may have read the other one', async () => {
    const { port } = new URL(server.url);
    const answer = await rawBytes(
      server.url,
      `GET /graphql HTTP/1.1\r\nHost: localhost:${port}\r\nHost: acme.localhost\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
  });

  test('that a client forwards counts for nothing', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    await givenMember(server, globex, 'VIEWER', { email: acme.owner.email });
    const { data } = await at('localhost', acme.owner, { 'x-forwarded-host': `${globex.slug}.localhost` });
    expect(data.viewer.organizationSource).toBe('TOKEN');
  });
});

test('what a host names', () => {
  const hosts = createHosts('orgate.example', () => 'https://app.orgate.example');
  for (const none of [
    'orgate.example',
    'app.orgate.example:443',
    'localhost:4000',
    '127.0.0.1:4000',
    '[::1]:4000',
    'gateway',
    '',
  ]) {
    expect(hosts.nameIn(none)).toBeNull();
  }
  expect(hosts.nameIn('Acme.orgate.example:8443')).toBe('acme');
  expect(hosts.nameIn('assistant.acme.example')).toBe('assistant.acme.example');
  for (const nobodys of [
    'a.b.orgate.example',
    'a_b.example',
    'a, b.example',
    '.example',
    `${'a'.repeat(64)}.example`,
  ]) {
    expect(hosts.nameIn(nobodys)).toBe('-');
  }
  expect(createHosts(null, () => 'https://app.orgate.example').nameIn('acme.orgate.example')).toBeNull();
});
