import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { newId } from '../../src/data/id.js';
import { checksum, makeApiKey } from '../../src/secrets/api-key-format.js';
import { makeScimToken } from '../../src/secrets/scim-token.js';
import { givenKey } from '../support/api-key.js';
import { givenOrganization, givenTwoOrganizations, personId, unique } from '../support/given.js';
import { never } from '../support/isolation.js';
import { raw } from '../support/raw.js';
import { givenDirectory, withScimToken } from '../support/scim.js';
import { useServer } from '../support/server.js';

const server = useServer();

/** What someone outside can tell of an answer: all of it, but for what they sent and what every answer mints. */
const seen = (text: string, sent: string): string =>
  text
    .replaceAll(sent, '<sent>')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<request>')
    .replaceAll(/\b[a-z]{3}_[0-9a-v]{26}\b/g, '<id>')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>');

interface Told {
  readonly status: number;
  readonly text: string;
}

/** What is done again and again beside the requests. */
const SCHEDULED = /\w+_at <= current_timestamp|\w+_at < current_timestamp/;

/** The answer, and the statements that it took. What is done afterwards, such as sending mail, is work too. */
async function observe(sent: string, ask: (sent: string) => Promise<Told>): Promise<unknown> {
  const before = server.statements.length;
  const { status, text } = await ask(sent);
  for (let count = 0; count !== server.statements.length; await new Promise((resolve) => setTimeout(resolve, 150)))
    count = server.statements.length;
  const statements = server.statements
    .slice(before)
    .filter((each) => !SCHEDULED.test(each.text))
    .map((each) => `${each.frame.role}: ${each.text}`);
  return { status, text: seen(text, sent), statements };
}

/** Known and unknown MUST look alike: the same answer, by the same statements. */
async function expectAlike(known: string, unknown: () => string, ask: (sent: string) => Promise<Told>): Promise<void> {
  await observe(unknown(), ask); // what is prepared once, and remembered, is prepared
  expect(await observe(known, ask)).toEqual(await observe(unknown(), ask));
}

/** Of the form of a secret, and nobody's. */
const guess = () => randomBytes(32).toString('base64url');
const noOrganization = () => unique('nowhere');

describe('Nobody learns by asking which e-mail addresses are known', () => {
  test('inviting someone who has an account elsewhere is inviting someone who has none', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const INVITE = `mutation ($email: String!) {
      inviteUser(input: { email: $email, name: "New", role: VIEWER }) {
        role user { email name } membership { status createdAt joinedAt permissions }
      }
    }`;
    await personId(globex.owner);
    await expectAlike(
      globex.owner.email,
      () => `${unique('nobody')}@x.example`,
      (email) => acme.admin(INVITE, { email }),
    );
  });

  test('a directory that provisions someone who has an account elsewhere', async () => {
    const acme = await givenOrganization(server);
    const directory = await givenDirectory(server, acme);
    const known = `${unique('jo')}@${directory.domain}`;
    await personId(await server.as(known));
    await expectAlike(
      known,
      () => `${unique('jo')}@${directory.domain}`,
      async (userName) => {
        const { status, body } = await directory('POST', '/Users', { userName, displayName: 'Jo' });
        return { status, text: JSON.stringify(body) };
      },
    );
  });
});

