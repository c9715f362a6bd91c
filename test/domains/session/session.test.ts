import { describe, expect, test } from '@jest/globals';
import { openSessions } from '../../../src/identity/sessions.js';
import { givenOrganization, givenTwoOrganizations, personId } from '../../support/given.js';
import { codeOf, useServer } from '../../support/server.js';
import { givenBrowser } from '../../support/sessions.js';

const server = useServer();

const WHO = '{ viewer { user { id } } }';
const MINE = `{ mySessions { totalCount nodes {
  id isCurrent userAgent provider boundOrganizationId createdAt lastUsedAt expiresAt
} } }`;
const REVOKE = (id: string) => `mutation { revokeSession(id: "${id}") }`;
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

async function givenPerson() {
  const acme = await givenOrganization(server);
  return { acme, id: await personId(acme.developer) };
}

describe('mySessions', () => {
  test('are the person’s own that still hold, the newest first, and say which one is asking', async () => {
    const { acme, id } = await givenPerson();
    const [one, two, gone] = [
      await givenBrowser(server, id),
      await givenBrowser(server, id),
      await givenBrowser(server, id),
    ];
    await givenBrowser(server, await personId(acme.viewer));
    await gone('mutation { signOut }');
    const expired = await givenBrowser(server, id);
    await sql('update session set expires_at = now() where id = $1', [expired.sessionId]);
    const { mySessions } = (await one(MINE)).data;
    expect(mySessions.totalCount).toBe(2);
    expect(mySessions.nodes).toMatchObject([
      { id: two.sessionId, isCurrent: false, userAgent: 'Browser 1.0', provider: null, boundOrganizationId: null },
      { id: one.sessionId, isCurrent: true },
    ]);
    const [{ createdAt, expiresAt }] = mySessions.nodes;
    expect(Date.parse(expiresAt) - Date.parse(createdAt)).toBeCloseTo(30 * 24 * 3600 * 1000, -4);
    const first = await one('{ mySessions(first: 1) { pageInfo { hasNextPage endCursor } } }');
    const { hasNextPage, endCursor } = first.data.mySessions.pageInfo;
    const rest = await one(`{ mySessions(after: "${endCursor}") { nodes { id } } }`);
    expect([hasNextPage, rest.data.mySessions.nodes]).toEqual([true, [{ id: one.sessionId }]]);
  });

  test('are seen with any token of the person, which is none of them where another issued it', async () => {
    const { acme, id } = await givenPerson();
    const browser = await givenBrowser(server, id);
    const { nodes } = (await acme.developer(MINE)).data.mySessions;
    expect(nodes).toMatchObject([{ id: browser.sessionId, isCurrent: false }]);
  });

  test('say when they were used, noted now and then', async () => {
    const { id } = await givenPerson();
    const browser = await givenBrowser(server, id);
    const lastUsed = async (): Promise<Date> =>
      (await sql('select last_used_at from session where id = $1', [browser.sessionId])).rows[0].last_used_at as Date;
    const fresh = await lastUsed();
    await browser(WHO);
    expect(await lastUsed()).toEqual(fresh);
    await sql(`update session set last_used_at = now() - interval '6 minutes' where id = $1`, [browser.sessionId]);
    await browser(WHO);
    while ((await lastUsed()) < fresh) await new Promise(setImmediate);
  });
});

