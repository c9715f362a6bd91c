import { FIND_TXT } from '../../egress/find-txt.js';
import type { Job } from '../../jobs/job.js';
import { OUTBOX } from '../../mail/outbox.js';
import { recheckDomains } from './check-domain.js';

export const jobs: readonly Job[] = [
  {
    name: 'recheck-domains',
    everyMs: 10 * 60_000,
    run: ({ outside, organizationDb, use }, signal) =>
      recheckDomains({ outside, organizationDb, findTxt: use(FIND_TXT), outbox: use(OUTBOX) }, signal),
  },
];
