import type { Job } from '../../jobs/job.js';
import { OUTBOX } from '../../mail/outbox.js';
import { notifyOfEndingKeys } from './notify-of-ending-keys.js';

export const jobs: readonly Job[] = [
  {
    name: 'notify-of-ending-keys',
    everyMs: 10 * 60_000,
    run: ({ outside, organizationDb, use }, signal) =>
      notifyOfEndingKeys({ outside, organizationDb, outbox: use(OUTBOX) }, signal),
  },
];
