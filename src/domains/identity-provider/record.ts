import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'identity_provider.created': 'An identity provider was added.',
    'identity_provider.updated': 'An identity provider changed.',
    'identity_provider.active': 'An identity provider is in use again.',
    'identity_provider.disabled': 'An identity provider is not used any more.',
    'identity_provider.deleted': 'An identity provider was deleted.',
    'identity_provider.manage': 'Identity providers were to be read.',
  },
  leaves: {
    createOidcProvider: 'identity_provider.created',
    createSamlProvider: 'identity_provider.created',
    updateIdentityProvider: 'identity_provider.updated',
    deleteIdentityProvider: 'identity_provider.deleted',
  },
  untold: [
    {
      what: 'people on their way through an identity provider',
      because: 'that they signed in is told; until then nobody knows who they are',
      tables: ['sign_in_attempt', 'saml_assertion_seen', 'known_host'],
    },
  ],
} as const satisfies DomainRecord;
