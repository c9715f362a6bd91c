import type { Job } from '../../jobs/job.js';
import { createReturnLostRuns } from './return-lost-runs.js';

const returnLostRuns = createReturnLostRuns();

export const jobs: readonly Job[] = [{ name: 'return-lost-runs', everyMs: 2000, run: returnLostRuns }];
