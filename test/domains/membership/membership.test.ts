import { describe, expect, test } from '@jest/globals';
import { givenMember, givenOrganization, givenTwoOrganizations, personId, unique } from '../../support/given.js';
import { givenKey } from '../../support/api-key.js';
import { type Answer, type Client, codeOf, useServer } from '../../support/server.js';

const server = useServer();

const INVITE = `mutation ($input: InviteUserInput!) { inviteUser(input: $input) {
  user { id name email } role permissions
  membership { user { id name email } organization { slug } role status permissions createdAt joinedAt }
} }`;
const REMOVE = 'mutation ($id: ID!) { removeMember(userId: $id) { user { id name email } role status } }';
const MEMBERS = `query ($status: MembershipStatus) { members(status: $status) {
  totalCount nodes { user { id name email } role status joinedAt }
} }`;

const membersOf = async (client: Client, status?: string) => (await client(MEMBERS, { status })).data.members;
const named = (name: string) => ({ 'x-organization-id': name });

describe('The members of an organization', () => {
  test('are called by name wherever something leads to them, and by address for whoever reads members, and to themselves', async () => {
    const acme = await givenOrganization(server);
    const { client, id: keyId } = await givenKey(server, acme.admin, ['run:read', 'api-key:read', 'run:start']);
    const blind = await givenMember(server, acme, 'ADMIN', { withheld: ['member:read'] });
    const start = 'mutation ($id: ID!) { startRun(input: { agentId: $id }) { id createdBy { email } } }';
    const own = await client(start, { id: acme.agentId });
    expect([own.errors, own.data.startRun.createdBy]).toEqual([[], { email: acme.admin.email }]);
    const keys = await client('{ apiKeys { nodes { id owner { email } } } }');
    expect(keys.data.apiKeys?.nodes).toEqual([{ id: keyId, owner: { email: acme.admin.email } }]);
    const other = await client('query ($id: ID!) { run(id: $id) { createdBy { name } } }', { id: acme.runId });
    expect([other.errors, other.data.run.createdBy.name]).toEqual([[], expect.any(String)]);
    const run = `{ run(id: "${acme.runId}") { createdBy { email } } }`;
    for (const [asks, document] of [
      [client, run],
      [blind, run],
      [blind, '{ apiKeys { nodes { owner { email } } } }'],
      [blind, '{ runs { nodes { createdBy { email } } } }'],
    ] as const) {
      const { errors, text } = await asks(document);
      expect([document, errors[0]?.extensions]).toMatchObject([
        document,
        { code: 'FORBIDDEN', requiredPermission: 'member:read' },
      ]);
      expect(text).not.toContain('@');
    }
    // Whom they invite they told themselves, and who they are.
    const invite =
      'mutation { inviteUser(input: { email: "new@acme.example", name: "N", role: VIEWER, withheldPermissions: ["member:read"] }) { user { email } } }';
    expect((await blind(invite)).data.inviteUser.user).toEqual({ email: 'new@acme.example' });
    const viewer = '{ viewer { user { email } memberships { nodes { user { email } } } } }';
    expect((await blind(viewer)).data.viewer).toEqual({
      user: { email: blind.email },
      memberships: { nodes: [{ user: { email: blind.email } }] },
    });
  });

  test('are everyone who was ever invited or joined, by e-mail, as this organization knows them', async () => {
    const acme = await givenOrganization(server);
    for (const status of ['INVITED', 'SUSPENDED', 'REMOVED'] as const) {
      await givenMember(server, acme, 'VIEWER', { status, email: `${status.toLowerCase()}@members.example` });
    }
    const all = await membersOf(acme.viewer);
    expect(all.totalCount).toBe(7);
    const emails = all.nodes.map(({ user }: Answer['data']) => user.email);
    expect(emails).toHaveLength(7);
    expect([...emails].sort((a: string, b: string) => a.localeCompare(b))).toEqual(emails);
    expect(all.nodes.find(({ role }: Answer['data']) => role === 'ADMIN')).toEqual({
      user: { id: await personId(acme.admin), name: `ADMIN of ${acme.slug}`, email: acme.admin.email },
      role: 'ADMIN',
      status: 'ACTIVE',
      joinedAt: expect.any(String),
    });
    for (const [status, count] of Object.entries({ ACTIVE: 4, INVITED: 1, SUSPENDED: 1, REMOVED: 1 })) {
      const some = await membersOf(acme.viewer, status);
      expect(some.totalCount).toBe(count);
      expect(some.nodes.every((node: Answer['data']) => node.status === status)).toBe(true);
    }
  });

  test('keep the name this organization gave them, in what they did as well', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    await givenMember(server, globex, 'DEVELOPER', { email: acme.developer.email });
    const start = 'mutation ($id: ID!) { startRun(input: { agentId: $id }) { createdBy { id name email } } }';
    const at = async (place: typeof acme) =>
      (await acme.developer(start, { id: place.agentId }, named(place.slug))).data.startRun.createdBy;
    const id = await personId(acme.developer);
    expect(await at(acme)).toEqual({ id, name: `DEVELOPER of ${acme.slug}`, email: acme.developer.email });
    expect(await at(globex)).toEqual({ id, name: `DEVELOPER of ${globex.slug}`, email: acme.developer.email });
  });
});

