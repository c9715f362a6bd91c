import { describe, expect, test } from '@jest/globals';
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify, type JWTPayload, SignJWT } from 'jose';
import { createSigningKeys } from '../../../src/identity/signing-keys.js';
import { createSeal } from '../../../src/secrets/seal.js';
import { givenOrganization, personId } from '../../support/given.js';
import { codeOf, startServer, useServer } from '../../support/server.js';
import { askForToken, givenBrowser, ownOrigin, renew } from '../../support/sessions.js';

const server = useServer();

const WHO = '{ viewer { user { id } organizationSource currentOrganization { slug } } }';
const statusOf = async (token: string): Promise<number> => (await server.withToken(token)(WHO)).status;
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const withoutRequestId = (text: string): string => text.replaceAll(/"requestId":"[^"]+"/g, '');

async function givenPerson() {
  const acme = await givenOrganization(server);
  const id = await personId(acme.developer);
  return { acme, id, browser: await givenBrowser(server, id) };
}

describe('A browser that is signed in', () => {
  test('is given an access token that says who, to whom and until when, and acts for the person', async () => {
    const { acme, id, browser } = await givenPerson();
    const answer = await browser.token();
    expect([answer.status, answer.expiresIn]).toEqual([200, 600]);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const header = decodeProtectedHeader(answer.access);
    expect(header).toEqual({ alg: 'EdDSA', typ: 'at+jwt', kid: expect.any(String) });
    const { iat, exp, jti, ...claims } = decodeJwt(answer.access);
    expect(claims).toEqual({ iss: ownOrigin(server), aud: 'orgate', sub: id, sid: browser.sessionId });
    expect([(exp as number) - (iat as number), typeof jti]).toEqual([600, 'string']);
    const client = server.withToken(answer.access);
    const { data } = await client(WHO, {}, { 'x-organization-id': acme.slug });
    expect(data.viewer).toMatchObject({ user: { id }, currentOrganization: { slug: acme.slug } });
  });

  test('which anyone can verify with the published keys', async () => {
    const { id, browser } = await givenPerson();
    const { access } = await browser.token();
    const keys = createRemoteJWKSet(new URL(`${server.url}/.well-known/jwks.json`));
    const { payload } = await jwtVerify(access, keys, { issuer: ownOrigin(server), audience: 'orgate', typ: 'at+jwt' });
    expect(payload.sub).toBe(id);
    const response = await fetch(`${server.url}/.well-known/jwks.json`);
    expect(response.headers.get('cache-control')).toBe('public, max-age=300');
    const { keys: published } = (await response.json()) as { keys: Record<string, string>[] };
    expect(published.length).toBeGreaterThanOrEqual(2);
    for (const key of published) {
      expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x']);
    }
  });

  test.each([
    ['no cookie', () => ({ cookie: '' }), 401],
    ['a cookie of nobody', () => ({ cookie: '__Host-orgate=AAAA' }), 401],
    ['a page elsewhere', () => ({ origin: 'https://evil.example' }), 403],
    ['nobody says where', () => ({ origin: '' }), 403],
  ])('and no one else: %s', async (_, headers, status) => {
    const { browser } = await givenPerson();
    const answer = await browser.token(undefined, headers() as Record<string, string>);
    expect([answer.status, answer.access]).toEqual([status, undefined]);
  });

  test('has tokens for every tab, which do not disturb one another; the ten last used go on', async () => {
    const { browser } = await givenPerson();
    const tabs: string[] = [];
    for (let tab = 0; tab < 11; tab += 1) tabs.push((await browser.token()).refresh);
    const [first, ...others] = tabs as [string, ...string[]];
    expect((await renew(server, first)).status).toBe(401);
    for (const token of others) expect((await renew(server, token)).status).toBe(200);
    expect((await browser(WHO)).status).toBe(200);
  });
});

