import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { type MailAttempts, openMailAttempts } from '../../src/mail/attempts.js';
import { createOutbox, type Outbox, type OutboxLimits } from '../../src/mail/outbox.js';
import { openDueMail, type WaitingMail } from '../../src/mail/outside.js';
import { openSmtp } from '../../src/mail/smtp.js';
import { createSeal } from '../../src/secrets/seal.js';
import { type GivenOrganization, givenOrganization, unique } from '../support/given.js';
import { eventually, startMailServer, type TestMailServer } from '../support/mail.js';
import { withOutside } from '../support/outside.js';
import { startServer, type TestServer } from '../support/server.js';
import { byTest } from '../support/act.js';

let smtp: TestMailServer;
let server: TestServer;
/** Mails that a test sends itself: the server's own rounds leave them alone, or both would count attempts. */
const sentByHand = new Set<string>();
beforeAll(async () => {
  smtp = await startMailServer();
  server = await startServer({
    scheduled: true,
    env: { SMTP_URL: smtp.url, MAIL_FROM: 'orgate <orgate@deployment.example>' },
    wrap: (database) => ({
      ...database,
      outside: withOutside(
        database.outside,
        openDueMail,
        (listDueMail) => async (most) => (await listDueMail(most)).filter(({ id }) => !sentByHand.has(id)),
      ),
    }),
  });
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
    const [link] = /http\S+\/invitations\/[\w-]+/.exec(mail?.text ?? '') ?? [];
    expect(mail?.html).toContain(`href="${link}"`);
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
    await sql("update outgoing_mail set next_attempt_at = current_timestamp - interval '1 s' where org_id = $1", [
      acme.id,
    ]);
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
  /** Closed again and again, to wait for what is being sent. */
  const PATIENT: OutboxLimits = { send: 60_000, tellAgain: [10, 10], close: 600_000 };
  const open = (url: string): Outbox =>
    createOutbox(
      {
        mailer: openSmtp(url, 'orgate@deployment.example'),
        seal,
        outside: server.database.outside,
        onFailure: (error) => void failures.push(error),
      },
      PATIENT,
    );
  const queueForRounds = (outbox: Outbox, { id }: GivenOrganization, to: string) =>
    outbox.queue(server.database.organizationDb(id, byTest), id, { to, subject: 'Hello', text: 'Hello' });
  const queue = async (...mail: Parameters<typeof queueForRounds>): Promise<WaitingMail> => {
    const waiting = await queueForRounds(...mail);
    sentByHand.add(waiting.id);
    return waiting;
  };

  test('sends each mail once, whoever tries', async () => {
    const acme = await givenOrganization(server);
    const to = `${unique('jane')}@new.example`;
    const replicas = [open(smtp.url), open(smtp.url)] as const;
    const mail = await queue(replicas[0], acme, to);
    for (const each of [...replicas, ...replicas]) each.dispatch(mail);
    await Promise.all(replicas.map((each) => each.close()));
    expect(received(to)).toHaveLength(1);
  });

  test('whose process was killed before it sent anything is sent seconds later by another', async () => {
    const acme = await givenOrganization(server);
    const to = `${unique('jane')}@new.example`;
    await queueForRounds(open(smtp.url), acme, to);
    await eventually(() => received(to)[0], 25_000);
  });

  /** How the outbox of a process that cannot write down what became of its mail sees the database. */
  const withoutEnd = (tries = Infinity): MailAttempts => {
    let failed = 0;
    const { begin, extend, end } = server.database.outside(openMailAttempts);
    return {
      begin,
      extend,
      end: (...outcome) => ((failed += 1) <= tries ? Promise.reject(new Error('not to be written')) : end(...outcome)),
    };
  };
  const openWithout = (mailAttempts: MailAttempts): Outbox =>
    createOutbox(
      {
        mailer: openSmtp(smtp.url, 'orgate@deployment.example'),
        seal,
        outside: withOutside(server.database.outside, openMailAttempts, () => mailAttempts),
        onFailure: () => undefined,
      },
      PATIENT,
    );
  const isDueAgain = ({ id }: WaitingMail) =>
    sql("update outgoing_mail set next_attempt_at = current_timestamp - interval '1 s' where id = $1", [id]);

  test('whose process was killed while it was sending leaves the mail to another, seconds later', async () => {
    const acme = await givenOrganization(server);
    const to = `${unique('jane')}@new.example`;
    let began = false;
    const dying = createOutbox({
      seal,
      mailer: { send: () => new Promise(() => (began = true)), close: () => undefined },
      // The dead say nothing more.
      outside: withOutside(server.database.outside, openMailAttempts, (attempts) => ({
        ...attempts,
        extend: () => Promise.resolve(),
      })),
      onFailure: () => undefined,
    });
    dying.dispatch(await queueForRounds(dying, acme, to));
    await eventually(() => began || undefined);
    await eventually(() => received(to)[0], 50_000);
    await eventually(async () => ((await waiting(acme)).length === 0 ? true : undefined));
    expect(received(to)).toHaveLength(1);
  }, 60_000);

  test('tells that a mail was sent until the database hears it', async () => {
    const acme = await givenOrganization(server);
    const to = `${unique('jane')}@new.example`;
    const outbox = openWithout(withoutEnd(2));
    outbox.dispatch(await queue(outbox, acme, to));
    await outbox.close();
    expect(await waiting(acme)).toEqual([]);
    expect(received(to)).toHaveLength(1);
  });

  test('that can never tell what it sent sends it later each time, and not for ever', async () => {
    const acme = await givenOrganization(server);
    const to = `${unique('jane')}@new.example`;
    const outbox = openWithout(withoutEnd());
    const mail = await queue(outbox, acme, to);
    for (let round = 1; round <= 15; round += 1) {
      await isDueAgain(mail);
      outbox.dispatch(mail);
      await outbox.close();
      outbox.dispatch(mail); // its wait is not over
      await outbox.close();
      expect(received(to)).toHaveLength(Math.min(round, 12));
      const due = await sql(
        'select next_attempt_at > current_timestamp + $2::interval as later from outgoing_mail where id = $1',
        [mail.id, round === 1 ? '10 seconds' : `${Math.min(2 ** round, 360) - 1} minutes`],
      );
      expect(due.rows).toEqual([{ later: true }]);
    }
    await isDueAgain(mail);
    const able = open(smtp.url);
    able.dispatch(mail);
    await able.close();
    expect(await waiting(acme)).toEqual([]);
    expect(received(to)).toHaveLength(12);
  }, 60_000);

  test("whose clock is an hour behind takes nobody else's mail", async () => {
    const acme = await givenOrganization(server);
    const sent: string[] = [];
    const parts = (name: string, wait: Promise<void>) => ({
      seal,
      mailer: { send: () => (sent.push(name), wait), close: () => undefined },
      outside: server.database.outside,
      onFailure: () => undefined,
    });
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const behind = createOutbox(parts('behind', finished));
    const other = createOutbox(parts('other', Promise.resolve()));
    const mail = await queue(behind, acme, `${unique('jane')}@new.example`);
    const real = Date.now;
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => real() - 3_600_000);
    behind.dispatch(mail);
    await eventually(() => sent[0]);
    clock.mockRestore();
    other.dispatch(mail);
    await other.close();
    finish();
    await behind.close();
    expect(sent).toEqual(['behind']);
    expect(await waiting(acme)).toEqual([]);
  });

  test('gives up in the end, where no mail server is', async () => {
    const acme = await givenOrganization(server);
    const nobody = open('smtp://127.0.0.1:1');
    const mail = await queue(nobody, acme, `${unique('jane')}@new.example`);
    for (let attempt = 0; attempt < 12; attempt += 1) {
      expect(await waiting(acme)).toMatchObject([{ attempts: attempt }]);
      await isDueAgain(mail);
      nobody.dispatch(mail);
      await nobody.close();
    }
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

describe('A mail server that', () => {
  /** One that greets, and then does to each connection what a test says; `null` takes the mail. */
  async function givenServer() {
    const world = { open: 0, most: 0, taken: [] as string[], behave: null as ((socket: Socket) => void) | null };
    const sockets = new Set<Socket>();
    const listening = createServer((socket) => {
      sockets.add(socket);
      world.open += 1;
      world.most = Math.max(world.most, world.open);
      const { behave } = world;
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        world.open -= 1;
      });
      if (behave) return behave(socket);
      socket.write('220 here\r\n');
      let isData = false;
      createInterface(socket).on('line', (line) => {
        if (isData && line.startsWith('To: ')) world.taken.push(line.slice(4));
        if (isData && line !== '.') return;
        isData = line === 'DATA';
        socket.write(isData ? '354 go on\r\n' : '250 well\r\n');
      });
    });
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    const close = () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) socket.destroy();
        listening.close(() => resolve());
      });
    return { world, close, url: `smtp://127.0.0.1:${(listening.address() as AddressInfo).port}` };
  }
  /** Never silent, and never done. */
  const drip = (socket: Socket): void => {
    socket.write('220 here\r\n');
    const dripping = setInterval(() => socket.write('250-X\r\n'), 50);
    socket.on('close', () => clearInterval(dripping));
  };
  async function givenOutbox(url: string, limits: OutboxLimits) {
    const acme = await givenOrganization(server);
    const due: WaitingMail[] = [];
    const failures: unknown[] = [];
    const outbox = createOutbox(
      {
        mailer: openSmtp(url, 'orgate@deployment.example'),
        seal: createSeal([Buffer.alloc(32, 7).toString('base64')]),
        // What others of this run have to send is theirs.
        outside: withOutside(server.database.outside, openDueMail, () => async () => due.splice(0)),
        onFailure: (error) => void failures.push(error),
      },
      limits,
    );
    const queue = async (to: string) => {
      const db = server.database.organizationDb(acme.id, byTest);
      const mail = await outbox.queue(db, acme.id, { to, subject: 'Hello', text: 'Hello' });
      await db.outgoingMail.update({ id: mail.id }, { nextAttemptAt: new Date(Date.now() + 3_600_000) }); // but for us
      return mail;
    };
    return { outbox, queue, due, failures, acme };
  }

  test('drips holds up neither the other mails of a round nor the next round', async () => {
    const { world, url, close } = await givenServer();
    const { outbox, queue, due, failures } = await givenOutbox(url, { send: 6000, tellAgain: [], close: 60_000 });
    const [slow, quick] = [`${unique('slow')}@new.example`, `${unique('quick')}@new.example`];
    world.behave = drip;
    due.push(await queue(slow));
    const stuck = outbox.sendDue();
    await eventually(() => world.open || undefined);
    world.behave = null;
    due.push(await queue(quick));
    const round = outbox.sendDue();
    await eventually(() => world.taken.includes(quick) || undefined);
    await Promise.all([stuck, round]);
    expect(failures).toHaveLength(1);
    await eventually(() => (world.open === 0 ? true : undefined));
    await outbox.close();
    await close();
  });

  test('says nothing has ten connections at the most, and the others wait', async () => {
    const { world, url, close } = await givenServer();
    const { outbox, queue, due, failures } = await givenOutbox(url, { send: 1500, tellAgain: [], close: 60_000 });
    world.behave = () => undefined;
    for (let mail = 0; mail < 12; mail += 1) outbox.dispatch(await queue(`${unique('jane')}@new.example`));
    for (let mail = 0; mail < 12; mail += 1) due.push(await queue(`${unique('jane')}@new.example`));
    const round = outbox.sendDue();
    await eventually(() => (world.most === 10 ? true : undefined));
    await round;
    await outbox.close();
    expect(world.most).toBe(10);
    expect(failures).toHaveLength(24);
    await close();
  });

  test('says nothing is given up when orgate closes', async () => {
    const { world, url, close } = await givenServer();
    const { outbox, queue, due, acme } = await givenOutbox(url, { send: 3_600_000, tellAgain: [], close: 100 });
    world.behave = () => undefined;
    for (let mail = 0; mail < 7; mail += 1) due.push(await queue(`${unique('jane')}@new.example`));
    const stop = new AbortController();
    const round = outbox.sendDue(stop.signal);
    await eventually(() => (world.open === 5 ? true : undefined));
    stop.abort();
    await round;
    await outbox.close();
    // Two were not begun, and are left to another process.
    expect((await waiting(acme)).map((row) => row['attempts']).toSorted((a, b) => Number(a) - Number(b))).toEqual([
      0, 0, 1, 1, 1, 1, 1,
    ]);
    await eventually(() => (world.open === 0 ? true : undefined));
    await close();
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
