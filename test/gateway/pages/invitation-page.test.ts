import { describe, expect, test } from '@jest/globals';
import { givenOrganization, givenProvider, personId, unique } from '../../support/given.js';
import { secretFor } from '../../support/mail.js';
import { raw, type RawAnswer } from '../../support/raw.js';
import { useServer } from '../../support/server.js';
import { givenBrowser, ownOrigin } from '../../support/sessions.js';
import { byTest } from '../../support/act.js';

const server = useServer();

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

type Headers = Record<string, string>;
const follow = (secret: string, headers: Headers = {}): Promise<RawAnswer> =>
  raw(`${server.url}/invitations/${secret}`, { headers });
const press = (secret: string, act: string, headers: Headers = {}): Promise<RawAnswer> =>
  raw(`${server.url}/invitations/${secret}/${act}`, {
    body: '',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: ownOrigin(server), ...headers },
  });

async function givenLink() {
  const acme = await givenOrganization(server);
  await acme.owner('mutation { updateOrganization(input: { name: "Acme <b>& Sons</b>" }) { name } }');
  const email = `${unique('jane')}@new.example`;
  const query = 'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { invitation { id } } }';
  const { data } = await acme.admin(query, { input: { email, name: 'Jane', role: 'VIEWER' } });
  const jane = await server.as(email);
  const { header } = await givenBrowser(server, await personId(jane));
  const { id } = data.inviteUser.invitation as { id: string };
  return { acme, id, email, jane, secret: await secretFor(server, email), browser: header };
}

const memberships = async ({ acme, email }: Awaited<ReturnType<typeof givenLink>>) =>
  (await sql('select status from membership where org_id = $1 and email = $2', [acme.id, email])).rows;

