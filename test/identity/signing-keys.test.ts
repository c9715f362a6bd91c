import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { type CryptoKey, importJWK, jwtVerify, SignJWT } from 'jose';
import { type Database, openDatabase } from '../../src/data/database.js';
import { createSigningKeys, SigningKeyError, type SigningKeys } from '../../src/identity/signing-keys.js';
import { createSeal } from '../../src/secrets/seal.js';

/** A database of its own: these tests move a clock, and every server of a database shares its keys. */
let database: Database;
beforeAll(async () => {
  database = await openDatabase({
    store: { dataDirectory: null },
    poolSize: 1,
    statementTimeoutMs: 10_000,
    preparedStatements: true,
    requireSeparateLogin: false,
    onStep: () => undefined,
  });
});
afterAll(() => database.close());
beforeEach(() => database.pool.queryAsLoginRole('delete from signing_key'));

const DAY = 24 * 3600 * 1000;
const START = Date.parse('2026-11-20T00:00:00Z');
const seal = createSeal([Buffer.alloc(32, 1).toString('base64')]);

/** A replica, whose clock a test sets. */
function givenReplica(sealed = seal) {
  const clock = { at: START };
  return { clock, keys: createSigningKeys(database.pool, sealed, () => clock.at) };
}

const sign = async (keys: SigningKeys): Promise<string> => {
  const key = await keys.current();
  return new SignJWT({}).setProtectedHeader({ alg: 'EdDSA', kid: key.kid }).sign(key);
};
const verify = (keys: SigningKeys, token: string) =>
  jwtVerify(token, async ({ kid }) => (await importJWK((await keys.find(kid)) ?? {}, 'EdDSA')) as CryptoKey);
const kids = (keys: SigningKeys) => keys.published().map(({ kid }) => kid);

test('the first start makes a key that signs, and the next one, which is published already', async () => {
  const { keys } = givenReplica();
  await keys.keep();
  expect(keys.published()).toHaveLength(2);
  expect((await keys.current()).kid).toBe(kids(keys)[0]);
  for (const key of keys.published()) expect(key).not.toHaveProperty('d');
  await verify(keys, await sign(keys));
});

test('a replica whose clock is behind that of whoever made the first key signs with it, too', async () => {
  const [ahead, behind] = [givenReplica(), givenReplica()];
  behind.clock.at -= 3600 * 1000;
  await ahead.keys.keep();
  await behind.keys.keep();
  expect((await behind.keys.current()).kid).toBe(kids(ahead.keys)[0]);
  await verify(ahead.keys, await sign(behind.keys));
});

test('a replica whose machine is an hour ahead drops no key that others still verify by', async () => {
  const { clock, keys } = givenReplica();
  const real = Date.now;
  // The second key began half an hour ago.
  clock.at = real() - 30 * DAY - 1800 * 1000;
  await keys.keep();
  const first = kids(keys)[0];
  try {
    Date.now = () => real() + 3600 * 1000;
    const ahead = createSigningKeys(database.pool, seal);
    await ahead.keep();
    expect(kids(ahead)).toContain(first);
    expect((await ahead.current()).kid).toBe(kids(keys)[1]);
  } finally {
    Date.now = real;
  }
});

test('a key signs for thirty days, and is published until its tokens have expired', async () => {
  const { clock, keys } = givenReplica();
  await keys.keep();
  const [first, second] = kids(keys);
  const signedByFirst = await sign(keys);
  clock.at += 30 * DAY - 1;
  await keys.keep();
  expect((await keys.current()).kid).toBe(first);
  clock.at += 1;
  expect((await keys.current()).kid).toBe(second);
  await keys.keep();
  expect(kids(keys).slice(0, 2)).toEqual([first, second]);
  expect(kids(keys)).toHaveLength(3);
  // Nobody is logged out: what the last key signed is still good, and so it is an hour later.
  await verify(keys, signedByFirst);
  clock.at += 3600_000;
  await keys.keep();
  await verify(keys, signedByFirst);
  clock.at += 1;
  await keys.keep();
  expect(kids(keys)[0]).toBe(second);
  await expect(verify(keys, signedByFirst)).rejects.toThrow();
});

test('every key was published for at least a day before it signs, even after a long rest', async () => {
  const { clock, keys } = givenReplica();
  await keys.keep();
  const [, second] = kids(keys);
  clock.at += 200 * DAY;
  await keys.keep();
  expect((await keys.current()).kid).toBe(second);
  const [, third] = kids(keys);
  clock.at += DAY - 1;
  expect((await keys.current()).kid).toBe(second);
  clock.at += 1;
  expect((await keys.current()).kid).toBe(third);
});

test('replicas that start at once have the same keys, and believe one another', async () => {
  const replicas = Array.from({ length: 4 }, () => givenReplica());
  await Promise.all(replicas.map(({ keys }) => keys.keep()));
  expect(new Set(replicas.map(({ keys }) => kids(keys).join())).size).toBe(1);
  const [one, other] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
  await verify(other.keys, await sign(one.keys));
});

test('a key that another replica made since is found, without asking for each unknown one', async () => {
  const [one, other] = [givenReplica(), givenReplica()];
  await one.keys.keep();
  await database.pool.queryAsLoginRole('delete from signing_key');
  await other.keys.keep();
  const token = await sign(other.keys);
  await expect(verify(one.keys, token)).rejects.toThrow();
  one.clock.at += 10_000;
  await verify(one.keys, token);
});

test('the private half is sealed; under another secret key the start is refused in words', async () => {
  const { keys } = givenReplica();
  await keys.keep();
  const { d } = await keys.current();
  const { rows } = await database.pool.queryAsLoginRole('select to_jsonb(k)::text as row from signing_key k');
  expect(JSON.stringify(rows)).not.toContain(d);
  const replaced = [2, 1].map((byte) => Buffer.alloc(32, byte).toString('base64'));
  await givenReplica(createSeal(replaced)).keys.keep();
  const stranger = givenReplica(createSeal(replaced.slice(0, 1)));
  await expect(stranger.keys.keep()).rejects.toThrow(SigningKeyError);
});
