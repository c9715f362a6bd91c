import { createHmac, randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { exportJWK, exportSPKI, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';
import { givenOrganization, unique } from '../support/given.js';
import { codeOf, startIssuer, useServer } from '../support/server.js';

const server = useServer();

const base64url = (value: object | string | Buffer): string =>
  Buffer.from(typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value)).toString(
    'base64url',
  );
const now = (): number => Math.floor(Date.now() / 1000);

/** Claims that are in order. */
const claims = () => ({
  iss: server.issuer.issuer,
  aud: 'orgate',
  sub: unique('ann'),
  email: `${unique('ann')}@acme.example`,
  email_verified: true,
  iat: now(),
  exp: now() + 600,
});
const good = () => server.issuer.sign(claims());
const publicJwk = async (): Promise<JWK & { kid: string }> => {
  const { keys } = (await (await fetch(server.issuer.jwksUri)).json()) as { keys: (JWK & { kid: string })[] };
  return keys[0] as JWK & { kid: string };
};
/** A token signed with a shared secret, as whoever confuses algorithms would. */
async function hmac(secret: string | Buffer, header: object = {}): Promise<string> {
  const { kid } = await publicJwk();
  const signed = `${base64url({ alg: 'HS256', typ: 'at+jwt', kid, ...header })}.${base64url(claims())}`;
  return `${signed}.${base64url(createHmac('sha256', secret).update(signed).digest())}`;
}
async function signedBySomeoneElse(header: object = {}): Promise<string> {
  const { privateKey } = await generateKeyPair('ES256');
  const { kid } = await publicJwk();
  return new SignJWT(claims()).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid, ...header }).sign(privateKey);
}
const withPart = (token: string, index: number, change: (part: string) => string): string =>
  token
    .split('.')
    .map((part, at) => (at === index ? change(part) : part))
    .join('.');
const withClaims = (token: string, changed: object): string =>
  withPart(token, 1, (part) =>
    base64url({ ...(JSON.parse(Buffer.from(part, 'base64url').toString()) as object), ...changed }),
  );
const withHeader = (token: string, changed: object): string =>
  withPart(token, 0, (part) =>
    base64url({ ...(JSON.parse(Buffer.from(part, 'base64url').toString()) as object), ...changed }),
  );

const BAD: Record<string, () => Promise<string> | string> = {
  'alg none without a signature': async () =>
    `Bearer ${base64url({ alg: 'none', typ: 'at+jwt' })}.${base64url(claims())}.`,
  'alg none with the old signature': async () => `Bearer ${withHeader(await good(), { alg: 'none' })}`,
  'alg nOnE': async () => `Bearer ${withHeader(await good(), { alg: 'nOnE' })}`,
  'HMAC with the public key as JWK for a secret': async () => `Bearer ${await hmac(JSON.stringify(await publicJwk()))}`,
  'HMAC with the public key as PEM for a secret': async () =>
    `Bearer ${await hmac(await exportSPKI((await importJWK(await publicJwk(), 'ES256')) as never))}`,
  'HMAC with the coordinates of the public key for a secret': async () =>
    `Bearer ${await hmac(Buffer.from((await publicJwk()).x ?? '', 'base64url'))}`,
  'HMAC with an empty secret': async () => `Bearer ${await hmac('')}`,
  'HMAC that claims to be ES256': async () => `Bearer ${await hmac('', { alg: 'ES256' })}`,
  'another audience': async () => `Bearer ${await server.issuer.sign({ ...claims(), aud: 'billing' })}`,
  'no audience': async () => `Bearer ${await server.issuer.sign({ ...claims(), aud: [] })}`,
  'another issuer': async () => `Bearer ${await server.issuer.sign({ ...claims(), iss: 'https://id.example' })}`,
  'an issuer that differs by a slash': async () =>
    `Bearer ${await server.issuer.sign({ ...claims(), iss: `${server.issuer.issuer}/` })}`,
  'the development issuer, not signed by it': async () =>
    `Bearer ${await server.issuer.sign({ ...claims(), iss: 'urn:orgate:development' })}`,
  expired: async () => `Bearer ${await server.issuer.sign({ ...claims(), exp: now() - 60 })}`,
  'not yet valid': async () => `Bearer ${await server.issuer.sign({ ...claims(), nbf: now() + 60 })}`,
  'an expiry that is no number': async () =>
    `Bearer ${await server.issuer.sign({ ...claims(), exp: `${now() + 600}` as never })}`,
  'an ID token, by its typ': async () => `Bearer ${await server.issuer.sign(claims(), { typ: 'JWT' })}`,
  'no typ': async () => `Bearer ${await server.issuer.sign(claims(), { typ: undefined })}`,
  'an unknown key id': async () => `Bearer ${await signedBySomeoneElse({ kid: randomUUID() })}`,
  'the known key id over a key of its own': async () => `Bearer ${await signedBySomeoneElse()}`,
  'a key that comes along in the header': async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = await exportJWK(publicKey);
    const header = { alg: 'ES256', typ: 'at+jwt', jwk, jku: 'https://id.example/jwks' };
    return `Bearer ${await new SignJWT(claims()).setProtectedHeader(header).sign(privateKey)}`;
  },
  'another issuer that is not trusted': async () => {
    const stranger = await startIssuer();
    const token = await stranger.sign({ ...claims(), iss: stranger.issuer });
    await stranger.close();
    return `Bearer ${token}`;
  },
  'a critical extension nobody knows': async () =>
    `Bearer ${withHeader(await good(), { crit: ['urn:x'], 'urn:x': true })}`,
  'a changed claim': async () => `Bearer ${withClaims(await good(), { sub: 'someone-else' })}`,
  'a changed signature': async () =>
    `Bearer ${withPart(await good(), 2, (part) => (part.startsWith('A') ? 'B' : 'A') + part.slice(1))}`,
  'a signature cut short': async () => `Bearer ${withPart(await good(), 2, (part) => part.slice(0, 40))}`,
  'an all-zero signature': async () => `Bearer ${withPart(await good(), 2, () => base64url(Buffer.alloc(64)))}`,
  'two parts': async () => `Bearer ${(await good()).split('.').slice(0, 2).join('.')}`,
  'four parts': async () => `Bearer ${await good()}.x`,
  'five parts': async () => `Bearer a.b.c.d.e`,
  'no subject': async () => `Bearer ${await server.issuer.sign({ ...claims(), sub: '' })}`,
  'a subject longer than any': async () => `Bearer ${await server.issuer.sign({ ...claims(), sub: 'x'.repeat(256) })}`,
  'a subject that is no text': async () => `Bearer ${await server.issuer.sign({ ...claims(), sub: 'a\u0000b' })}`,
  'an organization that is no text': async () => `Bearer ${await server.issuer.sign({ ...claims(), org: 'a\u0000b' })}`,
  'claims that are no object': async () => `Bearer ${withPart(await good(), 1, () => base64url('"x"'))}`,
  'claims that are no JSON': async () => `Bearer ${withPart(await good(), 1, () => base64url('{'))}`,
  'no token': () => 'Bearer',
  'nothing at all': () => '',
  'a word': () => 'Bearer undefined',
  'a scheme of the past': () => `Basic ${base64url('ann:secret')}`,
  'Basic around a good token': async () => `Basic ${await good()}`,
  'a good token without a scheme': async () => good(),
  'a good token twice': async () => `Bearer ${await good()} ${await good()}`,
};

