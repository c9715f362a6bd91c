import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'executor.created': 'An executor of the deployment was registered.',
    'executor.updated': 'An executor got another token.',
    'executor.revoked': 'An executor was revoked.',
    'executor.deleted': 'An executor was deleted.',
  },
  leaves: {
    registerExecutor: { inDeployment: 'executor.created' },
    rotateExecutorToken: { inDeployment: 'executor.updated' },
    revokeExecutor: { inDeployment: 'executor.revoked' },
  },
  untold: [
    {
      what: 'when an executor last came',
      because: 'every claim would be an entry',
      columns: ['executor.last_used_at'],
    },
  ],
} as const satisfies DomainRecord;
