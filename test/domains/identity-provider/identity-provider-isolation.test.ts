import { newId } from '../../../src/data/id.js';
import type { OrganizationDb } from '../../../src/data/organization/organization-db.js';
import { givenCertifiedKey } from '../../support/certificate.js';
import { describeIsolation, fromCursor, never, type Target } from '../../support/isolation.js';

const certificates = [givenCertifiedKey().certificate];
const issuer = 'https://id.acme.example';
const CREATE_OIDC =
  'mutation ($input: CreateOidcProviderInput!) { createOidcProvider(input: $input) { name oidc { clientId } } }';
const CREATE_SAML = 'mutation ($input: CreateSamlProviderInput!) { createSamlProvider(input: $input) { name } }';
const UPDATE =
  'mutation ($input: UpdateIdentityProviderInput!) { updateIdentityProvider(input: $input) { name oidc { clientId } } }';

const provider = (name: string) => ({
  id: newId('idp'),
  kind: 'OIDC' as const,
  name,
  issuer,
  clientId: name,
  defaultRole: 'VIEWER' as const,
});
const theirs = {
  foreign: async (_acme: Target, db: OrganizationDb) => (await db.identityProvider.create(provider('theirs'))).id,
  unknown: never('idp'),
};
/** Names are everyone's own to choose: what another organization calls its provider makes no difference. */
const named = {
  foreign: async (_acme: Target, db: OrganizationDb) => (await db.identityProvider.create(provider(newId('idp')))).name,
  unknown: never('idp'),
  names: true,
};

const ownProvider = async (db: OrganizationDb): Promise<string> =>
  (await db.identityProvider.create(provider('Own'))).id;

describeIsolation({
  'Query.identityProvider.id': {
    query: 'query ($id: ID!) { identityProvider(id: $id) { name issuer } }',
    ...theirs,
    variables: (id) => ({ id }),
  },
  'Query.identityProviders.after': fromCursor('after', 'identityProviders', 'identityProviders CREATED_AT ASC', 'A'),
  'Query.identityProviders.before': fromCursor('before', 'identityProviders', 'identityProviders CREATED_AT ASC', 'A'),
  'Mutation.createOidcProvider.input.name': {
    query: CREATE_OIDC,
    ...named,
    variables: (name) => ({ input: { name, issuer, clientId: 'x' } }),
  },
  'Mutation.createOidcProvider.input.clientId': {
    query: CREATE_OIDC,
    ...named,
    variables: (clientId) => ({ input: { name: 'x', issuer, clientId } }),
  },
  'Mutation.createOidcProvider.input.clientSecret': {
    query: CREATE_OIDC,
    ...named,
    variables: (clientSecret) => ({ input: { name: 'x', issuer, clientId: 'x', clientSecret } }),
  },
  'Mutation.createSamlProvider.input.name': {
    query: CREATE_SAML,
    ...named,
    variables: (name) => ({ input: { name, issuer, signInUrl: issuer, certificates } }),
  },
  'Mutation.updateIdentityProvider.input.id': {
    query: UPDATE,
    ...theirs,
    variables: (id) => ({ input: { id, name: 'stolen', status: 'DISABLED' } }),
  },
  'Mutation.updateIdentityProvider.input.name': {
    query: UPDATE,
    ...named,
    variables: async (name, _own, db) => ({ input: { id: await ownProvider(db), name } }),
  },
  'Mutation.updateIdentityProvider.input.clientId': {
    query: UPDATE,
    ...named,
    variables: async (clientId, _own, db) => ({ input: { id: await ownProvider(db), clientId } }),
  },
  'Mutation.updateIdentityProvider.input.clientSecret': {
    query: UPDATE,
    ...named,
    variables: async (clientSecret, _own, db) => ({ input: { id: await ownProvider(db), clientSecret } }),
  },
  'Mutation.deleteIdentityProvider.id': {
    query: 'mutation ($id: ID!) { deleteIdentityProvider(id: $id) }',
    ...theirs,
    variables: (id) => ({ id }),
  },
});
