import { describe, expect, test } from '@jest/globals';
import type { MembershipStatus } from '../../../src/generated/enums.js';
import type { Role } from '../../../src/permissions/catalogue.js';
import { type GivenOrganization, givenMember, givenOrganization, personId, unique } from '../../support/given.js';
import { type Client, codeOf, useServer } from '../../support/server.js';

const server = useServer();

interface RoleAssignment {
  readonly role: Role;
  readonly granted?: string[];
  readonly withheld?: string[];
  readonly status?: MembershipStatus;
}

const member = (role: Role, more: Omit<RoleAssignment, 'role'> = {}): RoleAssignment => ({ role, ...more });
const given = (acme: GivenOrganization, { role, ...more }: RoleAssignment): Promise<Client> =>
  givenMember(server, acme, role, more);

const invite = (actor: Client, email: string, { role, granted, withheld }: RoleAssignment) =>
  actor('mutation ($input: InviteUserInput!) { inviteUser(input: $input) { role permissions } }', {
    input: { email, name: 'Jane', role, permissions: granted, withheldPermissions: withheld },
  });
const update = (actor: Client, id: string, role: Role) =>
  actor('mutation ($id: ID!, $role: OrganizationRole!) { updateMemberRole(userId: $id, role: $role) { role } }', {
    id,
    role,
  });
