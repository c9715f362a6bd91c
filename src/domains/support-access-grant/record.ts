import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'support_access_grant.created': 'An OWNER allowed the deployment’s own people something for a while.',
    'support_access_grant.updated': 'Something of such a grant changed.',
    'support_access_grant.revoked': 'Such a grant was taken back.',
    'support_access_grant.deleted': 'Such a grant was deleted.',
  },
  leaves: {
    grantSupportAccess: 'support_access_grant.created',
    revokeSupportAccess: 'support_access_grant.revoked',
  },
} as const satisfies DomainRecord;
