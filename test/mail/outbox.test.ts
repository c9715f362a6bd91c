import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createOutbox, type Outbox } from '../../src/mail/outbox.js';
import { openSmtp } from '../../src/mail/smtp.js';
import { createSeal } from '../../src/data/seal.js';
import { type GivenOrganization, givenOrganization, unique } from '../support/given.js';
import { eventually, startMailServer, type TestMailServer } from '../support/mail.js';
import { startServer, type TestServer } from '../support/server.js';

let smtp: TestMailServer;
let server: TestServer;
beforeAll(async () => {
  smtp = await startMailServer();
  server = await startServer({ env: { SMTP_URL: smtp.url, MAIL_FROM: 'orgate <orgate@deployment.example>' } });
}, 60_000);
afterAll(async () => {
  await server.close();
  await smtp.close();
});
beforeEach(() => {
  smtp.refuseWith = null;
});

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const received = (email: string) => smtp.received.filter(({ to }) => to?.[0]?.address === email);

async function invite({ admin }: GivenOrganization, email: string): Promise<string> {
  const query = 'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { invitation { id } } }';
  return (await admin(query, { input: { email, name: 'Jane', role: 'VIEWER' } })).data.inviteUser.invitation
    .id as string;
}
const mailOf = async ({ admin }: GivenOrganization) =>
  (await admin('{ invitations(first: 1) { nodes { mailStatus mailProblem } } }')).data.invitations.nodes[0];
const waiting = async ({ id }: GivenOrganization) =>
  (await sql('select id, attempts, next_attempt_at, sealed from outgoing_mail where org_id = $1', [id])).rows;

describe('A mail', () => {
  test('goes out over SMTP once what caused it is committed, and leaves nothing in the outbox', async () => {
    const acme = await givenOrganization(server);
    const email = `${unique('jane')}@new.example`;
    await invite(acme, email);
    const [mail] = await eventually(() => (received(email).length > 0 ? received(email) : undefined));
    expect(mail).toMatchObject({
      from: { name: 'orgate', address: 'orgate@deployment.example' },
      subject: 'Join acme Inc.',
      messageId: expect.stringMatching(/^<mal_[0-9a-v]{26}@deployment\.example>$/),
      text: expect.stringContaining('/invitations/'),
    });
    expect(mail?.headers).toContainEqual(expect.objectContaining({ key: 'auto-submitted', value: 'auto-generated' }));
    expect(mail?.html).toBeUndefined();
    await eventually(async () => ((await waiting(acme)).length === 0 ? true : undefined));
    expect(await mailOf(acme)).toEqual({ mailStatus: 'SENT', mailProblem: null });
    expect(server.logs.join('\n')).not.toContain(/\/invitations\/([\w-]+)/.exec(mail?.text ?? '')?.[1]);
  });

  test('does not go out when its transaction fails', async () => {
    const acme = await givenOrganization(server);
    await sql('update organization set seat_limit = 4 where id = $1', [acme.id]);
    const email = `${unique('jane')}@new.example`;
    await expect(invite(acme, email)).rejects.toThrow();
    expect(await waiting(acme)).toEqual([]);
    expect(received(email)).toEqual([]);
  });

  test('that the server will never take is FAILED, and says why to those who invite', async () => {
    const acme = await givenOrganization(server);
    smtp.refuseWith = { code: 550, message: 'No such mailbox here' };
    await invite(acme, `${unique('jane')}@new.example`);
    const failed = await eventually(async () =>
      (await mailOf(acme)).mailStatus === 'FAILED' ? mailOf(acme) : undefined,
    );
    expect(failed.mailProblem).toContain('No such mailbox here');
    expect(await waiting(acme)).toEqual([]);
  });

  test('that the server cannot take now is tried again later, from what is stored sealed', async () => {
    const acme = await givenOrganization(server);
    const email = `${unique('jane')}@new.example`;
    smtp.refuseWith = { code: 451, message: 'Try again later' };
    await invite(acme, email);
    const problem = await eventually(async () => ((await mailOf(acme)).mailProblem ? mailOf(acme) : undefined));
    expect(problem).toEqual({ mailStatus: 'QUEUED', mailProblem: 'The mail server could not be reached.' });
    const [row] = await waiting(acme);
    expect(row).toMatchObject({ attempts: 1 });
    expect(row?.['next_attempt_at'].getTime()).toBeGreaterThan(Date.now() + 60_000);
    expect(JSON.stringify(row)).not.toContain(email);
    smtp.refuseWith = null;
    await sql('update outgoing_mail set next_attempt_at = current_timestamp where org_id = $1', [acme.id]);
    // The schedule's next round.
    await eventually(async () => ((await mailOf(acme)).mailStatus === 'SENT' ? true : undefined), 20_000);
    expect(received(email)).toHaveLength(1);
    expect(await waiting(acme)).toEqual([]);
  });

  test('is taken back with the invitation', async () => {
    const acme = await givenOrganization(server);
    smtp.refuseWith = { code: 451, message: 'Try again later' };
    const id = await invite(acme, `${unique('jane')}@new.example`);
    await eventually(async () => (await mailOf(acme)).mailProblem ?? undefined);
    await acme.admin('mutation ($id: ID!) { revokeInvitation(id: $id) { id } }', { id });
    expect(await waiting(acme)).toEqual([]);
  });
});

