import { z } from 'zod';
import type { Row } from '../../data/organization/table.js';

/** Checked as a whole, and replaced as a whole. */
export const retryPolicy = z.object(
  {
    maxAttempts: z.int('Must be a whole number.').min(1, 'At least 1.').max(20, 'At most 20.'),
    backoffSeconds: z.int('Must be a whole number.').min(0, 'At least 0.').max(86_400, 'At most 86,400.'),
  },
  'Must not be null.',
);

/** Where its agent is gone; the column's default is the same. */
const USUAL_POLICY: RetryPolicy = { maxAttempts: 3, backoffSeconds: 10 };

type RetryPolicy = z.infer<typeof retryPolicy>;

/** What becomes of a run that was lost. Nothing is kept of an agent but what was checked, by what held when it was written. */
export const retryPolicyOf = (agent: Pick<Row<'Agent'>, 'retryPolicy'> | null): RetryPolicy =>
  agent === null ? USUAL_POLICY : (agent.retryPolicy as RetryPolicy);