describe('revokeSession', () => {
  test('ends the session at once, and that one only', async () => {
    const { id } = await givenPerson();
    const [one, two] = [await givenBrowser(server, id), await givenBrowser(server, id)];
    expect((await one(REVOKE(two.sessionId))).data).toEqual({ revokeSession: two.sessionId });
    expect([(await one(WHO)).status, (await two(WHO)).status]).toEqual([200, 401]);
  });

  test('of another person, of one that is over and of none is NOT_FOUND alike', async () => {
    const { acme, id } = await givenPerson();
    const [one, over] = [await givenBrowser(server, id), await givenBrowser(server, id)];
    const foreign = await givenBrowser(server, await personId(acme.owner));
    await one(REVOKE(over.sessionId));
    const answers = new Set<string>();
    for (const each of [over.sessionId, foreign.sessionId, `ses_${'0'.repeat(26)}`, '', '%']) {
      answers.add((await one(REVOKE(each))).text.replaceAll(/"requestId":"[^"]+"/g, ''));
    }
    expect([...answers]).toEqual([expect.stringContaining('NOT_FOUND')]);
    expect((await foreign(WHO)).status).toBe(200);
  });
});

describe('signOut', () => {
  test('ends the session that asks, by cookie or token', async () => {
    const { id } = await givenPerson();
    const [one, two] = [await givenBrowser(server, id), await givenBrowser(server, id)];
    expect((await one('mutation { signOut }')).data).toEqual({ signOut: true });
    const gone = await one(WHO);
    expect([gone.status, codeOf(gone)]).toEqual([401, 'UNAUTHENTICATED']);
    const { access } = await two.token();
    expect((await server.withToken(access)('mutation { signOut }')).data).toEqual({ signOut: true });
    expect((await two(WHO)).status).toBe(401);
  });

  test('with another issuer’s token says that there is nothing here to end', async () => {
    const { acme, id } = await givenPerson();
    const browser = await givenBrowser(server, id);
    expect((await acme.developer('mutation { signOut }')).data).toEqual({ signOut: false });
    expect((await browser(WHO)).status).toBe(200);
  });

  test('everywhere ends all sessions of the person, and no one else’s', async () => {
    const { acme, id } = await givenPerson();
    const browsers = [await givenBrowser(server, id), await givenBrowser(server, id), await givenBrowser(server, id)];
    const other = await givenBrowser(server, await personId(acme.owner));
    const [one] = browsers as [(typeof browsers)[0]];
    expect((await one('mutation { signOutEverywhere }')).data).toEqual({ signOutEverywhere: 3 });
    for (const browser of browsers) expect((await browser(WHO)).status).toBe(401);
    expect((await other(WHO)).status).toBe(200);
    expect((await acme.developer('mutation { signOutEverywhere }')).data).toEqual({ signOutEverywhere: 0 });
  });
});

test('A session that is bound to an organization sees and ends only those that are bound to the same', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  const id = await personId(acme.developer);
  const inAcme = { boundOrgId: acme.id, provider: 'idp_acme' };
  const bound = await givenBrowser(server, id, inAcme);
  const sibling = await givenBrowser(server, id, inAcme);
  const others = [await givenBrowser(server, id), await givenBrowser(server, id, { boundOrgId: globex.id })];
  const { mySessions } = (await bound(MINE)).data;
  expect(mySessions.totalCount).toBe(2);
  expect(mySessions.nodes).toMatchObject([
    { id: sibling.sessionId, provider: 'idp_acme', boundOrganizationId: acme.id },
    { id: bound.sessionId },
  ]);
  for (const other of others) expect(codeOf(await bound(REVOKE(other.sessionId)))).toBe('NOT_FOUND');
  expect((await bound('mutation { signOutEverywhere }')).data).toEqual({ signOutEverywhere: 2 });
  for (const other of others) expect((await other(WHO)).status).toBe(200);
  expect((await sibling(WHO)).status).toBe(401);
});

test.each(['disabled', 'deleted'])('Sessions end with the identity provider that opened them: %s', async (how) => {
  const { acme, id } = await givenPerson();
  const input = { name: 'Corporate', issuer: 'https://id.acme.example', clientId: 'orgate' };
  const { data } = await acme.owner(
    'mutation ($input: CreateOidcProviderInput!) { createOidcProvider(input: $input) { id } }',
    { input },
  );
  const provider = data.createOidcProvider.id as string;
  const browser = await givenBrowser(server, id, { provider, boundOrgId: acme.id });
  const another = await givenBrowser(server, id, { provider: 'another' });
  await acme.owner(`mutation { updateIdentityProvider(input: { id: "${provider}", name: "Renamed" }) { id } }`);
  expect((await browser(WHO)).status).toBe(200);
  const ended = await acme.owner(
    how === 'disabled'
      ? `mutation { updateIdentityProvider(input: { id: "${provider}", status: DISABLED }) { id } }`
      : `mutation { deleteIdentityProvider(id: "${provider}") }`,
  );
  expect(ended.errors).toEqual([]);
  expect([(await browser(WHO)).status, (await another(WHO)).status]).toEqual([401, 200]);
});

test('Sessions that are long over are deleted, with their tokens', async () => {
  const { id } = await givenPerson();
  const [live, ended, recent] = [
    await givenBrowser(server, id),
    await givenBrowser(server, id),
    await givenBrowser(server, id),
  ];
  for (const browser of [live, ended, recent]) await browser.token();
  for (const browser of [ended, recent]) await browser('mutation { signOut }');
  await sql(`update session set ended_at = now() - interval '31 days' where id = $1`, [ended.sessionId]);
  await server.database.outside(openSessions).sweep();
  const kept = async (table: string, column: string): Promise<unknown[]> =>
    (
      await sql(`select ${column} as id from ${table} where ${column} = any ($1) order by 1`, [
        [live.sessionId, ended.sessionId, recent.sessionId],
      ])
    ).rows.map((row) => row.id as unknown);
  expect(await kept('session', 'id')).toEqual([live.sessionId, recent.sessionId]);
  expect(await kept('refresh_token', 'session_id')).toEqual([live.sessionId]);
});
