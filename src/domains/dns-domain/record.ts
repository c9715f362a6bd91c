import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'domain.created': 'A domain was claimed.',
    'domain.updated': 'Who may join by a domain changed, or whether it serves as a host.',
    'domain.pending': 'A domain is to be proved again.',
    'domain.verified': 'A domain was proved.',
    'domain.lapsed': 'A domain was lost, since its record is gone.',
    'domain.deleted': 'A domain was removed.',
    'domain.read': 'Domains were to be read.',
  },
  leaves: {
    addDomain: 'domain.created',
    verifyDomain: 'domain.verified',
    setDomainServing: 'domain.updated',
    removeDomain: 'domain.deleted',
  },
  untold: [
    {
      what: 'what the DNS answered',
      because: 'that a domain was proved, or lapsed, is told',
      columns: [
        'organization_domain.held_name',
        'organization_domain.checked_at',
        'organization_domain.check_found',
        'organization_domain.check_problem',
        'organization_domain.misses',
        'organization_domain.serving_found',
      ],
    },
  ],
} as const satisfies DomainRecord;
