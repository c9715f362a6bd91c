import type { Resolvers } from '../../generated/graphql.js';
import { allow, can } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { lastDayOf, toPeriod } from '../usage/index.js';
import { due } from './jobs.js';
import type { BudgetPeriodParent } from './parent.js';
import { percentOf, readBudgetOf } from './read-budget.js';
import { record } from './record.js';
import { setCostLimits } from './set-cost-limits.js';

/** All that a month can have: one for each percent, of what each of its days and itself cost, and of its calls. */
const MOST_ALERTS = 100 * 33;

/** How much more was spent, and is held, than the limit has. */
function overshootOf({ limitMicros, settledMicros, reservedMicros }: BudgetPeriodParent): bigint {
  const settled = settledMicros > 0n ? settledMicros : 0n;
  const over = limitMicros === null ? 0n : settled + reservedMicros - limitMicros;
  return over > 0n ? over : 0n;
}

const resolvers = {
  Query: {
    usageAlerts: (_, { period: name }, { db }) => {
      const period = toPeriod(name, db.now());
      // The month's own stand before those of its days.
      const within = period.isDay ? period.name : { gte: period.name, lte: lastDayOf(period) };
      return db.usageAlert.list({
        where: { period: within },
        orderBy: { period: 'asc', metric: 'desc', thresholdPercent: 'asc' },
        take: MOST_ALERTS,
      });
    },
  },
  Mutation: { setCostLimits: (_, { input }, context) => setCostLimits(input, context) },
  OrganizationUsage: {
    budget: ({ of }, _args, { outside }) => readBudgetOf(of, outside),
    percentUsed: async ({ of, period, totalCostMicros }) => {
      const budget = await of.db.budget.find({});
      const limit = period.isDay ? budget?.dailyLimitMicros : budget?.monthlyLimitMicros;
      return percentOf(totalCostMicros, limit ?? null);
    },
  },
  BudgetPeriod: { overshootMicros: overshootOf },
  UsageAlert: {
    threshold: ({ thresholdPercent }) => thresholdPercent,
    limit: ({ maxQuantity, limitMicros }) => maxQuantity ?? limitMicros,
    used: ({ usedQuantity, settledMicros }) => usedQuantity ?? settledMicros,
  },
} satisfies Resolvers;

export const budget = defineDomain({
  resolvers,
  record,
  due,
  access: {
    Query: { usageAlerts: can('usage:read') },
    Mutation: { setCostLimits: can('billing:manage') },
    Budget: allow,
    BudgetPeriod: allow,
    UsageAlert: allow,
  },
});
