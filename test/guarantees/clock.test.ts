import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { isDate } from 'node:util/types';
import { z } from 'zod';
import { addDueWork, type DueKind } from '../../src/jobs/due-kind.js';
import { byTest } from '../support/act.js';
import { givenKey } from '../support/api-key.js';
import { openReplica } from '../support/due-work.js';
import { givenOrganization, personId, unique } from '../support/given.js';
import { eventually, secretFor } from '../support/mail.js';
import { codeOf, useServer } from '../support/server.js';
import { givenBrowser } from '../support/sessions.js';

const SRC = path.join(import.meta.dirname, '../../src');
const TOKENS = 'tokens and sessions keep real time: others verify them by theirs';
const SHOWN = 'when something was used or changed last is for people to read';

/** Where this machine's clock is asked, or PostgreSQL's without how far it was moved, and why no period is told by it. */
const REAL: Readonly<Record<string, string>> = {
  'context/authenticate.ts': TOKENS,
  'data/connection/clock.ts': 'the clock begins with this machine’s, until it is told',
  'data/database.ts': 'asks what time it is',
  'data/organization/change-sets.ts': SHOWN,
  'data/start/': 'before there is anyone, and to find out how far the two are apart',
  'development/demo.ts': 'the demo world is made for today',
  'development/issuer.ts': TOKENS,
  'development/mailbox.ts': 'a mail came when it came',
  'development/webhook-receiver.ts': 'signatures are told by the time of whoever verifies them',
  'domains/audit-entry/outside.ts': 'the record keeps real time',
  'domains/executor/outside.ts': `${SHOWN}; what ends with it, beside how far the clock was moved`,
  'domains/run/outside.ts': 'beside how far the clock was moved',
  'domains/purge/outside.ts': 'beside how far the clock was moved',
  'gateway/graphql/serve-graphql.ts': 'limits keep real time',
  'gateway/pages/graphiql/': 'in a browser, where a sample is made for now',
  'gateway/http/': 'limits and metrics keep real time; a use is noted once a minute',
  'gateway/sign-in/': TOKENS,
  'identity/api-keys.ts': `${SHOWN}; whether a key has ended is told by how far the clock was moved, too`,
  'identity/claims.ts': 'beside how far the clock was moved',
  'identity/executors.ts': SHOWN,
  'identity/find-person.ts': TOKENS,
  'identity/impersonations.ts': 'beside how far the clock was moved',
  'identity/issuer-keys.ts': TOKENS,
  'identity/registry.ts': SHOWN,
  'identity/sealed.ts': TOKENS,
  'identity/sessions.ts': TOKENS,
  'identity/sign-in-attempts.ts': TOKENS,
  'identity/signing-keys.ts': 'its `now` is real time, as the database has it',
  'identity/slugs.ts': 'beside how far the clock was moved',
  'identity/standings.ts': 'sessions end by real time; beside how far the clock was moved',
  'identity/system-admins.ts': SHOWN,
  'jobs/outside.ts': 'beside how far the clock was moved',
};

