import { describe, expect, test } from '@jest/globals';
import { newId } from '../../../src/data/id.js';
import { notification, notify, type News, type Receivers } from '../../../src/domains/notification/index.js';
import type { DueKind } from '../../../src/jobs/due-kind.js';
import { OUTBOX } from '../../../src/mail/outbox.js';
import { Parts } from '../../../src/parts.js';
import { byTest } from '../../support/act.js';
import { givenKey } from '../../support/api-key.js';
import { openReplica, outbox, sendMailOf } from '../../support/due-work.js';
import {
  comeBack,
  givenMember,
  type GivenOrganization,
  givenOrganization,
  personId,
  unique,
} from '../../support/given.js';
import { givenGrant, givenImpersonation } from '../../support/impersonation.js';
import { secretFor, startMailServer } from '../../support/mail.js';
import { type Client, codeOf, useServer } from '../../support/server.js';

const server = useServer();
const DAY_MS = 86_400_000;
const { use } = new Parts().add(OUTBOX, outbox);
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const dbOf = ({ id }: GivenOrganization) => server.database.organizationDb(id, byTest);

const LIST = `query ($unread: Boolean) { notifications(unread: $unread) { totalCount
  nodes { id kind text at readAt targetId } } }`;
const READ = 'mutation ($ids: [ID!]!) { markNotificationsRead(ids: $ids) { id readAt } }';
const PREFERENCES = '{ notificationPreferences { kind ways } }';
const PREFER = `mutation ($input: SetNotificationPreferencesInput!) {
  setNotificationPreferences(input: $input) { kind ways } }`;

const listOf = async (client: Client, unread?: boolean) => {
  const answer = await client(LIST, { unread });
  expect(answer.errors).toEqual([]);
  expect(answer.data.notifications.totalCount).toBe(answer.data.notifications.nodes.length);
  return answer.data.notifications.nodes;
};
const prefer = (client: Client, ...preferences: object[]) => client(PREFER, { input: { preferences } });

const LETTER = { subject: 'Something  happened', parts: ['Look at it.'] };
const tell = (acme: GivenOrganization, to: Receivers, news: Partial<News> = {}) =>
  dbOf(acme).transaction((db) =>
    notify(db, acme.id, to, { kind: 'ALERT', targetId: null, letter: LETTER, ...news }, use),
  );

