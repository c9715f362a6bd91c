import type { Job } from '../../jobs/job.js';
import { openLapsedSlugs } from './outside.js';

const HOUR_MS = 3_600_000;
const AT_ONCE = 1000;

export const jobs: readonly Job[] = [
  // Whoever takes one frees it first; of the others none is to be kept for ever.
  { name: 'free-slugs', everyMs: HOUR_MS, run: ({ outside }) => outside(openLapsedSlugs).freeMany(AT_ONCE) },
];
