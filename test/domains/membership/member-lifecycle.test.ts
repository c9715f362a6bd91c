import { describe, expect, test } from '@jest/globals';
import { newId } from '../../../src/data/id.js';
import { openSessions } from '../../../src/identity/sessions.js';
import { givenKey, givenServiceAccount } from '../../support/api-key.js';
import { givenCertifiedKey } from '../../support/certificate.js';
import { type GivenOrganization, givenMember, givenOrganization, personId, unique } from '../../support/given.js';
import { describeIsolation, never, type Target } from '../../support/isolation.js';
import { secretFor } from '../../support/mail.js';
import { givenDirectory } from '../../support/scim.js';
import { type Answer, type Client, codeOf, useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

const server = useServer();

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

const change = (field: string) => (actor: Client, id: string) =>
  actor(`mutation ($id: ID!) { ${field}(userId: $id) { user { id } role status permissions } }`, { id });
const suspend = change('suspendMember');
const reinstate = change('reinstateMember');
const transfer = change('transferOwnership');
const remove = (actor: Client, id: string, reassignTo?: string) =>
  actor('mutation ($id: ID!, $to: ID) { removeMember(userId: $id, reassignTo: $to) { status } }', {
    id,
    to: reassignTo,
  });
const leave = (actor: Client) => actor('mutation { leaveOrganization { user { id } role status } }');
const setPermissions = (actor: Client, id: string, permissions: string[], withheldPermissions: string[] = []) =>
  actor(
    `mutation ($id: ID!, $more: [String!]!, $less: [String!]!) {
      updateMemberPermissions(userId: $id, permissions: $more, withheldPermissions: $less) { role permissions }
    }`,
    { id, more: permissions, less: withheldPermissions },
  );
const invite = async (actor: Client, email: string, role = 'VIEWER') => {
  const query = 'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { user { id } invitation { id } } }';
  return (await actor(query, { input: { email, name: 'Jane', role } })).data.inviteUser;
};
const mayRead = async (client: Client): Promise<boolean> =>
  (await client('{ runs { totalCount } }')).errors.length === 0;
const statusOf = async ({ owner }: GivenOrganization, userId: string) => {
  const { data } = await owner('{ members(first: 100) { nodes { user { id } role status permissions } } }');
  return data.members.nodes.find(({ user }: Answer['data']) => user.id === userId);
};

describe('Single permissions of a member', () => {
  test('are replaced as a whole, and count on the next request', async () => {
    const acme = await givenOrganization(server);
    const id = await personId(acme.viewer);
    const { data } = await setPermissions(acme.admin, id, ['execute_agents', 'run:start', 'run:read'], ['usage:read']);
    expect(data.updateMemberPermissions.role).toBe('VIEWER');
    expect(data.updateMemberPermissions.permissions).toContain('run:start');
    expect(data.updateMemberPermissions.permissions).not.toContain('usage:read');
    const start = 'mutation ($id: ID!) { startRun(input: { agentId: $id }) { id } }';
    expect((await acme.viewer(start, { id: acme.agentId })).errors).toEqual([]);
    expect(codeOf(await acme.viewer('{ organizationUsage { totalRuns } }'))).toBe('FORBIDDEN');
    await setPermissions(acme.admin, id, []);
    expect(codeOf(await acme.viewer(start, { id: acme.agentId }))).toBe('FORBIDDEN');
    expect((await acme.viewer('{ organizationUsage { totalRuns } }')).errors).toEqual([]);
  });

  test('are given by nobody who does not hold them, and withheld from no OWNER', async () => {
    const acme = await givenOrganization(server);
    const [viewer, owner] = [await personId(acme.viewer), await personId(acme.owner)];
    expect(codeOf(await setPermissions(acme.admin, viewer, ['billing:manage']))).toBe('ROLE_ESCALATION');
    expect(codeOf(await setPermissions(acme.admin, owner, []))).toBe('ROLE_ESCALATION');
    expect(codeOf(await setPermissions(acme.developer, viewer, []))).toBe('FORBIDDEN');
    const whole = await setPermissions(acme.owner, owner, [], ['run:read']);
    expect([codeOf(whole), whole.errors[0]?.extensions['argument']]).toEqual(['BAD_USER_INPUT', 'withheldPermissions']);
    const unknown = await setPermissions(acme.owner, viewer, ['run:read', 'fly']);
    expect([codeOf(unknown), unknown.errors[0]?.extensions['argument']]).toEqual(['BAD_USER_INPUT', 'permissions.1']);
    // Having been given more than the ADMIN holds, the VIEWER is out of the ADMIN's reach.
    await setPermissions(acme.owner, viewer, ['billing:manage']);
    expect(codeOf(await setPermissions(acme.admin, viewer, []))).toBe('ROLE_ESCALATION');
  });
});

describe('A suspended member', () => {
  test('may nothing on the next request, keeps role and seat, and gets all of it back', async () => {
    const acme = await givenOrganization(server);
    const id = await personId(acme.developer);
    const key = await givenKey(server, acme.developer, ['run:read']);
    const before = await statusOf(acme, id);
    expect([await mayRead(acme.developer), await mayRead(key.client)]).toEqual([true, true]);
    expect((await suspend(acme.admin, id)).data.suspendMember).toEqual({ ...before, status: 'SUSPENDED' });
    expect([await mayRead(acme.developer), await mayRead(key.client)]).toEqual([false, false]);
    expect((await suspend(acme.admin, id)).data.suspendMember.status).toBe('SUSPENDED');
    await sql('update organization set seat_limit = 4 where id = $1', [acme.id]);
    const query = 'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { role } }';
    const input = { email: `${unique('jane')}@new.example`, name: 'Jane', role: 'VIEWER' };
    expect(codeOf(await acme.admin(query, { input }))).toBe('CONFLICT');
    expect((await reinstate(acme.admin, id)).data.reinstateMember).toEqual(before);
    expect([await mayRead(acme.developer), await mayRead(key.client)]).toEqual([true, true]);
  });

  test('is somebody: who has not joined yet, or was removed, is neither suspended nor reinstated', async () => {
    const acme = await givenOrganization(server);
    const { user } = await invite(acme.admin, `${unique('jane')}@new.example`);
    expect(codeOf(await suspend(acme.admin, user.id))).toBe('CONFLICT');
    expect(codeOf(await reinstate(acme.admin, user.id))).toBe('CONFLICT');
    const gone = await personId(await givenMember(server, acme, 'VIEWER', { status: 'REMOVED' }));
    for (const act of [suspend, reinstate]) expect(codeOf(await act(acme.admin, gone))).toBe('NOT_FOUND');
  });

  test('is not suspended by who holds less, nor when it is the last OWNER', async () => {
    const acme = await givenOrganization(server);
    const owner = await personId(acme.owner);
    expect(codeOf(await suspend(acme.admin, owner))).toBe('ROLE_ESCALATION');
    expect(codeOf(await suspend(acme.owner, owner))).toBe('LAST_OWNER');
    expect(codeOf(await suspend(acme.developer, await personId(acme.viewer)))).toBe('FORBIDDEN');
    const second = await givenMember(server, acme, 'OWNER');
    expect((await suspend(second, owner)).data.suspendMember.status).toBe('SUSPENDED');
    expect(codeOf(await leave(second))).toBe('LAST_OWNER');
  });
});

describe('Leaving', () => {
  test('ends every right at once, whatever the role, and frees the seat', async () => {
    const acme = await givenOrganization(server);
    for (const client of [acme.viewer, acme.developer, acme.admin]) {
      const id = await personId(client);
      expect((await leave(client)).data.leaveOrganization).toMatchObject({ user: { id }, status: 'REMOVED' });
      expect(await mayRead(client)).toBe(false);
      expect(codeOf(await leave(client))).toBe('ORG_CONTEXT_REQUIRED');
    }
    expect((await acme.owner('{ members(status: ACTIVE) { totalCount } }')).data.members.totalCount).toBe(1);
  });

  test('is for everyone from whom everything is withheld as well, and for no key', async () => {
    const acme = await givenOrganization(server);
    const { data } = await acme.viewer('{ viewer { permissions } }');
    const key = await givenKey(server, acme.developer, ['run:read', 'member:read']);
    expect(codeOf(await leave(key.client))).toBe('FORBIDDEN');
    await setPermissions(acme.admin, await personId(acme.viewer), [], data.viewer.permissions);
    expect((await leave(acme.viewer)).errors).toEqual([]);
  });

  test('is LAST_OWNER for the last one, until another is', async () => {
    const acme = await givenOrganization(server);
    expect(codeOf(await leave(acme.owner))).toBe('LAST_OWNER');
    await transfer(acme.owner, await personId(acme.viewer));
    expect((await leave(acme.owner)).data.leaveOrganization).toMatchObject({ role: 'ADMIN', status: 'REMOVED' });
    expect(codeOf(await leave(acme.viewer))).toBe('LAST_OWNER');
  });

  test('needs to say which, like every mutation of who is in several', async () => {
    const acme = await givenOrganization(server);
    const globex = await givenOrganization(server, 'globex');
    await givenMember(server, globex, 'VIEWER', { email: acme.viewer.email });
    const unbound = await server.as(acme.viewer.email);
    expect(codeOf(await leave(unbound))).toBe('ORG_CONTEXT_REQUIRED');
  });
});

describe('Ownership', () => {
  test('moves to another member: they are OWNER, and who gave it an ADMIN, in one step', async () => {
    const acme = await givenOrganization(server);
    const [owner, viewer] = [await personId(acme.owner), await personId(acme.viewer)];
    await setPermissions(acme.admin, viewer, [], ['usage:read']);
    const { data } = await transfer(acme.owner, viewer);
    expect(data.transferOwnership).toMatchObject({ user: { id: viewer }, role: 'OWNER', status: 'ACTIVE' });
    expect(data.transferOwnership.permissions).toContain('usage:read');
    expect(await statusOf(acme, owner)).toMatchObject({ role: 'ADMIN', status: 'ACTIVE' });
    expect(codeOf(await transfer(acme.owner, owner))).toBe('FORBIDDEN');
  });

  test('is given by an OWNER only, to an active person only', async () => {
    const acme = await givenOrganization(server);
    const viewer = await personId(acme.viewer);
    for (const client of [acme.admin, acme.developer]) expect(codeOf(await transfer(client, viewer))).toBe('FORBIDDEN');
    // Nobody becomes OWNER-maker by a single permission.
    await setPermissions(acme.owner, await personId(acme.admin), ['ownership:transfer']);
    expect(codeOf(await transfer(acme.admin, viewer))).toBe('ROLE_ESCALATION');
    const suspended = await personId(await givenMember(server, acme, 'VIEWER', { status: 'SUSPENDED' }));
    const invited = (await invite(acme.admin, `${unique('jane')}@new.example`)).user.id;
    const machine = await givenServiceAccount(acme.admin, 'ADMIN');
    for (const id of [suspended, invited, machine, newId('usr')]) {
      expect(codeOf(await transfer(acme.owner, id))).toBe('NOT_FOUND');
    }
    expect(codeOf(await transfer(acme.owner, await personId(acme.owner)))).toBe('BAD_USER_INPUT');
    const key = await givenKey(server, acme.owner, ['member:update', 'member:remove']);
    expect(codeOf(await transfer(key.client, viewer))).toBe('FORBIDDEN');
    expect(await statusOf(acme, viewer)).toMatchObject({ role: 'VIEWER' });
  });
});

describe('What stops when a member is removed', () => {
  const PREVIEW = `query ($id: ID!) { previewMemberRemoval(userId: $id) {
    membership { user { id } status } apiKeys { id name } serviceAccountKeys { id owner { id } }
    invitationsSent { id email } joinRequestsWaiting sessions
  } }`;

  /** Someone who has one of each. */
  async function givenBusyAdmin() {
    const acme = await givenOrganization(server);
    const id = await personId(acme.admin);
    const own = await givenKey(server, acme.admin, ['run:read']);
    const account = await givenServiceAccount(acme.admin, 'DEVELOPER');
    const machine = await givenKey(server, acme.admin, ['run:read'], { serviceAccountId: account });
    const email = `${unique('jane')}@new.example`;
    const sent = await invite(acme.admin, email);
    const person = { personId: id, provider: null, userAgent: null };
    await server.database.outside(openSessions).start({ ...person, boundOrgId: null });
    await server.database.outside(openSessions).start({ ...person, boundOrgId: acme.id });
    const request = { id: newId('jrq'), personId: newId('usr'), email, name: 'Joe', domain: 'new.example' };
    await server.database.organizationDb(acme.id, byTest).joinRequest.create({ ...request, status: 'PENDING' });
    return { acme, id, own, account, machine, email, invitationId: sent.invitation.id as string };
  }

  test('and what goes on with them: directories whose token they know, until another OWNER replaces it', async () => {
    const acme = await givenOrganization(server);
    const boss = await givenMember(server, acme, 'OWNER');
    const id = await personId(boss);
    const directory = await givenDirectory(server, { ...acme, owner: boss });
    await givenDirectory(server, acme);
    const group = await directory('POST', '/Groups', { displayName: 'Chiefs' });
    const giveRole = 'mutation ($id: ID!) { setScimGroupRole(input: { groupId: $id, role: OWNER }) { role } }';
    expect((await boss(giveRole, { id: group.body.id })).errors).toEqual([]);
    const known = async () => {
      const text = 'query ($id: ID!) { previewMemberRemoval(userId: $id) { directories { id } } }';
      return (await acme.owner(text, { id })).data.previewMemberRemoval.directories;
    };
    expect(await known()).toEqual([{ id: directory.id }]);
    await acme.owner('mutation ($id: ID!) { updateMemberRole(userId: $id, role: VIEWER) { role } }', { id });
    expect(await known()).toEqual([{ id: directory.id }]);
    const replace = 'mutation ($id: ID!) { replaceScimToken(id: $id) { token } }';
    expect((await acme.owner(replace, { id: directory.id })).errors).toEqual([]);
    expect(await known()).toEqual([]);
    await acme.owner('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id });
    expect((await directory('POST', '/Users', { userName: `sock@${directory.domain}` })).status).toBe(401);
  });

  test('and what goes on believing them: identity providers that they chose, or gave a key to', async () => {
    const acme = await givenOrganization(server);
    const boss = await givenMember(server, acme, 'OWNER');
    const id = await personId(boss);
    const oidc = `mutation ($name: String!) {
      createOidcProvider(input: { name: $name, issuer: "https://id.acme.example", clientId: "x", clientSecret: "y" }) { id }
    }`;
    const saml = `mutation ($input: CreateSamlProviderInput!) { createSamlProvider(input: $input) { id } }`;
    const update = 'mutation ($input: UpdateIdentityProviderInput!) { updateIdentityProvider(input: $input) { id } }';
    const { certificate } = givenCertifiedKey();
    const settings = { name: 'S', issuer: 'urn:s', signInUrl: 'https://s.example', certificates: [certificate] };
    const theirs = (await boss(oidc, { name: 'Theirs' })).data.createOidcProvider.id as string;
    const signed = (await boss(saml, { input: settings })).data.createSamlProvider.id as string;
    const common = (await acme.owner(oidc, { name: 'Common' })).data.createOidcProvider.id as string;
    const known = async (of = id) => {
      const text = 'query ($id: ID!) { previewMemberRemoval(userId: $id) { identityProviders { id } } }';
      const { data } = await acme.owner(text, { id: of });
      return (data.previewMemberRemoval.identityProviders as { id: string }[]).map((each) => each.id);
    };
    expect(await known()).toEqual([theirs, signed]);
    expect(await known(await personId(acme.admin))).toEqual([]);
    await boss(update, { input: { id: common, name: 'Renamed' } });
    expect(await known()).toEqual([theirs, signed]);
    await boss(update, { input: { id: common, clientSecret: 'z' } });
    expect(await known()).toEqual([theirs, signed, common]);

    // Whoever chose the issuer stays who chose it; a certificate is all that SAML believes.
    for (const input of [
      { id: theirs, clientSecret: 'z' },
      { id: common, clientSecret: 'a' },
    ]) {
      expect((await acme.owner(update, { input })).errors).toEqual([]);
    }
    await acme.owner(update, { input: { id: signed, certificates: [certificate] } });
    await acme.owner('mutation ($id: ID!) { updateMemberRole(userId: $id, role: VIEWER) { role } }', { id });
    expect(await known()).toEqual([theirs]);
    await acme.owner('mutation ($id: ID!) { deleteIdentityProvider(id: $id) }', { id: theirs });
    expect(await known()).toEqual([]);
  });

  test('and providers from before it was kept who made them, of whoever is OWNER', async () => {
    const acme = await givenOrganization(server);
    const { identityProvider } = server.database.organizationDb(acme.id, byTest);
    const settings = { kind: 'OIDC', issuer: 'https://id.acme.example', clientId: 'x', defaultRole: 'VIEWER' } as const;
    const { id: old } = await identityProvider.create({ id: newId('idp'), name: 'Old', ...settings });
    const text = 'query ($id: ID!) { previewMemberRemoval(userId: $id) { identityProviders { id } } }';
    const boss = await personId(await givenMember(server, acme, 'OWNER'));
    const of = async (id: string) =>
      (await acme.owner(text, { id })).data.previewMemberRemoval.identityProviders as unknown;
    expect(await of(boss)).toEqual([{ id: old }]);
    expect(await of(await personId(acme.admin))).toEqual([]);
    const asAdmin = await acme.admin(text, { id: await personId(acme.viewer) });
    expect(asAdmin.data.previewMemberRemoval).toEqual({ identityProviders: null });
  });

  test('is told beforehand: keys, invitations, requests that wait and sessions', async () => {
    const { acme, id, own, account, machine, email, invitationId } = await givenBusyAdmin();
    const { data, errors } = await acme.owner(PREVIEW, { id });
    expect(errors).toEqual([]);
    expect(data.previewMemberRemoval).toEqual({
      membership: { user: { id }, status: 'ACTIVE' },
      apiKeys: [{ id: own.id, name: 'CI' }],
      serviceAccountKeys: [{ id: machine.id, owner: { id: account } }],
      invitationsSent: [{ id: invitationId, email }],
      joinRequestsWaiting: 1,
      sessions: 1,
    });
    const idle = await acme.admin(PREVIEW, { id: await personId(acme.viewer) });
    const nothing = { apiKeys: [], serviceAccountKeys: [], invitationsSent: [], joinRequestsWaiting: 0, sessions: 0 };
    expect(idle.data.previewMemberRemoval).toMatchObject(nothing);
    expect(codeOf(await acme.developer(PREVIEW, { id }))).toBe('FORBIDDEN');
  });

  test('and an ADMIN, who may remove, is told all but what only OWNERs may see', async () => {
    const { acme, id, own } = await givenBusyAdmin();
    const text = PREVIEW.replace('sessions', 'sessions directories { name }');
    const { data, errors } = await acme.admin(text, { id });
    expect(data.previewMemberRemoval).toMatchObject({ apiKeys: [{ id: own.id }], sessions: 1, directories: null });
    expect(errors).toEqual([
      expect.objectContaining({
        path: ['previewMemberRemoval', 'directories'],
        extensions: expect.objectContaining({ code: 'FORBIDDEN', requiredPermission: 'scim:manage' }),
      }),
    ]);
    const mayRemove = { granted: ['member:remove'] };
    const helper = await givenMember(server, acme, 'VIEWER', mayRemove);
    const helped = await helper(PREVIEW, { id: await personId(acme.viewer) });
    expect(helped.data.previewMemberRemoval).toMatchObject({ apiKeys: null, invitationsSent: null, sessions: 0 });
  });

  test('and stops then: their keys and invitations, not what belongs to the organization', async () => {
    const { acme, id, own, machine, email, invitationId } = await givenBusyAdmin();
    const secret = await secretFor(server, email);
    expect((await remove(acme.owner, id)).data.removeMember.status).toBe('REMOVED');
    expect([await mayRead(own.client), await mayRead(machine.client)]).toEqual([false, true]);
    const { data } = await acme.owner('{ invitations { nodes { id status } } }');
    expect(data.invitations.nodes).toEqual([{ id: invitationId, status: 'REVOKED' }]);
    const jane = await server.as(email);
    const accepted = await jane('mutation ($s: String!) { acceptInvitation(secret: $s) { outcome } }', { s: secret });
    expect(accepted.data.acceptInvitation.outcome).toBe('REVOKED');
    expect(await server.database.outside(openSessions).count({ personId: id, boundOrgId: acme.id })).toBe(0);
    expect(await server.database.outside(openSessions).count({ personId: id, boundOrgId: null })).toBe(1);
    expect(codeOf(await acme.owner(PREVIEW, { id }))).toBe('NOT_FOUND');
  });

  test('goes on in the name of someone who may: their invitations are reassigned', async () => {
    const { acme, id, email, invitationId } = await givenBusyAdmin();
    const secret = await secretFor(server, email);
    const [developer, owner] = [await personId(acme.developer), await personId(acme.owner)];
    await acme.owner('mutation ($id: ID!) { updateMemberRole(userId: $id, role: ADMIN) { role } }', { id: developer });
    for (const to of [newId('usr'), '']) expect(codeOf(await remove(acme.owner, id, to))).toBe('NOT_FOUND');
    expect(codeOf(await remove(acme.owner, id, id))).toBe('BAD_USER_INPUT');
    const low = await personId(acme.viewer);
    await sql(`update membership set role = 'ADMIN' where org_id = $1 and email = $2`, [acme.id, email]);
    expect(codeOf(await remove(acme.owner, id, low))).toBe('ROLE_ESCALATION');
    expect(await statusOf(acme, id)).toMatchObject({ status: 'ACTIVE' });

    await remove(acme.owner, id, developer);
    const { data } = await acme.owner('{ invitations { nodes { id status invitedBy { id } } } }');
    expect(data.invitations.nodes).toEqual([{ id: invitationId, status: 'PENDING', invitedBy: { id: developer } }]);
    expect(owner).not.toBe(developer);
    const jane = await server.as(email);
    const accepted = await jane('mutation ($s: String!) { acceptInvitation(secret: $s) { outcome } }', { s: secret });
    expect(accepted.data.acceptInvitation.outcome).toBe('ACCEPTED');
  });

  test('goes to nobody under whom it would be worth nothing', async () => {
    const { acme, id } = await givenBusyAdmin();
    const low = await remove(acme.owner, id, await personId(acme.viewer));
    expect(low.errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'reassignTo' });
    const gone = `${unique('gone')}@new.example`;
    const left = { status: 'INVITED', role: 'VIEWER', leftRole: 'OWNER', leftJoinedAt: new Date() } as const;
    const row = { userId: newId('usr'), name: 'Gone', email: gone, ...left, invitedBy: id };
    await server.database.organizationDb(acme.id, byTest).membership.create(row);
    const admin = await personId(await givenMember(server, acme, 'ADMIN'));
    expect(codeOf(await remove(acme.owner, id, admin))).toBe('ROLE_ESCALATION');
    const account = await givenServiceAccount(acme.owner, 'ADMIN');
    expect(codeOf(await remove(acme.owner, id, account))).toBe('NOT_FOUND');
    expect(await statusOf(acme, id)).toMatchObject({ status: 'ACTIVE' });
    expect((await remove(acme.owner, id, await personId(acme.owner))).errors).toEqual([]);
  });

  test('is the same for who leaves', async () => {
    const { acme, own, machine, invitationId } = await givenBusyAdmin();
    await leave(acme.admin);
    expect([await mayRead(own.client), await mayRead(machine.client)]).toEqual([false, true]);
    const { data } = await acme.owner('{ invitations { nodes { id status } } }');
    expect(data.invitations.nodes).toEqual([{ id: invitationId, status: 'REVOKED' }]);
  });
});

const member = {
  foreign: (acme: Target) => acme.ownerId,
  unknown: never('usr'),
  variables: (id: string) => ({ id }),
};
const mutation = (field: string) => ({ query: `mutation ($id: ID!) { ${field}(userId: $id) { role } }`, ...member });

describeIsolation({
  'Query.previewMemberRemoval.userId': {
    query: 'query ($id: ID!) { previewMemberRemoval(userId: $id) { sessions membership { role } } }',
    ...member,
  },
  'Mutation.updateMemberPermissions.userId': {
    query: `mutation ($id: ID!) {
      updateMemberPermissions(userId: $id, permissions: [], withheldPermissions: []) { role }
    }`,
    ...member,
  },
  'Mutation.suspendMember.userId': mutation('suspendMember'),
  'Mutation.reinstateMember.userId': mutation('reinstateMember'),
  'Mutation.transferOwnership.userId': mutation('transferOwnership'),
  'Mutation.removeMember.reassignTo': {
    query: 'mutation ($id: ID!, $to: ID) { removeMember(userId: $id, reassignTo: $to) { role } }',
    ...member,
    variables: (to, own) => ({ to, id: own.memberId }),
  },
});