describe('Nobody learns by asking which organizations there are', () => {
  test.each([
    ['switchOrganization', 'mutation ($id: ID!) { switchOrganization(organizationId: $id) { token } }'],
    ['setDefaultOrganization', 'mutation ($id: ID) { setDefaultOrganization(organizationId: $id) { role } }'],
    ['requestToJoin', 'mutation ($id: ID!) { requestToJoin(organizationId: $id) { name } }'],
    ['organization(id)', 'query ($id: ID) { organization(id: $id) { id } }'],
    ['organization(slug)', 'query ($id: String) { organization(slug: $id) { id } }'],
  ])('%s', async (_, query) => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const ask = (id: string) => globex.owner(query, { id });
    await expectAlike(acme.id, never('org'), ask);
    await expectAlike(acme.slug, noOrganization, ask);
  });

  test('a header, and a claim in a token', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    for (const [known, unknown] of [
      [acme.id, never('org')],
      [acme.slug, noOrganization],
    ] as const) {
      for (const header of ['x-organization-id', 'x-tenant-id']) {
        await expectAlike(known, unknown, (name) => globex.owner('{ viewer { role } }', {}, { [header]: name }));
      }
      await expectAlike(known, unknown, async (name) =>
        (await server.as(globex.owner.email, name))('{ viewer { role } currentOrganization { id } }'),
      );
    }
  });

  test('the address at which people of an organization begin to sign in', async () => {
    const acme = await givenOrganization(server);
    await expectAlike(acme.slug, noOrganization, (slug) => raw(`${server.url}/auth/${slug}`));
  });

  test('the addresses at which a provider answers', async () => {
    const acme = await givenOrganization(server);
    const issuer = 'https://id.acme.example';
    const { data } = await acme.owner(
      'mutation ($input: CreateOidcProviderInput!) { createOidcProvider(input: $input) { id } }',
      { input: { name: 'Corporate', issuer, clientId: 'orgate' } },
    );
    for (const path of ['/auth/oidc/{id}/callback', '/auth/oidc/{id}/callback?state=x&code=y']) {
      await expectAlike(data.createOidcProvider.id, never('idp'), (id) =>
        raw(`${server.url}${path.replace('{id}', id)}`),
      );
    }
  });
});

describe('Nobody learns by asking how near a secret was', () => {
  test('a key by the name of one that exists, and of one that never did', async () => {
    const acme = await givenOrganization(server);
    const { id } = await givenKey(server, acme.owner, ['agent:read']);
    const forged = (keyId: string) => {
      const { key } = makeApiKey('test', Date.now());
      const unchecked = key.slice(0, -8).replace(/(?<=^og_test_)[0-9a-v]{26}/, keyId.slice('key_'.length));
      return `${unchecked}_${checksum(unchecked)}`;
    };
    await expectAlike(
      forged(id),
      () => forged(newId('key')),
      (key) => server.withToken(key)('{ viewer { role } }'),
    );
  });

  test('a token of a directory that exists, and of one that never did', async () => {
    const acme = await givenOrganization(server);
    const { id } = await givenDirectory(server, acme);
    await expectAlike(
      makeScimToken(id).token,
      () => makeScimToken(newId('scm')).token,
      async (token) => {
        const { status, body } = await withScimToken(server, token)('GET', '/Users');
        return { status, text: JSON.stringify(body) };
      },
    );
  });

  test.each(['acceptInvitation', 'declineInvitation', 'requestNewInvitation'])(
    '%s: one guessed and one that has not even the form of a secret',
    async (field) => {
      const ann = await server.as(`${unique('ann')}@acme.example`);
      const query = `mutation ($secret: String!) { ${field}(secret: $secret) { outcome maskedEmail } }`;
      await expectAlike('no-secret-at-all', guess, (secret) => ann(query, { secret }));
    },
  );

  test('the page of an invitation: one guessed and one that has not even the form of a secret', async () => {
    await expectAlike('no-secret-at-all', guess, (secret) => raw(`${server.url}/invitations/${secret}`));
  });

  test('a cookie and a refresh token that were guessed', async () => {
    const cookie = (secret: string) =>
      raw(`${server.url}/graphql`, {
        headers: {
          cookie: `__Host-orgate=${secret}`,
          'content-type': 'application/json',
          'sec-fetch-site': 'same-origin',
        },
        body: '{"query":"{ viewer { role } }"}',
      });
    await expectAlike('no-secret-at-all', guess, cookie);
    const refresh = (secret: string) =>
      raw(`${server.url}/auth/token`, {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ grant_type: 'refresh_token', refresh_token: secret }),
      });
    await expectAlike(guess(), guess, refresh);
  });
});
