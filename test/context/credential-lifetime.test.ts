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
  const authenticate = createAuthenticate([issuer], 'test', () => world.seconds * 1000);
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
