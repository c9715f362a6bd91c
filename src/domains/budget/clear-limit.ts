import { z } from 'zod';
import type { Row } from '../../data/organization/table.js';
import { nextDay } from '../../instant.js';
import type { DueKind } from '../../jobs/due-kind.js';

/**
 * Brings a budget whose limit was used up to the day that runs now, and looks again after it where that is used up, too. The database asks for it,
 * and tells of it; whoever starts a run before brings it there as well, and then there is nothing left to tell.
 */
export const LIMIT_CLEARS: DueKind<object> = {
  name: 'limit-clears',
  payload: z.object({}),
  run: ({ db }) =>
    db.locked(async (inside) => {
      const budget = await inside.budget.find({});
      if (!budget) return {};
      // As if the same limit was set anew: whoever sets another waits for the organization's lock, too.
      const { monthlyLimitMicros } = budget;
      const changed = await inside.budget.update({}, { monthlyLimitMicros, changedAt: inside.now() });
      return isUsedUp(changed) ? { again: nextDay(inside.now()) } : {};
    }),
};

const isUsedUp = (budget: Row<'Budget'>): boolean =>
  budget.hardStop &&
  (isReached(budget.daySettledMicros, budget.dailyLimitMicros) ||
    isReached(budget.monthSettledMicros, budget.monthlyLimitMicros));

const isReached = (settled: bigint, limit: bigint | null): boolean => limit !== null && settled >= limit;
