import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { given, parseInput } from '../../resource/input.js';
import { asActor } from '../../rights/actor.js';
import type { BudgetParent } from './parent.js';
import { readBudget } from './read-budget.js';

const limit = z
  .int('Must be a whole number.')
  .min(0, 'At least 0, which lets nothing begin.')
  .max(Number.MAX_SAFE_INTEGER)
  .transform(BigInt)
  .nullish();

const costLimitsInput = z.object({
  monthlyLimitMicros: limit,
  dailyLimitMicros: limit,
  alertThresholdsPercent: z
    .array(z.int('Whole numbers.').min(1, '1 to 100.').max(100, '1 to 100.'))
    .max(10, 'At most 10.')
    .transform((thresholds) => [...new Set(thresholds)].sort((a, b) => a - b))
    .nullish(),
  hardStopAtLimit: z.boolean().nullish(),
});

/**
 * Sets what the organization may spend. What is left out stays as it is. It counts from the next call on: whoever is being let in
 * meanwhile is through before, or sees it.
 *
 * @throws BAD_USER_INPUT; FORBIDDEN when the actor lost the permission
 */
export async function setCostLimits(input: unknown, context: RequestContext): Promise<BudgetParent> {
  const parsed = parseInput(costLimitsInput, input);
  // By itself, and before the lock: whoever starts a run makes the row, too, and holds the organization's meanwhile. It limits nothing yet.
  await context.db.budget.createMany([{ hardStop: true }], { skipTaken: true });
  await asActor(context, 'billing:manage', (db) =>
    db.budget.update(
      {},
      given({
        monthlyLimitMicros: parsed.monthlyLimitMicros,
        dailyLimitMicros: parsed.dailyLimitMicros,
        alertThresholdsPercent: parsed.alertThresholdsPercent ?? undefined,
        hardStop: parsed.hardStopAtLimit ?? undefined,
        changedAt: db.now(),
      }),
    ),
  );
  return readBudget(context);
}
