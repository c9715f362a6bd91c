import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'scim_directory.created': 'A directory of people was connected.',
    'scim_directory.updated': 'A directory changed, or got another token.',
    'scim_directory.deleted': 'A directory was disconnected.',
    'scim_user.created': 'A directory made someone known.',
    'scim_user.updated': 'What a directory says of someone changed.',
    'scim_user.deleted': 'A directory no longer knows someone.',
    'scim_group.created': 'A directory made a group.',
    'scim_group.updated': 'What a group is called, or the role that it gives, changed.',
    'scim_group.deleted': 'A group is gone.',
    'scim_group.members_added': 'People came into a group; `changes` names them, a hundred in an entry.',
    'scim_group.members_removed': 'People went out of a group; `changes` names them, a hundred in an entry.',
    'scim.manage': 'Directories were to be read.',
  },
  leaves: {
    createScimDirectory: 'scim_directory.created',
    updateScimDirectory: 'scim_directory.updated',
    setScimGroupRole: 'scim_group.updated',
    replaceScimToken: 'scim_directory.updated',
    deleteScimDirectory: 'scim_directory.deleted',
  },
  untold: [
    {
      what: 'when a directory was last used',
      because: 'every request would be an entry',
      columns: ['scim_directory.last_used_at'],
    },
  ],
} as const satisfies DomainRecord;
