import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Database } from '../../src/data/database.js';
import type { DueWork } from '../../src/jobs/due-kind.js';
import type { DueWorkLimits } from '../../src/jobs/due-work.js';
import { openSharedOutWork } from '../../src/jobs/outside.js';
import type { Mailer } from '../../src/mail/mail.js';
import { mailing, openReplica, outbox } from '../support/due-work.js';
import { type GivenOrganization, givenOrganization, unique } from '../support/given.js';
import { eventually, startMailServer, type TestMailServer } from '../support/mail.js';
import { withOutside } from '../support/outside.js';
import { startServer, type TestServer } from '../support/server.js';
import { byTest } from '../support/act.js';

let smtp: TestMailServer;
let server: TestServer;
beforeAll(async () => {
  smtp = await startMailServer();
  server = await startServer({
    scheduled: true,
    env: { SMTP_URL: smtp.url, MAIL_FROM: 'orgate <orgate@deployment.example>' },
  });
});
afterAll(async () => {
  await server.close();
  await smtp.close();
});
beforeEach(() => {
  smtp.refuseWith = null;
  smtp.hold = null;
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
  (await sql('select id, attempts, due_at, payload from due_work where org_id = $1', [id])).rows;

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

  test('wears what its organization looks like', async () => {
    const acme = await givenOrganization(server);
    await acme.admin(`mutation { updateOrganization(input: { settings: { branding: { displayName: "Acme Assistant",
      colours: { primary: "#0b3d91", onPrimary: "#ffffff" }, supportEmail: "help@acme.example" } } }) { id } }`);
    const email = `${unique('jane')}@new.example`;
    await invite(acme, email);
    const [mail] = await eventually(() => (received(email).length > 0 ? received(email) : undefined));
    for (const each of ['Acme Assistant', 'background:#0b3d91;color:#ffffff', 'help@acme.example']) {
      expect(mail?.html).toContain(each);
    }
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
    expect(problem).toEqual({ mailStatus: 'QUEUED', mailProblem: 'It could not be handed to the mail server.' });
    const [row] = await waiting(acme);
    expect(row).toMatchObject({ attempts: 1 });
    expect(row?.['due_at'].getTime()).toBeGreaterThan(Date.now() + 60_000);
    expect(JSON.stringify(row)).not.toContain(email);
    smtp.refuseWith = null;
    await sql("update due_work set due_at = current_timestamp - interval '1 s' where org_id = $1", [acme.id]);
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

  test('that is under way when its invitation is sent again holds the next one up in nothing, and tells nothing of it', async () => {
    // One that ends, and so has written what came of it.
    const ending = await startServer({ env: { SMTP_URL: smtp.url, MAIL_FROM: 'orgate@deployment.example' } });
    const acme = await givenOrganization(ending);
    const email = `${unique('jane')}@new.example`;
    let release = () => {};
    smtp.hold = new Promise<void>((resolve) => (release = resolve));
    const id = await invite(acme, email);
    await eventually(() => smtp.named.includes(email) || undefined);
    smtp.hold = null;
    await acme.admin('mutation ($id: ID!) { resendInvitation(id: $id) { id } }', { id });
    await eventually(async () => ((await mailOf(acme)).mailStatus === 'SENT' ? true : undefined));
    expect(received(email)).toHaveLength(1);

    smtp.refuseWith = { code: 550, message: 'No such mailbox here' };
    release();
    await ending.close();
    expect(ending.logs.join('\n')).toContain('"outcome":"given_up"');
    const { rows } = await sql('select mail_status, mail_problem from invitation where id = $1', [id]);
    expect(rows).toEqual([{ mail_status: 'SENT', mail_problem: null }]);
    expect(await waiting(acme)).toEqual([]);
  });
});

describe('An outbox', () => {
  /** How one replica sends what a test wrote, and nothing else does: of a kind of its own. */
  const openHere = (mailer: Mailer | string = smtp.url, database: Database = server.database) => {
    const kind = { ...mailing(mailer), name: unique('mail') };
    const replica = openReplica({ database }, { kinds: [kind] });
    const queue = async (of: GivenOrganization, to: string): Promise<DueWork> => {
      const mail = await queueForRounds(of, to);
      await sql('update due_work set kind = $2 where id = $1', [mail.id, kind.name]);
      return mail;
    };
    return { ...replica, kind, queue };
  };
  const queueForRounds = ({ id }: GivenOrganization, to: string) =>
    outbox.queue(server.database.organizationDb(id, byTest), id, { to, subject: 'Hello', text: 'Hello' });
  const isDueAgain = ({ id }: DueWork) =>
    sql("update due_work set due_at = current_timestamp - interval '1 s' where id = $1", [id]);

  test('sends each mail once, whoever tries', async () => {
    const acme = await givenOrganization(server);
    const to = `${unique('jane')}@new.example`;
    const here = openHere();
    const replicas = [here, openReplica(server, { kinds: [here.kind] })];
    const mail = await here.queue(acme, to);
    for (const each of [...replicas, ...replicas]) each.dispatch(mail);
    await Promise.all(replicas.map((each) => each.close()));
    expect(received(to)).toHaveLength(1);
  });

  test('whose process was killed before it sent anything is sent seconds later by another', async () => {
    const acme = await givenOrganization(server);
    const to = `${unique('jane')}@new.example`;
    await queueForRounds(acme, to);
    await eventually(() => received(to)[0], 25_000);
  });

  test('whose process was killed while it was sending leaves the mail to another, seconds later', async () => {
    const acme = await givenOrganization(server);
    const to = `${unique('jane')}@new.example`;
    let began = false;
    const dying = openReplica(server, {
      kinds: [mailing({ send: () => new Promise(() => (began = true)), close: () => undefined })],
      // The dead say nothing more.
      outside: withOutside(server.database.outside, openSharedOutWork, (real) => ({
        ...real,
        extend: () => Promise.resolve(),
      })),
    });
    dying.dispatch(await queueForRounds(acme, to));
    await eventually(() => began || undefined);
    await eventually(() => received(to)[0], 50_000);
    await eventually(async () => ((await waiting(acme)).length === 0 ? true : undefined));
    expect(received(to)).toHaveLength(1);
  });

  test('tells that a mail was sent until the database hears it', async () => {
    const acme = await givenOrganization(server);
    const to = `${unique('jane')}@new.example`;
    let failed = 0;
    const here = openHere(smtp.url, {
      ...server.database,
      organizationDb: (...of) => {
        const db = server.database.organizationDb(...of);
        const end = db.dueWork.delete;
        const deaf = { delete: (mail: object) => ((failed += 1) <= 2 ? Promise.reject(new Error('away')) : end(mail)) };
        return new Proxy(db, {
          get: (real, name) => (name === 'dueWork' ? { ...real.dueWork, ...deaf } : Reflect.get(real, name)) as unknown,
        });
      },
    });
    here.dispatch(await here.queue(acme, to));
    await here.close();
    expect(failed).toBe(3);
    expect(await waiting(acme)).toEqual([]);
    expect(received(to)).toHaveLength(1);
  });

  test('that can never tell what it sent sends it later each time, and not for ever', async () => {
    const acme = await givenOrganization(server);
    const to = `${unique('jane')}@new.example`;
    const here = openHere();
    const mail = await here.queue(acme, to);
    for (let round = 1; round <= 15; round += 1) {
      await isDueAgain(mail);
      const taken = await server.database.outside(openSharedOutWork).takeOne(mail);
      expect(taken?.attempts).toBe(round);
      expect(await server.database.outside(openSharedOutWork).takeOne(mail)).toBeNull(); // its wait is not over
      const due = await sql('select due_at > current_timestamp + $2::interval as later from due_work where id = $1', [
        mail.id,
        round === 1 ? '10 seconds' : `${Math.min(2 ** round, 360) - 1} minutes`,
      ]);
      expect(due.rows).toEqual([{ later: true }]);
    }
    await isDueAgain(mail);
    here.dispatch(mail);
    await here.close();
    expect(await waiting(acme)).toEqual([]);
    expect(received(to)).toEqual([]);
    expect(here.ended).toMatchObject([{ outcome: 'given_up', error: null }]);
  });

  test('gives up in the end, where no mail server is', async () => {
    const acme = await givenOrganization(server);
    const nobody = openHere('smtp://127.0.0.1:1');
    const mail = await nobody.queue(acme, `${unique('jane')}@new.example`);
    for (let attempt = 0; attempt < 12; attempt += 1) {
      expect(await waiting(acme)).toMatchObject([{ attempts: attempt }]);
      await isDueAgain(mail);
      nobody.dispatch(mail);
      await nobody.close();
    }
    expect(await waiting(acme)).toEqual([]);
    expect(nobody.ended.map(({ outcome }) => outcome)).toEqual([...Array<string>(11).fill('failed'), 'given_up']);
  });

  test('opens no mail that was moved into another organization', async () => {
    const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
    const here = openHere();
    const to = `${unique('jane')}@new.example`;
    const mail = await here.queue(acme, to);
    await sql('update due_work set org_id = $1 where id = $2', [globex.id, mail.id]);
    here.dispatch({ ...mail, orgId: globex.id });
    await here.close();
    expect(received(to)).toEqual([]);
    expect(here.ended.at(-1)?.error).toMatchObject({ message: 'a secret was sealed under a data key that is gone' });
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
  async function givenOutbox(url: string, limits: DueWorkLimits, mostMs = 60_000) {
    const acme = await givenOrganization(server);
    const globex = await givenOrganization(server);
    const kind = { ...mailing(url), name: unique('mail'), mostMs };
    const replica = openReplica(server, { kinds: [kind], limits });
    /** Of two organizations in turn: one alone has not all of the places. */
    const queue = async (to: string, due: boolean) => {
      const { id } = due && Math.random() < 0.5 ? globex : acme;
      const db = server.database.organizationDb(id, byTest);
      const mail = await outbox.queue(db, id, { to, subject: 'Hello', text: 'Hello' });
      await sql('update due_work set kind = $2, due_at = current_timestamp + $3::interval where id = $1', [
        mail.id,
        kind.name,
        due ? '-1 s' : '1 h',
      ]);
      return mail;
    };
    const { signal } = new AbortController();
    const rows = async () => (await sql('select attempts from due_work where kind = $1', [kind.name])).rows;
    return { ...replica, queue, rows, round: () => replica.round(signal) };
  }

  test('drips holds up neither the other mails of a round nor the next round', async () => {
    const { world, url, close } = await givenServer();
    const outbox = await givenOutbox(url, { tellAgain: [], close: 60_000 }, 6000);
    const [slow, quick] = [`${unique('slow')}@new.example`, `${unique('quick')}@new.example`];
    world.behave = drip;
    await outbox.queue(slow, true);
    await outbox.round();
    await eventually(() => world.open || undefined);
    world.behave = null;
    await outbox.queue(quick, true);
    await outbox.round();
    await eventually(() => world.taken.includes(quick) || undefined);
    await outbox.close();
    expect(outbox.ended.filter(({ outcome }) => outcome === 'failed')).toHaveLength(1);
    await eventually(() => (world.open === 0 ? true : undefined));
    await close();
  });

  test('says nothing has ten connections at the most, and the others wait', async () => {
    const { world, url, close } = await givenServer();
    const outbox = await givenOutbox(url, { tellAgain: [], close: 60_000 }, 1500);
    world.behave = () => undefined;
    for (let mail = 0; mail < 12; mail += 1) await outbox.queue(`${unique('jane')}@new.example`, true);
    for (let mail = 0; mail < 12; mail += 1)
      outbox.dispatch(await outbox.queue(`${unique('jane')}@new.example`, false));
    await outbox.round();
    await eventually(() => (world.most === 10 ? true : undefined));
    await eventually(() => (outbox.ended.length === 24 ? true : undefined), 20_000);
    await outbox.close();
    expect(world.most).toBe(10);
    await close();
  });

  test('says nothing is given up when orgate closes, and left to others at once', async () => {
    const { world, url, close } = await givenServer();
    const outbox = await givenOutbox(url, { tellAgain: [], close: 100 });
    world.behave = () => undefined;
    for (let mail = 0; mail < 24; mail += 1) await outbox.queue(`${unique('jane')}@new.example`, true);
    await outbox.round();
    await eventually(() => (world.open === 5 ? true : undefined));
    await outbox.close();
    const attempts = (await outbox.rows()).map((row) => Number(row['attempts']));
    expect(attempts.toSorted((a, b) => a - b)).toEqual([...Array<number>(19).fill(0), ...Array<number>(5).fill(1)]);
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
