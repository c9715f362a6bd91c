import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { KEY_ENDS } from '../../../src/domains/api-key/tell-of-ending-key.js';
import type { DueKind } from '../../../src/jobs/due-kind.js';
import { type GivenKey, givenKey, givenServiceAccount } from '../../support/api-key.js';
import { givenMember, type GivenOrganization, givenOrganization, personId } from '../../support/given.js';
import { openReplica, sendMailOf } from '../../support/due-work.js';
import { startMailServer, type TestMailServer } from '../../support/mail.js';
import { useServer } from '../../support/server.js';

const server = useServer();
let smtp: TestMailServer;
beforeAll(async () => {
  smtp = await startMailServer();
});
afterAll(() => smtp.close());

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

/** Lets time pass for a key: as if it ended then. */
const endIn = async ({ id }: GivenKey, days: number) => {
  await sql(`update api_key set expires_at = current_timestamp + $2 * interval '1 day' where id = $1`, [id, days]);
  await sql(
    `update due_work set due_at = current_timestamp + ($2::float8 - 7) * interval '1 day' where subject = $1 and kind = 'api-key-ends'`,
    [id, days],
  );
};

/** What is due is done, as each of several replicas does it. */
async function round({ id }: GivenOrganization, replicas = 1): Promise<void> {
  const open = () => openReplica(server, { kinds: [KEY_ENDS as DueKind<never>] });
  await Promise.all(Array.from({ length: replicas }, () => open().workOff()));
  await sendMailOf(server, id, smtp.url);
}

const mailsTo = (email: string) => smtp.received.filter(({ to }) => to?.[0]?.address === email);

describe('That a key ends within a week', () => {
  test('is told its owner and every OWNER, once, however many replicas look', async () => {
    const acme = await givenOrganization(server);
    const second = await givenMember(server, acme, 'OWNER');
    const key = await givenKey(server, acme.developer, ['run:read'], { name: 'Nightly "build"' });
    await endIn(key, 7.1);
    await round(acme);
    expect(mailsTo(acme.developer.email)).toEqual([]);
    await endIn(key, 6.9);
    await round(acme, 3);
    await round(acme);
    for (const { email } of [acme.developer, acme.owner, second]) expect(mailsTo(email)).toHaveLength(1);
    for (const { email } of [acme.admin, acme.viewer]) expect(mailsTo(email)).toEqual([]);
    const [mail] = mailsTo(acme.developer.email);
    expect(mail?.subject).toBe('The API key "Nightly "build"" of acme Inc. ends soon');
    expect(mail?.text).toContain(`rotateApiKey(id: "${key.id}")`);
    expect(mail?.text).toContain(key.secret.slice(-4));
    expect(mail?.text).not.toContain(key.secret);
  });

  test("is told the OWNERs of a service account's key, and an OWNER of their own key once", async () => {
    const acme = await givenOrganization(server);
    const serviceAccountId = await givenServiceAccount(acme.admin, 'VIEWER');
    const keys = [
      await givenKey(server, acme.admin, ['run:read'], { serviceAccountId }),
      await givenKey(server, acme.owner, ['run:read']),
    ];
    for (const key of keys) await endIn(key, 3);
    await round(acme);
    expect(mailsTo(acme.owner.email)).toHaveLength(2);
    expect(mailsTo(acme.admin.email)).toEqual([]);
    expect(smtp.received.flatMap(({ to }) => to ?? []).filter(({ address }) => address?.endsWith('.invalid'))).toEqual(
      [],
    );
  });

  test('is not told of keys that are over, whose owner is gone, that were replaced, or made for a week', async () => {
    const acme = await givenOrganization(server);
    const gone = await givenMember(server, acme, 'DEVELOPER');
    const make = async (maker = acme.developer) => {
      const key = await givenKey(server, maker, ['run:read']);
      await endIn(key, 3);
      return key;
    };
    const [revoked, replaced, orphaned, expired] = [await make(), await make(), await make(gone), await make()];
    const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString();
    const short = await givenKey(server, acme.developer, ['run:read'], { expiresAt: inDays(7.9) });
    await acme.developer('mutation ($id: ID!) { revokeApiKey(id: $id) { id } }', { id: revoked.id });
    await acme.developer('mutation ($id: ID!) { rotateApiKey(id: $id) { secret } }', { id: replaced.id });
    await acme.owner('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id: await personId(gone) });
    await endIn(expired, -1);
    expect(orphaned.id).toMatch(/^key_/);
    expect((await sql('select from due_work where subject = $1', [short.id])).rowCount).toBe(0);
    await round(acme);
    for (const { email } of [acme.owner, acme.developer, gone]) expect(mailsTo(email)).toEqual([]);
  });
});
