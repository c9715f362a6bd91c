import { describe, expect } from '@jest/globals';
import type pg from 'pg';
import { givenKey, givenServiceAccount } from '../support/api-key.js';
import { type GivenOrganization, givenMember, givenOrganization, personId, unique } from '../support/given.js';
import { givenGrant, givenImpersonation } from '../support/impersonation.js';
import { givenBrowser, ownOrigin } from '../support/sessions.js';
import { type Answer, type Client, codeOf, useServer } from '../support/server.js';
import { connectBeside, inOrder, organizationRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const outcome = (answer: Answer): string => (answer.errors.length === 0 ? 'done' : String(codeOf(answer)));

const START = 'mutation ($input: StartRunInput!) { startRun(input: $input) { id } }';
const RECORD = 'mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { duplicate } }';
const BATCH =
  'mutation ($input: [RecordUsageInput!]!) { recordUsageBatch(input: $input) { outcomes { error { code } } } }';

type Write = (by: Client, acme: GivenOrganization) => Promise<Answer>;
const event = () => ({ idempotencyKey: unique('event'), metric: 'images', quantity: 1, costMicros: 3 });

const startRun: Write = (by, { agentId }) => by(START, { input: { agentId, idempotencyKey: unique('key') } });

/** What is made by one statement, which looks itself at who does it. */
const WRITES: readonly (readonly [name: string, write: Write])[] = [
  ['startRun', startRun],
  ['recordUsage', (by) => by(RECORD, { input: event() })],
  ['recordUsageBatch', (by) => by(BATCH, { input: [event(), event()] })],
];

const budgetRow = (orgId: string) => ({ text: 'select from budget where org_id = $1 for update', values: [orgId] });

async function givenLimited() {
  const acme = await givenOrganization(server);
  const { errors } = await acme.owner(
    'mutation { setCostLimits(input: { monthlyLimitMicros: 900000000 }) { hardStopAtLimit } }',
  );
  expect(errors).toEqual([]);
  const userId = await personId(acme.developer);
  const key = await givenKey(server, acme.admin, ['run:start', 'usage:record']);
  const made = async () => {
    const { rows } = await sql(
      `select (select count(*)::int from run where org_id = $1) as runs,
         (select count(*)::int from usage_event where org_id = $1 and metric = 'images') as events`,
      [acme.id],
    );
    return rows[0];
  };
  return { acme, userId, key, made };
}

const set = (client: Pick<pg.Client, 'query'>, { id }: GivenOrganization, userId: string, change: string) =>
  client.query(`update membership set ${change} where org_id = $1 and user_id = $2`, [id, userId]);

describe.each(WRITES)('Of %s and the end of who does it', (_, write) => {
  race.each([
    ['demoted', `role = 'VIEWER'`, 'FORBIDDEN'],
    ['withheld what it takes', `withheld = '{run:start,usage:record}'`, 'FORBIDDEN'],
    ['suspended', `status = 'SUSPENDED'`, 'FORBIDDEN'],
    ['removed', `status = 'REMOVED'`, 'FORBIDDEN'],
  ])('the second sees the first: a member who is %s', async (_change, change, code) => {
    const { acme, userId, made } = await givenLimited();
    const before = await made();
    // It was allowed when it began, and waits.
    const [refused] = await inOrder(budgetRow(acme.id), [() => write(acme.developer, acme)], (client) =>
      set(client, acme, userId, change),
    );
    expect(outcome(refused as Answer)).toBe(code);
    expect(await made()).toEqual(before);
    await sql(`update membership set role = 'DEVELOPER', withheld = '{}', status = 'ACTIVE' where user_id = $1`, [
      userId,
    ]);
    const beside = await connectBeside();
    try {
      await beside.query('begin');
      await set(beside, acme, userId, change);
      expect(outcome(await write(acme.developer, acme))).toBe('done');
      await beside.query('commit');
    } finally {
      await beside.end();
    }
    const after = await made();
    expect(after).not.toEqual(before);
    expect(outcome(await write(acme.developer, acme))).not.toBe('done');
    expect(await made()).toEqual(after);
  });

  race.each(['SUSPENDED', 'PENDING_DELETION'])(
    'the second sees the first: an organization that is %s',
    async (status) => {
      const { acme, made } = await givenLimited();
      const before = await made();
      const purgeAt = status === 'PENDING_DELETION' ? 'now()' : 'null';
      const [refused] = await inOrder(budgetRow(acme.id), [() => write(acme.developer, acme)], (client) =>
        client.query(`update organization set status = $2, purge_at = ${purgeAt} where id = $1`, [acme.id, status]),
      );
      expect(outcome(refused as Answer)).toBe('FORBIDDEN');
      expect(await made()).toEqual(before);
    },
  );

  race('the second sees the first: a key that is revoked, and one whose owner is demoted', async () => {
    const { acme, key, made } = await givenLimited();
    const adminId = await personId(acme.admin);
    const before = await made();
    const [demoted] = await inOrder(budgetRow(acme.id), [() => write(key.client, acme)], (client) =>
      set(client, acme, adminId, `role = 'VIEWER'`),
    );
    expect(outcome(demoted as Answer)).toBe('FORBIDDEN');
    await sql(`update membership set role = 'ADMIN' where user_id = $1`, [adminId]);
    const [revoked] = await inOrder(budgetRow(acme.id), [() => write(key.client, acme)], (client) =>
      client.query('update api_key set revoked_at = clock_timestamp() where org_id = $1 and id = $2', [
        acme.id,
        key.id,
      ]),
    );
    expect(outcome(revoked as Answer)).toBe('UNAUTHENTICATED');
    expect(await made()).toEqual(before);
  });

  race('the second sees the first: a session that ends, and a person who is disabled', async () => {
    const { acme, userId, made } = await givenLimited();
    const browser = await givenBrowser(server, userId);
    const by = ((query: string, variables: object) =>
      server.post(JSON.stringify({ query, variables }), {
        origin: ownOrigin(server),
        'x-organization-id': acme.id,
        ...browser.header,
      })) as unknown as Client;
    expect(outcome(await write(by, acme))).toBe('done');
    const before = await made();
    const waiting = (text: string, id: string) =>
      inOrder(budgetRow(acme.id), [() => write(by, acme)], (client) => client.query(text, [id]));
    const [ended] = await waiting(
      `update session set ended_at = clock_timestamp(), end_reason = 'SIGNED_OUT' where id = $1`,
      browser.sessionId,
    );
    expect(outcome(ended as Answer)).toBe('UNAUTHENTICATED');
    await sql('update session set ended_at = null, end_reason = null where id = $1', [browser.sessionId]);
    const [disabled] = await waiting(`update person set status = 'DISABLED' where id = $1`, userId);
    expect(outcome(disabled as Answer)).toBe('UNAUTHENTICATED');
    expect(await made()).toEqual(before);
  });

  race('whoever is more meanwhile, or is still allowed, does it, once', async () => {
    const { acme, userId, made } = await givenLimited();
    for (const change of [`role = 'ADMIN'`, `role = 'VIEWER', granted = '{run:start,usage:record}'`]) {
      const before = await made();
      const [answer] = await inOrder(budgetRow(acme.id), [() => write(acme.developer, acme)], (client) =>
        set(client, acme, userId, change),
      );
      expect(outcome(answer as Answer)).toBe('done');
      const after = await made();
      const count = (now: typeof before) => Number(now?.['runs']) + Number(now?.['events']);
      expect(count(after) - count(before)).toBe(write === WRITES[2]?.[1] ? 2 : 1);
    }
  });
});

async function requireApproval({ owner, admin }: GivenOrganization): Promise<void> {
  const { errors } = await owner(
    'mutation ($settings: OrganizationSettingsInput!) { updateOrganization(input: { settings: $settings }) { id } }',
    { settings: { approval: { requireFor: [{ kind: 'EVERY_RUN' }], approvers: [await personId(admin)] } } },
  );
  expect(errors).toEqual([]);
}

race('a run that is to wait for people is not made either for whoever may start none by then', async () => {
  const { acme, userId, made } = await givenLimited();
  await requireApproval(acme);
  const before = await made();
  // Nothing is reserved for it yet.
  const row = { text: 'select from organization where id = $1 for update', values: [acme.id] };
  const [refused] = await inOrder(row, [() => startRun(acme.developer, acme)], (client) =>
    set(client, acme, userId, `role = 'VIEWER'`),
  );
  expect(outcome(refused as Answer)).toBe('FORBIDDEN');
  expect(await made()).toEqual(before);
});

/** Who asks, and what is known of them as $1 to $3: their organization, the member whose rights count, and what they ask with. */
interface Asking {
  readonly by: Client;
  readonly names: readonly [orgId: string, userId: string, withId: string];
}

const ASKING = {
  async person(acme) {
    const userId = await personId(acme.developer);
    const { rows } = await sql('select email from person where id = $1', [userId]);
    // Who is kept out where there are only people of a set.
    await givenMember(server, await givenOrganization(server), 'VIEWER', { email: String(rows[0]?.['email']) });
    return { by: acme.developer, names: [acme.id, userId, ''] };
  },
  session: async (acme) => ofSession(acme, {}),
  'bound session': async (acme) => ofSession(acme, { boundOrgId: acme.id }),
  async key(acme) {
    const { id, client } = await givenKey(server, acme.admin, ['run:start']);
    return { by: client, names: [acme.id, await personId(acme.admin), id] };
  },
  async 'service account'(acme) {
    const serviceAccountId = await givenServiceAccount(acme.owner, 'DEVELOPER');
    const { id, client } = await givenKey(server, acme.owner, ['run:start'], { serviceAccountId });
    return { by: client, names: [acme.id, serviceAccountId, id] };
  },
  async administrator(acme) {
    await givenGrant(acme, 'WRITE');
    const { id, userId, acting } = await givenImpersonation(server, acme, { as: 'developer' });
    return { by: acting, names: [acme.id, userId, id] };
  },
} satisfies Record<string, (acme: GivenOrganization) => Promise<Asking>>;

async function ofSession(acme: GivenOrganization, more: object): Promise<Asking> {
  const userId = await personId(acme.developer);
  const { sessionId, header } = await givenBrowser(server, userId, more);
  const headers = { origin: ownOrigin(server), 'x-organization-id': acme.id, ...header };
  const by = ((query: string, variables: object) =>
    server.post(JSON.stringify({ query, variables }), headers)) as unknown as Client;
  return { by, names: [acme.id, userId, sessionId] };
}

const member = (change: string) => `update membership set ${change} where org_id = $1 and user_id = $2`;
const organization = (change: string) => `update organization set ${change} where id = $1`;
const setting = (path: string, value: string) =>
  organization(`settings = settings || jsonb_build_object('${path}', '${value}')`);
const session = (change: string) => `update session set ${change} where id = $3`;
const impersonation = (change: string) => `update impersonation set ${change} where id = $3`;
const key = (change: string) => `update api_key set ${change} where org_id = $1 and id = $3`;

const impersonationRow = (id: string) => ({ text: 'select from impersonation where id = $1 for update', values: [id] });

/** What comes of it; of those who act as a member, where the statement looks itself: the record takes nothing more of them. */
type Way = readonly [who: keyof typeof ASKING, change: string, outcome: string, itself?: string | undefined];

const isMember = (who: Way[0]): boolean => who !== 'key' && who !== 'service account' && who !== 'administrator';
const itself = (who: Way[0]) => (who === 'administrator' ? 'READ_ONLY' : undefined);

const WAYS: readonly Way[] = [
  ...(Object.keys(ASKING) as Way[0][]).flatMap((who): Way[] => [
    [who, `select from named`, 'done'],
    [who, member(`status = 'REMOVED'`), isMember(who) ? 'FORBIDDEN' : 'UNAUTHENTICATED', itself(who)],
    [who, member(`status = 'SUSPENDED'`), isMember(who) ? 'FORBIDDEN' : 'UNAUTHENTICATED', itself(who)],
    [who, member(`role = 'VIEWER'`), 'FORBIDDEN'],
    [who, member(`role = 'VIEWER', granted = '{run:start}'`), 'done'],
    [who, member(`withheld = '{run:start}'`), 'FORBIDDEN'],
    [who, organization(`status = 'SUSPENDED'`), 'FORBIDDEN', itself(who)],
    [who, organization(`status = 'PENDING_DELETION', purge_at = now()`), 'FORBIDDEN', itself(who)],
  ]),
  ...(['person', 'session', 'key', 'administrator'] as const).map((who): Way => [
    who,
    `update person set status = 'DISABLED' where id = $2`,
    'UNAUTHENTICATED',
    itself(who),
  ]),
  ['person', setting('security.membership', 'SET_ONLY'), 'FORBIDDEN'],
  ['session', session(`ended_at = clock_timestamp(), end_reason = 'SIGNED_OUT'`), 'UNAUTHENTICATED'],
  ['session', session('expires_at = created_at'), 'UNAUTHENTICATED'],
  ['session', member('joined_at = clock_timestamp()'), 'done'],
  ['bound session', member('joined_at = clock_timestamp()'), 'FORBIDDEN'],
  ...(['key', 'service account'] as const).flatMap((who): Way[] => [
    [who, key('revoked_at = clock_timestamp()'), 'UNAUTHENTICATED'],
    [who, key(`expires_at = created_at + interval '1 ms'`), 'UNAUTHENTICATED'],
    [who, member('joined_at = clock_timestamp()'), 'UNAUTHENTICATED'],
  ]),
  ['administrator', impersonation('ended_at = clock_timestamp()'), 'UNAUTHENTICATED', 'READ_ONLY'],
  ['administrator', impersonation('expires_at = created_at'), 'UNAUTHENTICATED', 'READ_ONLY'],
  ['administrator', 'update support_access_grant set revoked_at = clock_timestamp() where org_id = $1', 'READ_ONLY'],
  ['administrator', setting('support.access', 'DENIED'), 'UNAUTHENTICATED'],
  [
    'administrator',
    `update person set status = 'DISABLED' where id = (select actor_id from impersonation where id = $3)`,
    'UNAUTHENTICATED',
    'READ_ONLY',
  ],
];

describe('Whoever asks, and waits, is stopped by the same, whether a transaction reads them anew or the statement looks itself', () => {
  race.each(WAYS)('%s: %s', async (who, change, expected, alone = expected) => {
    const outcomes: string[] = [];
    for (const isRead of [true, false]) {
      const { acme } = await givenLimited();
      if (isRead) await requireApproval(acme);
      const { by, names } = await ASKING[who](acme);
      // What is done for a member holds its impersonation when it comes to the budget.
      const its = who === 'administrator' ? impersonationRow(names[2]) : budgetRow(acme.id);
      const lock = isRead ? organizationRow(acme.id) : its;
      const [answer] = await inOrder(lock, [() => startRun(by, acme)], async (client) => {
        await client.query(`select set_config('app.act', '{"kind":"SYSTEM","name":"test"}', true)`);
        await client.query(`with named as (select $1::text, $2::text, $3::text) ${change}`, [...names]);
      });
      outcomes.push(outcome(answer as Answer));
    }
    expect(outcomes).toEqual([expected, alone]);
  });
});
