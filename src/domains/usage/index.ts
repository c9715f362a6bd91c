import type { Resolvers } from '../../generated/graphql.js';
import { allow, can } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { MICROS } from '../run/index.js';
import { correctUsage } from './correct-usage.js';
import { jobs } from './jobs.js';
import { readUsage } from './read-usage.js';
import { recordUsage, recordUsageBatch } from './record-usage.js';
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
  Mutation: {
    recordUsage: (_, { input }, context) => recordUsage(input, context),
    recordUsageBatch: (_, { input }, context) => recordUsageBatch(input, context),
    correctUsage: (_, { input }, context) => correctUsage(input, context),
  },
  UsageEvent: {
    attributes: ({ attributes }) =>
      attributes === null ? null : (JSON.parse(attributes) as Readonly<Record<string, unknown>>),
  },
} satisfies Resolvers;

export const usage = defineDomain({
  resolvers,
  grants: {
    'usage:read': { from: 'VIEWER', may: 'Read what a month or a day used.' },
    'usage:record': { from: 'DEVELOPER', may: 'Record what was used.' },
    'usage:correct': { from: 'ADMIN', may: 'Correct what was recorded as used, which may make room in a limit.' },
  },
  record,
  jobs,
  access: {
    Query: { organizationUsage: can('usage:read') },
    Mutation: {
      recordUsage: can('usage:record'),
      recordUsageBatch: can('usage:record'),
      correctUsage: can('usage:correct'),
    },
    OrganizationUsage: allow,
    RecordUsagePayload: allow,
    RecordUsageBatchPayload: allow,
    RecordUsageOutcome: allow,
    RecordUsageError: allow,
    UsageEvent: allow,
    UsageByMetric: allow,
    UsageByStatus: allow,
  },
});

export { openUsageSums } from './outside.js';
export { dayOf, lastDayOf, nextDay, nextMonth, toPeriod } from './period.js';
export { costOf, readUsage } from './read-usage.js';
