import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'usage.read': 'Usage was to be read.',
    'usage.corrected': 'What was used was corrected by another event.',
  },
  leaves: { recordUsage: null, recordUsageBatch: null, correctUsage: 'usage.corrected' },
  untold: [
    {
      what: 'events of usage, but for corrections',
      because: 'they come many times a second, and are kept as they are: nobody changes them',
      tables: ['usage_event'],
    },
    {
      what: 'sums of usage',
      because: 'they follow from the runs and the events',
      tables: ['run_usage', 'usage_tail', 'usage_total'],
    },
  ],
} as const satisfies DomainRecord;
