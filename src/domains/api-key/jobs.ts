import type { Job } from '../../jobs/job.js';
import { OUTBOX } from '../../mail/outbox.js';
import { tellOfEndingKeys } from './tell-of-ending-keys.js';

export const jobs: readonly Job[] = [
  {
    name: 'tell-of-ending-keys',
    everyMs: 10 * 60_000,
    run: ({ outside, organizationDb, use }, signal) =>
      tellOfEndingKeys({ outside, organizationDb, outbox: use(OUTBOX) }, signal),
  },
];
