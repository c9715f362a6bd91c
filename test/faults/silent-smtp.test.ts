/** @alone: what it starts and takes away leaves others little of the machine. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { unique } from '../support/given.js';
import { expectSurvived, type Gateway, startGateway, startLoad } from '../support/load.js';
import { eventually, startMailServer } from '../support/mail.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { isPostgres } from '../support/server.js';

const INVITED = 15;

/** Takes connections, and says nothing. */
async function startSilence() {
  const open = new Set<Socket>();
  const world = { most: 0 };
  const server = createServer((socket) => {
    open.add(socket);
    world.most = Math.max(world.most, open.size);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    socket.resume();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    for (const socket of open) socket.destroy();
    server.close();
    await once(server, 'close');
  };
  return { world, open, port: (server.address() as AddressInfo).port, close };
}

(isPostgres ? describe : describe.skip)('a mail server that takes connections and says nothing', () => {
  let silence: Awaited<ReturnType<typeof startSilence>>;
  let postgres: TestPostgres;
  const gateways: Gateway[] = [];
  const startHere = async (port: number): Promise<Gateway> => {
    const gateway = await startGateway({
      DATABASE_URL: postgres.url,
      SMTP_URL: `smtp://127.0.0.1:${port}`,
      MAIL_FROM: 'orgate@silent.orgate.dev',
      ORGATE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
      RATE_LIMIT_INVITATION: 'off',
    });
    gateways.push(gateway);
    return gateway;
  };

  beforeAll(async () => {
    silence = await startSilence();
    postgres = await startPostgres();
  });
  afterAll(async () => {
    for (const each of gateways) await each.close();
    await silence?.close();
    await postgres?.close();
  });

  test('keeps mail waiting, and nobody else; told to end the process ends, and what waits goes out from the next', async () => {
    const gateway = await startHere(silence.port);
    const load = startLoad(gateway);
    await load.served(30);
    const invited = Array.from({ length: INVITED }, () => `${unique('ann')}@acme.example`);
    for (const email of invited) {
      const { code } = await gateway.ask(
        `mutation { inviteUser(input: { email: "${email}", name: "Ann", role: VIEWER }) { role } }`,
      );
      expect(code).toBe('OK');
    }
    await eventually(() => (silence.open.size >= 5 ? true : undefined));
    await load.served(200);
    expect(silence.world.most).toBeLessThanOrEqual(10);
    const { data } = await gateway.ask('{ invitations(first: 100) { nodes { mailStatus } } }');
    const { nodes } = (data as { invitations: { nodes: { mailStatus: string }[] } }).invitations;
    expect(nodes.map(({ mailStatus }) => mailStatus)).toEqual(Array<string>(INVITED).fill('QUEUED'));
    await expectSurvived('a mail server that says nothing', gateway, postgres, await load.stop());
    expect(await gateway.end()).toBe(0);

    const mailServer = await startMailServer();
    await startHere(Number(new URL(mailServer.url).port));
    const receivers = () => new Set(mailServer.received.map(({ to }) => to?.[0]?.address));
    await eventually(() => (receivers().size >= INVITED ? true : undefined));
    expect(receivers()).toEqual(new Set(invited));
    await mailServer.close();
  });
});
