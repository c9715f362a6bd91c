import type { Job } from '../../jobs/job.js';
import { sealRecords } from './seal-record.js';

export const jobs: readonly Job[] = [
  { name: 'seal-record', everyMs: 500, run: ({ outside }, signal) => sealRecords(outside, signal) },
];
