import { describe, expect, test } from '@jest/globals';
import { givenMember, givenOrganization, personId } from '../../support/given.js';
import { givenGrant, givenImpersonation } from '../../support/impersonation.js';
import { type Answer, type Client, codeOf, startServer, useServer } from '../../support/server.js';

const server = useServer();
const HOUR_MS = 3_600_000;

const GRANT = `mutation ($input: GrantSupportAccessInput!) { grantSupportAccess(input: $input) {
  id scope expiresAt revokedAt inForce grantedBy { id } } }`;
const REVOKE = 'mutation ($id: ID!) { revokeSupportAccess(id: $id) { id revokedAt inForce } }';
const GRANTS = '{ supportAccessGrants { totalCount nodes { id scope inForce revokedAt } } }';
const WRITE = 'mutation { updateOrganization(input: { description: "helped" }) { description } }';
const SCOPE = '{ viewer { impersonation { scope } } }';
const ACCESS = `mutation ($access: SupportAccess!) {
  updateOrganization(input: { settings: { support: { access: $access } } }) { id } }`;

const grant = (client: Client, hours: number, scope = 'WRITE') =>
  client(GRANT, { input: { scope, expiresAt: new Date(Date.now() + hours * HOUR_MS).toISOString() } });
const argumentOf = ({ errors }: Answer) => errors[0]?.extensions['argument'];
const scopeOf = async (acting: Client) => (await acting(SCOPE)).data?.viewer.impersonation.scope as unknown;

describe('A grant', () => {
  test('is an OWNER’s, for 72 hours at the most, and stands in the list', async () => {
    const acme = await givenOrganization(server);
    const { data } = await grant(acme.owner, 71);
    expect(data.grantSupportAccess).toMatchObject({
      scope: 'WRITE',
      revokedAt: null,
      inForce: true,
      grantedBy: { id: await personId(acme.owner) },
    });
    for (const hours of [72.1, -1, -0.01]) {
      const answer = await grant(acme.owner, hours);
      expect([hours, codeOf(answer), argumentOf(answer)]).toEqual([hours, 'BAD_USER_INPUT', 'input.expiresAt']);
    }
    expect((await acme.admin(GRANTS)).data.supportAccessGrants.totalCount).toBe(1);
    expect(codeOf(await acme.developer(GRANTS))).toBe('FORBIDDEN');
  });

  test('is nobody else’s, not even an ADMIN’s who was granted the permission', async () => {
    const acme = await givenOrganization(server);
    const more = await givenMember(server, acme, 'ADMIN', { granted: ['support:manage'] });
    for (const client of [acme.admin, more]) {
      expect(codeOf(await grant(client, 1))).toBe('FORBIDDEN');
      expect(codeOf(await client(REVOKE, { id: await givenGrant(acme, 'READ') }))).toBe('FORBIDDEN');
    }
  });

  test('of ten at once, and no more until one is revoked', async () => {
    const acme = await givenOrganization(server);
    const first = await givenGrant(acme, 'READ');
    for (let more = 1; more < 10; more += 1) await givenGrant(acme, 'READ');
    expect(codeOf(await grant(acme.owner, 1))).toBe('CONFLICT');
    await acme.owner(REVOKE, { id: first });
    expect((await grant(acme.owner, 1)).errors).toEqual([]);
  });

  test('of another organization is NOT_FOUND, and once it is over it stays as it was', async () => {
    const acme = await givenOrganization(server);
    const globex = await givenOrganization(server, 'globex');
    const id = await givenGrant(acme, 'WRITE');
    expect(codeOf(await globex.owner(REVOKE, { id }))).toBe('NOT_FOUND');
    const { data } = await acme.owner(REVOKE, { id });
    expect(data.revokeSupportAccess).toMatchObject({ inForce: false, revokedAt: expect.any(String) });
    expect((await acme.owner(REVOKE, { id })).data).toEqual(data);
  });
});

