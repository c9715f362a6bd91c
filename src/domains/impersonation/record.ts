import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'impersonation.created':
      'Somebody of the deployment began to act as a member, who is `onBehalfOf`; or was not let in.',
    'impersonation.updated': 'What somebody may who acts as a member, or for how long, changed.',
    'impersonation.ended': 'Somebody acts as a member no longer.',
    'impersonation.deleted': 'That somebody acted as a member was deleted.',
    'impersonation.query':
      'Somebody who acts as a member asked to read: the fields stand in `changes`, what they were asked for by, and the ids. Told before it is read.',
    'impersonation.mutation':
      'Somebody who acts as a member asked to change something. Told before it is done, or refused.',
    'support.read': 'Who of the deployment looked in, or what was granted, was to be read.',
  },
  leaves: { startImpersonation: { inAnother: 'impersonation.created' }, endImpersonation: 'impersonation.ended' },
  untold: [
    {
      what: 'the session in which somebody began to act as a member',
      because: 'it is theirs, and none of the organization’s',
      columns: ['impersonation.session_id'],
    },
  ],
} as const satisfies DomainRecord;
