import { expect, test } from '@jest/globals';
import type { OrganizationDb } from '../../src/data/organization/organization-db.js';
import { createOrganizationSeal, rewrap } from '../../src/secrets/organization-seal.js';
import { createSeal, keyNameOf } from '../../src/secrets/seal.js';
import { byTest } from '../support/act.js';
import { givenOrganization } from '../support/given.js';
import { useServer } from '../support/server.js';

const server = useServer();
const key = (fill: number): string => Buffer.alloc(32, fill).toString('base64');
const secretKeys = createSeal([key(1)]);
const seal = createOrganizationSeal(secretKeys);

async function givenDb() {
  const { id } = await givenOrganization(server);
  return { orgId: id, db: server.database.organizationDb(id, byTest) };
}
const keysOf = (db: OrganizationDb) => db.dataKey.list({ where: {}, orderBy: { id: 'asc' }, take: 100 });

test('what is sealed MUST open in its row, and in no other organization, table or row', async () => {
  const { orgId, db } = await givenDb();
  const place = { orgId, table: 'credential', id: 'crd_1' };
  const sealed = await seal.seal(db, 'hunter2', place);
  expect(sealed).not.toContain('hunter2');
  expect(await seal.open(db, sealed, place)).toBe('hunter2');
  const other = await givenDb();
  for (const wrong of [{ orgId: other.orgId }, { table: 'identity_provider' }, { id: 'crd_2' }]) {
    await expect(seal.open(db, sealed, { ...place, ...wrong })).rejects.toThrow();
  }
  await expect(seal.open(other.db, sealed, place)).rejects.toThrow('data key that is gone');
});

test('a data key that was copied into another organization MUST stay shut there', async () => {
  const { orgId, db } = await givenDb();
  const place = { orgId, table: 'credential', id: 'crd_1' };
  const sealed = await seal.seal(db, 'hunter2', place);
  const [kept] = await keysOf(db);
  const other = await givenDb();
  const { id = '', wrapped = '', secretKey = '' } = kept ?? {};
  await other.db.dataKey.create({ id, wrapped, secretKey });
  await expect(seal.open(other.db, sealed, { ...place, orgId: other.orgId })).rejects.toThrow('another purpose');
});

test('an organization has one data key, of its own, and what two made at once is good', async () => {
  const { orgId, db } = await givenDb();
  const places = ['a', 'b', 'c', 'd'].map((id) => ({ orgId, table: 'credential', id }));
  const both = await Promise.all(places.map((place) => seal.seal(db, place.id, place)));
  for (const [index, sealed] of both.entries()) {
    expect(await seal.open(db, sealed, places[index] ?? places[0]!)).toBe(places[index]?.id);
  }
  const newest = (await keysOf(db)).at(-1)?.id;
  expect(keyNameOf(await seal.seal(db, 'x', places[0]!))).toBe(newest);
  const other = await givenDb();
  await seal.seal(other.db, 'x', { ...places[0]!, orgId: other.orgId });
  expect((await keysOf(other.db)).map(({ id }) => id)).not.toContain(newest);
});

test('a key made in a transaction that came to nothing seals nothing', async () => {
  const { orgId, db } = await givenDb();
  const place = { orgId, table: 'credential', id: 'crd_1' };
  await expect(
    db.transaction(async (tx) => {
      await seal.seal(tx, 'x', place);
      throw new Error('taken back');
    }),
  ).rejects.toThrow('taken back');
  expect(await keysOf(db)).toEqual([]);
  expect(await seal.open(db, await seal.seal(db, 'hunter2', place), place)).toBe('hunter2');
});

test('while its data key does not open, nothing more is sealed under another', async () => {
  const { orgId, db } = await givenDb();
  const place = { orgId, table: 'credential', id: 'crd_1' };
  await createOrganizationSeal(createSeal([key(9)])).seal(db, 'hunter2', place);
  await expect(seal.seal(db, 'x', place)).rejects.toThrow('key that is gone');
  expect(await keysOf(db)).toHaveLength(1);
});

test('where its data key is deleted, a secret is gone, in this process too', async () => {
  const { orgId, db } = await givenDb();
  const place = { orgId, table: 'credential', id: 'crd_1' };
  const sealed = await seal.seal(db, 'hunter2', place);
  await db.dataKey.delete({});
  await expect(seal.open(db, sealed, place)).rejects.toThrow('data key that is gone');
  expect(await seal.open(db, await seal.seal(db, 'next', place), place)).toBe('next');
});

test('a data key is sealed anew under the next secret key, and the secrets stay as they are', async () => {
  const { orgId, db } = await givenDb();
  const place = { orgId, table: 'credential', id: 'crd_1' };
  const sealed = await seal.seal(db, 'hunter2', place);
  const [kept] = await keysOf(db);
  const both = createSeal([key(2), key(1)]);
  const { id, ...anew } = await rewrap(both, kept!, orgId);
  await db.dataKey.updateMany({ id }, anew);
  expect(anew.secretKey).toBe(both.current);
  expect(await createOrganizationSeal(createSeal([key(2)])).open(db, sealed, place)).toBe('hunter2');
  await expect(seal.open(db, sealed, place)).rejects.toThrow('key that is gone');
});

test('what was sealed before organizations had keys of their own opens in its row', async () => {
  const { orgId, db } = await givenDb();
  const sealed = await secretKeys.seal('hunter2', `identity_provider/${orgId}/idp_1`);
  const place = { orgId, table: 'identity_provider', id: 'idp_1' };
  expect(await seal.open(db, sealed, place)).toBe('hunter2');
  await expect(seal.open(db, sealed, { ...place, id: 'idp_2' })).rejects.toThrow('another purpose');
});
