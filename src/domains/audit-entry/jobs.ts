import { NEWS } from '../../jobs/news.js';
import type { Job } from '../../jobs/job.js';
import { EXPORT_LAPSES } from './export-audit.js';
import { WAITING_REFUSALS } from './refusals.js';
import { createSealRecords } from './seal-record.js';

const sealRecords = createSealRecords();

export const jobs: readonly Job[] = [
  {
    name: 'write-refusals',
    everyMs: 1000,
    run: ({ outside, use }, signal) => use(WAITING_REFUSALS).write(outside, signal),
  },
  { name: 'seal-record', everyMs: 500, run: ({ outside, use }, signal) => sealRecords(outside, use(NEWS), signal) },
];

export const due = [EXPORT_LAPSES];