describe('What a member is told', () => {
  test('is theirs alone: in their organization, as themselves, and with no key', async () => {
    const acme = await givenOrganization(server);
    const other = await givenMember(server, acme, 'OWNER');
    const mail = await tell(acme, { owners: true, userIds: [await personId(acme.owner)] }, { targetId: acme.agentId });
    expect(mail).toHaveLength(2);
    const [mine, theirs] = [await listOf(acme.owner), await listOf(other)];
    const told = { kind: 'ALERT', text: 'Something happened', readAt: null, targetId: acme.agentId };
    expect(mine).toEqual([{ ...told, id: expect.stringMatching(/^ntf_/), at: expect.any(String) }]);
    expect(theirs).toMatchObject([told]);
    for (const untold of [acme.admin, acme.viewer]) expect(await listOf(untold)).toEqual([]);

    const globex = await givenOrganization(server);
    const elsewhere = await givenMember(server, globex, 'VIEWER', { email: acme.owner.email });
    expect(await listOf(elsewhere)).toEqual([]);
    const { client: withKey } = await givenKey(server, acme.owner, ['organization:read']);
    expect(codeOf(await withKey(LIST))).toBe('FORBIDDEN');
    const nobody = await server.as(`${unique('nobody')}@example.com`);
    expect(codeOf(await nobody(LIST, {}, { 'x-organization-id': acme.slug }))).toBe('NOT_FOUND');
    expect(codeOf(await nobody(LIST))).toBe('ORG_CONTEXT_REQUIRED');

    const node = async (client: Client) =>
      (await client('query ($id: ID!) { node(id: $id) { ... on Notification { text } } }', { id: mine[0]?.id })).data
        .node;
    expect(await node(acme.owner)).toEqual({ text: told.text });
    for (const another of [other, acme.admin, elsewhere]) expect(await node(another)).toBeNull();
  });

  test('is seen by nobody who acts as them, whatever was granted', async () => {
    const acme = await givenOrganization(server);
    await tell(acme, { owners: true });
    await givenGrant(acme, 'WRITE');
    const { acting } = await givenImpersonation(server, acme);
    for (const query of [LIST, PREFERENCES]) expect(codeOf(await acting(query))).toBe('FORBIDDEN');
    const [first] = await listOf(acme.owner);
    const node = await acting('query ($id: ID!) { node(id: $id) { id } }', { id: first?.id });
    expect([codeOf(node), node.data.node]).toEqual(['FORBIDDEN', null]);
    expect(codeOf(await acting(READ, { ids: [first?.id] }))).toBe('FORBIDDEN');
    expect((await listOf(acme.owner, true)).length).toBe(2);
  });

  test('is read when they say so, once, and they say it of their own only', async () => {
    const acme = await givenOrganization(server);
    const other = await givenMember(server, acme, 'OWNER');
    await tell(acme, { owners: true });
    await tell(acme, { owners: true });
    const [last, first] = await listOf(acme.owner);
    const [theirs] = await listOf(other);
    const read = async (ids: (string | undefined)[]) => (await acme.owner(READ, { ids })).data.markNotificationsRead;
    const once = await read([first?.id, theirs?.id, newId('ntf'), 'no id']);
    expect(once).toEqual([{ id: first?.id, readAt: expect.any(String) }]);
    expect((await listOf(acme.owner, true)).map(({ id }) => id)).toEqual([last?.id]);
    expect((await listOf(acme.owner, false)).map(({ id }) => id)).toEqual([first?.id]);
    expect((await listOf(other, true)).length).toBe(2);
    await sql(`update notification set read_at = read_at - interval '1 hour' where id = $1`, [first?.id]);
    const before = new Date(new Date(once?.[0]?.readAt ?? '').getTime() - 3_600_000).toISOString();
    expect(await read([first?.id, last?.id])).toEqual([
      { id: last?.id, readAt: expect.any(String) },
      { id: first?.id, readAt: before },
    ]);
    expect(await read([])).toEqual([]);
    const many = await acme.owner(READ, { ids: Array.from({ length: 101 }, () => first?.id) });
    expect(many.errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'ids' });
  });

  test('is told once of one reason, also where that is tried again, and not where it was taken back', async () => {
    const acme = await givenOrganization(server);
    const occasion = unique('occasion');
    expect(await tell(acme, { owners: true }, { occasion })).toHaveLength(1);
    const other = await givenMember(server, acme, 'OWNER');
    // Who was not told yet is.
    expect(await tell(acme, { owners: true }, { occasion })).toHaveLength(1);
    expect(await tell(acme, { owners: true }, { occasion })).toEqual([]);
    for (const client of [acme.owner, other]) expect(await listOf(client)).toHaveLength(1);
    const undone = dbOf(acme).transaction(async (db) => {
      await notify(db, acme.id, { owners: true }, { kind: 'ALERT', targetId: null, letter: LETTER }, use);
      throw new Error('taken back');
    });
    await expect(undone).rejects.toThrow('taken back');
    expect(await listOf(acme.owner)).toHaveLength(1);
  });

  test('is one line of plain text, whatever it is put together from', async () => {
    const acme = await givenOrganization(server);
    await tell(acme, { owners: true }, { text: `a\nb\t${'😀'.repeat(600)}` });
    expect((await listOf(acme.owner))[0]?.text).toBe(`a b ${'😀'.repeat(496)}`);
  });

  test('reaches active people only', async () => {
    const acme = await givenOrganization(server);
    const ids: string[] = [];
    for (const status of ['SUSPENDED', 'INVITED', 'REMOVED'] as const) {
      const email = `${unique(status.toLowerCase())}@${acme.slug}.example`;
      await givenMember(server, acme, 'OWNER', { status, email });
      ids.push((await dbOf(acme).membership.get({ email })).userId);
    }
    expect(await tell(acme, { userIds: [...ids, newId('usr')] })).toEqual([]);
    expect(await tell(acme, { owners: true, userIds: ids })).toHaveLength(1);
    expect(await tell(acme, {})).toEqual([]);
  });
});

