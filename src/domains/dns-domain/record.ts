import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'domain.created': 'A domain was claimed.',
    'domain.updated': 'Who may join by a domain changed.',
    'domain.pending': 'A domain is to be proved again.',
    'domain.verified': 'A domain was proved.',
    'domain.lapsed': 'A domain was lost, since its record is gone.',
    'domain.deleted': 'A domain was removed.',
    'domain.read': 'Domains were to be read.',
  },
  leaves: { addDomain: 'domain.created', verifyDomain: 'domain.verified', removeDomain: 'domain.deleted' },
  untold: [
    {
      what: 'what the DNS answered on daily checks',
      because: 'that a domain was proved, or lapsed, is told',
      columns: [
        'organization_domain.held_name',
        'organization_domain.checked_at',
        'organization_domain.check_found',
        'organization_domain.check_problem',
        'organization_domain.misses',
      ],
    },
  ],
} as const satisfies DomainRecord;
