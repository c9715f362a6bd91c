import { describe, expect } from '@jest/globals';
import { type GivenOrganization, givenOrganization, unique } from '../support/given.js';
import { secretFor } from '../support/mail.js';
import { type Answer, type Client, codeOf, useServer } from '../support/server.js';
import { inOrder, organizationRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const invite = (actor: Client, email: string) =>
  actor('mutation ($input: InviteUserInput!) { inviteUser(input: $input) { invitation { id } } }', {
    input: { email, name: 'Jane', role: 'VIEWER' },
  });
const accept = (client: Client, secret: string) =>
  client('mutation ($secret: String!) { acceptInvitation(secret: $secret) { outcome } }', { secret });
const revoke = (actor: Client, id: string) => actor('mutation ($id: ID!) { revokeInvitation(id: $id) { id } }', { id });
const outcome = ({ data, errors }: Answer): string =>
  errors.length > 0
    ? String(errors[0]?.extensions['code'])
    : (Object.values<Answer['data']>(data)[0].outcome ?? 'done');

async function givenInvited(acme: GivenOrganization) {
  const email = `${unique('jane')}@new.example`;
  const answer = await invite(acme.admin, email);
  expect(answer.errors).toEqual([]);
  const id = answer.data.inviteUser.invitation.id as string;
  return { id, email, secret: await secretFor(server, email), jane: await server.as(email) };
}

/** Who holds a seat, counted past every wall. */
const seatsTaken = async ({ id }: GivenOrganization): Promise<number> =>
  Number(
    (
      await sql(
        `select (select count(*) from membership where org_id = $1 and status in ('ACTIVE', 'SUSPENDED'))
              + (select count(*) from invitation where org_id = $1 and status = 'PENDING' and expires_at > now()) as taken`,
        [id],
      )
    ).rows[0]?.['taken'],
  );

race('one address has one PENDING invitation, with 20 at once', async () => {
  for (let round = 0; round < 5; round += 1) {
    const acme = await givenOrganization(server);
    const email = `${unique('jane')}@new.example`;
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => invite(index % 2 ? acme.owner : acme.admin, email)),
    );
    expect(new Set(answers.map(({ data }) => data.inviteUser.invitation.id)).size).toBe(1);
    const { rows } = await sql(
      `select (select count(*)::int from invitation where org_id = $1) as invitations,
              (select count(*)::int from invitation_secret where org_id = $1) as secrets`,
      [acme.id],
    );
    expect(rows).toEqual([{ invitations: 1, secrets: 1 }]);
  }
});

race('an invitation is accepted once, with 10 at once', async () => {
  const acme = await givenOrganization(server);
  for (let round = 0; round < 5; round += 1) {
    const { secret, jane } = await givenInvited(acme);
    const answers = await Promise.all(Array.from({ length: 10 }, () => accept(jane, secret)));
    expect(answers.map(outcome).sort()).toEqual(['ACCEPTED', ...Array(9).fill('ALREADY_ACCEPTED')]);
  }
});

describe('Accepting while it is taken back', () => {
  race('stays REVOKED when that came first, and ACCEPTED when that did', async () => {
    const acme = await givenOrganization(server);
    const lock = organizationRow(acme.id);
    const one = await givenInvited(acme);
    const first = await inOrder<Answer>(lock, [() => revoke(acme.admin, one.id), () => accept(one.jane, one.secret)]);
    expect(first.map(outcome)).toEqual(['done', 'REVOKED']);
    const two = await givenInvited(acme);
    const second = await inOrder<Answer>(lock, [() => accept(two.jane, two.secret), () => revoke(acme.admin, two.id)]);
    expect(second.map(outcome)).toEqual(['ACCEPTED', 'CONFLICT']);
  });
});

race('active and pending never pass the seats, whoever invites, accepts and takes back at once', async () => {
  for (let round = 0; round < 5; round += 1) {
    const acme = await givenOrganization(server);
    const waiting = [await givenInvited(acme), await givenInvited(acme), await givenInvited(acme)];
    const [expired] = waiting;
    await sql('update organization set seat_limit = 8 where id = $1', [acme.id]);
    await sql('update invitation set expires_at = now() where id = $1', [expired?.id]);
    // Four members and two that wait: two seats are free, and five want one.
    const answers = await Promise.all([
      ...waiting.map(({ jane, secret }) => accept(jane, secret)),
      ...Array.from({ length: 4 }, () => invite(acme.admin, `${unique('jane')}@new.example`)),
      acme.admin('mutation ($id: ID!) { resendInvitation(id: $id) { id } }', { id: expired?.id }),
    ]);
    expect(answers.slice(0, 3).map(outcome).slice(1)).toEqual(['ACCEPTED', 'ACCEPTED']);
    expect(['EXPIRED', 'ACCEPTED']).toContain(outcome(answers[0] as Answer));
    expect(answers.slice(3).map(outcome).sort()).toEqual(['CONFLICT', 'CONFLICT', 'CONFLICT', 'done', 'done']);
    expect(await seatsTaken(acme)).toBe(8);
    expect(codeOf(await invite(acme.owner, `${unique('jane')}@new.example`))).toBe('CONFLICT');
  }
});
