import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'organization_set.created': 'Somebody made a set of organizations.',
    'organization_set.updated': 'A set of organizations changed.',
    'organization_set.deleted': 'A set of organizations was deleted.',
    'organization_elsewhere.created': 'The name of an organization was kept that is homed in another region.',
    'organization_elsewhere.updated': 'What is kept of such a name changed.',
    'organization_elsewhere.deleted': 'Such a name was deleted.',
  },
  leaves: {
    createOrganizationSet: { inAnother: 'organization.created' },
    extendOrganizationSet: { inAnother: 'organization.created' },
  },
  untold: [
    {
      what: 'which set a name belongs to that was kept',
      because: 'its first parts say so',
      columns: ['organization_elsewhere.set_id'],
    },
  ],
} as const satisfies DomainRecord;