describe('An access token', () => {
  test('ends with its session, at once', async () => {
    const { browser } = await givenPerson();
    const { access, refresh } = await browser.token();
    expect(await statusOf(access)).toBe(200);
    await browser('mutation { signOut }');
    expect(await statusOf(access)).toBe(401);
    expect((await renew(server, refresh)).status).toBe(401);
    expect((await browser.token()).status).toBe(401);
  });

  test('ends with its person, at once', async () => {
    const { id, browser } = await givenPerson();
    const { access, refresh } = await browser.token();
    await sql(`update person set status = 'DISABLED' where id = $1`, [id]);
    expect(await statusOf(access)).toBe(401);
    expect((await renew(server, refresh)).status).toBe(401);
    expect((await browser.token()).status).toBe(401);
  });

  test('never outlives the session', async () => {
    const { browser } = await givenPerson();
    await sql(`update session set expires_at = now() + interval '90 seconds' where id = $1`, [browser.sessionId]);
    const answer = await browser.token();
    expect(answer.expiresIn).toBeGreaterThan(85);
    expect(answer.expiresIn).toBeLessThanOrEqual(90);
  });

  test('is orgate’s own to the letter, and of the session’s own person', async () => {
    const { id, browser } = await givenPerson();
    const other = await givenPerson();
    const seal = createSeal(server.config.secretKeys as string[]);
    const keys = createSigningKeys(server.database.pool, seal);
    await keys.keep();
    const key = await keys.current();
    const now = Math.floor(Date.now() / 1000);
    const good: JWTPayload = {
      iss: ownOrigin(server),
      aud: 'orgate',
      sub: id,
      sid: browser.sessionId,
      exp: now + 60,
    };
    const sign = (claims: JWTPayload, header = {}) =>
      new SignJWT({ ...good, ...claims })
        .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: key.kid, ...header })
        .sign(key);
    expect(await statusOf(await sign({}))).toBe(200);
    for (const token of [
      await sign({ sub: other.id }),
      await sign({ sid: other.browser.sessionId }),
      await sign({ sid: undefined }),
      await sign({ aud: 'billing' }),
      await sign({ iss: server.issuer.issuer }),
      await sign({ iss: 'urn:orgate:development', email: 'ann@acme.example', email_verified: true }),
      await sign({ exp: now - 60 }),
      await sign({}, { typ: 'JWT' }),
      await sign({}, { kid: 'unknown' }),
      await server.issuer.sign(good),
    ]) {
      expect(await statusOf(token)).toBe(401);
    }
  });

  test('is bound to another organization by a switch, and ends when the presented one ends', async () => {
    const { acme, browser } = await givenPerson();
    const { access } = await browser.token();
    const SWITCH = `mutation { switchOrganization(organizationId: "${acme.slug}") { token } }`;
    const { data } = await server.withToken(access)(SWITCH);
    const { token } = data.switchOrganization;
    expect(decodeJwt(token)).toMatchObject({ org: acme.id, sid: browser.sessionId, exp: decodeJwt(access).exp });
    expect((await server.withToken(token)(WHO)).data.viewer).toMatchObject({
      currentOrganization: { slug: acme.slug },
      organizationSource: 'TOKEN',
    });
    // The cookie gives a whole token; it could fetch one anyway.
    const fresh = decodeJwt((await browser(SWITCH)).data.switchOrganization.token);
    expect((fresh.exp as number) - (fresh.iat as number)).toBe(600);
    expect((await server.withToken(access)(WHO)).status).toBe(200);
    await browser('mutation { signOut }');
    expect(await statusOf(token)).toBe(401);
  });
});

