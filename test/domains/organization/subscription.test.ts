import { describe, expect, test } from '@jest/globals';
import { byTest } from '../../support/act.js';
import { type GivenOrganization, givenAdministrator, givenOrganization, personId } from '../../support/given.js';
import { never } from '../../support/isolation.js';
import { type Answer, type Client, codeOf, useServer } from '../../support/server.js';

const server = useServer();

const SUSPEND = `mutation ($id: ID!, $reason: String!) { suspendOrganization(organizationId: $id, reason: $reason) { id status } }`;
const RESUME = 'mutation ($id: ID!) { resumeOrganization(organizationId: $id) { id status } }';
const AGREE = 'mutation ($input: UpdateSubscriptionInput!) { updateSubscription(input: $input) { id } }';
const LOOK = '{ currentOrganization { status subscription { plan status seatLimit } } }';
const RENAME = 'mutation { updateOrganization(input: { description: "x" }) { id } }';

const argumentOf = ({ errors }: Answer) => errors[0]?.extensions['argument'];
const look = async ({ viewer }: GivenOrganization) => (await viewer(LOOK)).data.currentOrganization;

/** What a request left, in whichever record. */
async function told({ headers }: Answer) {
  const { rows } = await server.database.pool.queryAsLoginRole(
    'select org_id, action, actor_id, actor_name, reason, changes from audit_entry where request_id = $1',
    [headers.get('x-request-id')],
  );
  return rows;
}

test('an organization is suspended and resumed, by its next request, with who and why in its own record', async () => {
  const acme = await givenOrganization(server);
  const sam = await givenAdministrator(server);
  const by = { org_id: acme.id, actor_id: await personId(sam), actor_name: expect.stringMatching(/^sam/) };
  const suspended = await sam(SUSPEND, { id: acme.slug, reason: ' Unpaid since May. ' });
  expect(suspended.data.suspendOrganization).toEqual({ id: acme.id, status: 'SUSPENDED' });
  expect(await told(suspended)).toMatchObject([
    {
      ...by,
      action: 'organization.suspended',
      reason: 'Unpaid since May.',
      changes: { status: ['ACTIVE', 'SUSPENDED'] },
    },
  ]);
  expect(codeOf(await acme.owner(RENAME))).toBe('FORBIDDEN');
  expect((await look(acme)).status).toBe('SUSPENDED');
  // What it is already changes nothing, and is told as seen.
  const again = await sam(SUSPEND, { id: acme.id, reason: 'Again.' });
  expect(again.data.suspendOrganization?.status).toBe('SUSPENDED');
  expect(await told(again)).toMatchObject([{ ...by, action: 'organization.seen', changes: null }]);
  const resumed = await sam(RESUME, { id: acme.id });
  expect(resumed.data.resumeOrganization).toEqual({ id: acme.id, status: 'ACTIVE' });
  expect(await told(resumed)).toMatchObject([{ ...by, action: 'organization.active', reason: null }]);
  expect((await acme.owner(RENAME)).errors).toEqual([]);
});

test('one that is to be deleted is neither suspended nor, by being resumed, kept', async () => {
  const acme = await givenOrganization(server);
  const sam = await givenAdministrator(server);
  const asked = await acme.owner(
    'mutation ($confirm: String!) { requestOrganizationDeletion(confirm: $confirm) { status } }',
    { confirm: acme.slug },
  );
  expect(asked.data.requestOrganizationDeletion.status).toBe('PENDING_DELETION');
  const refusals = [await sam(SUSPEND, { id: acme.id, reason: 'x' }), await sam(RESUME, { id: acme.id })];
  for (const refused of refusals) {
    expect([codeOf(refused), argumentOf(refused)]).toEqual(['CONFLICT', 'organizationId']);
  }
  // How it stands was seen, and is told once.
  expect((await Promise.all(refusals.map(told))).flat()).toMatchObject([{ action: 'organization.seen' }]);
  const { data } = await acme.owner('{ currentOrganization { status } }');
  expect(data.currentOrganization.status).toBe('PENDING_DELETION');
});

