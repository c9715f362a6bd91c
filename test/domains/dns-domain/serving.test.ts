import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type NameServer, startNameServer } from '../../support/dns.js';
import { givenHeldDomain, givenOrganization, unique } from '../../support/given.js';
import { PRODUCTION } from '../../support/production.js';
import { codeOf, startServer, type TestServer } from '../../support/server.js';

let dns: NameServer;
let server: TestServer;
beforeAll(async () => {
  dns = await startNameServer();
  const env = { DNS_SERVERS: dns.address, PUBLIC_URL: 'https://app.orgate.example', BASE_DOMAIN: 'orgate.example' };
  server = await startServer({ env });
  dns.zones.set('app.orgate.example', { a: ['192.0.2.1', '192.0.2.2'] });
});
afterAll(async () => {
  await server.close();
  await dns.close();
});

const SET = `mutation ($id: ID!, $serving: Boolean!) {
  setDomainServing(id: $id, serving: $serving) { status serving { enabled expected found } }
}`;

test('a VERIFIED domain serves once it is switched on, and says where it must lead and where it leads', async () => {
  const acme = await givenOrganization(server);
  const { id, name } = await givenHeldDomain(server, acme);
  const read = await acme.admin('{ domains { nodes { serving { enabled expected found } } } }');
  const expected = 'app.orgate.example';
  expect(read.data.domains.nodes).toEqual([{ serving: { enabled: false, expected, found: [] } }]);
  for (const [zone, found] of [
    [{}, []],
    [{ a: ['198.51.100.7'] }, ['198.51.100.7']],
    [{ cname: expected }, [expected]],
  ] as const) {
    dns.zones.set(name, zone);
    const { data } = await acme.admin(SET, { id, serving: true });
    expect(data.setDomainServing).toEqual({ status: 'VERIFIED', serving: { enabled: true, expected, found } });
  }
  const off = await acme.admin(SET, { id, serving: false });
  expect(off.data.setDomainServing.serving.enabled).toBe(false);
});

test('nobody without domain:manage, of another organization, or for what is not VERIFIED switches it on', async () => {
  const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
  const { id } = await givenHeldDomain(server, acme);
  expect(codeOf(await acme.developer(SET, { id, serving: true }))).toBe('FORBIDDEN');
  const foreign = await globex.owner(SET, { id, serving: true });
  expect(codeOf(foreign)).toBe('NOT_FOUND');
  const added = await acme.admin('mutation ($name: String!) { addDomain(name: $name) { id } }', {
    name: `${unique('pending')}.example`,
  });
  expect(codeOf(await acme.admin(SET, { id: added.data.addDomain?.id ?? '', serving: true }))).toBe('CONFLICT');
  await acme.owner(
    'mutation { updateOrganization(input: { settings: { featureFlags: { custom_hosts: false } } }) { id } }',
  );
  const without = await acme.admin(SET, { id, serving: true });
  expect(codeOf(without)).toBe('FEATURE_DISABLED');
  expect(without.errors[0]?.extensions).toMatchObject({ feature: 'custom_hosts' });
  expect((await acme.admin(SET, { id, serving: false })).errors).toEqual([]);
});

test('a name that the deployment itself is at serves nobody', async () => {
  const acme = await givenOrganization(server);
  for (const name of ['app.orgate.example', 'orgate.example', `${unique('a')}.orgate.example`]) {
    const { id } = await givenHeldDomain(server, acme, { name });
    expect(codeOf(await acme.admin(SET, { id, serving: true }))).toBe('BAD_USER_INPUT');
    await acme.admin('mutation ($id: ID!) { removeDomain(id: $id) }', { id });
  }
});

test('where the deployment has no BASE_DOMAIN that is said, and what serves can be switched off', async () => {
  const without = await startServer({ env: { ...PRODUCTION } });
  try {
    const acme = await givenOrganization(without);
    const { id } = await givenHeldDomain(without, acme);
    const refused = await acme.admin(SET, { id, serving: true });
    expect(codeOf(refused)).toBe('FEATURE_DISABLED');
    expect(refused.errors[0]).toMatchObject({
      message: expect.stringContaining('BASE_DOMAIN'),
      extensions: { feature: 'custom_hosts' },
    });
    expect((await acme.admin(SET, { id, serving: false })).data.setDomainServing?.serving?.enabled).toBe(false);
  } finally {
    await without.close();
  }
});

test('what serves lapses with the domain, and another organization may have it serve then', async () => {
  const acme = await givenOrganization(server);
  const { id } = await givenHeldDomain(server, acme);
  await acme.admin(SET, { id, serving: true });
  // The database's own rule: whatever writes it, what is not proved does not serve.
  await expect(
    server.database.pool.queryAsLoginRole(
      `update organization_domain set status = 'LAPSED', held_name = null where id = $1`,
      [id],
    ),
  ).rejects.toThrow(/serves_while_verified/);
});