const remove = (actor: Client, id: string) =>
  actor('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id });

const snapshot = async ({ owner }: GivenOrganization) =>
  (await owner('{ members(first: 100) { nodes { user { id name } role status permissions } } }')).data.members.nodes;

const ADMIN = member('ADMIN');
const NARROW_ADMIN = member('ADMIN', { withheld: ['run:cancel'] });
const INVITING_VIEWER = member('VIEWER', { granted: ['member:invite'] });
const UPDATING_DEVELOPER = member('DEVELOPER', { granted: ['member:update'] });
const REMOVING_VIEWER = member('VIEWER', { granted: ['member:remove'] });
const PAYING_VIEWER = member('VIEWER', { granted: ['billing:manage'] });

describe('Nobody grants more than they hold', () => {
  const REFUSED: [string, RoleAssignment, RoleAssignment][] = [
    ['an ADMIN invites no OWNER', ADMIN, member('OWNER')],
    ['an ADMIN invites no VIEWER who may manage billing', ADMIN, PAYING_VIEWER],
    [
      'an ADMIN invites no ADMIN who may delete the organization',
      ADMIN,
      member('ADMIN', { granted: ['organization:delete'] }),
    ],
    ['an ADMIN who may not cancel runs invites no DEVELOPER, who may', NARROW_ADMIN, member('DEVELOPER')],
    ['nor another ADMIN', NARROW_ADMIN, member('ADMIN')],
    ['nor a VIEWER with that permission', NARROW_ADMIN, member('VIEWER', { granted: ['run:cancel'] })],
    ['a VIEWER who may invite does not invite a DEVELOPER', INVITING_VIEWER, member('DEVELOPER')],
    [
      'not even one from whom all is withheld that a VIEWER has not',
      INVITING_VIEWER,
      member('DEVELOPER', {
        withheld: [
          'agent:create',
          'agent:delete',
          'agent:update',
          'repository:create',
          'repository:delete',
          'repository:update',
          'run:cancel',
          'run:record',
          'run:start',
        ],
      }),
    ],
    ['nor a VIEWER who may start runs', INVITING_VIEWER, member('VIEWER', { granted: ['execute_agents'] })],
  ];
  test.each(REFUSED)('%s', async (_name, actor, wanted) => {
    const acme = await givenOrganization(server);
    const client = await given(acme, actor);
    const before = await snapshot(acme);
    expect(codeOf(await invite(client, `${unique('jane')}@acme.example`, wanted))).toBe('ROLE_ESCALATION');
    expect(await snapshot(acme)).toEqual(before);
  });

  const ALLOWED: [string, RoleAssignment, RoleAssignment][] = [
    ['an ADMIN invites an ADMIN', ADMIN, member('ADMIN')],
    [
      'an ADMIN who may not cancel runs invites a DEVELOPER who may not either',
      NARROW_ADMIN,
      member('DEVELOPER', { withheld: ['run:cancel'] }),
    ],
    ['a VIEWER who may invite invites a VIEWER who may', INVITING_VIEWER, INVITING_VIEWER],
    ['an OWNER invites an OWNER', member('OWNER'), member('OWNER')],
    ['an OWNER lets a VIEWER manage billing', member('OWNER'), PAYING_VIEWER],
  ];
  test.each(ALLOWED)('%s', async (_name, actor, wanted) => {
    const acme = await givenOrganization(server);
    const { data } = await invite(await given(acme, actor), `${unique('jane')}@acme.example`, wanted);
    expect(data.inviteUser.role).toBe(wanted.role);
    expect(data.inviteUser.permissions).toEqual(expect.arrayContaining(wanted.granted ?? []));
    for (const withheld of wanted.withheld ?? []) expect(data.inviteUser.permissions).not.toContain(withheld);
  });
});

describe('Nobody edits or removes who holds more than they do, nor makes anyone so', () => {
  const UPDATES: [actor: RoleAssignment, target: RoleAssignment, role: Role, allowed: boolean][] = [
    [ADMIN, member('VIEWER'), 'OWNER', false],
    [ADMIN, member('OWNER'), 'VIEWER', false],
    [ADMIN, member('OWNER', { status: 'INVITED' }), 'VIEWER', false],
    [ADMIN, member('OWNER', { status: 'SUSPENDED' }), 'VIEWER', false],
    [ADMIN, PAYING_VIEWER, 'VIEWER', false],
    [ADMIN, member('VIEWER'), 'ADMIN', true],
    [ADMIN, member('ADMIN'), 'VIEWER', true],
    [NARROW_ADMIN, member('DEVELOPER'), 'VIEWER', false],
    [NARROW_ADMIN, member('VIEWER'), 'DEVELOPER', false],
    [NARROW_ADMIN, member('DEVELOPER', { withheld: ['run:cancel'] }), 'VIEWER', true],
    [UPDATING_DEVELOPER, member('ADMIN'), 'VIEWER', false],
    [UPDATING_DEVELOPER, member('VIEWER'), 'ADMIN', false],
    [UPDATING_DEVELOPER, member('VIEWER', { granted: ['member:remove'] }), 'VIEWER', false],
    [UPDATING_DEVELOPER, member('VIEWER'), 'DEVELOPER', true],
    [member('OWNER'), member('OWNER'), 'VIEWER', true],
    [member('OWNER'), member('ADMIN', { withheld: ['run:cancel'] }), 'OWNER', true],
  ];
  test.each(UPDATES)('%j makes %j a %s: %j', async (actor, target, role, allowed) => {
    const acme = await givenOrganization(server);
    const [client, id] = [await given(acme, actor), await personId(await given(acme, target))];
    const before = await snapshot(acme);
    const answer = await update(client, id, role);
    if (allowed) return expect(answer.data.updateMemberRole.role).toBe(role);
    expect([codeOf(answer), answer.data]).toEqual(['ROLE_ESCALATION', { updateMemberRole: null }]);
    expect(await snapshot(acme)).toEqual(before);
  });

  const REMOVALS: [actor: RoleAssignment, target: RoleAssignment, allowed: boolean][] = [
    [ADMIN, member('OWNER'), false],
    [ADMIN, member('OWNER', { status: 'INVITED' }), false],
    [ADMIN, PAYING_VIEWER, false],
    [ADMIN, member('ADMIN'), true],
    [NARROW_ADMIN, member('DEVELOPER'), false],
    [NARROW_ADMIN, member('VIEWER'), true],
    [REMOVING_VIEWER, member('DEVELOPER'), false],
    [REMOVING_VIEWER, member('VIEWER', { status: 'INVITED' }), true],
    [member('OWNER'), member('OWNER'), true],
  ];
  test.each(REMOVALS)('%j removes %j: %j', async (actor, target, allowed) => {
    const acme = await givenOrganization(server);
    const [client, id] = [await given(acme, actor), await personId(await given(acme, target))];
    const before = await snapshot(acme);
    const answer = await remove(client, id);
    if (allowed) return expect(answer.data.removeMember.status).toBe('REMOVED');
    expect([codeOf(answer), answer.data]).toEqual(['ROLE_ESCALATION', { removeMember: null }]);
    expect(await snapshot(acme)).toEqual(before);
  });

  test('nor an OWNER, by an ADMIN who holds every permission that an OWNER has', async () => {
    const acme = await givenOrganization(server);
    const { data } = await acme.owner('{ viewer { permissions } }');
    const admin = await given(acme, member('ADMIN', { granted: data.viewer.permissions }));
    const id = await personId(await given(acme, member('OWNER')));
    const before = await snapshot(acme);
    expect(codeOf(await remove(admin, id))).toBe('ROLE_ESCALATION');
    expect(codeOf(await update(admin, await personId(acme.viewer), 'OWNER'))).toBe('ROLE_ESCALATION');
    expect(codeOf(await invite(admin, `${unique('jane')}@acme.example`, member('OWNER')))).toBe('ROLE_ESCALATION');
    expect(await snapshot(acme)).toEqual(before);
  });

  test('nor oneself: an ADMIN does not become OWNER, and may step down', async () => {
    const acme = await givenOrganization(server);
    const id = await personId(acme.admin);
    expect(codeOf(await update(acme.admin, id, 'OWNER'))).toBe('ROLE_ESCALATION');
    expect((await update(acme.admin, id, 'VIEWER')).data.updateMemberRole.role).toBe('VIEWER');
    expect(codeOf(await update(acme.admin, id, 'ADMIN'))).toBe('FORBIDDEN');
  });

  test('nor by inviting anew whoever is invited as more', async () => {
    const acme = await givenOrganization(server);
    for (const assignment of [member('OWNER'), PAYING_VIEWER]) {
      const email = `${unique('jane')}@acme.example`;
      await invite(acme.owner, email, assignment);
      expect(codeOf(await invite(acme.admin, email, member('VIEWER')))).toBe('ROLE_ESCALATION');
    }
  });
});

describe('An organization keeps an active OWNER, whole', () => {
  test('whoever is the last one neither steps down nor leaves, whoever else is OWNER without being active', async () => {
    const acme = await givenOrganization(server);
    for (const status of ['INVITED', 'SUSPENDED', 'REMOVED'] as const) await given(acme, member('OWNER', { status }));
    const id = await personId(acme.owner);
    const before = await snapshot(acme);
    for (const answer of [await update(acme.owner, id, 'ADMIN'), await remove(acme.owner, id)]) {
      expect(codeOf(answer)).toBe('LAST_OWNER');
    }
    expect(await snapshot(acme)).toEqual(before);
    expect((await update(acme.owner, id, 'OWNER')).data.updateMemberRole.role).toBe('OWNER');

    const second = await given(acme, member('OWNER'));
    expect((await remove(acme.owner, id)).data.removeMember.status).toBe('REMOVED');
    expect(codeOf(await remove(second, await personId(second)))).toBe('LAST_OWNER');
  });

  test('an OWNER is not narrowed: not by an invitation, and not by what was withheld before', async () => {
    const acme = await givenOrganization(server);
    const refused = await invite(acme.owner, 'jane@acme.example', member('OWNER', { withheld: ['run:start'] }));
    expect(codeOf(refused)).toBe('BAD_USER_INPUT');
    const narrow = await given(acme, NARROW_ADMIN);
    await update(acme.owner, await personId(narrow), 'OWNER');
    const permissionsOf = async (client: Client) =>
      (await client('{ viewer { permissions } }')).data.viewer.permissions;
    expect(await permissionsOf(narrow)).toEqual(await permissionsOf(acme.owner));
  });
});
