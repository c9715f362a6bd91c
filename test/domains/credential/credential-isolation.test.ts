import { newId } from '../../../src/data/id.js';
import type { OrganizationDb } from '../../../src/data/organization/organization-db.js';
import { describeIsolation, fromCursor, never, type Target } from '../../support/isolation.js';

const credential = (name: string) => ({
  id: newId('crd'),
  kind: 'GIT' as const,
  name,
  provider: 'github',
  secret: 'x',
  rotatedAt: new Date(),
});
const give = async (_acme: Target, db: OrganizationDb) => (await db.credential.create(credential(newId('crd')))).id;
const theirs = { foreign: give, unknown: never('crd') };
/** Names are everyone's own to choose: what another organization calls its own makes no difference. */
const named = {
  foreign: async (_acme: Target, db: OrganizationDb) => (await db.credential.create(credential(newId('crd')))).name,
  unknown: never('crd'),
  names: true,
};
const ownCredential = async (db: OrganizationDb): Promise<string> =>
  (await db.credential.create(credential(newId('crd')))).id;

const CREATE = 'mutation ($input: CreateCredentialInput!) { createCredential(input: $input) { kind provider } }';
const UPDATE = 'mutation ($input: UpdateCredentialInput!) { updateCredential(input: $input) { kind provider } }';
const REPLACE = 'mutation ($id: ID!, $secret: String!) { replaceCredentialSecret(id: $id, secret: $secret) { kind } }';
const LEND =
  'mutation ($id: ID!, $credentialId: ID) { setRepositoryCredential(id: $id, credentialId: $credentialId) { branch } }';
const LEND_TO_AGENT =
  'mutation ($id: ID!, $credentialIds: [ID!]!) { setAgentCredentials(id: $id, credentialIds: $credentialIds) { name } }';
const input = { kind: 'GIT', name: 'x', provider: 'x', secret: 'x' };

describeIsolation({
  'Query.credential.id': {
    query: 'query ($id: ID!) { credential(id: $id) { name provider } }',
    ...theirs,
    variables: (id) => ({ id }),
  },
  'Query.credentials.after': fromCursor('after', 'credentials', 'credentials NAME ASC', 'A'),
  'Query.credentials.before': fromCursor('before', 'credentials', 'credentials NAME ASC', 'A'),
  'Mutation.createCredential.input.name': {
    query: CREATE,
    ...named,
    variables: (name) => ({ input: { ...input, name } }),
  },
  'Mutation.createCredential.input.secret': {
    query: CREATE,
    ...named,
    variables: (secret) => ({ input: { ...input, name: newId('crd'), secret } }),
  },
  'Mutation.updateCredential.input.id': {
    query: UPDATE,
    ...theirs,
    variables: (id) => ({ input: { id, enabled: false } }),
  },
  'Mutation.updateCredential.input.name': {
    query: UPDATE,
    ...named,
    variables: async (name, _own, db) => ({ input: { id: await ownCredential(db), name } }),
  },
  'Mutation.replaceCredentialSecret.id': {
    query: REPLACE,
    ...theirs,
    variables: (id) => ({ id, secret: 'stolen' }),
  },
  'Mutation.replaceCredentialSecret.secret': {
    query: REPLACE,
    ...named,
    variables: async (secret, _own, db) => ({ id: await ownCredential(db), secret }),
  },
  'Mutation.deleteCredential.id': {
    query: 'mutation ($id: ID!) { deleteCredential(id: $id) }',
    ...theirs,
    variables: (id) => ({ id }),
  },
  'Mutation.setRepositoryCredential.id': {
    query: LEND,
    foreign: (acme: Target) => acme.repositoryId,
    unknown: never('rep'),
    variables: (id) => ({ id }),
  },
  'Mutation.setRepositoryCredential.credentialId': {
    query: LEND,
    ...theirs,
    variables: (credentialId, own) => ({ id: own.repositoryId, credentialId }),
  },
  'Mutation.setAgentCredentials.id': {
    query: LEND_TO_AGENT,
    foreign: (acme: Target) => acme.agentId,
    unknown: never('agt'),
    variables: (id) => ({ id, credentialIds: [] }),
  },
  'Mutation.setAgentCredentials.credentialIds': {
    query: LEND_TO_AGENT,
    ...theirs,
    variables: (credentialId, own) => ({ id: own.agentId, credentialIds: [credentialId] }),
  },
});