describe('An outbox', () => {
  const seal = createSeal([Buffer.alloc(32, 7).toString('base64')]);
  const failures: unknown[] = [];
  const open = (url: string): Outbox =>
    createOutbox({
      mailer: openSmtp(url, 'orgate@deployment.example'),
      seal,
      organizationDb: server.database.organizationDb,
      listDueMail: server.database.listDueMail,
      onFailure: (error) => void failures.push(error),
    });
  const queue = (outbox: Outbox, { id }: GivenOrganization, to: string) =>
    outbox.queue(server.database.organizationDb(id), id, { to, subject: 'Hello', text: 'Hello' });

  test('sends each mail once, whoever tries', async () => {
    const acme = await givenOrganization(server);
    const to = `${unique('jane')}@new.example`;
    const replicas = [open(smtp.url), open(smtp.url)] as const;
    const mail = await queue(replicas[0], acme, to);
    for (const each of [...replicas, ...replicas]) each.dispatch(mail);
    await Promise.all(replicas.map((each) => each.close()));
    expect(received(to)).toHaveLength(1);
  });

  test('gives up in the end, where no mail server is', async () => {
    const acme = await givenOrganization(server);
    const nobody = open('smtp://127.0.0.1:1');
    const mail = await queue(nobody, acme, `${unique('jane')}@new.example`);
    for (let attempt = 0; attempt < 12; attempt += 1) {
      expect(await waiting(acme)).toMatchObject([{ attempts: attempt }]);
      await sql('update outgoing_mail set next_attempt_at = current_timestamp where id = $1', [mail.id]);
      nobody.dispatch(mail);
      await eventually(async () => {
        const [row] = await waiting(acme);
        return row?.['attempts'] === attempt ? undefined : true;
      });
    }
    await nobody.close();
    expect(await waiting(acme)).toEqual([]);
    expect(failures).toHaveLength(12);
  });

  test('opens no mail that was moved into another organization', async () => {
    const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
    const outbox = open(smtp.url);
    const to = `${unique('jane')}@new.example`;
    const mail = await queue(outbox, acme, to);
    await sql('update outgoing_mail set org_id = $1 where id = $2', [globex.id, mail.id]);
    outbox.dispatch({ ...mail, orgId: globex.id });
    await outbox.close();
    expect(received(to)).toEqual([]);
    expect(failures.at(-1)).toMatchObject({ message: 'a secret was sealed for another purpose' });
  });
});

test('a deployment without a mail server says so on the invitation', async () => {
  const production = await startServer({ env: { HOST: '0.0.0.0' } });
  try {
    const acme = await givenOrganization(production);
    await invite(acme, `${unique('jane')}@new.example`);
    const failed = await eventually(async () =>
      (await mailOf(acme)).mailStatus === 'FAILED' ? mailOf(acme) : undefined,
    );
    expect(failed.mailProblem).toBe('This deployment sends no mail: SMTP_URL is not set.');
    expect((await fetch(`http://127.0.0.1:${new URL(production.url).port}/dev/mail`)).status).toBe(404);
  } finally {
    await production.close();
  }
});
