import { expect, test } from '@jest/globals';
import { newId } from '../../src/data/id.js';
import type { OrganizationDb } from '../../src/data/organization/organization-db.js';
import { openSealed } from '../../src/identity/sealed.js';
import { rotateSecretKeys } from '../../src/jobs/rotate-secret-keys.js';
import { sealedMailOf } from '../../src/mail/outbox.js';
import { createOrganizationSeal } from '../../src/secrets/organization-seal.js';
import { createSeal, keyNameOf } from '../../src/secrets/seal.js';
import { byTest } from '../support/act.js';
import { givenOrganization } from '../support/given.js';
import { withOutside } from '../support/outside.js';
import { useServer } from '../support/server.js';

const server = useServer();
const keyOf = (fill: number): string => Buffer.alloc(32, fill).toString('base64');
const old = createSeal([keyOf(1)]);
const both = createSeal([keyOf(2), keyOf(1)]);

/** More than are read at once of either. */
const [MAILS, DATA_KEYS] = [205, 501];

/** Mail of an older release, each sealed under the deployment's key. */
async function givenMail(db: OrganizationDb, orgId: string): Promise<string[]> {
  const rows = await Promise.all(
    Array.from({ length: MAILS }, async () => {
      const id = newId('mal');
      const sealed = await old.seal(id, `outgoing_mail/${orgId}/${id}`);
      const payload = JSON.stringify({ id, sealed, invitationId: null });
      return { id: newId('due'), kind: 'mail', subject: id, payload, dueAt: new Date(Date.now() + 3_600_000) };
    }),
  );
  // In another order than they are read.
  await db.dueWork.createMany(rows.toReversed());
  return rows.map(({ id }) => id);
}

async function givenDataKeys(db: OrganizationDb, orgId: string): Promise<void> {
  const plain = Buffer.alloc(32, 3).toString('base64');
  const rows = await Promise.all(
    Array.from({ length: DATA_KEYS }, async () => {
      const id = newId('dek');
      return { id, wrapped: await old.seal(plain, `data_key/${orgId}/${id}`), secretKey: old.current };
    }),
  );
  await db.dataKey.createMany(rows);
}

test('what is moved is read in pages, and none of it is passed over or named twice', async () => {
  const { id: orgId } = await givenOrganization(server);
  const db = server.database.organizationDb(orgId, byTest);
  await givenDataKeys(db, orgId);
  const mails = await givenMail(db, orgId);
  const seal = createOrganizationSeal(both);
  const named: string[] = [];

  const outside = withOutside(server.database.outside, openSealed, (real) => ({
    ...real,
    // Others' are sealed under keys of their own.
    listSigningKeys: () => Promise.resolve([]),
    listOrganizations: () => Promise.resolve([orgId]),
  }));
  const rotation = await rotateSecretKeys({
    database: { ...server.database, outside },
    secretKeys: both,
    seal,
    secrets: [
      async function* (...of) {
        for await (const each of sealedMailOf(...of)) {
          named.push(each.what);
          yield each;
        }
      },
    ],
  });

  expect(rotation).toMatchObject({ organizations: 1, dataKeys: DATA_KEYS, secrets: MAILS, lost: [] });
  expect(named).toEqual(mails.toSorted().map((id) => `mail ${id}`));
  expect(await db.dataKey.count({ secretKey: old.current })).toBe(0);
  for (const { payload } of await db.dueWork.list({ where: { kind: 'mail' }, orderBy: { id: 'asc' }, take: 1000 })) {
    const { id, sealed } = JSON.parse(payload) as { id: string; sealed: string };
    expect(keyNameOf(sealed)).toMatch(/^dek_/);
    expect(await seal.open(db, sealed, { orgId, table: 'outgoing_mail', id })).toBe(id);
  }
});
