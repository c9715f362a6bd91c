import { describe, expect, test } from '@jest/globals';
import { newId } from '../../../src/data/id.js';
import { givenOrganization, personId, unique } from '../../support/given.js';
import { secretFor } from '../../support/mail.js';
import { raw, type RawAnswer } from '../../support/raw.js';
import { codeOf, useServer } from '../../support/server.js';
import { givenBrowser, ownOrigin } from '../../support/sessions.js';

const FRONTEND = 'https://app.example';
const server = useServer({ env: { CORS_ORIGINS: FRONTEND } });

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
type Headers = Record<string, string>;
const look = (headers: Headers, query = ''): Promise<RawAnswer> =>
  raw(`${ownOrigin(server)}/auth/organizations${query}`, { headers });
const press = (path: string, headers: Headers): Promise<RawAnswer> =>
  raw(`${ownOrigin(server)}${path}`, {
    body: '',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: ownOrigin(server), ...headers },
  });
const acceptOf = (id: string): string => `/invitations/${id}/accept`;

const INVITE = 'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { invitation { id } } }';

/** Somebody who is invited, and signed in without having seen the mail. */
async function givenInvited() {
  const acme = await givenOrganization(server);
  await acme.owner('mutation { updateOrganization(input: { name: "Acme <b>& Sons</b>" }) { name } }');
  const email = `${unique('jane')}@new.example`;
  const { data } = await acme.admin(INVITE, { input: { email, name: 'Jane', role: 'DEVELOPER' } });
  const jane = await server.as(email);
  const person = await personId(jane);
  const { header } = await givenBrowser(server, person);
  return { acme, email, jane, person, id: data.inviteUser.invitation.id as string, browser: header };
}
type Invited = Awaited<ReturnType<typeof givenInvited>>;

const statusOf = async ({ acme, email }: Invited) =>
  (await sql('select status from membership where org_id = $1 and email = $2', [acme.id, email])).rows;

