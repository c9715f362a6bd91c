import { expect, test } from '@jest/globals';
import { byTest } from '../../support/act.js';
import { givenOrganization, givenProvider, unique } from '../../support/given.js';
import { secretFor } from '../../support/mail.js';
import { raw } from '../../support/raw.js';
import { writeLetter } from '../../../src/mail/letter.js';
import { useServer } from '../../support/server.js';
import { ownOrigin } from '../../support/sessions.js';

const server = useServer();

const BRANDING = '{ branding { displayName logoUrl colours { primary onPrimary } supportEmail } }';
const CHOSEN = {
  displayName: 'Acme & Söhne',
  logoUrl: 'https://cdn.acme.example/logo.svg',
  colours: { primary: '#0b3d91', onPrimary: '#ffffff' },
  supportEmail: 'help@acme.example',
};

const ask = async (host: string) => {
  const headers = { host, 'content-type': 'application/json' };
  const answer = await raw(`${server.url}/graphql`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ query: BRANDING }),
  });
  return { status: answer.status, text: answer.text };
};
const page = (host: string, path: string) => raw(`${server.url}${path}`, { headers: { host, accept: 'text/html' } });

const given = async () => {
  const acme = await givenOrganization(server);
  const { errors } = await acme.admin(
    'mutation ($branding: BrandingSettingsInput!) { updateOrganization(input: { settings: { branding: $branding } }) { id } }',
    { branding: CHOSEN },
  );
  expect(errors).toEqual([]);
  return acme;
};

test('answers by host before sign-in; where none is set as where nobody is', async () => {
  const acme = await given();
  const plain = await givenOrganization(server);
  expect(JSON.parse((await ask(`${acme.slug}.localhost`)).text)).toEqual({ data: { branding: CHOSEN } });
  const none = await ask('localhost');
  expect(none).toEqual({ status: 200, text: '{"data":{"branding":null}}' });
  for (const host of [`${plain.slug}.localhost`, `${unique('nobody')}.localhost`, 'nobody.example']) {
    expect(await ask(host)).toEqual(none);
  }
  const db = server.database.organizationDb(acme.id, byTest);
  await db.organization.update({}, { status: 'PENDING_DELETION', purgeAt: new Date(Date.now() + 1e9) });
  expect(await ask(`${acme.slug}.localhost`)).toEqual(none);
});

test('costs one statement, whether or not a host is anybody’s', async () => {
  const acme = await given();
  for (const host of [`${acme.slug}.localhost`, `${unique('nobody')}.localhost`, 'nobody.example']) {
    const before = server.statements.length;
    await ask(host);
    expect(server.statements.slice(before)).toHaveLength(1);
  }
});

test('dresses the pages of its host, under a policy that lets in its logo and colours and nothing else', async () => {
  const acme = await given();
  const { text, headers } = await page(`${acme.slug}.localhost`, '/');
  for (const each of ['Acme &amp; Söhne', CHOSEN.logoUrl, '--button: #0b3d91', 'mailto:help@acme.example']) {
    expect(text).toContain(each);
  }
  expect(headers['content-security-policy']).toMatch(/img-src 'self' https:\/\/cdn\.acme\.example;/);
  expect(headers['content-security-policy']).toMatch(/style-src 'sha256-[^ ]+ 'sha256-[^ ]+;/);
  expect((await page('localhost', '/')).text).not.toContain('Acme');
});

test('dresses the pages at the gateway’s own address that are about one organization, and no others', async () => {
  const acme = await given();
  const plain = await givenOrganization(server);
  const email = `${unique('jane')}@new.example`;
  await acme.admin('mutation ($input: InviteUserInput!) { inviteUser(input: $input) { invitation { id } } }', {
    input: { email, name: 'Jane', role: 'VIEWER' },
  });
  for (const each of [acme, plain]) for (const _ of [1, 2]) await givenProvider(server, each);
  const { host } = new URL(ownOrigin(server));
  for (const path of [
    `/auth?host=${acme.slug}.localhost`,
    `/auth/${acme.slug}`,
    `/invitations/${await secretFor(server, email)}`,
  ]) {
    const { status, text, headers } = await page(host, path);
    expect([path, status]).toEqual([path, 200]);
    for (const each of ['Acme &amp; Söhne', CHOSEN.logoUrl, '--button: #0b3d91']) expect(text).toContain(each);
    expect(headers['content-security-policy']).toMatch(/img-src 'self' https:\/\/cdn\.acme\.example;/);
  }
  for (const path of [
    '/auth',
    `/auth?host=${plain.slug}.localhost`,
    '/auth?host=nobody.example',
    `/invitations/${'x'.repeat(43)}`,
  ]) {
    const { text } = await page(host, path);
    for (const each of ['Acme', CHOSEN.logoUrl, '#0b3d91'])
      expect([path, text]).not.toEqual([path, expect.stringContaining(each)]);
  }
});

test('dresses letters', () => {
  const letter = { subject: 'Join', parts: ['Hello.', { action: 'Open', url: 'https://orgate.example' }] };
  const { html, text } = writeLetter(letter, CHOSEN);
  for (const each of ['Acme &amp; Söhne', CHOSEN.logoUrl, 'background:#0b3d91;color:#ffffff'])
    expect(html).toContain(each);
  expect(text).toContain('Questions? help@acme.example');
  expect(writeLetter(letter, null).html).not.toContain('<img');
});
