import { describe, expect, test } from '@jest/globals';
import { givenMember, givenOrganization, givenTwoOrganizations, personId } from '../../support/given.js';
import { codeOf, useServer } from '../../support/server.js';

const server = useServer();

const INVITE = `mutation ($input: InviteUserInput!) { inviteUser(input: $input) {
  user { id } membership { status joinedAt }
} }`;
const UPDATE = `mutation ($id: ID!, $role: OrganizationRole!) { updateMemberRole(userId: $id, role: $role) {
  user { id } role status permissions
} }`;
const REMOVE = 'mutation ($id: ID!) { removeMember(userId: $id) { user { id name email } role status } }';
const named = (name: string) => ({ 'x-organization-id': name });

describe('Removing a member', () => {
  test('ends every right at once, keeps the membership, and leaves their name on what they did', async () => {
    const acme = await givenOrganization(server);
    const { developer, agentId, viewer, admin } = acme;
    const start = 'mutation ($id: ID!) { startRun(input: { agentId: $id }) { id } }';
    const { id: runId } = (await developer(start, { id: agentId })).data.startRun;
    const id = await personId(developer);
    const user = { id, name: `DEVELOPER of ${acme.slug}`, email: developer.email };
    expect((await admin(REMOVE, { id })).data.removeMember).toEqual({ user, role: 'DEVELOPER', status: 'REMOVED' });

    const read = 'query ($id: ID!) { run(id: $id) { createdBy { id name email } } }';
    expect((await viewer(read, { id: runId })).data.run.createdBy).toEqual(user);
    const removed = await viewer('{ members(status: REMOVED) { nodes { user { id name email } } } }');
    expect(removed.data.members.nodes).toMatchObject([{ user }]);
    expect(codeOf(await developer('{ runs { totalCount } }', {}, named(acme.id)))).toBe('NOT_FOUND');
    expect(codeOf(await developer('{ runs { totalCount } }'))).toBe('ORG_CONTEXT_REQUIRED');

    // Asked back, they are INVITED and nothing more: not yet joined, and without a right.
    const back = await admin(INVITE, { input: { email: developer.email, name: 'Dev again', role: 'VIEWER' } });
    expect(back.data.inviteUser).toMatchObject({ user: { id }, membership: { status: 'INVITED', joinedAt: null } });
    expect(codeOf(await developer('{ runs { totalCount } }', {}, named(acme.id)))).toBe('NOT_FOUND');
    expect((await viewer(read, { id: runId })).data.run.createdBy.id).toBe(id);
  });

  test('invited again, they stand in no order where their earlier stay would have put them, until it is theirs again', async () => {
    const acme = await givenOrganization(server);
    const id = await personId(acme.developer);
    await acme.admin(REMOVE, { id });
    const input = { email: acme.developer.email, name: 'Dev again', role: 'VIEWER' };
    await acme.admin(INVITE, { input });
    const joined = async () => {
      const list = `{ members(orderBy: { field: JOINED_AT, direction: ASC }) { nodes { user { id } joinedAt } } }`;
      const { nodes } = (await acme.viewer(list)).data.members;
      return (nodes as { user: { id: string }; joinedAt: string | null }[]).map((each) => [
        each.user.id,
        each.joinedAt !== null,
      ]);
    };
    const invited = await joined();
    const places = invited.map(([, isThere]) => isThere);
    // Whoever has not joined stands at one end, together.
    expect(places.filter((isThere, place) => place > 0 && isThere !== places[place - 1])).toHaveLength(1);
    expect(invited).toContainEqual([id, false]);
    await acme.admin(REMOVE, { id });
    expect(await joined()).toContainEqual([id, true]);
  });

  test('who is not there, or no longer, is NOT_FOUND, as is changing their role: foreign and unknown alike', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const gone = await personId(await givenMember(server, acme, 'VIEWER', { status: 'REMOVED' }));
    const answers = new Set<string>();
    for (const id of [
      gone,
      await personId(globex.viewer),
      `usr_${'0'.repeat(26)}`,
      acme.runId,
      '',
      acme.viewer.email,
    ]) {
      for (const [query, field] of [
        [REMOVE, 'removeMember'],
        [UPDATE, 'updateMemberRole'],
      ] as const) {
        const refused = await acme.owner(query, { id, role: 'VIEWER' });
        expect(refused.data).toEqual({ [field]: null });
        answers.add(
          refused.text
            .replace(field, '')
            .replace(field, '')
            .replaceAll(/"(requestId|locations)":[^}]+}/g, ''),
        );
      }
    }
    expect([...answers]).toEqual([expect.stringContaining('NOT_FOUND')]);
  });
});

describe('What someone may is read on every request, whatever their token says:', () => {
  const START = 'mutation ($id: ID!) { startRun(input: { agentId: $id }) { status } }';

  test('a new role counts on the next one', async () => {
    const acme = await givenOrganization(server);
    const id = await personId(acme.developer);
    const may = async () => (await acme.developer(START, { id: acme.agentId })).errors[0]?.extensions['code'] ?? 'yes';
    expect(await may()).toBe('yes');
    const demoted = await acme.admin(UPDATE, { id, role: 'VIEWER' });
    expect(demoted.data.updateMemberRole).toMatchObject({ user: { id }, role: 'VIEWER', status: 'ACTIVE' });
    expect(demoted.data.updateMemberRole.permissions).not.toContain('run:start');
    expect(await may()).toBe('FORBIDDEN');
    await acme.admin(UPDATE, { id, role: 'ADMIN' });
    expect(await may()).toBe('yes');
    expect((await acme.developer('{ viewer { role } }')).data.viewer.role).toBe('ADMIN');
  });

  test.each(['SUSPENDED', 'REMOVED', 'INVITED'])('%s counts on the next one', async (status) => {
    const acme = await givenOrganization(server);
    const id = await personId(acme.developer);
    expect((await acme.developer('{ viewer { role } }')).data.viewer.role).toBe('DEVELOPER');
    await server.database.pool.queryAsLoginRole(
      `update membership set status = $1, joined_at = case when $1 <> 'INVITED' then joined_at end where org_id = $2 and user_id = $3`,
      [status, acme.id, id],
    );
    expect((await acme.developer('{ viewer { role } }')).data.viewer.role).toBeNull();
    expect(codeOf(await acme.developer(START, { id: acme.agentId }))).toBe('ORG_CONTEXT_REQUIRED');
    expect(codeOf(await acme.developer('{ viewer { role } }', {}, named(acme.slug)))).toBe('NOT_FOUND');
    expect((await acme.developer('{ myOrganizations { totalCount } }')).data.myOrganizations.totalCount).toBe(0);
  });

  test('a single permission, given or withheld, survives a change of role', async () => {
    const acme = await givenOrganization(server);
    const special = await givenMember(server, acme, 'VIEWER', { granted: ['run:start'], withheld: ['usage:read'] });
    const id = await personId(special);
    const { data } = await acme.admin(UPDATE, { id, role: 'DEVELOPER' });
    expect(data.updateMemberRole.permissions).toContain('run:start');
    expect(data.updateMemberRole.permissions).not.toContain('usage:read');
    const back = await acme.admin(UPDATE, { id, role: 'VIEWER' });
    expect(back.data.updateMemberRole.permissions).toContain('run:start');
  });
});