describe('The link of an invitation', () => {
  test('asks whoever is not signed in to sign in, and leads back', async () => {
    const { acme, secret, email } = await givenLink();
    const { status, text, headers } = await follow(secret);
    expect(status).toBe(200);
    expect(text).toContain('<h1>Join Acme &lt;b&gt;&amp; Sons&lt;/b&gt;</h1>');
    for (const each of [`ADMIN of ${acme.slug} invites you.`, 'Viewer', 'j***@new.example', 'UTC'])
      expect(text).toContain(each);
    expect(text).not.toContain(email);
    expect(text).toContain(`href="/invitations/${secret}/accept"`);
    expect(text).not.toContain('<form');
    const accepted = await follow(`${secret}/accept`);
    expect([accepted.status, accepted.headers.location]).toEqual([303, `/auth?return_to=%2Finvitations%2F${secret}`]);
    expect(text.replace(`ADMIN of ${acme.slug}`, '')).not.toContain(acme.slug);
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'referrer-policy': 'strict-origin' });
    expect(headers['content-security-policy']).toContain("default-src 'none'");
  });

  test('offers the organization’s own provider, where it has one', async () => {
    const { acme, secret } = await givenLink();
    await server.database.organizationDb(acme.id, byTest).identityProvider.create({
      id: `idp_${'0'.repeat(26)}`,
      name: 'Acme SSO',
      kind: 'OIDC',
      issuer: 'https://id.acme.example',
      clientId: 'orgate',
      defaultRole: 'VIEWER',
    });
    expect((await follow(secret)).text).toContain(`href="/invitations/${secret}/accept?through=organization"`);
    const { headers } = await follow(`${secret}/accept?through=organization`);
    expect(headers.location).toBe(`/auth/${acme.slug}?return_to=%2Finvitations%2F${secret}`);
  });

  test('changes nothing by being followed, and joins by the button', async () => {
    const given = await givenLink();
    const { secret, browser } = given;
    const page = await follow(secret, browser);
    expect(page.text).toContain(`<form method="post" action="/invitations/${secret}/accept">`);
    expect(await memberships(given)).toEqual([{ status: 'INVITED' }]);
    const joined = await press(secret, 'accept', browser);
    expect([joined.status, joined.text]).toEqual([200, expect.stringContaining('You are a member now.')]);
    expect(await memberships(given)).toEqual([{ status: 'ACTIVE' }]);
    expect((await follow(secret, browser)).text).toContain('You accepted this invitation already.');
  });

  test('that was accepted before signing in is accepted by who comes back as the invited, once, and by nobody else', async () => {
    const given = await givenLink();
    const { acme, secret, browser } = given;
    const cookieOf = ({ headers }: RawAnswer) => String(headers['set-cookie']).split(';')[0] ?? '';
    const accepted = cookieOf(await follow(`${secret}/accept`));
    expect(accepted).toMatch(/^__Host-orgate-invitation=/);
    expect(accepted).not.toContain(secret);
    const both = ({ cookie }: { cookie: string }, more = accepted) => ({ cookie: `${cookie}; ${more}` });

    const { header: theirs } = await givenBrowser(server, await personId(acme.viewer));
    const other = await follow(secret, both(theirs));
    expect(other.text).toContain('This invitation is for j***@new.example.');
    expect(cookieOf(other)).toBe('__Host-orgate-invitation=');
    const { secret: another } = await givenLink();
    await follow(secret, both(browser, cookieOf(await follow(`${another}/accept`))));
    await follow(secret, both(browser, '__Host-orgate-invitation='));
    expect(await memberships(given)).toEqual([{ status: 'INVITED' }]);

    expect((await follow(secret, both(browser))).text).toContain('You are a member now.');
    expect(await memberships(given)).toEqual([{ status: 'ACTIVE' }]);
  });

  test('is not accepted before signing in by another site’s link, which only leads to the page', async () => {
    const { secret } = await givenLink();
    for (const site of ['cross-site', 'same-site', 'none']) {
      const { headers } = await follow(`${secret}/accept`, { 'sec-fetch-site': site });
      expect([headers.location, headers['set-cookie']]).toEqual([`/invitations/${secret}`, undefined]);
    }
    expect((await follow(`${'x'.repeat(43)}/accept`)).status).toBe(404);
  });

  test('says who is signed in, and how to be somebody else', async () => {
    const { secret, browser, email } = await givenLink();
    const { text } = await follow(secret, browser);
    expect(text).toContain('Signed in as');
    expect(text).toContain(email);
    expect(text).toContain(`href="/auth?switch=1&amp;return_to=%2Finvitations%2F${secret}"`);
  });

  test('declines, and asks for a new one', async () => {
    const given = await givenLink();
    const { id, secret, browser } = given;
    await sql(`update invitation set expires_at = now() - interval '1 s' where id = $1`, [id]);
    const expired = await follow(secret, browser);
    expect(expired.text).toContain('This invitation has expired.');
    expect(expired.text).toContain(`action="/invitations/${secret}/request-new"`);
    expect((await press(secret, 'request-new', browser)).text).toContain('was asked for a new invitation');
    await sql(`update invitation set expires_at = now() + interval '1 hour' where id = $1`, [id]);
    expect((await press(secret, 'decline', browser)).text).toContain('You declined this invitation.');
    expect(await memberships(given)).toEqual([{ status: 'REMOVED' }]);
  });

  test.each(['accepted', 'declined', 'revoked'])('that was %s names the organization no more', async (how) => {
    const { acme, id, secret, browser } = await givenLink();
    if (how === 'revoked') await acme.admin('mutation ($id: ID!) { revokeInvitation(id: $id) { id } }', { id });
    else await press(secret, how === 'accepted' ? 'accept' : 'decline', browser);
    await acme.owner('mutation { updateOrganization(input: { name: "Renamed since" }) { name } }');
    await givenProvider(server, acme);
    for (const headers of [{}, browser]) {
      const { status, text } = await follow(secret, headers);
      expect([status, text]).toEqual([200, expect.stringContaining('<h1>Invitation</h1>')]);
      for (const name of ['Renamed since', 'Sons', acme.slug]) expect(text).not.toContain(name);
    }
  });

  test('tells someone else, with the address masked', async () => {
    const { acme, secret, email } = await givenLink();
    const { header } = await givenBrowser(server, await personId(acme.viewer));
    for (const { text } of [await follow(secret, header), await press(secret, 'accept', header)]) {
      expect(text).toContain('This invitation is for j***@new.example.');
      expect(text).not.toContain(email);
    }
  });

  test('is not pressed from another site, nor by who is not signed in', async () => {
    const given = await givenLink();
    const { secret, browser } = given;
    for (const origin of ['https://evil.example', 'null']) {
      expect((await press(secret, 'accept', { ...browser, origin })).status).toBe(403);
    }
    const away = await press(secret, 'accept');
    expect([away.status, away.headers.location]).toEqual([303, `/invitations/${secret}`]);
    const over = await press(secret, 'accept', { cookie: '__Host-orgate=over' });
    expect([over.status, over.headers.location]).toEqual([303, `/invitations/${secret}`]);
    expect((await press(secret, 'steal', browser)).status).toBe(404);
    expect(await memberships(given)).toEqual([{ status: 'INVITED' }]);
  });

  test('that was never sent leads nowhere, alike for everyone', async () => {
    const { browser } = await givenLink();
    const unknown = 'x'.repeat(43);
    const answers = [
      await follow(unknown),
      await follow(unknown, browser),
      await follow('%3Cscript%3E'),
      await press(unknown, 'accept', browser),
    ];
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers[0]?.status).toBe(404);
  });

  test('does not let in who signed in to another organization only', async () => {
    const given = await givenLink();
    const globex = await givenOrganization(server, 'globex');
    const bound = await givenBrowser(server, await personId(given.jane), { boundOrgId: globex.id });
    expect((await press(given.secret, 'accept', bound.header)).status).toBe(403);
    const same = await givenBrowser(server, await personId(given.jane), { boundOrgId: given.acme.id });
    expect((await press(given.secret, 'accept', same.header)).text).toContain('You are a member now.');
  });

  test('is in no log', async () => {
    const { secret, browser } = await givenLink();
    await follow(secret);
    await press(secret, 'accept', browser);
    expect(server.logs.join('\n')).not.toContain(secret);
  });
});
