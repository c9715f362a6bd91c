import type { Resolvers } from '../../generated/graphql.js';
import { allow, can } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { MICROS } from '../run/index.js';
import { jobs } from './jobs.js';
import { readUsage } from './read-usage.js';
import { record } from './record.js';

const MICROS_IN_CENT = MICROS / 100;

const resolvers = {
  Query: { organizationUsage: (_, { period }, context) => readUsage(period, context) },
  OrganizationUsage: {
    currentPeriodStart: ({ period }) => period.start,
    currentPeriodEnd: ({ period }) => period.end,
    totalCost: ({ totalCostMicros }) => totalCostMicros / MICROS,
    costCents: ({ totalCostMicros }) => Math.round(totalCostMicros / MICROS_IN_CENT),
  },
} satisfies Resolvers;

export const usage = defineDomain({
  resolvers,
  grants: { 'usage:read': { from: 'VIEWER', may: 'Read what a month or a day used.' } },
  record,
  jobs,
  access: {
    Query: { organizationUsage: can('usage:read') },
    OrganizationUsage: allow,
    UsageByMetric: allow,
    UsageByStatus: allow,
  },
});

export { openUsageSums } from './outside.js';
export { dayOf, lastDayOf, nextDay, nextMonth, toPeriod } from './period.js';
export { costOf, readUsage, toSafe } from './read-usage.js';
