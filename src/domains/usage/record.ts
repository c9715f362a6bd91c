import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'usage.read': 'Usage was to be read.',
    'usage.summed': 'What was used was seen by whoever runs the deployment; told once a day.',
    'usage_export.created': 'A link to events of usage was made.',
    'usage_export.opened': 'Somebody began to read events of usage, or went on with them.',
    'usage_export.updated': 'Events of usage were read to their end.',
    'usage_export.deleted': 'A link that was over was forgotten.',
    'usage.corrected': 'What was used was corrected by another event.',
  },
  leaves: {
    recordUsage: null,
    recordUsageBatch: null,
    correctUsage: 'usage.corrected',
    exportUsage: 'usage_export.created',
  },
  untold: [
    {
      what: 'events of usage, but for corrections',
      because: 'they come many times a second, and are kept as they are: nobody changes them',
      tables: ['usage_event'],
    },
    {
      what: 'sums of usage',
      because: 'they follow from the runs and the events',
      tables: ['run_usage', 'usage_tail', 'usage_total', 'usage_share'],
    },
  ],
} as const satisfies DomainRecord;
