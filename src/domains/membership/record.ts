import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'membership.created': 'Someone, or a service account, got a place: as a member, or invited.',
    'membership.updated': 'A role, permissions, a name or an address changed, or a removal was cleared.',
    'membership.invited': 'Someone who was removed was invited again.',
    'membership.active': 'Someone joined, came back or was reinstated.',
    'membership.suspended': 'A member was suspended.',
    'membership.removed': 'A member left, or was removed.',
    'membership.deleted': 'A place that nobody ever took was given up.',
    'member.read': 'Members were to be read.',
    'member.remove': 'What would go with a member was to be read.',
  },
  leaves: {
    updateMemberRole: 'membership.updated',
    updateMemberPermissions: 'membership.updated',
    suspendMember: 'membership.suspended',
    reinstateMember: 'membership.active',
    removeMember: 'membership.removed',
    leaveOrganization: 'membership.removed',
    transferOwnership: 'membership.updated',
  },
  untold: [
    {
      what: 'what a removed member was, while they are invited again',
      because: 'it was told when they were removed',
      columns: [
        'membership.left_role',
        'membership.left_granted',
        'membership.left_withheld',
        'membership.left_joined_at',
      ],
    },
  ],
} as const satisfies DomainRecord;