describe('What it allows is looked at with each request', () => {
  test('WRITE lets change something, also who is in already, until it is revoked', async () => {
    const acme = await givenOrganization(server);
    const { acting, id: imp } = await givenImpersonation(server, acme);
    expect([await scopeOf(acting), codeOf(await acting(WRITE))]).toEqual(['READ', 'READ_ONLY']);
    await givenGrant(acme, 'READ');
    expect([await scopeOf(acting), codeOf(await acting(WRITE))]).toEqual(['READ', 'READ_ONLY']);
    const id = await givenGrant(acme, 'WRITE');
    expect([await scopeOf(acting), (await acting(WRITE)).errors]).toEqual(['WRITE', []]);
    await acme.owner(REVOKE, { id });
    expect([await scopeOf(acting), codeOf(await acting(WRITE))]).toEqual(['READ', 'READ_ONLY']);
    // The log has the most that they could do.
    const { data } = await acme.owner('{ supportAccessLog { nodes { id scope } } }');
    expect(data.supportAccessLog.nodes).toEqual([{ id: imp, scope: 'WRITE' }]);
  });

  test('what is changed is told of both people', async () => {
    const acme = await givenOrganization(server);
    await givenGrant(acme, 'WRITE');
    const { acting, samId, userId } = await givenImpersonation(server, acme, { as: 'admin' });
    const { headers } = await acting(WRITE);
    const { rows } = await server.database.pool.queryAsLoginRole(
      `select action, actor_id as actor, actor_name as name, on_behalf_of as "onBehalfOf", reason from audit_entry
       where request_id = $1 order by number`,
      [headers.get('x-request-id')],
    );
    const told = {
      actor: samId,
      name: expect.stringMatching(/^sam-/),
      onBehalfOf: userId,
      reason: 'ticket 42: runs stay queued',
    };
    expect(rows).toEqual([
      { ...told, action: 'impersonation.mutation' },
      { ...told, action: 'organization.updated' },
    ]);
  });

  test('where it takes one to look in, whoever is in is out once it is revoked, and another lets them in no more', async () => {
    const acme = await givenOrganization(server);
    await acme.owner(ACCESS, { access: 'ON_GRANT' });
    const id = await givenGrant(acme, 'READ');
    const { acting } = await givenImpersonation(server, acme);
    expect(await scopeOf(acting)).toBe('READ');
    await acme.owner(REVOKE, { id });
    expect((await acting(SCOPE)).status).toBe(401);
    await givenGrant(acme, 'WRITE');
    expect((await acting(SCOPE)).status).toBe(401);
  });

  test('with two of them the other goes on, for as long as that lasts', async () => {
    const acme = await givenOrganization(server);
    await acme.owner(ACCESS, { access: 'ON_GRANT' });
    const long = await givenGrant(acme, 'READ');
    const { data } = await acme.owner(GRANT, {
      input: { scope: 'READ', expiresAt: new Date(Date.now() + 600_000).toISOString() },
    });
    const { acting } = await givenImpersonation(server, acme);
    await acme.owner(REVOKE, { id: long });
    const { data: now } = await acting('{ viewer { impersonation { expiresAt } } }');
    expect(now.viewer.impersonation.expiresAt).toBe(data.grantSupportAccess.expiresAt);
  });

  test('by the database’s time', async () => {
    const own = await startServer({ ownDatabase: true });
    try {
      const acme = await givenOrganization(own);
      await givenGrant(acme, 'WRITE');
      const { acting } = await givenImpersonation(own, acme, { minutes: 60 });
      own.database.pool.clock.advance(HOUR_MS - 20_000);
      expect(await scopeOf(acting)).toBe('WRITE');
      own.database.pool.clock.advance(15_000);
      const { data } = await acme.owner(GRANTS);
      // By now it is over, or about to be: the two agree.
      const isOver = !data.supportAccessGrants.nodes[0].inForce;
      if (!isOver) own.database.pool.clock.advance(10_000);
      expect((await acme.owner(GRANTS)).data.supportAccessGrants.nodes[0].inForce).toBe(false);
    } finally {
      await own.close();
    }
  });
});
