import type { Job } from '../../jobs/job.js';
import { CALLS } from './count-calls.js';
import { createFoldUsage } from './fold-usage.js';

const foldUsage = createFoldUsage();

export const jobs: readonly Job[] = [
  { name: 'fold-usage', everyMs: 5000, run: ({ outside }, signal) => foldUsage(outside, signal) },
  {
    name: 'count-calls',
    everyMs: 10_000,
    run: ({ use }, signal) => use(CALLS).write(signal),
    atEnd: ({ use }) => use(CALLS).write(),
  },
];
