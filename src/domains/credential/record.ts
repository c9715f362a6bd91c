import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'credential.created': 'A credential was made.',
    'credential.updated': 'A credential changed, or got another secret.',
    'credential.deleted': 'A credential and its secret were deleted.',
    'credential.read': 'Credentials were to be read.',
  },
  leaves: {
    createCredential: 'credential.created',
    updateCredential: 'credential.updated',
    replaceCredentialSecret: 'credential.updated',
    deleteCredential: 'credential.deleted',
    setRepositoryCredential: 'repository.updated',
    setAgentCredentials: 'agent.updated',
  },
  untold: [
    {
      what: 'when a credential was last used',
      because: 'every use would be an entry',
      columns: ['credential.last_used_at'],
    },
  ],
} as const satisfies DomainRecord;