test('periods MUST NOT be told by the clock of the machine: where that is asked stands here, with the reason', () => {
  const asking = readdirSync(SRC, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map(({ parentPath, name }) => path.relative(SRC, path.join(parentPath, name)))
    .filter((file) => !file.startsWith('generated/'))
    .filter((file) =>
      /new Date\(\)|\bDate\.now\b|current_timestamp|clock_timestamp|(?<![.\w])now\(\)/.test(
        readFileSync(path.join(SRC, file), 'utf8').replaceAll(/\bnow\(\): |now: \(\) =>/g, ''),
      ),
    );
  const isListed = (file: string) =>
    Object.keys(REAL).some((each) => file === each || (each.endsWith('/') && file.startsWith(each)));
  expect(asking.filter((file) => !isListed(file))).toEqual([]);
  const inVain = Object.keys(REAL).filter((each) => !asking.some((file) => file.startsWith(each)));
  expect(inVain).toEqual([]);
});

describe.each([
  ['an hour behind', -3_600_000],
  ['an hour ahead', 3_600_000],
])('A replica whose clock is %s', (_, wrongBy) => {
  const server = useServer();
  const real = Date.now.bind(Date);
  /** Only what this machine says the time is: what waits goes on waiting as long as it does. */
  const beWrong = () => {
    const Wrong = class extends Date {
      constructor(...given: unknown[]) {
        super(...((given.length === 0 ? [real() + wrongBy] : given) as [number]));
      }
      static override now = () => real() + wrongBy;
      static override [Symbol.hasInstance] = (value: unknown) => isDate(value);
    };
    Object.assign(globalThis, { Date: Wrong });
  };
  const RealDate = Date;
  afterEach(() => void Object.assign(globalThis, { Date: RealDate }));
  const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
  const INVITE = 'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { invitation { id expiresAt } } }';
  const ACCEPT = 'mutation ($secret: String!) { acceptInvitation(secret: $secret) { outcome } }';

  test('MUST NOT take what another does, nor leave what nobody does', async () => {
    const acme = await givenOrganization(server);
    const begun: string[] = [];
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const kind: DueKind<string> = {
      name: unique('kind'),
      payload: z.string(),
      run: async ({ subject }) => {
        begun.push(subject);
        await finished;
      },
    };
    const db = server.database.organizationDb(acme.id, byTest);
    const add = (subject: string, ms: number) =>
      addDueWork(db, kind, { subject, payload: '', dueAt: new Date(db.now().getTime() + ms) });
    const [right, wrong] = [
      openReplica(server, { kinds: [kind as DueKind<never>] }),
      openReplica(server, { kinds: [kind as DueKind<never>] }),
    ];
    const { signal } = new AbortController();
    await add('taken', -1000);
    await right.round(signal);
    await eventually(() => begun[0]);
    beWrong();
    await add('later', 1_800_000);
    await add('due', -500);
    await wrong.round(signal);
    await eventually(() => begun[1]);
    expect(begun).toEqual(['taken', 'due']);
    finish();
    await Promise.all([right.close(), wrong.close()]);
    const { rows } = await sql('select subject from due_work where kind = $1', [kind.name]);
    expect(rows).toEqual([{ subject: 'later' }]);
  });

  test('MUST find ended what has ended, and nothing else', async () => {
    const acme = await givenOrganization(server);
    const names = ['api-key:read', 'member:read', 'member:invite'];
    const keys = [await givenKey(server, acme.admin, names), await givenKey(server, acme.admin, names)];
    const [live, ended] = keys as [(typeof keys)[0], (typeof keys)[0]];
    const emails = [`${unique('a')}@new.example`, `${unique('b')}@new.example`];
    for (const email of emails) await acme.admin(INVITE, { input: { email, name: 'Jane', role: 'VIEWER' } });
    const secrets = await Promise.all(emails.map((email) => secretFor(server, email)));
    const end = (table: string, column: string, value: string | undefined, ms: number) =>
      sql(
        `update ${table} set expires_at = current_timestamp + $2 * interval '1 ms' where org_id = $3 and ${column} = $1`,
        [value, ms, acme.id],
      );
    for (const [index, ms] of [1_800_000, -1_800_000].entries()) {
      await end('api_key', 'id', keys[index]?.id, ms);
      await end('invitation', 'email', emails[index], ms);
    }
    const people = await Promise.all(emails.map((email) => server.as(email)));
    beWrong();
    expect(codeOf(await ended.client('{ viewer { role } }'))).toBe('UNAUTHENTICATED');
    const { data } = await live.client(
      '{ apiKeys { nodes { id status } } invitations { nodes { email status } } open: invitations(filter: { status: PENDING }) { nodes { email } } }',
    );
    const states = data.apiKeys.nodes.map(({ id, status }: { id: string; status: string }): [string, string] => [
      id,
      status,
    ]);
    expect(new Map(states)).toEqual(
      new Map([
        [live.id, 'ACTIVE'],
        [ended.id, 'EXPIRED'],
      ]),
    );
    expect(data.open.nodes).toEqual([{ email: emails[0] }]);
    const outcomes: unknown[] = [];
    for (const [index, person] of people.entries())
      outcomes.push((await person(ACCEPT, { secret: secrets[index] })).data.acceptInvitation.outcome);
    expect(outcomes).toEqual(['ACCEPTED', 'EXPIRED']);
  });

  test('MUST make tokens that hold elsewhere, and take those that do', async () => {
    const acme = await givenOrganization(server);
    const browser = await givenBrowser(server, await personId(acme.owner));
    const ask = async (token: string) =>
      (await server.post(JSON.stringify({ query: '{ viewer { role } }' }), { authorization: `Bearer ${token}` }))
        .errors;
    const [right, other] = [await browser.token(), await browser.token()];
    expect(await ask(other.access)).toEqual([]);
    beWrong();
    const wrong = await browser.token();
    expect(await ask(right.access)).toEqual([]);
    Object.assign(globalThis, { Date: RealDate });
    expect(await ask(wrong.access)).toEqual([]);
    expect(wrong.expiresIn).toBe(right.expiresIn);
  });

  test('MUST give what begins there the time that it says', async () => {
    const acme = await givenOrganization(server);
    beWrong();
    const input = { email: `${unique('jane')}@new.example`, name: 'Jane', role: 'VIEWER', expiresInHours: 2 };
    const { data } = await acme.owner(INVITE, { input });
    const left = Date.parse(data.inviteUser.invitation.expiresAt as string) - real();
    expect(Math.abs(left - 7_200_000)).toBeLessThan(60_000);
  });
});
