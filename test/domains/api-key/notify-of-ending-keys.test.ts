import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { notifyOfEndingKeys } from '../../../src/domains/api-key/notify-of-ending-keys.js';
import { type GivenKey, givenKey, givenServiceAccount } from '../../support/api-key.js';
import { givenMember, givenOrganization, personId } from '../../support/given.js';
import { openOutbox, startMailServer, type TestMailServer } from '../../support/mail.js';
import { useServer } from '../../support/server.js';

const server = useServer();
let smtp: TestMailServer;
beforeAll(async () => {
  smtp = await startMailServer();
});
afterAll(() => smtp.close());

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

/** Lets time pass for a key: as if it had been made long ago. */
const endIn = ({ id }: GivenKey, days: number) =>
  sql(`update api_key set expires_at = current_timestamp + $2 * interval '1 day' where id = $1`, [id, days]);
const madeAgo = async ({ id }: GivenKey, days: number) => {
  await sql(
    `update membership set joined_at = current_timestamp - 1000 * interval '1 day'
     where (org_id, user_id) in (select org_id, owner_id from api_key where id = $1)`,
    [id],
  );
  await sql(`update api_key set created_at = current_timestamp - $2 * interval '1 day' where id = $1`, [id, days]);
};

/** One round of the schedule, as each of several replicas makes it. */
async function round(replicas = 1): Promise<void> {
  const { organizationDb, outside } = server.database;
  const outbox = openOutbox(server, smtp.url);
  const { signal } = new AbortController();
  await Promise.all(
    Array.from({ length: replicas }, () => notifyOfEndingKeys({ outside, organizationDb, outbox }, signal)),
  );
  await outbox.close();
}

const mailsTo = (email: string) => smtp.received.filter(({ to }) => to?.[0]?.address === email);

describe('That a key ends within a week', () => {
  test('is told its owner and every OWNER, once, however many replicas look', async () => {
    const acme = await givenOrganization(server);
    const second = await givenMember(server, acme, 'OWNER');
    const key = await givenKey(server, acme.developer, ['run:read'], { name: 'Nightly "build"' });
    await madeAgo(key, 80);
    await endIn(key, 7.1);
    await round();
    expect(mailsTo(acme.developer.email)).toEqual([]);
    await endIn(key, 6.9);
    await round(3);
    await round();
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
    for (const key of keys) {
      await madeAgo(key, 80);
      await endIn(key, 3);
    }
    await round();
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
      await madeAgo(key, 80);
      await endIn(key, 3);
      return key;
    };
    const [revoked, replaced, orphaned, expired, short] = [
      await make(),
      await make(),
      await make(gone),
      await make(),
      await make(),
    ];
    await acme.developer('mutation ($id: ID!) { revokeApiKey(id: $id) { id } }', { id: revoked.id });
    await acme.developer('mutation ($id: ID!) { rotateApiKey(id: $id) { secret } }', { id: replaced.id });
    await acme.owner('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id: await personId(gone) });
    await endIn(expired, -1);
    await madeAgo(short, 2);
    expect(orphaned.id).toMatch(/^key_/);
    await round();
    for (const { email } of [acme.owner, acme.developer, gone]) expect(mailsTo(email)).toEqual([]);
  });
});