test('a subscription changes by what is given, and the rest stays', async () => {
  const acme = await givenOrganization(server);
  const sam = await givenAdministrator(server);
  const agree = (subscription: object) => sam(AGREE, { input: { organizationId: acme.id, ...subscription } });
  const first = await agree({ plan: 'TEAM', seatLimit: 4, status: 'TRIALING' });
  expect((await look(acme)).subscription).toEqual({ plan: 'TEAM', seatLimit: 4, status: 'TRIALING' });
  expect(await told(first)).toMatchObject([
    {
      org_id: acme.id,
      action: 'organization.updated',
      actor_id: await personId(sam),
      changes: { plan: ['FREE', 'TEAM'], seat_limit: [null, 4], subscription_status: ['ACTIVE', 'TRIALING'] },
    },
  ]);
  const invite =
    'mutation { inviteUser(input: { email: "one-more@acme.example", name: "One", role: VIEWER }) { role } }';
  expect(codeOf(await acme.admin(invite))).toBe('CONFLICT');
  await agree({ status: 'PAST_DUE' });
  expect((await look(acme)).subscription).toEqual({ plan: 'TEAM', seatLimit: 4, status: 'PAST_DUE' });
  await agree({ seatLimit: null });
  expect((await look(acme)).subscription).toEqual({ plan: 'TEAM', seatLimit: null, status: 'PAST_DUE' });
  expect((await acme.admin(invite)).errors).toEqual([]);
  expect(await told(await agree({}))).toMatchObject([{ action: 'organization.seen', changes: null }]);
});

test.each([
  ['reason', SUSPEND, (id: string) => ({ id, reason: ' ' })],
  ['reason', SUSPEND, (id: string) => ({ id, reason: 'x'.repeat(501) })],
  ['input.seatLimit', AGREE, (organizationId: string) => ({ input: { organizationId, seatLimit: 0 } })],
  ['input.seatLimit', AGREE, (organizationId: string) => ({ input: { organizationId, seatLimit: 1_000_001 } })],
  ['input.plan', AGREE, (organizationId: string) => ({ input: { organizationId, plan: null } })],
  ['input.status', AGREE, (organizationId: string) => ({ input: { organizationId, status: null } })],
] as const)('%s that does not fit is BAD_USER_INPUT', async (argument, mutation, variables) => {
  const acme = await givenOrganization(server);
  const refused = await (await givenAdministrator(server))(mutation as typeof AGREE, variables(acme.id) as never);
  expect([codeOf(refused), argumentOf(refused)]).toEqual(['BAD_USER_INPUT', argument]);
});

describe('What is agreed', () => {
  test('is for system administrators to set, in organizations that there are', async () => {
    const acme = await givenOrganization(server);
    const attempts = (client: Client, id: string) => [
      client(SUSPEND, { id, reason: 'x' }),
      client(RESUME, { id }),
      client(AGREE, { input: { organizationId: id, plan: 'ENTERPRISE' } }),
    ];
    for (const client of [acme.owner, acme.admin]) {
      for (const refused of await Promise.all(attempts(client, acme.id))) expect(codeOf(refused)).toBe('FORBIDDEN');
    }
    const sam = await givenAdministrator(server);
    for (const refused of await Promise.all(attempts(sam, never('org')()))) expect(codeOf(refused)).toBe('NOT_FOUND');
  });

  test.each([
    { plan: 'ENTERPRISE' },
    { subscriptionStatus: 'TRIALING' },
    { seatLimit: 1000 },
    { entitlements: { limits: { seats: null } } },
  ] as const)('is not written by what the organization asks for, whatever the code says: %j', async (columns) => {
    const acme = await givenOrganization(server);
    const db = server.database.organizationDb(acme.id, byTest);
    await expect(db.organization.update({}, columns)).rejects.toThrow('not its own to write');
    expect((await db.organization.update({}, { description: 'x' })).plan).toBe('FREE');
  });
});
