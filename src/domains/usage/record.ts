import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: { 'usage.read': 'Usage was to be read.' },
  untold: [{ what: 'sums of usage', because: 'they follow from the runs', tables: ['run_usage'] }],
} as const satisfies DomainRecord;