describe('An invitation', () => {
  test('answers user, role, permissions and an INVITED membership, with e-mail in lower case and aliases resolved', async () => {
    const acme = await givenOrganization(server);
    const email = `${unique('Jane')}@ACME.example`;
    const permissions = ['execute_agents', 'view_analytics', 'run:start'];
    const input = {
      email: ` ${email} `,
      name: ' Jane ',
      role: 'VIEWER',
      permissions,
      withheldPermissions: ['member:read'],
    };
    const { data } = await acme.admin(INVITE, { input });
    const user = { id: expect.stringMatching(/^usr_/), name: 'Jane', email: email.toLowerCase() };
    const ofViewer: string[] = (await acme.viewer('{ viewer { permissions } }')).data.viewer.permissions;
    const held = [...ofViewer.filter((permission) => permission !== 'member:read'), 'run:start'].toSorted();
    expect(data.inviteUser).toEqual({
      user,
      role: 'VIEWER',
      permissions: held,
      membership: {
        user,
        organization: { slug: acme.slug },
        role: 'VIEWER',
        status: 'INVITED',
        permissions: held,
        createdAt: expect.any(String),
        joinedAt: null,
      },
    });
  });

  test('grants nothing', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const { email } = globex.viewer;
    await acme.owner(INVITE, { input: { email, name: 'Someone', role: 'OWNER' } });
    const invited = globex.viewer;
    for (const name of [acme.id, acme.slug]) {
      expect(codeOf(await invited('{ viewer { role } }', {}, named(name)))).toBe('NOT_FOUND');
      const claimed = await server.as(email, name);
      expect((await claimed('{ viewer { role } }')).data.viewer.role).toBeNull();
      const opened = await invited('query ($id: ID) { organization(id: $id) { id } }', { id: name });
      expect(codeOf(opened)).toBe('NOT_FOUND');
    }
    const { data } = await invited('{ myOrganizations { nodes { slug } } viewer { memberships { totalCount } } }');
    expect(data).toEqual({
      myOrganizations: { nodes: [{ slug: globex.slug }] },
      viewer: { memberships: { totalCount: 1 } },
    });
  });

  test('reveals nothing of an account: the same answer with and without one, and only what was typed', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const ids: string[] = [];
    const answers = new Set<string>();
    for (const email of [globex.owner.email, `${unique('nobody')}@nowhere.example`]) {
      const answer = await acme.admin(INVITE, { input: { email, name: 'Typed Name', role: 'VIEWER' } });
      const { id } = answer.data.inviteUser.user;
      ids.push(id);
      answers.add(
        answer.text
          .replaceAll(id, 'ID')
          .replaceAll(email, 'EMAIL')
          .replaceAll(/"createdAt":"[^"]+"/g, ''),
      );
    }
    expect(answers.size).toBe(1);
    expect(ids).not.toContain(await personId(globex.owner));
    expect([...answers][0]).not.toContain('OWNER of');
    expect([...answers][0]).toContain('Typed Name');
  });

  test('repeated, replaces role, name and permissions of the one membership', async () => {
    const acme = await givenOrganization(server);
    const email = `${unique('jane')}@acme.example`;
    const first = await acme.admin(INVITE, { input: { email, name: 'Jane', role: 'DEVELOPER' } });
    const again = { email: email.toUpperCase(), name: 'Jane D.', role: 'VIEWER', permissions: ['run:start'] };
    const second = await acme.admin(INVITE, { input: again });
    expect(second.data.inviteUser).toMatchObject({
      user: { id: first.data.inviteUser.user.id, name: 'Jane D.', email },
      role: 'VIEWER',
    });
    expect(second.data.inviteUser.permissions).toContain('run:start');
    expect((await membersOf(acme.viewer, 'INVITED')).totalCount).toBe(1);
  });

  test('of whoever is a member already is CONFLICT on the e-mail', async () => {
    const acme = await givenOrganization(server);
    const suspended = await givenMember(server, acme, 'VIEWER', { status: 'SUSPENDED' });
    for (const email of [acme.viewer.email, suspended.email.toUpperCase()]) {
      const refused = await acme.admin(INVITE, { input: { email, name: 'Jane', role: 'VIEWER' } });
      expect([codeOf(refused), refused.errors[0]?.extensions['argument']]).toEqual(['CONFLICT', 'input.email']);
    }
  });

  test('needs a seat, and a removed member frees one', async () => {
    const acme = await givenOrganization(server);
    await server.database.pool.queryAsLoginRole('update organization set seat_limit = 5 where id = $1', [acme.id]);
    const invite = () =>
      acme.admin(INVITE, { input: { email: `${unique('j')}@acme.example`, name: 'J', role: 'VIEWER' } });
    const { data } = await invite();
    expect(codeOf(await invite())).toBe('CONFLICT');
    const { email } = data.inviteUser.user;
    const repeated = await acme.admin(INVITE, { input: { email, name: 'J', role: 'DEVELOPER' } });
    expect(repeated.data.inviteUser.role).toBe('DEVELOPER');
    await acme.admin(REMOVE, { id: await personId(acme.viewer) });
    expect((await invite()).errors).toEqual([]);
  });
});
