import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { newId } from '../../../src/data/id.js';
import type { OrganizationDb } from '../../../src/data/organization/organization-db.js';
import { hashSecret } from '../../../src/secrets/secret.js';
import { type GivenOrganization, givenMember, givenOrganization, personId, unique } from '../../support/given.js';
import { describeIsolation, fromCursor, never } from '../../support/isolation.js';
import { mailTo, secretFor } from '../../support/mail.js';
import { type Answer, type Client, codeOf, useServer } from '../../support/server.js';

const server = useServer();

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

const INVITE = `mutation ($input: InviteUserInput!) { inviteUser(input: $input) {
  user { id } invitation { id email status expiresAt invitedBy { email } membership { role status } }
} }`;
const invite = (actor: Client, email: string, more: object = {}) =>
  actor(INVITE, { input: { email, name: 'Jane', role: 'DEVELOPER', ...more } });

const ANSWER = 'outcome maskedEmail membership { role status user { id name email } organization { slug } }';
const accept = (client: Client, secret: string) =>
  client(`mutation ($secret: String!) { acceptInvitation(secret: $secret) { ${ANSWER} } }`, { secret });
const decline = (client: Client, secret: string) =>
  client(`mutation ($secret: String!) { declineInvitation(secret: $secret) { ${ANSWER} } }`, { secret });
const requestNew = (client: Client, secret: string) =>
  client(`mutation ($secret: String!) { requestNewInvitation(secret: $secret) { ${ANSWER} } }`, { secret });
const resend = (client: Client, id: string, expiresInHours?: number) =>
  client(
    'mutation ($id: ID!, $hours: Int) { resendInvitation(id: $id, expiresInHours: $hours) { id status expiresAt mailStatus } }',
    { id, hours: expiresInHours },
  );
const revoke = (client: Client, id: string) =>
  client('mutation ($id: ID!) { revokeInvitation(id: $id) { id status endedAt membership { status } } }', { id });

/** What came of an answer, whichever it was. */
const outcomeOf = ({ data, errors }: Answer): unknown =>
  errors.length > 0 ? errors[0]?.extensions['code'] : Object.values<Answer['data']>(data)[0].outcome;

const listed = async ({ admin }: GivenOrganization, status?: string) => {
  const answer = await admin(
    'query ($status: InvitationStatus) { invitations(status: $status) { totalCount nodes { id email status } } }',
    { status },
  );
  return answer.data.invitations.nodes as { id: string; email: string; status: string }[];
};

/** Someone was invited, and is signed in with the invited address. */
async function givenInvitation(more: object = {}) {
  const acme = await givenOrganization(server);
  const email = `${unique('jane')}@new.example`;
  const { data } = await invite(acme.admin, email, more);
  return {
    acme,
    email,
    id: data.inviteUser.invitation.id as string,
    secret: await secretFor(server, email),
    jane: await server.as(email),
  };
}

// A second ago: the database's clock may be a moment ahead of this process'.
const expire = (id: string) =>
  sql(`update invitation set expires_at = current_timestamp - interval '1 second' where id = $1`, [id]);