describe('What a member wants to be told of', () => {
  test('counts for each kind and way by itself', async () => {
    const acme = await givenOrganization(server);
    const set = await prefer(
      acme.owner,
      { kind: 'ALERT', ways: ['LIST', 'LIST'] },
      { kind: 'APPROVAL', ways: ['MAIL'] },
    );
    const both = ['LIST', 'MAIL'];
    const expected = [
      { kind: 'ALERT', ways: ['LIST'] },
      { kind: 'APPROVAL', ways: ['MAIL'] },
      { kind: 'INVITATION', ways: both },
      { kind: 'ENDING_KEY', ways: both },
      { kind: 'VENDOR_ACCESS', ways: both },
    ];
    expect(set.errors).toEqual([]);
    expect(set.data.setNotificationPreferences).toEqual(expected);
    expect((await acme.owner(PREFERENCES)).data.notificationPreferences).toEqual(expected);
    expect((await acme.admin(PREFERENCES)).data.notificationPreferences[0]?.ways).toEqual(both);

    expect(await tell(acme, { owners: true }, { kind: 'ALERT' })).toEqual([]);
    const occasion = unique('occasion');
    expect(await tell(acme, { owners: true }, { kind: 'APPROVAL', occasion })).toHaveLength(1);
    expect(await tell(acme, { owners: true }, { kind: 'APPROVAL', occasion })).toEqual([]);
    expect(await tell(acme, { owners: true }, { kind: 'INVITATION' })).toHaveLength(1);
    expect((await listOf(acme.owner)).map(({ kind }) => kind)).toEqual(['INVITATION', 'ALERT']);

    await prefer(acme.owner, { kind: 'ALERT', ways: [] });
    expect(await tell(acme, { owners: true }, { kind: 'ALERT' })).toEqual([]);
    expect(await listOf(acme.owner)).toHaveLength(2);
    const { data } = await acme.owner(
      'query ($targetId: ID) { auditLog(filter: { targetId: $targetId }) { nodes { action } } }',
      { targetId: await personId(acme.owner) },
    );
    const told = data.auditLog.nodes.map(({ action }) => action).filter((action) => action.startsWith('notification'));
    expect(told).toEqual([
      'notification_preference.updated',
      'notification_preference.created',
      'notification_preference.created',
    ]);
  });

  test('NEVER keeps the mail from an OWNER that somebody looks in', async () => {
    const acme = await givenOrganization(server);
    const refused = await prefer(acme.owner, { kind: 'ALERT', ways: [] }, { kind: 'VENDOR_ACCESS', ways: ['LIST'] });
    expect(refused.errors[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      argument: 'input.preferences.1.ways',
    });
    expect((await acme.owner(PREFERENCES)).data.notificationPreferences[0]?.ways).toHaveLength(2);
    const stored = sql(
      `insert into notification_preference (org_id, user_id, kind, is_listed, is_mailed) values ($1, $2, 'VENDOR_ACCESS', true, false)`,
      [acme.id, await personId(acme.owner)],
    );
    await expect(stored).rejects.toThrow('vendor_access_is_mailed');
    await prefer(acme.owner, { kind: 'VENDOR_ACCESS', ways: ['MAIL'] });
    expect(await tell(acme, { owners: true }, { kind: 'VENDOR_ACCESS' })).toHaveLength(1);
    expect(await listOf(acme.owner)).toEqual([]);
  });

  test.each([
    [
      'twice the same',
      [
        { kind: 'ALERT', ways: [] },
        { kind: 'ALERT', ways: ['LIST'] },
      ],
    ],
    ['more than there are', Array.from({ length: 50 }, () => ({ kind: 'ALERT', ways: [] }))],
  ])('is refused: %s', async (_, preferences) => {
    const acme = await givenOrganization(server);
    const { errors } = await prefer(acme.viewer, ...preferences);
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'input.preferences' });
  });
});