test('a token that is in order signs its person in', async () => {
  const answer = await server.post('{"query":"{ viewer { user { id } } }"}', {
    authorization: `Bearer ${await good()}`,
  });
  expect(answer).toMatchObject({ status: 200, errors: [] });
  expect(answer.data.viewer.user.id).toMatch(/^usr_/);
});

test.each([
  ['the scheme in any case', async () => `bEARER ${await good()}`],
  [
    'a full media type as typ',
    async () => `Bearer ${await server.issuer.sign(claims(), { typ: 'application/AT+JWT' })}`,
  ],
  [
    'one audience among several',
    async () => `Bearer ${await server.issuer.sign({ ...claims(), aud: ['x', 'orgate'] })}`,
  ],
  ['a clock some seconds off', async () => `Bearer ${await server.issuer.sign({ ...claims(), nbf: now() + 2 })}`],
])('so does one with %s', async (_, make) => {
  const answer = await server.post('{"query":"{ viewer { user { id } } }"}', { authorization: await make() });
  expect(answer).toMatchObject({ status: 200, errors: [] });
});

test.each(Object.entries(BAD))('401, and nothing is answered: %s', async (_, make) => {
  const authorization = await make();
  const answer = await server.post('{"query":"{ __typename viewer { user { id } } }"}', { authorization });
  expect(answer.status).toBe(401);
  expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="orgate", error="invalid_token"');
  expect(codeOf(answer)).toBe('UNAUTHENTICATED');
  expect(Object.keys(answer.errors[0] ?? {}).sort()).toEqual(['extensions', 'message']);
  expect(answer.data).toBeNull();
  // Every reason looks alike: whoever guesses learns nothing from the next guess.
  const { requestId, ...rest } = answer.errors[0]?.extensions ?? {};
  expect(answer.text.trim().replace(String(requestId), 'id')).toBe(
    '{"errors":[{"message":"Sign in: send a valid bearer token.","extensions":{"code":"UNAUTHENTICATED","requestId":"id"}}]}',
  );
  expect(rest).toEqual({ code: 'UNAUTHENTICATED' });
});

test('a bad credential is refused for a mutation too, before it does anything', async () => {
  const { owner, repositoryId } = await givenOrganization(server);
  const forged = withClaims(owner.token, { name: 'Mallory' });
  const query = `mutation { deleteRepository(id: "${repositoryId}") }`;
  expect((await server.withToken(forged)(query)).status).toBe(401);
  const { data } = await owner('query ($id: ID!) { repository(id: $id) { id } }', { id: repositoryId });
  expect(data.repository.id).toBe(repositoryId);
});
