import { expect, test } from '@jest/globals';
import { brandVerifiedOrgId } from '../../../src/data/id.js';
import { givenKey } from '../../support/api-key.js';
import { type GivenOrganization, givenMember, givenOrganization, personId, unique } from '../../support/given.js';
import { type Answer, type Client, codeOf, useServer } from '../../support/server.js';

const server = useServer();

const CURRENT = '{ currentOrganization { slug } }';
const RULE = `mutation ($rule: MembershipRule!) {
  updateOrganization(input: { settings: { security: { membership: $rule } } }) { settings { security { membership } } } }`;
const CREATE = 'mutation ($slug: String!) { createOrganization(input: { name: "Other", slug: $slug }) { slug } }';
const LEAVE = 'mutation { leaveOrganization { status } }';
const RENAME = 'mutation { updateOrganization(input: { description: "x" }) { id } }';

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const reasonOf = ({ errors }: Answer) => [errors[0]?.extensions['code'], errors[0]?.extensions['reason']];
const BARRED = ['FORBIDDEN', 'SET_ONLY'];

/** Puts organizations into one set, as one that made them together would have. */
async function together(...organizations: GivenOrganization[]): Promise<void> {
  const [first] = organizations;
  const id = unique('set');
  await sql(`insert into organization_set (id, name, base, project, made_by) values ($1, $1, $1, 'p', $2)`, [
    id,
    await personId(first?.owner as Client),
  ]);
  for (const [index, { id: orgId }] of organizations.entries())
    await sql(`update organization set set_id = $1, base = 'b', project = 'p', environment = $3 where id = $2`, [
      id,
      orgId,
      ['PROD', 'STAGING'][index],
    ]);
}

const close = (acme: GivenOrganization) => acme.owner(RULE, { rule: 'SET_ONLY' });

test('who joins elsewhere is let join there, and FORBIDDEN here from the next request on, with the reason', async () => {
  const acme = await givenOrganization(server);
  expect((await close(acme)).errors).toEqual([]);
  expect((await acme.admin(CURRENT)).errors).toEqual([]);
  const slug = unique('elsewhere');
  expect((await acme.admin(CREATE, { slug })).data.createOrganization).toEqual({ slug });
  expect(reasonOf(await acme.admin(CURRENT))).toEqual(BARRED);
  expect(reasonOf(await acme.admin(RENAME))).toEqual(BARRED);
  // Of what nobody else may see here nothing is shown either.
  const { data } = await acme.admin('{ viewer { permissions currentOrganization { slug viewerPermissions } } }');
  expect(data.viewer?.currentOrganization?.viewerPermissions).toEqual([]);
  const there = { 'x-organization-id': slug };
  expect((await acme.admin(CURRENT, {}, there)).data.currentOrganization).toEqual({ slug });
  expect((await acme.viewer(CURRENT)).errors).toEqual([]);
});

test('their keys are, too', async () => {
  const acme = await givenOrganization(server);
  await close(acme);
  const { client } = await givenKey(server, acme.admin, ['organization:read']);
  expect((await client(CURRENT)).errors).toEqual([]);
  await acme.admin(CREATE, { slug: unique('elsewhere') });
  expect(reasonOf(await client(CURRENT))).toEqual(BARRED);
});

test('whoever is out of the other one is back, and whoever is barred may leave', async () => {
  const acme = await givenOrganization(server);
  const globex = await givenOrganization(server, 'globex');
  await close(acme);
  await givenMember(server, globex, 'VIEWER', { email: acme.admin.email });
  expect(reasonOf(await acme.admin(CURRENT))).toEqual(BARRED);
  expect((await acme.admin(LEAVE, {}, { 'x-organization-id': globex.slug })).errors).toEqual([]);
  expect((await acme.admin(CURRENT)).errors).toEqual([]);
  await givenMember(server, globex, 'VIEWER', { email: acme.developer.email });
  expect((await acme.developer(LEAVE)).data.leaveOrganization).toEqual({ status: 'REMOVED' });
});

test('organizations of the set count as within it; those of the same name or no set do not', async () => {
  const acme = await givenOrganization(server);
  const staging = await givenOrganization(server, 'staging');
  await together(acme, staging);
  const email = acme.admin.email;
  await givenMember(server, staging, 'ADMIN', { email });
  expect((await close(acme)).errors).toEqual([]);
  expect((await acme.admin(CURRENT)).errors).toEqual([]);
  const stranger = await givenOrganization(server, 'stranger');
  await sql(`update organization set set_id = $2, base = 'b', project = 'p' where id = $1`, [
    stranger.id,
    unique('set'),
  ]);
  await givenMember(server, stranger, 'VIEWER', { email });
  expect(reasonOf(await acme.admin(CURRENT))).toEqual(BARRED);
});

