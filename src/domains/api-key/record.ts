import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'api_key.created': 'A key was made.',
    'api_key.updated': 'A key changed: it ends at another time, or another took its place.',
    'api_key.revoked': 'A key was revoked.',
    'api_key.deleted': 'A key was deleted.',
    'api_key.read': 'Keys were to be read.',
    'api_key.manage': 'Keys of others were to be read.',
  },
  leaves: { createApiKey: 'api_key.created', rotateApiKey: 'api_key.created', revokeApiKey: 'api_key.revoked' },
  untold: [
    {
      what: 'when a key was last used',
      because: 'every request would be an entry',
      columns: ['api_key.last_used_at'],
    },
  ],
} as const satisfies DomainRecord;
