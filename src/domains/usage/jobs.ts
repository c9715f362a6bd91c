import type { Job } from '../../jobs/job.js';
import { createFoldUsage } from './fold-usage.js';

const foldUsage = createFoldUsage();

export const jobs: readonly Job[] = [
  { name: 'fold-usage', everyMs: 5000, run: ({ outside }, signal) => foldUsage(outside, signal) },
];