test('switching it on is CONFLICT while members belong outside, who are named to the OWNER, and never where they are', async () => {
  const acme = await givenOrganization(server);
  const globex = await givenOrganization(server, 'globex');
  await givenMember(server, globex, 'VIEWER', { email: acme.developer.email });
  await givenMember(server, globex, 'VIEWER', { email: acme.viewer.email, status: 'SUSPENDED' });
  const refused = await close(acme);
  expect(codeOf(refused)).toBe('CONFLICT');
  expect(refused.errors[0]?.extensions).toMatchObject({
    argument: 'input.settings.security.membership',
    members: [
      { userId: await personId(acme.developer), name: `DEVELOPER of ${acme.slug}`, email: acme.developer.email },
    ],
  });
  expect(refused.text).not.toContain(globex.slug);
  expect(refused.text).not.toContain(globex.id);
  expect(
    (await acme.viewer('{ currentOrganization { settings { security { membership } } } }')).data.currentOrganization,
  ).toEqual({ settings: { security: { membership: 'OPEN' } } });
});

test('only an OWNER switches it, whatever else others may', async () => {
  const acme = await givenOrganization(server);
  const globex = await givenOrganization(server, 'globex');
  await givenMember(server, globex, 'VIEWER', { email: acme.developer.email });
  const refused = await acme.admin(RULE, { rule: 'SET_ONLY' });
  expect(codeOf(refused)).toBe('FORBIDDEN');
  expect(refused.text).not.toContain(acme.developer.email);
  await sql(`update membership set status = 'REMOVED' where org_id = $1 and email = $2`, [
    globex.id,
    acme.developer.email,
  ]);
  expect((await close(acme)).errors).toEqual([]);
  expect(codeOf(await acme.admin(RULE, { rule: 'OPEN' }))).toBe('FORBIDDEN');
});

test('rolling back to it is switching it on', async () => {
  const acme = await givenOrganization(server);
  const globex = await givenOrganization(server, 'globex');
  await close(acme);
  await acme.owner(RULE, { rule: 'OPEN' });
  await givenMember(server, globex, 'VIEWER', { email: acme.developer.email });
  const back = await acme.owner('mutation { rollbackSettings(version: 2, expectedVersion: 3) { id } }');
  expect([codeOf(back), back.errors[0]?.extensions['reason']]).toEqual(['CONFLICT', 'SET_ONLY']);
});

test.each(['SUSPENDED', 'PENDING_DELETION'])(
  'whoever belongs to one outside that is %s leaves it, and is back',
  async (status) => {
    const acme = await givenOrganization(server);
    const globex = await givenOrganization(server, 'globex');
    await close(acme);
    await givenMember(server, globex, 'DEVELOPER', { email: acme.admin.email });
    expect(reasonOf(await acme.admin(CURRENT))).toEqual(BARRED);
    await sql(
      `update organization set status = $2::text,
       purge_at = case when $2::text = 'PENDING_DELETION' then now() + interval '30 days' end where id = $1`,
      [globex.id, status],
    );
    const there = { 'x-organization-id': globex.slug };
    expect((await acme.admin(LEAVE, {}, there)).data.leaveOrganization).toEqual({ status: 'REMOVED' });
    expect((await acme.admin(CURRENT)).errors).toEqual([]);
    expect((await globex.owner(LEAVE)).errors[0]?.extensions['code']).toBe('LAST_OWNER');
    await sql(`update organization set status = 'ACTIVE', purge_at = null where id = $1`, [globex.id]);
    expect((await acme.admin(CURRENT)).errors).toEqual([]);
  },
);

test('its only OWNER who makes one outside is locked out by that, and back once that is to be deleted, or has another OWNER', async () => {
  const acme = await givenOrganization(server);
  await close(acme);
  const slug = unique('elsewhere');
  const there = { 'x-organization-id': slug };
  expect((await acme.owner(CREATE, { slug })).errors).toEqual([]);
  expect(reasonOf(await acme.owner(CURRENT))).toEqual(BARRED);
  expect(reasonOf(await acme.owner(RULE, { rule: 'OPEN' }))).toEqual(BARRED);
  expect(codeOf(await acme.owner(LEAVE, {}, there))).toBe('LAST_OWNER');
  const DELETE = 'mutation ($slug: String!) { requestOrganizationDeletion(confirm: $slug) { status } }';
  const CANCEL = 'mutation { cancelOrganizationDeletion { status } }';
  expect((await acme.owner(DELETE, { slug }, there)).errors).toEqual([]);
  expect((await acme.owner(RENAME)).errors).toEqual([]);
  expect((await acme.owner(CANCEL, {}, there)).errors).toEqual([]);
  expect(reasonOf(await acme.owner(CURRENT))).toEqual(BARRED);
  const { rows } = await sql('select id from organization where slug = $1', [slug]);
  await givenMember(server, { id: brandVerifiedOrgId(rows[0].id), slug }, 'OWNER');
  expect((await acme.owner(LEAVE, {}, there)).errors).toEqual([]);
  expect((await acme.owner(RENAME)).errors).toEqual([]);
});
