import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'audit_export.created': 'A link to the record was made.',
    'audit_export.opened': 'Somebody began to read an export of the record, or went on with it.',
    'audit_export.updated': 'An export of the record was read to its end.',
    'audit_export.deleted': 'A link to the record that was over was forgotten.',
    'audit.streamed': 'The record was fetched by a SIEM; told once a day of each that does.',
    'audit.verified': 'A SYSTEM_ADMIN had the chain of the record checked; told once a day of each.',
    'audit.read': 'The record was to be read.',
  },
  leaves: { exportAudit: 'audit_export.created' },
  untold: [
    {
      what: 'the record itself',
      because: 'nobody changes it; what was exported is told',
      tables: ['audit_entry', 'audit_unsealed', 'audit_seal'],
    },
    {
      what: 'migrations',
      because: 'whoever owns the database runs them',
      tables: ['_prisma_migrations'],
    },
  ],
} as const satisfies DomainRecord;