describe('An invitation', () => {
  test('is mailed with a link, and accepted by whoever is signed in with that address', async () => {
    const { acme, email, id, secret, jane } = await givenInvitation();
    const mail = await mailTo(server, email);
    expect(mail).toContain(`ADMIN of ${acme.slug} invites you to join acme Inc.`);
    expect(mail).toContain(`href="${server.url.replace('127.0.0.1', 'localhost')}/invitations/${secret}"`);
    expect((await jane('{ myOrganizations { totalCount } }')).data.myOrganizations.totalCount).toBe(0);
    const user = { id: await personId(jane), name: 'Jane', email };
    expect((await accept(jane, secret)).data.acceptInvitation).toEqual({
      outcome: 'ACCEPTED',
      maskedEmail: null,
      membership: { role: 'DEVELOPER', status: 'ACTIVE', user, organization: { slug: acme.slug } },
    });
    expect((await jane('{ viewer { role } }', {}, { 'x-organization-id': acme.slug })).data.viewer.role).toBe(
      'DEVELOPER',
    );
    expect(await listed(acme)).toEqual([{ id, email, status: 'ACCEPTED' }]);
  });

  test('lasts a week unless it says otherwise, between an hour and thirty days', async () => {
    const acme = await givenOrganization(server);
    const hoursOf = async (expiresInHours?: number) => {
      const answer = await invite(acme.admin, `${unique('jane')}@new.example`, { expiresInHours });
      if (answer.errors.length > 0) return [codeOf(answer), answer.errors[0]?.extensions['argument']];
      const { expiresAt } = answer.data.inviteUser.invitation;
      return Math.round((Date.parse(expiresAt) - Date.now()) / 3_600_000);
    };
    expect(await hoursOf()).toBe(168);
    expect(await hoursOf(1)).toBe(1);
    expect(await hoursOf(720)).toBe(720);
    for (const hours of [0, -1, 721]) expect(await hoursOf(hours)).toEqual(['BAD_USER_INPUT', 'input.expiresInHours']);
  });

  test('is stored without its secret', async () => {
    const { email, id, secret } = await givenInvitation();
    const { rows } = await sql(
      `select i::text || coalesce(s::text, '') || coalesce(o::text, '') as all from invitation i
       left join invitation_secret s on s.invitation_id = i.id left join due_work o on o.subject = i.id where i.id = $1`,
      [id],
    );
    expect(rows[0]?.['all']).toContain(email);
    expect(rows[0]?.['all']).toContain(hashSecret(secret));
    expect(rows[0]?.['all']).not.toContain(secret);
    expect(server.logs.join('\n')).not.toContain(secret);
  });

  test('is accepted after the organization was renamed', async () => {
    const { acme, secret, jane } = await givenInvitation();
    const slug = unique('renamed');
    await acme.admin('mutation ($input: UpdateOrganizationInput!) { updateOrganization(input: $input) { slug } }', {
      input: { slug, name: 'Renamed' },
    });
    expect((await accept(jane, secret)).data.acceptInvitation.membership.organization).toEqual({ slug });
  });

  test('repeated, takes the new role, and sends a second mail only after a minute', async () => {
    const { acme, email, id, secret, jane } = await givenInvitation();
    const again = await invite(acme.owner, email, { role: 'VIEWER', name: 'Jane D.' });
    expect(again.data.inviteUser.invitation).toMatchObject({ id, membership: { role: 'VIEWER', status: 'INVITED' } });
    expect(await secretFor(server, email)).toBe(secret);
    await sql(`update invitation_secret set created_at = now() - interval '61 s' where invitation_id = $1`, [id]);
    await invite(acme.owner, email, { role: 'VIEWER', name: 'Jane D.' });
    expect(await secretFor(server, email, secret)).not.toBe(secret);
    const { data } = await accept(jane, secret);
    expect(data.acceptInvitation.membership).toMatchObject({ role: 'VIEWER', user: { name: 'Jane D.' } });
  });

  test('of someone who was removed brings them back, in what it says', async () => {
    const acme = await givenOrganization(server);
    const { email } = acme.developer;
    const id = await personId(acme.developer);
    await acme.admin('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id });
    await invite(acme.admin, email, { role: 'VIEWER' });
    const { data } = await accept(acme.developer, await secretFor(server, email));
    expect(data.acceptInvitation).toMatchObject({ outcome: 'ACCEPTED', membership: { role: 'VIEWER', user: { id } } });
  });
});

describe('What comes of an answer is said:', () => {
  test('a secret that was never sent is NOT_FOUND, to everyone and for everything', async () => {
    const { jane } = await givenInvitation();
    for (const secret of [randomBytes(32).toString('base64url'), '', 'x', 'x'.repeat(5000)]) {
      for (const act of [accept, decline, requestNew]) expect(outcomeOf(await act(jane, secret))).toBe('NOT_FOUND');
    }
  });

  test('nobody answers who is not signed in', async () => {
    const { secret } = await givenInvitation();
    const query = `mutation { acceptInvitation(secret: "${secret}") { outcome } }`;
    expect(codeOf(await server.post(JSON.stringify({ query })))).toBe('UNAUTHENTICATED');
  });

  test('ALREADY_ACCEPTED the second time', async () => {
    const { secret, jane } = await givenInvitation();
    await accept(jane, secret);
    for (const act of [accept, decline, requestNew])
      expect(outcomeOf(await act(jane, secret))).toBe('ALREADY_ACCEPTED');
  });

  test('EMAIL_MISMATCH for another address, with the invited one masked; nothing is used up', async () => {
    const { acme, email, secret, jane } = await givenInvitation();
    for (const other of [acme.owner, await server.as(`${unique('eve')}@new.example`)]) {
      for (const act of [accept, decline, requestNew]) {
        const answer = await act(other, secret);
        expect(Object.values(answer.data)).toEqual([
          { outcome: 'EMAIL_MISMATCH', maskedEmail: 'j***@new.example', membership: null },
        ]);
        expect(answer.text).not.toContain(email);
      }
    }
    expect(outcomeOf(await accept(jane, secret))).toBe('ACCEPTED');
  });

  test('EMAIL_UNVERIFIED while nobody proved that the address is theirs', async () => {
    const { email, secret, jane } = await givenInvitation();
    await personId(jane);
    await sql('update person set email_verified_at = null where email = $1', [email]);
    for (const act of [accept, decline, requestNew])
      expect(outcomeOf(await act(jane, secret))).toBe('EMAIL_UNVERIFIED');
    // Another issuer verifies it.
    const verified = { iss: server.issuer.issuer, sub: unique('other'), email, email_verified: true };
    const elsewhere = server.withToken(await server.issuer.sign(verified));
    expect(outcomeOf(await accept(elsewhere, secret))).toBe('ACCEPTED');
  });

  test('EXPIRED after its time, and the seat is free again', async () => {
    const { acme, id, secret, jane } = await givenInvitation();
    await sql('update organization set seat_limit = 5 where id = $1', [acme.id]);
    const other = `${unique('joe')}@new.example`;
    expect(codeOf(await invite(acme.admin, other))).toBe('CONFLICT');
    await expire(id);
    for (const act of [accept, decline]) expect(outcomeOf(await act(jane, secret))).toBe('EXPIRED');
    expect((await listed(acme, 'EXPIRED')).map((each) => each.id)).toEqual([id]);
    expect(await listed(acme, 'PENDING')).toEqual([]);
    expect((await invite(acme.admin, other)).errors).toEqual([]);
    expect(codeOf(await resend(acme.admin, id))).toBe('CONFLICT');
  });

  test('REVOKED when the organization took it back, by itself or with the place', async () => {
    const { acme, email, id, secret, jane } = await givenInvitation();
    expect((await revoke(acme.admin, id)).data.revokeInvitation).toEqual({
      id,
      status: 'REVOKED',
      endedAt: expect.any(String),
      membership: { status: 'REMOVED' },
    });
    for (const act of [accept, decline, requestNew]) expect(outcomeOf(await act(jane, secret))).toBe('REVOKED');
    const again = await invite(acme.admin, email);
    const fresh = await secretFor(server, email, secret);
    await acme.admin('mutation ($id: ID!) { removeMember(userId: $id) { status } }', {
      id: again.data.inviteUser.user.id,
    });
    expect(outcomeOf(await accept(jane, fresh))).toBe('REVOKED');
    expect((await listed(acme)).map(({ status }) => status)).toEqual(['REVOKED', 'REVOKED']);
  });

  test('DECLINED by the person themselves, for good', async () => {
    const { acme, secret, jane } = await givenInvitation();
    expect(outcomeOf(await decline(jane, secret))).toBe('DECLINED');
    expect(outcomeOf(await accept(jane, secret))).toBe('DECLINED');
    expect((await listed(acme)).map(({ status }) => status)).toEqual(['DECLINED']);
    expect((await acme.viewer('{ members(status: INVITED) { totalCount } }')).data.members.totalCount).toBe(0);
  });

  test('a suspended organization takes nobody in', async () => {
    const { acme, secret, jane } = await givenInvitation();
    await sql(`update organization set status = 'SUSPENDED' where id = $1`, [acme.id]);
    expect(outcomeOf(await accept(jane, secret))).toBe('FORBIDDEN');
  });
});

describe('Nobody grants more than they hold, also by an invitation that waits:', () => {
  test.each([
    ['was demoted', `role = 'VIEWER'`],
    ['may not invite any more', `withheld = '{member:invite}'`],
    ['was suspended', `status = 'SUSPENDED'`],
    ['was removed', `status = 'REMOVED'`],
  ])('it is REVOKED when whoever sent it %s', async (_name, change) => {
    const { acme, id, secret, jane } = await givenInvitation({ role: 'ADMIN' });
    await sql(`update membership set ${change} where org_id = $1 and user_id = $2`, [
      acme.id,
      await personId(acme.admin),
    ]);
    expect(outcomeOf(await accept(jane, secret))).toBe('REVOKED');
    expect((await jane('{ myOrganizations { totalCount } }')).data.myOrganizations.totalCount).toBe(0);
    const { rows } = await sql('select status from invitation where id = $1', [id]);
    expect(rows).toEqual([{ status: 'REVOKED' }]);
  });

  test('it is good when someone else who may sent it again, or decided what it grants', async () => {
    for (const takeOver of [
      (acme: GivenOrganization, id: string) => resend(acme.owner, id),
      (acme: GivenOrganization, _id: string, userId: string) =>
        acme.owner('mutation ($id: ID!) { updateMemberRole(userId: $id, role: VIEWER) { role } }', { id: userId }),
    ]) {
      const { acme, email, id, secret, jane } = await givenInvitation();
      const { rows } = await sql('select user_id from membership where org_id = $1 and email = $2', [acme.id, email]);
      expect((await takeOver(acme, id, rows[0]?.['user_id'] as string)).errors).toEqual([]);
      await sql(`update membership set role = 'VIEWER' where org_id = $1 and user_id = $2`, [
        acme.id,
        await personId(acme.admin),
      ]);
      expect(outcomeOf(await accept(jane, secret))).toBe('ACCEPTED');
    }
  });

  test('an ADMIN neither sends again nor takes back what an OWNER granted', async () => {
    const acme = await givenOrganization(server);
    const { data } = await invite(acme.owner, `${unique('jane')}@new.example`, { role: 'OWNER' });
    const { id } = data.inviteUser.invitation;
    expect(codeOf(await resend(acme.admin, id))).toBe('ROLE_ESCALATION');
    expect(codeOf(await revoke(acme.admin, id))).toBe('ROLE_ESCALATION');
  });
});

describe('Sending again', () => {
  test('makes a new link and a new life; the earlier link stays good', async () => {
    const { acme, email, id, secret, jane } = await givenInvitation();
    await expire(id);
    const { data } = await resend(acme.admin, id, 2);
    expect(data.resendInvitation).toMatchObject({ id, status: 'PENDING', mailStatus: 'QUEUED' });
    expect(Math.round((Date.parse(data.resendInvitation.expiresAt) - Date.now()) / 3_600_000)).toBe(2);
    const fresh = await secretFor(server, email, secret);
    expect(outcomeOf(await accept(jane, secret))).toBe('ACCEPTED');
    expect(outcomeOf(await accept(jane, fresh))).toBe('ALREADY_ACCEPTED');
  });

  test('is CONFLICT once it was answered', async () => {
    const { acme, id, secret, jane } = await givenInvitation();
    await accept(jane, secret);
    expect(codeOf(await resend(acme.admin, id))).toBe('CONFLICT');
    expect(codeOf(await revoke(acme.admin, id))).toBe('CONFLICT');
    expect(codeOf(await resend(acme.admin, id, 0))).toBe('BAD_USER_INPUT');
  });

  test('is wanted: whoever sent it is told, once a day', async () => {
    const { acme, email, id, secret, jane } = await givenInvitation();
    expect(outcomeOf(await requestNew(jane, secret))).toBe('PENDING');
    await expire(id);
    expect(outcomeOf(await requestNew(jane, secret))).toBe('REQUESTED');
    expect(await mailTo(server, acme.admin.email)).toContain(`${email} asks for a new invitation to acme Inc.`);
    const toldAt = async () =>
      (await acme.admin('{ invitations { nodes { renewalRequestedAt } } }')).data.invitations.nodes;
    const first = await toldAt();
    expect(first).toEqual([{ renewalRequestedAt: expect.any(String) }]);
    expect(outcomeOf(await requestNew(jane, secret))).toBe('REQUESTED');
    expect(await toldAt()).toEqual(first);
    // The inviter is gone: an OWNER hears of it.
    await sql('update invitation set renewal_requested_at = null where id = $1', [id]);
    const gone = [acme.id, await personId(acme.admin)];
    await sql(`update membership set status = 'REMOVED' where org_id = $1 and user_id = $2`, gone);
    expect(outcomeOf(await requestNew(jane, secret))).toBe('REQUESTED');
    expect(await mailTo(server, acme.owner.email)).toContain('asks for a new invitation');
  });
});

test('invitations are for those who may invite, the newest first', async () => {
  const acme = await givenOrganization(server);
  for (const client of [acme.viewer, acme.developer]) {
    expect(codeOf(await client('{ invitations { totalCount } }'))).toBe('FORBIDDEN');
  }
  const emails = [];
  for (let index = 0; index < 3; index += 1) {
    emails.unshift(`${unique('jane')}@new.example`);
    await invite(acme.admin, emails[0] as string);
  }
  expect((await listed(acme)).map(({ email }) => email)).toEqual(emails);
  const { data } = await acme.admin(
    '{ invitations(first: 1) { totalCount nodes { id invitedBy { email } membership { user { name } role } } } }',
  );
  const [{ id }] = data.invitations.nodes;
  expect(data.invitations).toEqual({
    totalCount: 3,
    nodes: [{ id, invitedBy: { email: acme.admin.email }, membership: { user: { name: 'Jane' }, role: 'DEVELOPER' } }],
  });
  const node = await acme.admin('query ($id: ID!) { node(id: $id) { ... on Invitation { email } } }', { id });
  expect(node.data.node).toEqual({ email: emails[0] });
});

test('a member whom the organization knows by another address stays what they are', async () => {
  const acme = await givenOrganization(server);
  const email = `${unique('jane')}@new.example`;
  const jane = await givenMember(server, acme, 'VIEWER', { email });
  await sql('update membership set email = $3 where org_id = $1 and email = $2', [acme.id, email, `old.${email}`]);
  await invite(acme.admin, email, { role: 'ADMIN' });
  const { data } = await accept(jane, await secretFor(server, email));
  const membership = { role: 'VIEWER', status: 'ACTIVE', user: { email: `old.${email}` } };
  expect(data.acceptInvitation).toMatchObject({ outcome: 'ACCEPTED', membership });
  expect((await acme.viewer('{ members(status: INVITED) { totalCount } }')).data.members.totalCount).toBe(0);
});

const theirs = {
  foreign: async (_acme: object, db: OrganizationDb) => {
    const expiresAt = new Date(Date.now() + 3_600_000);
    return (await db.invitation.create({ id: newId('inv'), email: `${newId('inv')}@acme.example`, expiresAt })).id;
  },
  unknown: never('inv'),
  variables: (id: string) => ({ id }),
};
/** What the database holds of a secret opens nothing. */
const hashes = {
  foreign: async ({ id }: { id: string }) => hashSecret(id),
  unknown: () => randomBytes(32).toString('base64url'),
  variables: (secret: string) => ({ secret }),
  uncontrolled: 'nobody was ever sent it; what a secret that was sent opens is tried above',
};

describeIsolation({
  'Query.invitations.after': fromCursor('after', 'invitations', 'invitations CREATED_AT DESC', 'z'),
  'Query.invitations.before': fromCursor('before', 'invitations', 'invitations CREATED_AT DESC', 'z'),
  'Mutation.resendInvitation.id': {
    query: 'mutation ($id: ID!) { resendInvitation(id: $id) { email } }',
    ...theirs,
  },
  'Mutation.revokeInvitation.id': {
    query: 'mutation ($id: ID!) { revokeInvitation(id: $id) { email } }',
    ...theirs,
  },
  'Mutation.acceptInvitation.secret': {
    query: 'mutation ($secret: String!) { acceptInvitation(secret: $secret) { outcome maskedEmail } }',
    ...hashes,
  },
  'Mutation.declineInvitation.secret': {
    query: 'mutation ($secret: String!) { declineInvitation(secret: $secret) { outcome maskedEmail } }',
    ...hashes,
  },
  'Mutation.requestNewInvitation.secret': {
    query: 'mutation ($secret: String!) { requestNewInvitation(secret: $secret) { outcome maskedEmail } }',
    ...hashes,
  },
});
