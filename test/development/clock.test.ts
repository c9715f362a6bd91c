import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { givenKey } from '../support/api-key.js';
import { givenOrganization, unique } from '../support/given.js';
import { eventually } from '../support/mail.js';
import { raw } from '../support/raw.js';
import { codeOf, startServer, type TestServer } from '../support/server.js';

const DAY_MS = 86_400_000;
const DATA_DIR = await mkdtemp(path.join(tmpdir(), 'orgate-test-'));
afterAll(() => rm(DATA_DIR, { recursive: true, force: true }));

const advance = (server: TestServer, advanceMs: unknown, headers: Record<string, string> = {}) =>
  raw(`${server.url}/dev/clock`, {
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ advanceMs }),
  });

// Servers with a database of their own: what is due by another time is not due for others of this run.
const begin = () => startServer({ ownDatabase: true, scheduled: true, env: { DATA_DIR } });

test('time passes in development: what is told by it ends, and what is due then is done', async () => {
  const server = await begin();
  try {
    const acme = await givenOrganization(server);
    const key = await givenKey(server, acme.developer, ['repository:read'], {
      expiresAt: new Date(Date.now() + 10 * DAY_MS).toISOString(),
    });
    const INVITE = 'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { invitation { id status } } }';
    const input = { email: `${unique('jane')}@new.example`, name: 'Jane', role: 'VIEWER' };
    await acme.admin(INVITE, { input });
    const invited = async () =>
      (await acme.admin('{ invitations { nodes { status } } }')).data.invitations.nodes[0]?.status;
    const month = async () => (await acme.admin('{ organizationUsage { currentPeriodStart } }')).data.organizationUsage;
    expect(await invited()).toBe('PENDING');
    const before = await month();
    const began = Date.now();

    const answer = JSON.parse((await advance(server, 8 * DAY_MS)).text) as { now: string; movedMs: number };
    expect(answer.movedMs).toBe(8 * DAY_MS);
    expect(Date.parse(answer.now) - began).toBeGreaterThanOrEqual(8 * DAY_MS - 5000);
    expect(await invited()).toBe('EXPIRED');
    // Its owner is told seven days before it ends.
    await eventually(async () => {
      const list = await (await fetch(`${server.url}/dev/mail`)).text();
      return list.includes(acme.developer.email) && list.includes('ends soon') ? true : undefined;
    });
    expect((await key.client('{ repositories { totalCount } }')).status).toBe(200);
    await advance(server, 3 * DAY_MS);
    expect(codeOf(await key.client('{ repositories { totalCount } }'))).toBe('UNAUTHENTICATED');
    await advance(server, 31 * DAY_MS);
    expect((await month()).currentPeriodStart).not.toBe(before.currentPeriodStart);
    // Whoever is made a member by then, and makes a key by then, has one that works.
    const later = await givenOrganization(server);
    const works = await givenKey(server, later.developer, ['repository:read']);
    expect((await works.client('{ repositories { totalCount } }')).status).toBe(200);
  } finally {
    await server.close();
  }
});

test('it passes forward only, and stays where it was when the server begins again', async () => {
  const moved = JSON.parse(await readFile(path.join(DATA_DIR, 'development-clock.json'), 'utf8')) as {
    movedMs: number;
  };
  expect(moved.movedMs).toBe(42 * DAY_MS);
  const server = await begin();
  try {
    expect(JSON.parse((await advance(server, 0)).text)).toMatchObject({ movedMs: 42 * DAY_MS });
    for (const wrong of [-1, 1.5, '1', null, 101 * DAY_MS, Number.MAX_SAFE_INTEGER]) {
      const { status, text } = await advance(server, wrong);
      expect([wrong, status, text.includes('time only passes')]).toEqual([wrong, 400, true]);
    }
    const host = `localhost:${new URL(server.url).port}`;
    for (const headers of [{ host: 'orgate.example' }, { host, origin: 'https://evil.example' }])
      expect((await advance(server, 1, headers)).status).toBe(404);
    expect(JSON.parse((await advance(server, 0)).text)).toMatchObject({ movedMs: 42 * DAY_MS });
  } finally {
    await server.close();
  }
});