describe('Whoever belongs to no organization', () => {
  test('is shown what waits for their address, and accepts it there by one press', async () => {
    const given = await givenInvited();
    const { acme, id, browser } = given;
    const { text } = await look(browser);
    expect(text).toContain('Acme &lt;b&gt;&amp; Sons&lt;/b&gt;');
    for (const each of [`ADMIN of ${acme.slug} invites you`, 'Developer · until ']) expect(text).toContain(each);
    expect(text).toContain(`<form method="post" action="${acceptOf(id)}">`);
    expect(text).not.toContain('follow the link in the mail');
    expect(await statusOf(given)).toEqual([{ status: 'INVITED' }]);

    expect((await press(acceptOf(id), browser)).text).toContain('You are a member now.');
    expect(await statusOf(given)).toEqual([{ status: 'ACTIVE' }]);
    // Twice is once: they are where they would have come out.
    const again = await press(acceptOf(id), browser);
    expect([again.status, again.headers.location]).toEqual([303, '/auth/organizations']);
    expect((await look(browser)).text).not.toContain(id);
  });

  test('goes on from there to where they were going, in that organization', async () => {
    const { acme, id, browser } = await givenInvited();
    const query = `?return_to=${encodeURIComponent(`${FRONTEND}/runs?page=2`)}`;
    const accept = `${acceptOf(id)}${query}`;
    expect((await look(browser, query)).text).toContain(`action="${accept}"`);
    const { text } = await press(accept, browser);
    expect(text).toContain(`<meta http-equiv="refresh" content="0;url=/auth/organizations${query}" />`);
    const { headers } = await look(browser, query);
    expect(headers.location).toBe(`${FRONTEND}/runs?page=2&organization=${acme.slug}`);
    // Where it may not lead, it does not.
    const elsewhere = await press(`${acceptOf(id)}?return_to=https://evil.example/`, browser);
    expect(elsewhere.headers.location).toBe('/auth/organizations?return_to=https%3A%2F%2Fevil.example%2F');
    expect((await look(browser, '?return_to=https://evil.example/')).status).toBe(400);
  });

  test.each<[why: string, before: (given: Invited) => Promise<unknown>]>([
    ['it expired', ({ id }) => sql(`update invitation set expires_at = now() - interval '1 s' where id = $1`, [id])],
    [
      'it was revoked',
      ({ acme, id }) => acme.admin('mutation ($id: ID!) { revokeInvitation(id: $id) { id } }', { id }),
    ],
    [
      'whoever sent it is no member any more',
      async ({ acme }) =>
        acme.owner('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id: await personId(acme.admin) }),
    ],
    [
      'whoever sent it is suspended',
      async ({ acme }) =>
        acme.owner('mutation ($id: ID!) { suspendMember(userId: $id) { status } }', { id: await personId(acme.admin) }),
    ],
    [
      'the organization is suspended',
      ({ acme }) => sql(`update organization set status = 'SUSPENDED' where id = $1`, [acme.id]),
    ],
    [
      'nobody proved that the address is theirs',
      ({ person }) => sql('update person set email_verified_at = null where id = $1', [person]),
    ],
  ])('is told nothing, and accepts nothing, where %s', async (_, before) => {
    const given = await givenInvited();
    await before(given);
    const status = await statusOf(given);
    const { text } = await look(given.browser);
    expect(text).toContain('You do not belong to an organization yet. If you were invited');
    expect(text).not.toContain('Acme');
    const { headers } = await press(acceptOf(given.id), given.browser);
    expect(headers.location).toBe('/auth/organizations');
    expect(await statusOf(given)).toEqual(status);
  });

  test('is told nothing in a session that another organization’s own provider opened', async () => {
    const given = await givenInvited();
    const other = await givenOrganization(server);
    const { header } = await givenBrowser(server, given.person, { boundOrgId: other.id, provider: newId('idp') });
    expect((await look(header)).text).not.toContain('Acme');
    await press(acceptOf(given.id), header);
    const byLink = await press(acceptOf(await secretFor(server, given.email)), header);
    expect([byLink.status, byLink.text]).toEqual([
      403,
      expect.stringContaining('You signed in to one organization only'),
    ]);
    expect(await statusOf(given)).toEqual([{ status: 'INVITED' }]);
  });

  test('reads and answers nobody else’s, which is as if there were none', async () => {
    const given = await givenInvited();
    const eve = await givenInvited();
    const { header } = await givenBrowser(server, eve.person);
    expect((await look(header)).text).not.toContain(given.id);
    for (const path of [`/invitations/${given.id}`, `/invitations/${newId('inv')}`]) {
      const { status, headers, text } = await raw(`${ownOrigin(server)}${path}`, { headers: header });
      expect([status, headers.location, text]).toEqual([303, '/auth/organizations', '']);
    }
    for (const act of ['accept', 'decline', 'request-new']) await press(`/invitations/${given.id}/${act}`, header);
    expect(await statusOf(given)).toEqual([{ status: 'INVITED' }]);
  });

  test('accepts by no page of another site, and by the id alone nowhere else', async () => {
    const given = await givenInvited();
    const { id, jane, browser, email } = given;
    expect((await press(acceptOf(id), { ...browser, origin: 'https://evil.example' })).status).toBe(403);
    const accepted = await jane('mutation ($secret: String!) { acceptInvitation(secret: $secret) { outcome } }', {
      secret: id,
    });
    expect(codeOf(accepted)).toBe('NOT_FOUND');
    expect(await statusOf(given)).toEqual([{ status: 'INVITED' }]);
    // The link in the mail goes on working.
    expect((await press(acceptOf(await secretFor(server, email)), browser)).text).toContain('You are a member now.');
  });

  test('is shown twenty, those that can be accepted longest', async () => {
    const { email, browser, acme } = await givenInvited();
    const organizations = await Promise.all(Array.from({ length: 20 }, () => givenOrganization(server)));
    for (const each of organizations) {
      const input = { email, name: 'Jane', role: 'VIEWER', expiresInHours: 720 };
      await each.admin(INVITE, { input });
    }
    const { text } = await look(browser);
    expect(text.match(/>Accept</g)).toHaveLength(20);
    expect(text).not.toContain(`ADMIN of ${acme.slug} invites`);
  });
});
