import { expect, test } from '@jest/globals';
import { createOrganizationSeal } from '../../../src/secrets/organization-seal.js';
import { createSeal } from '../../../src/secrets/seal.js';
import { givenCertifiedKey } from '../../support/certificate.js';
import { givenMember, givenOrganization } from '../../support/given.js';
import { codeOf, useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

const server = useServer({ env: { PUBLIC_URL: 'https://orgate.example' } });

const FIELDS = `id name kind status issuer defaultRole startUrl updatedAt oidc { clientId hasClientSecret callbackUrl }
  saml { signInUrl certificates { fingerprint expiresAt } entityId acsUrl metadataUrl }`;
const CREATE_OIDC = `mutation ($input: CreateOidcProviderInput!) { createOidcProvider(input: $input) { ${FIELDS} } }`;
const CREATE_SAML = `mutation ($input: CreateSamlProviderInput!) { createSamlProvider(input: $input) { ${FIELDS} } }`;
const UPDATE = `mutation ($input: UpdateIdentityProviderInput!) { updateIdentityProvider(input: $input) { ${FIELDS} } }`;
const DELETE = 'mutation ($id: ID!) { deleteIdentityProvider(id: $id) }';

const oidc = { name: 'Corporate', issuer: 'https://id.acme.example', clientId: 'orgate', clientSecret: 'very-secret' };
const saml = {
  name: 'Corporate',
  issuer: 'urn:acme:idp',
  signInUrl: 'https://id.acme.example/saml',
  certificates: [givenCertifiedKey().certificate],
};

test('an OWNER adds, changes and deletes an OIDC provider', async () => {
  const { owner, slug } = await givenOrganization(server);
  const created = (await owner(CREATE_OIDC, { input: oidc })).data.createOidcProvider;
  expect(created).toMatchObject({
    name: 'Corporate',
    kind: 'OIDC',
    status: 'ACTIVE',
    issuer: 'https://id.acme.example',
    defaultRole: 'VIEWER',
    startUrl: `https://orgate.example/auth/${slug}`,
    oidc: {
      clientId: 'orgate',
      hasClientSecret: true,
      callbackUrl: `https://orgate.example/auth/oidc/${created.id}/callback`,
    },
    saml: null,
  });

  const { id, updatedAt } = created;
  const input = { id, status: 'DISABLED', defaultRole: 'DEVELOPER', clientSecret: null, expectedUpdatedAt: updatedAt };
  expect((await owner(UPDATE, { input })).data.updateIdentityProvider).toMatchObject({
    name: 'Corporate',
    status: 'DISABLED',
    defaultRole: 'DEVELOPER',
    oidc: { clientId: 'orgate', hasClientSecret: false },
  });
  const stale = await owner(UPDATE, { input });
  expect([codeOf(stale), stale.errors[0]?.extensions['argument']]).toEqual(['CONFLICT', 'input.expectedUpdatedAt']);

  expect((await owner(DELETE, { id })).data).toEqual({ deleteIdentityProvider: id });
  expect(codeOf(await owner('query ($id: ID!) { identityProvider(id: $id) { id } }', { id }))).toBe('NOT_FOUND');
});

test('an OWNER adds a SAML provider, and gives it its next certificate', async () => {
  const { owner } = await givenOrganization(server);
  const created = (await owner(CREATE_SAML, { input: saml })).data.createSamlProvider;
  const base = `https://orgate.example/auth/saml/${created.id}`;
  expect(created).toMatchObject({
    kind: 'SAML',
    issuer: 'urn:acme:idp',
    oidc: null,
    saml: {
      signInUrl: 'https://id.acme.example/saml',
      certificates: [{ fingerprint: expect.stringMatching(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/) }],
      entityId: `${base}/metadata`,
      acsUrl: `${base}/acs`,
      metadataUrl: `${base}/metadata`,
    },
  });
  const bare = givenCertifiedKey().certificate.replaceAll(/-----.*-----|\s/g, '');
  const { data } = await owner(UPDATE, { input: { id: created.id, certificates: [...saml.certificates, bare] } });
  expect(data.updateIdentityProvider.saml.certificates).toHaveLength(2);
  expect(data.updateIdentityProvider.saml.certificates[0]).toEqual(created.saml.certificates[0]);
});

test('the client secret is sealed for its row, and no answer and no log holds it', async () => {
  const { owner, id: orgId } = await givenOrganization(server);
  const created = await owner(CREATE_OIDC, { input: oidc });
  const { id } = created.data.createOidcProvider;
  const db = server.database.organizationDb(orgId, byTest);
  const { clientSecret } = await db.identityProvider.get({ id });
  expect(clientSecret).not.toContain('very-secret');
  const seal = createOrganizationSeal(createSeal(server.config.secretKeys ?? []));
  const place = { orgId, table: 'identity_provider', id };
  expect(await seal.open(db, clientSecret as string, place)).toBe('very-secret');
  await expect(seal.open(db, clientSecret as string, { ...place, id: 'idp_other' })).rejects.toThrow();
  expect([created.text, ...server.logs].join('\n')).not.toContain('very-secret');
});

test('nobody but an OWNER sees or changes them, not even an ADMIN who was given the permission', async () => {
  const organization = await givenOrganization(server);
  const { id } = (await organization.owner(CREATE_OIDC, { input: oidc })).data.createOidcProvider;
  for (const client of [organization.admin, organization.developer, organization.viewer]) {
    expect(codeOf(await client('{ identityProviders { nodes { id } } }'))).toBe('FORBIDDEN');
    expect(codeOf(await client('query ($id: ID!) { node(id: $id) { id } }', { id }))).toBe('FORBIDDEN');
    expect(codeOf(await client(CREATE_OIDC, { input: oidc }))).toBe('FORBIDDEN');
  }
  const granted = await givenMember(server, organization, 'ADMIN', { granted: ['identity-provider:manage'] });
  for (const refused of [
    await granted(CREATE_OIDC, { input: oidc }),
    await granted(CREATE_SAML, { input: saml }),
    await granted(UPDATE, { input: { id, name: 'Mine' } }),
    await granted(DELETE, { id }),
  ]) {
    expect(codeOf(refused)).toBe('FORBIDDEN');
  }
});

test.each([
  ['issuer', 'http://id.acme.example'],
  ['issuer', 'https://user:secret@id.acme.example'],
  ['issuer', 'https://id.acme.example/?tenant=1'],
  ['issuer', 'https://id.acme.example/#x'],
  ['issuer', 'file:///etc/passwd'],
  ['issuer', 'nowhere'],
  ['clientId', ''],
  ['clientId', 'two words'],
  ['name', ' '],
  ['defaultRole', 'ADMIN'],
  ['defaultRole', 'OWNER'],
])('an OIDC provider takes no %s %j', async (field, value) => {
  const { owner } = await givenOrganization(server);
  const refused = await owner(CREATE_OIDC, { input: { ...oidc, [field]: value } });
  expect([codeOf(refused), refused.errors[0]?.extensions['argument']]).toEqual(['BAD_USER_INPUT', `input.${field}`]);
});

test.each([
  ['signInUrl', 'javascript:alert(1)', 'input.signInUrl'],
  ['signInUrl', 'http://id.acme.example/saml', 'input.signInUrl'],
  ['certificates', [], 'input.certificates'],
  ['certificates', ['not a certificate'], 'input.certificates.0'],
  ['issuer', 'two words', 'input.issuer'],
  ['defaultRole', 'ADMIN', 'input.defaultRole'],
])('a SAML provider takes no %s %j', async (field, value, argument) => {
  const { owner } = await givenOrganization(server);
  const refused = await owner(CREATE_SAML, { input: { ...saml, [field]: value } });
  expect([codeOf(refused), refused.errors[0]?.extensions['argument']]).toEqual(['BAD_USER_INPUT', argument]);
});

test('a provider of one kind takes nothing of the other', async () => {
  const { owner } = await givenOrganization(server);
  const ofOidc = (await owner(CREATE_OIDC, { input: oidc })).data.createOidcProvider.id;
  const ofSaml = (await owner(CREATE_SAML, { input: saml })).data.createSamlProvider.id;
  for (const input of [
    { id: ofOidc, signInUrl: 'https://id.acme.example/saml' },
    { id: ofOidc, certificates: saml.certificates },
    { id: ofSaml, clientId: 'orgate' },
    { id: ofSaml, clientSecret: null },
  ]) {
    const refused = await owner(UPDATE, { input });
    expect([codeOf(refused), refused.errors[0]?.extensions['argument']]).toEqual([
      'BAD_USER_INPUT',
      `input.${Object.keys(input)[1]}`,
    ]);
  }
});

test('an organization has at most ten', async () => {
  const { owner } = await givenOrganization(server);
  for (let index = 0; index < 10; index += 1) {
    expect((await owner(CREATE_OIDC, { input: { ...oidc, name: `Provider ${index}` } })).errors).toEqual([]);
  }
  expect(codeOf(await owner(CREATE_OIDC, { input: oidc }))).toBe('CONFLICT');
  expect(codeOf(await owner(CREATE_SAML, { input: saml }))).toBe('CONFLICT');
  const { data } = await owner('{ identityProviders(first: 3) { totalCount nodes { name } } }');
  expect(data.identityProviders).toEqual({
    totalCount: 10,
    nodes: [{ name: 'Provider 0' }, { name: 'Provider 1' }, { name: 'Provider 2' }],
  });
});
