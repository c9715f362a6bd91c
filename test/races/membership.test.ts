import { describe, expect } from '@jest/globals';
import { type GivenOrganization, givenMember, givenOrganization, personId, unique } from '../support/given.js';
import { type Answer, type Client, codeOf, useServer } from '../support/server.js';
import { inOrder, organizationRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });

const update = (actor: Client, id: string, role: string) =>
  actor('mutation ($id: ID!, $role: OrganizationRole!) { updateMemberRole(userId: $id, role: $role) { role } }', {
    id,
    role,
  });
const remove = (actor: Client, id: string) =>
  actor('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id });
const suspend = (actor: Client, id: string) =>
  actor('mutation ($id: ID!) { suspendMember(userId: $id) { status } }', { id });
const leave = (actor: Client) => actor('mutation { leaveOrganization { status } }');
const transfer = (actor: Client, id: string) =>
  actor('mutation ($id: ID!) { transferOwnership(userId: $id) { role } }', { id });
const invite = (actor: Client, email: string) =>
  actor(`mutation ($input: InviteUserInput!) { inviteUser(input: $input) { membership { user { id } } } }`, {
    input: { email, name: unique('Jane'), role: 'VIEWER' },
  });

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const activeOwners = async (orgId: string): Promise<number> =>
  Number(
    (await sql(`select from membership where org_id = $1 and role = 'OWNER' and status = 'ACTIVE'`, [orgId])).rowCount,
  );
const outcome = (answer: Answer): string => (answer.errors.length === 0 ? 'done' : String(codeOf(answer)));

/** Two people who are both OWNER. */
async function givenTwoOwners(): Promise<{ acme: GivenOrganization; ann: Client; bob: Client; ids: [string, string] }> {
  const acme = await givenOrganization(server);
  const bob = await givenMember(server, acme, 'OWNER');
  return { acme, ann: acme.owner, bob, ids: [await personId(acme.owner), await personId(bob)] };
}
const restore = (orgId: string, ids: string[]) =>
  sql(`update membership set role = 'OWNER', status = 'ACTIVE' where org_id = $1 and user_id = any ($2)`, [orgId, ids]);

describe('Two owners act on each other at the same moment:', () => {
  const ACTS: [string, (actor: Client, id: string) => Promise<Answer>][] = [
    ['demoting', (actor, id) => update(actor, id, 'VIEWER')],
    ['removing', remove],
    ['suspending', suspend],
  ];

  race.each(ACTS)('%s, 50 times over, exactly one succeeds and an OWNER stays', async (_name, act) => {
    const { acme, ann, bob, ids } = await givenTwoOwners();
    for (let round = 0; round < 50; round += 1) {
      await restore(acme.id, ids);
      const answers = await Promise.all(
        round % 2 === 0 ? [act(ann, ids[1]), act(bob, ids[0])] : [act(bob, ids[0]), act(ann, ids[1])],
      );
      const outcomes = answers.map(outcome);
      expect(outcomes.filter((each) => each === 'done')).toHaveLength(1);
      // The other acts with what the first has left them, or comes too late to be let in.
      expect(['FORBIDDEN', 'ORG_CONTEXT_REQUIRED']).toContain(outcomes.find((each) => each !== 'done'));
      expect(await activeOwners(acme.id)).toBe(1);
    }
  });

  race.each(ACTS)('%s, in either order, whoever comes first', async (_name, act) => {
    const { acme, ann, bob, ids } = await givenTwoOwners();
    const steps = [() => act(ann, ids[1]), () => act(bob, ids[0])];
    for (const order of [steps, [...steps].reverse()]) {
      await restore(acme.id, ids);
      const answers = await inOrder(organizationRow(acme.id), order);
      expect(answers.map(outcome)).toEqual(['done', 'FORBIDDEN']);
      expect(await activeOwners(acme.id)).toBe(1);
    }
  });

  race('both leaving, 50 times over, exactly one does', async () => {
    const { acme, ann, bob, ids } = await givenTwoOwners();
    for (let round = 0; round < 50; round += 1) {
      await restore(acme.id, ids);
      const answers = await Promise.all(round % 2 === 0 ? [leave(ann), leave(bob)] : [leave(bob), leave(ann)]);
      expect(answers.map(outcome).sort()).toEqual(['LAST_OWNER', 'done']);
      expect(await activeOwners(acme.id)).toBe(1);
    }
  });

  race('one giving ownership away while the other leaves, an OWNER stays', async () => {
    const { acme, ann, bob, ids } = await givenTwoOwners();
    const viewer = await personId(acme.viewer);
    for (let round = 0; round < 25; round += 1) {
      await restore(acme.id, ids);
      await sql(`update membership set role = 'VIEWER' where org_id = $1 and user_id = $2`, [acme.id, viewer]);
      const answers = await Promise.all([transfer(ann, viewer), leave(bob), transfer(bob, viewer)]);
      expect(await activeOwners(acme.id)).toBeGreaterThanOrEqual(1);
      expect(outcome(answers[0] as Answer)).toBe('done');
    }
  });

  race('both stepping down, one stays', async () => {
    const { acme, ann, bob, ids } = await givenTwoOwners();
    for (let round = 0; round < 25; round += 1) {
      await restore(acme.id, ids);
      const answers = await Promise.all([update(ann, ids[0], 'ADMIN'), remove(bob, ids[1])]);
      expect(answers.map(outcome).sort()).toEqual(['LAST_OWNER', 'done']);
      expect(await activeOwners(acme.id)).toBe(1);
    }
  });
});

describe('Someone who is demoted while they act', () => {
  const demote = `update membership set role = 'VIEWER' where org_id = $1 and user_id = $2`;
  const ACTS: [string, (actor: Client, id: string) => Promise<Answer>][] = [
    ['changes no role', (actor, id) => update(actor, id, 'DEVELOPER')],
    ['removes nobody', remove],
    ['invites nobody', (actor) => invite(actor, `${unique('jane')}@acme.example`)],
  ];

  race.each(ACTS)('%s', async (_name, act) => {
    const acme = await givenOrganization(server);
    const [actorId, targetId] = [await personId(acme.admin), await personId(acme.viewer)];
    const members = async () =>
      (await sql('select user_id, role, status from membership where org_id = $1 order by user_id', [acme.id])).rows;
    const before = await members();
    // They were an ADMIN when their request was let in, and are none when it gets to act.
    const [answer] = await inOrder(organizationRow(acme.id), [() => act(acme.admin, targetId)], (client) =>
      client.query(demote, [acme.id, actorId]),
    );
    expect(codeOf(answer as Answer)).toBe('FORBIDDEN');
    expect(await members()).toEqual(
      before.map((row) => (row['user_id'] === actorId ? { ...row, role: 'VIEWER' } : row)),
    );
  });

  race.each(ACTS)('had acted before, and that stays: whoever %s now did then', async (_name, act) => {
    const acme = await givenOrganization(server);
    const [actorId, targetId] = [await personId(acme.admin), await personId(acme.viewer)];
    const answers = await inOrder(organizationRow(acme.id), [
      () => act(acme.admin, targetId),
      () => update(acme.owner, actorId, 'VIEWER'),
    ]);
    expect(answers.map(outcome)).toEqual(['done', 'done']);
    expect(outcome(await act(acme.admin, targetId))).toBe('FORBIDDEN');
  });
});

describe('Invitations at the same moment', () => {
  race('of one address leave one membership, 20 at once', async () => {
    for (let round = 0; round < 5; round += 1) {
      const acme = await givenOrganization(server);
      const email = `${unique('jane')}@acme.example`;
      const actors = [acme.owner, acme.admin];
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          invite(actors[index % 2] as Client, index % 3 === 0 ? email.toUpperCase() : email),
        ),
      );
      expect(answers.map(outcome)).toEqual(Array(20).fill('done'));
      expect(new Set(answers.map(({ data }) => data.inviteUser.membership.user.id)).size).toBe(1);
      const { rowCount } = await sql('select from membership where org_id = $1 and email = $2', [acme.id, email]);
      expect(rowCount).toBe(1);
    }
  });

  race('take no more seats than there are', async () => {
    const acme = await givenOrganization(server);
    await sql('update organization set seat_limit = 6 where id = $1', [acme.id]);
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => invite(acme.admin, `${unique('jane')}@acme.example`)),
    );
    expect(answers.map(outcome).sort()).toEqual([...Array(8).fill('CONFLICT'), 'done', 'done']);
  });
});
