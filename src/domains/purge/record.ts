import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'organization.purged':
      'Its grace was over, and what it had of one kind was deleted; of its record all but actions and times was erased.',
  },
  untold: [
    {
      what: 'how far a deletion has come',
      because: 'each step of it is told',
      columns: ['organization.purged_to'],
    },
  ],
} as const satisfies DomainRecord;
