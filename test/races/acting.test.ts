import { describe, expect } from '@jest/globals';
import type pg from 'pg';
import { givenKey } from '../support/api-key.js';
import { type GivenOrganization, givenOrganization, personId, unique } from '../support/given.js';
import { givenBrowser, ownOrigin } from '../support/sessions.js';
import { type Answer, type Client, codeOf, useServer } from '../support/server.js';
import { connectBeside, inOrder } from './interleave.js';
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

race('a run that is to wait for people is not made either for whoever may start none by then', async () => {
  const { acme, userId, made } = await givenLimited();
  const { errors } = await acme.owner(
    'mutation ($settings: OrganizationSettingsInput!) { updateOrganization(input: { settings: $settings }) { id } }',
    { settings: { approval: { requireFor: [{ kind: 'EVERY_RUN' }], approvers: [await personId(acme.admin)] } } },
  );
  expect(errors).toEqual([]);
  const before = await made();
  // Nothing is reserved for it yet.
  const row = { text: 'select from organization where id = $1 for update', values: [acme.id] };
  const [refused] = await inOrder(row, [() => startRun(acme.developer, acme)], (client) =>
    set(client, acme, userId, `role = 'VIEWER'`),
  );
  expect(outcome(refused as Answer)).toBe('FORBIDDEN');
  expect(await made()).toEqual(before);
});
