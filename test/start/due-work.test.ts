import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { expect, jest, test } from '@jest/globals';
import { unique } from '../support/given.js';
import { eventually, startMailServer } from '../support/mail.js';
import { ask, command, freePort, newDirectory, start } from '../support/process.js';

jest.setTimeout(120_000);

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
  expect(smtp.received).toHaveLength(emails.length);
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
