import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'session.created': 'Someone signed in: through the organization’s own provider, or into the deployment.',
    'session.updated': 'Something of a session changed.',
    'session.ended': 'A session was ended: by signing out, or revoked.',
    'session.deleted': 'What ended long ago was forgotten.',
    'signing_key.created': 'A key that signs tokens was made.',
    'signing_key.updated': 'A key that signs tokens changed.',
    'signing_key.deleted': 'A key that signed tokens was dropped.',
  },
  leaves: {
    revokeSession: { inDeployment: 'session.ended' },
    signOut: { inDeployment: 'session.ended' },
    signOutEverywhere: { inDeployment: 'session.ended' },
  },
  untold: [
    {
      what: 'when a session was last used, and the token that renews it',
      because: 'every request would be an entry',
      tables: ['refresh_token'],
      columns: ['session.last_used_at', 'session.user_agent'],
    },
    {
      what: 'the session that one at a host came of',
      because: 'it is theirs, and none of the organization’s',
      columns: ['session.source_id'],
    },
    {
      what: 'the public half of a key that signs',
      because: 'it is published',
      columns: ['signing_key.public_key'],
    },
  ],
} as const satisfies DomainRecord;
