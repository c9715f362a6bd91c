import { describe, expect, test } from '@jest/globals';
import type { MembershipStatus } from '../../src/generated/enums.js';
import { type Enrolled, enrolMember } from '../../src/rights/enrol-member.js';
import type { RoleAssignment } from '../../src/rights/escalation.js';
import { type GivenOrganization, givenMember, givenOrganization, personId, unique } from '../support/given.js';
import { useServer } from '../support/server.js';
import { byTest } from '../support/act.js';

const server = useServer();

const DEVELOPER: RoleAssignment = { role: 'DEVELOPER', granted: [], withheld: [] };

const enrol = (acme: GivenOrganization, person: Enrolled, options: { reactivateRemoved?: boolean } = {}) =>
  server.database
    .organizationDb(acme.id, byTest)
    .locked((db) => enrolMember(db, person, DEVELOPER, { reactivateRemoved: false, ...options }));

const givenPerson = async (email = `${unique('new')}@acme.example`): Promise<Enrolled> => ({
  id: await personId(await server.as(email)),
  email,
  name: 'New',
});

const rowsOf = (acme: GivenOrganization, email: string) =>
  server.database
    .organizationDb(acme.id, byTest)
    .membership.list({ where: { email }, orderBy: { userId: 'asc' }, take: 10 });

describe('Enrolling a person', () => {
  test('makes them an active member, once', async () => {
    const acme = await givenOrganization(server);
    const person = await givenPerson();
    const made = await enrol(acme, person);
    expect(made).toMatchObject({ userId: person.id, role: 'DEVELOPER', status: 'ACTIVE', joinedAt: expect.any(Date) });
    expect(await enrol(acme, person)).toEqual(made);
    const client = await server.as(person.email, acme.slug);
    expect((await client('{ viewer { role } }')).data.viewer.role).toBe('DEVELOPER');
  });

  test.each([{ removed: false }, { removed: true }])(
    'gives them the membership that was kept for their address: %j',
    async ({ removed }) => {
      const acme = await givenOrganization(server);
      const person = await givenPerson();
      const input = { email: person.email, name: 'Typed Name', role: 'ADMIN' };
      const invited = await acme.admin(
        'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { user { id } } }',
        { input },
      );
      const { id } = invited.data.inviteUser.user;
      if (removed) await acme.admin('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id });
      const joined = await enrol(acme, person);
      expect(joined).toMatchObject({ userId: person.id, name: 'Typed Name', role: 'DEVELOPER', status: 'ACTIVE' });
      expect([joined]).toMatchObject(await rowsOf(acme, person.email));
    },
  );

  test('leaves an active member as they are', async () => {
    const acme = await givenOrganization(server);
    const person = { id: await personId(acme.viewer), email: acme.viewer.email, name: 'Other' };
    expect(await enrol(acme, person)).toMatchObject({ role: 'VIEWER', name: `VIEWER of ${acme.slug}` });
  });

  test('brings nobody back who was suspended, and who was removed only where they were asked back', async () => {
    const acme = await givenOrganization(server);
    const given = async (status: MembershipStatus) =>
      givenPerson((await givenMember(server, acme, 'VIEWER', { status })).email);
    await expect(enrol(acme, await given('SUSPENDED'), { reactivateRemoved: true })).rejects.toThrow('suspended');
    const removed = await given('REMOVED');
    await expect(enrol(acme, removed)).rejects.toThrow('removed');
    expect(await enrol(acme, removed, { reactivateRemoved: true })).toMatchObject({ status: 'ACTIVE' });
  });

  test('takes no row that has someone else behind it', async () => {
    const acme = await givenOrganization(server);
    for (const status of ['ACTIVE', 'SUSPENDED', 'REMOVED'] as const) {
      const { email } = await givenMember(server, acme, 'VIEWER', { status });
      const other = { ...(await givenPerson()), email };
      await expect(enrol(acme, other, { reactivateRemoved: true })).rejects.toThrow('Someone else');
    }
  });

  test('needs a seat, unless one is kept for them', async () => {
    const acme = await givenOrganization(server);
    const invited = await givenPerson();
    const input = { email: invited.email, name: 'Jane', role: 'VIEWER' };
    await acme.admin('mutation ($input: InviteUserInput!) { inviteUser(input: $input) { role } }', { input });
    await server.database.pool.queryAsLoginRole('update organization set seat_limit = 5 where id = $1', [acme.id]);
    await expect(enrol(acme, await givenPerson())).rejects.toThrow('Every seat');
    expect(await enrol(acme, invited)).toMatchObject({ status: 'ACTIVE' });
  });
});
