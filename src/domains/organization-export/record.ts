import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'organization_export.created': 'A link to all that the organization has was made.',
    'organization_export.opened': 'Somebody began to read all that the organization has, or went on with it.',
    'organization_export.updated': 'All that the organization has was read to its end.',
    'organization_export.deleted': 'A link that was over was forgotten.',
  },
  leaves: { exportOrganization: 'organization_export.created' },
} as const satisfies DomainRecord;
