import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'approval.created': 'Something waits for people to allow it.',
    'approval.updated': 'Something of an approval changed that is not its status, such as that others may decide, too.',
    'approval.pending': 'An approval became PENDING.',
    'approval.approved': 'Something was allowed.',
    'approval.rejected': 'Something was not allowed.',
    'approval.cancelled': 'What waited to be allowed was taken back.',
    'approval.expired': 'Nobody decided in time.',
    'approval.deleted': 'An approval was deleted.',
    'approval_decision.created': 'Somebody said whether something may be done.',
    'approval_decision.updated': 'What somebody said was changed.',
    'approval_decision.deleted': 'What somebody said was deleted.',
    'approval.read': 'Approvals were to be read.',
  },
  leaves: {
    decideApproval: 'approval_decision.created',
    cancelApproval: 'approval.cancelled',
  },
  untold: [
    {
      what: 'what an approval is bound to beside its hash, who made the key that started it or acted for whoever did, who were told, and since when it is over',
      because:
        'the hash stands for it, the key’s own entries name its maker, and those of the run who acted; mail tells nobody else anything, and an entry has its time',
      columns: [
        'approval.input_digest',
        'approval.agent_version',
        'approval.key_made_by',
        'approval.told',
        'approval.decided_at',
      ],
    },
    {
      what: 'the version of an agent, and when its run was let go on',
      because: 'both follow from what is told beside them',
      columns: ['agent.version', 'run.approved_at'],
    },
  ],
} as const satisfies DomainRecord;