describe('It is kept', () => {
  test('until they are removed, in whatever way: whoever comes back begins anew', async () => {
    const acme = await givenOrganization(server);
    await tell(acme, { userIds: [await personId(acme.developer), await personId(acme.viewer)] });
    await prefer(acme.developer, { kind: 'ALERT', ways: ['LIST'] });
    const userId = await personId(acme.developer);
    await acme.owner('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id: userId });
    const left = async () =>
      (await dbOf(acme).notification.count({ userId })) + (await dbOf(acme).notificationPreference.count({ userId }));
    expect(await left()).toBe(0);
    expect(await listOf(acme.viewer)).toHaveLength(1);
    // Told by who had read them as a member, just before.
    const at = new Date(Date.now() - 1000);
    const row = {
      id: newId('ntf'),
      userId,
      kind: 'ALERT',
      text: 'late',
      occasion: 'late',
      isListed: true,
      at,
    } as const;
    await dbOf(acme).notification.create(row);
    await dbOf(acme).membership.update({ userId }, { status: 'ACTIVE', joinedAt: new Date() });
    expect(await listOf(acme.developer)).toEqual([]);
    await acme.viewer('mutation { leaveOrganization { status } }');
    expect(await dbOf(acme).notification.count({ userId: await personId(acme.viewer) })).toBe(0);
  });

  test('for 90 days, and of each member the last 500 are', async () => {
    const acme = await givenOrganization(server);
    const userId = await personId(acme.developer);
    const db = dbOf(acme);
    const now = Date.now();
    const made = (count: number, daysAgo: number) =>
      Array.from({ length: count }, (_, index) => {
        const at = new Date(now - daysAgo * DAY_MS + index);
        const id = newId('ntf', at.getTime());
        return { id, userId, kind: 'ALERT', text: `${daysAgo}/${index}`, occasion: id, isListed: true, at } as const;
      });
    await sql('update membership set joined_at = $3 where org_id = $1 and user_id = $2', [
      acme.id,
      userId,
      new Date(0),
    ]);
    await tell(acme, { owners: true });
    await db.notification.createMany(made(3, 91));
    await db.notification.createMany(made(400, 10));
    expect((await acme.developer('{ notifications { totalCount } }')).data.notifications.totalCount).toBe(400);
    await db.notification.createMany(made(600, 1));
    expect(await db.notification.count({ userId })).toBe(500);
    expect(await db.notification.count({ userId, text: '1/99' })).toBe(0);
    expect(await db.notification.count({ userId, text: '1/100' })).toBe(1);
    expect(await listOf(acme.owner)).toHaveLength(1);

    const due = async () => (await db.dueWork.get({ kind: 'notifications-lapse' })).dueAt.getTime();
    expect(Math.abs((await due()) - now - 90 * DAY_MS)).toBeLessThan(600_000);
    await sql(`update notification set at = at - interval '92 days' where org_id = $1 and user_id = $2`, [
      acme.id,
      userId,
    ]);
    await sql(`update due_work set due_at = current_timestamp where org_id = $1 and kind = 'notifications-lapse'`, [
      acme.id,
    ]);
    await openReplica(server, { kinds: notification.due as unknown as DueKind<never>[] }).workOff();
    expect(await db.notification.count({})).toBe(1);
    expect(Math.abs((await due()) - now - 90 * DAY_MS)).toBeLessThan(600_000);
  });
});

describe('An invitation', () => {
  const INVITE = `mutation ($input: InviteUserInput!) { inviteUser(input: $input) { invitation { id } } }`;
  const given = async (acme: GivenOrganization) => {
    const invited = await server.as(`${unique('ivy')}@${acme.slug}.example`);
    const input = { email: invited.email, name: 'Ivy', role: 'VIEWER' };
    const { data } = await acme.admin(INVITE, { input });
    return { invited, id: data.inviteUser.invitation.id as string, secret: await secretFor(server, invited.email) };
  };

  test('tells whoever sent it what became of it, and that another is wanted, in the list and by mail, as they want it', async () => {
    const acme = await givenOrganization(server);
    const [yes, no] = [await given(acme), await given(acme)];
    const answer = (verb: string, { invited, secret }: typeof yes) =>
      invited(`mutation ($secret: String!) { ${verb}Invitation(secret: $secret) { outcome } }`, { secret });
    await answer('accept', yes);
    await answer('decline', no);
    await answer('requestNew', no);
    const [wanted, declined, accepted] = await listOf(acme.admin);
    expect(accepted).toMatchObject({
      kind: 'INVITATION',
      targetId: yes.id,
      text: `${yes.invited.email} accepted your invitation to acme Inc.`,
    });
    expect(declined).toMatchObject({
      targetId: no.id,
      text: `${no.invited.email} declined your invitation to acme Inc.`,
    });
    expect(wanted).toMatchObject({
      targetId: no.id,
      text: `${no.invited.email} asks for a new invitation to acme Inc.`,
    });
    expect(await listOf(acme.owner)).toEqual([]);
    const smtp = await startMailServer();
    try {
      // That another is wanted was sent at once, to the mailbox.
      const mailed = async () => {
        await sendMailOf(server, acme.id, smtp.url);
        const mails = smtp.received.filter(({ to }) => to?.[0]?.address === acme.admin.email);
        return new Set(mails.map(({ subject }) => subject).filter((subject) => subject !== wanted?.text));
      };
      const both = new Set([accepted?.text, declined?.text]);
      expect(await mailed()).toEqual(both);
      await prefer(acme.admin, { kind: 'INVITATION', ways: ['LIST'] });
      await answer('accept', await given(acme));
      await answer('decline', await given(acme));
      expect(await listOf(acme.admin)).toHaveLength(5);
      expect(await mailed()).toEqual(both);
    } finally {
      await smtp.close();
    }
  });
});

describe('What waits to be mailed to a member', () => {
  /** The outbox is emptied when the test says so: it was told where nobody dispatches it. */
  async function mailed(acme: GivenOrganization, tos: readonly string[], meanwhile: () => Promise<unknown>) {
    const smtp = await startMailServer();
    try {
      await meanwhile();
      await sendMailOf(server, acme.id, smtp.url);
      const { rows } = await sql(`select id from due_work where org_id = $1 and kind = 'mail'`, [acme.id]);
      expect(rows).toEqual([]);
      const received = smtp.received.flatMap(({ to }) => to?.map(({ address }) => address) ?? []);
      return tos.map((to) => received.filter((each) => each === to).length);
    } finally {
      await smtp.close();
    }
  }

  test.each(['removed', 'suspended'] as const)('goes to nobody who is %s by then', async (status) => {
    const acme = await givenOrganization(server);
    const userId = await personId(acme.developer);
    await tell(acme, { userIds: [userId, await personId(acme.viewer)] });
    const [theirs, others] = await mailed(acme, [acme.developer.email, acme.viewer.email], () =>
      acme.owner(
        `mutation ($id: ID!) { ${status === 'removed' ? 'removeMember' : 'suspendMember'}(userId: $id) { status } }`,
        {
          id: userId,
        },
      ),
    );
    expect([theirs, others]).toEqual([0, 1]);
  });

  test('goes to nobody who left and is back: it was for who they were', async () => {
    const acme = await givenOrganization(server);
    const userId = await personId(acme.developer);
    await tell(acme, { userIds: [userId] });
    const back = async () => {
      await comeBack(server, acme, acme.developer);
      await tell(acme, { userIds: [userId] });
    };
    expect(await mailed(acme, [acme.developer.email], back)).toEqual([1]);
  });

  test('for OWNERs goes to nobody who is none by then', async () => {
    const acme = await givenOrganization(server);
    const other = await givenMember(server, acme, 'OWNER');
    const userId = await personId(other);
    await tell(acme, { owners: true });
    await tell(acme, { userIds: [userId] });
    const demoted = () =>
      acme.owner('mutation ($id: ID!) { updateMemberRole(userId: $id, role: VIEWER) { role } }', { id: userId });
    expect(await mailed(acme, [acme.owner.email, other.email], demoted)).toEqual([1, 1]);
  });

  test('goes to the address that they are known by then', async () => {
    const acme = await givenOrganization(server);
    const userId = await personId(acme.viewer);
    const email = `${unique('moved')}@acme.example`;
    await tell(acme, { userIds: [userId] });
    const moved = () => dbOf(acme).membership.update({ userId }, { email });
    expect(await mailed(acme, [acme.viewer.email, email], moved)).toEqual([0, 1]);
  });

  test('goes as it was written by a release that named nobody', async () => {
    const acme = await givenOrganization(server);
    const userId = await personId(acme.viewer);
    await tell(acme, { userIds: [userId] });
    const earlier = () =>
      sql(`update due_work set payload = (payload::jsonb - 'member')::text where org_id = $1 and kind = 'mail'`, [
        acme.id,
      ]);
    expect(await mailed(acme, [acme.viewer.email], earlier)).toEqual([1]);
  });
});

test('each access of the deployment’s own people stands in the list of every OWNER, and of nobody else', async () => {
  const acme = await givenOrganization(server);
  const { sam, id } = await givenImpersonation(server, acme, { as: 'viewer' });
  const again = await givenImpersonation(server, acme, { as: 'developer', sam });
  expect(await listOf(acme.owner)).toMatchObject([
    { kind: 'VENDOR_ACCESS', targetId: again.id },
    { kind: 'VENDOR_ACCESS', targetId: id, text: expect.stringMatching(/ looks into acme Inc\.$/) },
  ]);
  expect(await listOf(acme.admin)).toEqual([]);
});
