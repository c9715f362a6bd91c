import { randomBytes } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { type JWTPayload, SignJWT } from 'jose';
import { createAuthenticate, type IdentityCredential } from '../../src/context/authenticate.js';

/**
 * What is remembered of a token, and until when. A clock that a test can set, and a count of how often keys were asked
 * for: once for each time a signature was really checked.
 */
function givenAuthenticate(development = false) {
  // A shared secret is quick to check, and what is remembered of a token is the same whatever signed it.
  const secret = randomBytes(32);
  const start = 1_800_000_000;
  const world = { seconds: start, checks: 0 };
  const issuer = {
    issuer: 'https://id.example',
    keys: () => {
      world.checks += 1;
      return secret;
    },
    audience: 'orgate',
    algorithms: ['HS256'],
    typ: ['at+jwt'],
    development,
  };
  const authenticate = createAuthenticate([issuer], 'test', undefined, () => world.seconds * 1000);
  const sign = (claims: JWTPayload) =>
    new SignJWT({ iss: 'https://id.example', aud: 'orgate', sub: 'ann', ...claims })
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
      .sign(secret);
  const present = async (token: string, isLocalHost = true): Promise<IdentityCredential> => {
    const credential = await authenticate(`Bearer ${token}`, isLocalHost);
    expect(credential?.kind).toBe('identity');
    return credential as IdentityCredential;
  };
  return { world, start, sign, present, authenticate };
}

test('a signature is checked once for a token, and once for each other token', async () => {
  const { world, start, sign, present } = givenAuthenticate();
  const [one, other] = [await sign({ exp: start + 3600 }), await sign({ exp: start + 3600, sub: 'bob' })];
  for (const token of [one, one, one, other, other]) await present(token);
  expect(world.checks).toBe(2);
  expect((await present(one)).identity.subject).toBe('ann');
  expect((await present(other)).identity.subject).toBe('bob');
});

test('the check is good for five minutes at most', async () => {
  const { world, start, sign, present } = givenAuthenticate();
  const token = await sign({ exp: start + 3600 });
  await present(token);
  world.seconds += 299;
  await present(token);
  expect(world.checks).toBe(1);
  world.seconds += 1;
  await present(token);
  expect(world.checks).toBe(2);
});

test('the check is never good past the expiry of the token', async () => {
  const { world, start, sign, present } = givenAuthenticate();
  const token = await sign({ exp: start + 20 });
  await present(token);
  world.seconds = start + 19;
  await present(token);
  expect(world.checks).toBe(1);
  // Within the clock's tolerance it may still be accepted, though never from memory.
  world.seconds = start + 20;
  await present(token);
  expect(world.checks).toBe(2);
  world.seconds = start + 26;
  await expect(present(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});

test('a token that never expires is refused', async () => {
  const { sign, present } = givenAuthenticate();
  await expect(sign({}).then(present)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});

const HOURS = 3600;

test.each<[string, (now: number) => JWTPayload]>([
  ['ends more than two days from now', (now) => ({ exp: now + 48 * HOURS + 6 })],
  ['ends in the year 9999', () => ({ exp: 253_402_300_799 })],
  ['ends after time itself', () => ({ exp: Number.MAX_VALUE })],
  ['counts its end in milliseconds', (now) => ({ exp: (now + 600) * 1000 })],
  ['was issued an hour from now', (now) => ({ iat: now + HOURS, exp: now + 2 * HOURS })],
  ['was issued just past the tolerance from now', (now) => ({ iat: now + 6, exp: now + 600 })],
  ['was issued at no number', (now) => ({ iat: 'now' as never, exp: now + 600 })],
  ['is not valid until an hour from now', (now) => ({ nbf: now + HOURS, exp: now + 2 * HOURS })],
  ['is not valid until just past the tolerance', (now) => ({ nbf: now + 6, exp: now + 600 })],
])('a token is refused that %s', async (_what, claims) => {
  const { start, sign, present } = givenAuthenticate();
  await expect(sign(claims(start)).then(present)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});

test.each<[string, (now: number) => JWTPayload]>([
  ['ends in two days', (now) => ({ exp: now + 48 * HOURS })],
  ['was issued by a clock that is a little ahead', (now) => ({ iat: now + 5, nbf: now + 5, exp: now + 600 })],
  ['was issued long ago', (now) => ({ iat: now - 400 * 24 * HOURS, exp: now + 600 })],
])('a token is taken that %s', async (_what, claims) => {
  const { start, sign, present } = givenAuthenticate();
  expect((await present(await sign(claims(start)))).identity.subject).toBe('ann');
});

test('a refusal is not remembered, and does not count for a token that differs in one character', async () => {
  const { world, start, sign, present } = givenAuthenticate();
  const early = await sign({ exp: start + 3600, nbf: start + 60 });
  await expect(present(early)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  world.seconds += 60;
  expect((await present(early)).identity.subject).toBe('ann');
  const forged = early.slice(0, -2) + (early.endsWith('AA') ? 'BB' : 'AA');
  await expect(present(forged)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});

test('a token of the development issuer is no good at another host name, remembered or not', async () => {
  const { start, sign, present } = givenAuthenticate(true);
  const token = await sign({ exp: start + 3600 });
  await expect(present(token, false)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  expect((await present(token, true)).development).toBe(true);
  await expect(present(token, false)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});

test('what is remembered is bounded', async () => {
  const { world, start, sign, present } = givenAuthenticate();
  const first = await sign({ exp: start + 3600, sub: 'first' });
  await present(first);
  const tokens = await Promise.all(
    Array.from({ length: 10_000 }, (_, index) => sign({ exp: start + 3600, sub: `person-${index}` })),
  );
  for (const token of tokens) await present(token);
  expect(world.checks).toBe(10_001);
  await present(tokens.at(-1) as string);
  expect(world.checks).toBe(10_001);
  await present(first);
  expect(world.checks).toBe(10_002);
});

test('without a credential nobody is asking, and nothing is checked', async () => {
  const { world, authenticate } = givenAuthenticate();
  expect(await authenticate(undefined, true)).toBeNull();
  expect(world.checks).toBe(0);
});
