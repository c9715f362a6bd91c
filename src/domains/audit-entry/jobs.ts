import type { Job } from '../../jobs/job.js';
import { createSealRecords } from './seal-record.js';

const sealRecords = createSealRecords();

export const jobs: readonly Job[] = [
  { name: 'seal-record', everyMs: 500, run: ({ outside }, signal) => sealRecords(outside, signal) },
];
