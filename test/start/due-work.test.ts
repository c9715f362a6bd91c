import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import pg from 'pg';
import { unique } from '../support/given.js';
import { eventually, startMailServer } from '../support/mail.js';
import { isPostgres } from '../support/server.js';
import { ask, command, freePort, newDirectory, start } from '../support/process.js';

const invite = (email: string): string =>
  `mutation { inviteUser(input: { email: "${email}", name: "Jane", role: VIEWER }) { invitation { id } } }`;
const INVITED = '{ invitations(first: 50) { nodes { mailStatus } } }';

test('mail that was under way, and mail that waited, go out seconds after a process that was killed begins again', async () => {
  const DATA_DIR = await newDirectory();
  const port = await freePort();
  const env = { DATA_DIR, SMTP_URL: `smtp://127.0.0.1:${port}`, MAIL_FROM: 'orgate@deployment.example' };
  const { stdout } = await command('token', ['ann@acme.example', '--org', 'acme'], { DATA_DIR });
  const token = stdout.trim();
  const sockets: Socket[] = [];
  const silent = createServer((socket) => void sockets.push(socket.on('error', () => undefined)));
  silent.listen(port, '127.0.0.1');
  await once(silent, 'listening');

  const first = await start(env);
  const emails = Array.from({ length: 8 }, () => `${unique('jane')}@new.example`);
  for (const email of emails) await ask(first, token, invite(email));
  await eventually(() => (sockets.length >= 5 ? true : undefined));
  await first.end('SIGKILL');
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => silent.close(resolve));

  const smtp = await startMailServer(port);
  const again = await start(env);
  const received = () => new Set(smtp.received.map(({ to }) => to?.[0]?.address));
  await eventually(() => (emails.every((email) => received().has(email)) ? true : undefined), 25_000);
  expect(smtp.received.filter(({ to }) => emails.includes(to?.[0]?.address ?? ''))).toHaveLength(emails.length);
  await eventually(async () =>
    (await ask(again, token, INVITED)).invitations.nodes.every(
      ({ mailStatus }: { mailStatus: string }) => mailStatus === 'SENT',
    )
      ? true
      : undefined,
  );
  expect(await again.end()).toBe(0);
  await smtp.close();
});

(isPostgres ? test : test.skip)(
  'what a replica that is killed was doing another does, seconds later, and not before',
  async () => {
    const admin = new pg.Client({ connectionString: process.env['ORGATE_TEST_URL'] });
    await admin.connect();
    const name = `orgate_due_${randomUUID().slice(0, 8)}`;
    await admin.query(`create database ${name}`);
    const url = Object.assign(new URL(process.env['ORGATE_TEST_URL'] ?? ''), { pathname: name });
    const sockets: Socket[] = [];
    const silent = createServer((socket) => void sockets.push(socket.on('error', () => undefined)));
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const smtp = await startMailServer();
    const shared = {
      DATABASE_URL: url.href,
      ORGATE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
      MAIL_FROM: 'orgate@deployment.example',
    };
    const DATA_DIR = await newDirectory();
    const { port } = silent.address() as AddressInfo;
    const first = await start({ ...shared, DATA_DIR, SMTP_URL: `smtp://127.0.0.1:${port}` });
    expect((await command('demo', [], { ...shared, DATA_DIR })).code).toBe(0);
    const { stdout } = await command('token', ['ann@acme.example', '--org', 'acme'], { DATA_DIR });
    const emails = Array.from({ length: 8 }, () => `${unique('jane')}@new.example`);
    for (const email of emails) await ask(first, stdout.trim(), invite(email));
    await eventually(() => (sockets.length >= 5 ? true : undefined));
    const beside = new pg.Client({ connectionString: url.href });
    await beside.connect();
    // Of the demo's own mail, too: those that the first has no place for, the other may take.
    const held = `select id from due_work where kind = 'mail' and taken_at is not null`;
    const ids = (await beside.query<{ id: string }>(held)).rows.map(({ id }) => id);
    expect(ids.length).toBeGreaterThanOrEqual(5);
    const second = await start({ ...shared, DATA_DIR: await newDirectory(), SMTP_URL: smtp.url });
    await new Promise((resolve) => setTimeout(resolve, 4000));
    expect((await beside.query('select from due_work where id = any ($1)', [ids])).rows).toHaveLength(ids.length);
    await beside.end();
    await first.end('SIGKILL');
    const received = () => new Set(smtp.received.map(({ to }) => to?.[0]?.address));
    await eventually(() => (emails.every((email) => received().has(email)) ? true : undefined), 25_000);
    expect(smtp.received.filter(({ to }) => emails.includes(to?.[0]?.address ?? ''))).toHaveLength(emails.length);
    expect(await second.end()).toBe(0);
    for (const socket of sockets) socket.destroy();
    silent.close();
    await smtp.close();
    await admin.query(`drop database ${name} with (force)`);
    await admin.end();
  },
);