describe('A refresh token', () => {
  test('is good once, and each time gives the next', async () => {
    const { id, browser } = await givenPerson();
    let { refresh } = await browser.token();
    for (let time = 0; time < 3; time += 1) {
      const answer = await renew(server, refresh);
      expect(decodeJwt(answer.access)).toMatchObject({ sub: id, sid: browser.sessionId });
      expect(answer.refresh).not.toBe(refresh);
      expect(await statusOf(answer.access)).toBe(200);
      refresh = answer.refresh;
    }
  });

  test('used a second time ends its session, and whatever came of it; other sessions go on', async () => {
    const { id, browser } = await givenPerson();
    const elsewhere = await givenBrowser(server, id);
    const first = await browser.token();
    const tab = await browser.token();
    const second = await renew(server, first.refresh);
    const third = await renew(server, second.refresh);
    expect((await renew(server, first.refresh)).status).toBe(401);
    for (const token of [first.access, second.access, third.access, tab.access])
      expect(await statusOf(token)).toBe(401);
    for (const token of [third.refresh, tab.refresh]) expect((await renew(server, token)).status).toBe(401);
    expect((await browser(WHO)).status).toBe(401);
    expect((await elsewhere(WHO)).status).toBe(200);
    const { rows } = await sql('select end_reason from session where id = $1', [browser.sessionId]);
    expect(rows).toEqual([{ end_reason: 'TOKEN_REUSED' }]);
    expect(server.logs.join('')).toContain('a refresh token was used twice');
    expect(server.logs.join('')).not.toContain(first.refresh.slice(0, 43));
  });

  test('used twice within ten seconds, as by two tabs, gives the same successor', async () => {
    const { browser } = await givenPerson();
    const { refresh } = await browser.token();
    const [one, other] = [await renew(server, refresh), await renew(server, refresh)];
    expect([one.status, other.status]).toEqual([200, 200]);
    expect(other.refresh).toBe(one.refresh);
    for (const { access } of [one, other]) expect(await statusOf(access)).toBe(200);
    // Each tab goes on, with the one token that they share now.
    const third = await renew(server, one.refresh);
    expect((await renew(server, other.refresh)).refresh).toBe(third.refresh);
    expect((await browser(WHO)).status).toBe(200);
  });

  test('ends its session once its successor was used, also within ten seconds', async () => {
    const { browser } = await givenPerson();
    const { refresh: copied } = await browser.token();
    const { refresh } = await renew(server, copied);
    const owner = await renew(server, refresh);
    expect((await renew(server, copied)).status).toBe(401);
    expect((await renew(server, owner.refresh)).status).toBe(401);
    expect(await statusOf(owner.access)).toBe(401);
  });

  test('ends its session when it comes again after ten seconds, though its successor was not used', async () => {
    const { browser } = await givenPerson();
    const { refresh: copied } = await browser.token();
    const { refresh, access } = await renew(server, copied);
    await sql(`update refresh_token set replaced_at = replaced_at - interval '10 seconds' where session_id = $1`, [
      browser.sessionId,
    ]);
    expect((await renew(server, copied)).status).toBe(401);
    expect((await renew(server, refresh)).status).toBe(401);
    expect(await statusOf(access)).toBe(401);
    const { rows } = await sql('select end_reason from session where id = $1', [browser.sessionId]);
    expect(rows).toEqual([{ end_reason: 'TOKEN_REUSED' }]);
  });

  test('gives its successor again to nobody whose session is over, or who is disabled', async () => {
    const { browser, id } = await givenPerson();
    const { refresh } = await browser.token();
    await renew(server, refresh);
    await sql(`update person set status = 'DISABLED' where id = $1`, [id]);
    expect((await renew(server, refresh)).status).toBe(401);
    await sql(`update person set status = 'ACTIVE' where id = $1`, [id]);
    await browser('mutation { signOut }');
    expect((await renew(server, refresh)).status).toBe(401);
  });

  test('is kept as a hash', async () => {
    const { browser } = await givenPerson();
    const { refresh } = await browser.token();
    const next = await renew(server, refresh);
    const { rows } = await sql('select to_jsonb(r)::text as row from refresh_token r', []);
    for (const part of [...refresh.split('.'), ...next.refresh.split('.')]) {
      expect(JSON.stringify(rows)).not.toContain(part);
    }
    const { rows: sessions } = await sql('select to_jsonb(s)::text as row from session s', []);
    expect(JSON.stringify(sessions)).not.toContain(browser.header.cookie.split('=')[1]);
  });

  test('that is unknown, used, or of a session that is over is refused alike', async () => {
    const { browser } = await givenPerson();
    const { refresh } = await browser.token();
    const [family] = refresh.split('.');
    const never = 'A'.repeat(43);
    const answers = [];
    for (const token of [
      `${never}.${never}`,
      '',
      'x',
      `${never}`,
      refresh.replace('.', '_'),
      `${family}.${never}`,
      refresh,
    ]) {
      const answer = await renew(server, token);
      answers.push([answer.status, withoutRequestId(answer.text)].join(' '));
    }
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toContain('UNAUTHENTICATED');
  });

  test('that is malformed is refused without a statement', async () => {
    const before = server.statements.length;
    for (const token of ['', 'x', `${'A'.repeat(43)}.${'A'.repeat(42)}`, `${'A'.repeat(43)}.${'='.repeat(43)}`]) {
      expect((await renew(server, token)).status).toBe(401);
    }
    expect(server.statements.length).toBe(before);
  });
});

test.each([
  {},
  { grant_type: 'password' },
  { grant_type: 'refresh_token' },
  { grant_type: 'refresh_token', refresh_token: 7 },
  [],
  null,
])('A grant that is none is refused: %j', async (body) => {
  const answer = await askForToken(server, body);
  expect(answer.status).toBe(400);
  expect(JSON.parse(answer.text)).toMatchObject({ errors: [{ extensions: { code: expect.stringMatching(/^BAD_/) } }] });
});

test('Replicas believe one another’s tokens, and what ends on one has ended on all', async () => {
  const env = { PUBLIC_URL: 'https://orgate.example' };
  const [one, other] = [await startServer({ env }), await startServer({ env })];
  try {
    const acme = await givenOrganization(one);
    const browser = await givenBrowser(one, await personId(acme.developer));
    const { access, refresh } = await browser.token(undefined, { origin: 'https://orgate.example' });
    expect((await other.withToken(access)(WHO)).status).toBe(200);
    expect((await renew(other, refresh)).status).toBe(200);
    expect((await other.withToken(access)('mutation { signOut }')).data).toEqual({ signOut: true });
    expect((await one.withToken(access)(WHO)).status).toBe(401);
  } finally {
    await one.close();
    await other.close();
  }
});

test('A token whose organization the person left reaches none', async () => {
  const { acme, id, browser } = await givenPerson();
  const SWITCH = `mutation { switchOrganization(organizationId: "${acme.slug}") { token } }`;
  const { token } = (await browser(SWITCH)).data.switchOrganization;
  await acme.owner('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id });
  expect(codeOf(await server.withToken(token)('{ repositories { totalCount } }'))).toBe('ORG_CONTEXT_REQUIRED');
});
