/** @alone: what it starts and takes away leaves others little of the machine. */
import { execFileSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { unique } from '../support/given.js';
import { expectSurvived, type Gateway, startGateway, startLoad } from '../support/load.js';
import { whyNot } from '../support/may.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { newDirectory } from '../support/process.js';
import { isPostgres } from '../support/server.js';

/** As a name server's address: it hears every question, and says nothing. */
const SILENT = '127.0.53.53';

/** Gives a process a name server of its own, which takes the superuser of a Linux. */
const silence = () =>
  execFileSync('unshare', ['--mount', 'mount', '--bind', '/etc/resolv.conf', '/etc/resolv.conf'], { stdio: 'pipe' });

const skipped = isPostgres ? whyNot('choose the name servers of another', silence) : 'it takes a PostgreSQL';

(skipped === null ? describe : describe.skip)(
  `name servers that say nothing${skipped === null ? '' : ` (skipped: ${skipped})`}`,
  () => {
    let nameServer: Socket;
    let postgres: TestPostgres;
    let gateway: Gateway;

    beforeAll(async () => {
      nameServer = createSocket('udp4').bind(53, SILENT);
      await once(nameServer, 'listening');
      const file = path.join(await newDirectory(), 'resolv.conf');
      await writeFile(file, `nameserver ${SILENT}\n`);
      postgres = await startPostgres();
      gateway = await startGateway(
        {
          DATABASE_URL: postgres.url,
          SMTP_URL: 'smtp://mail.silent.orgate.dev',
          MAIL_FROM: 'orgate@silent.orgate.dev',
        },
        ['unshare', '--mount', 'sh', '-c', 'mount --bind "$0" /etc/resolv.conf && exec "$@"', file],
      );
    });
    afterAll(async () => {
      await gateway?.close();
      nameServer?.close();
      await postgres?.close();
    });

    test('keep whoever needs a name, and nobody else; and the process ends when it is told to', async () => {
      let heard = 0;
      nameServer.on('message', () => (heard += 1));
      const load = startLoad(gateway);
      await load.served(30);

      const domains = await Promise.all(
        Array.from({ length: 5 }, async () => {
          const { data } = await gateway.ask(`mutation { addDomain(name: "${unique('silent')}.orgate.dev") { id } }`);
          return (data as { addDomain: { id: string } }).addDomain.id;
        }),
      );
      const { data } = await gateway.ask(
        'mutation { createOidcProvider(input: { name: "Silent", issuer: "https://id.silent.orgate.dev", clientId: "orgate" }) { startUrl } }',
      );
      const start = new URL((data as { createOidcProvider: { startUrl: string } }).createOidcProvider.startUrl);
      for (let index = 0; index < 5; index += 1) {
        const invited = await gateway.ask(
          `mutation { inviteUser(input: { email: "${unique('ann')}@acme.example", name: "Ann", role: VIEWER }) { role } }`,
        );
        expect(invited.code).toBe('OK');
      }

      const checked = Promise.all(
        domains.map((id) => gateway.ask(`mutation { verifyDomain(id: "${id}") { status lastCheck { problem } } }`)),
      );
      const signedIn = Promise.all(
        Array.from({ length: 20 }, () =>
          fetch(`${gateway.url}${start.pathname}`, { redirect: 'manual', signal: AbortSignal.timeout(30_000) }).then(
            ({ status }) => status,
          ),
        ),
      );
      await load.served(200);
      for (const { code, data: answer } of await checked) {
        expect([code, answer]).toEqual([
          'OK',
          { verifyDomain: { status: 'PENDING', lastCheck: { problem: 'TIMEOUT' } } },
        ]);
      }
      expect(new Set(await signedIn)).toEqual(new Set([502]));
      await load.served(100);
      expect(heard).toBeGreaterThan(0);
      await expectSurvived('name servers that say nothing', gateway, postgres, await load.stop());
      expect(await gateway.end()).toBe(0);
    });
  },
);
