import type { Resolvers, UsageEventFilter, UsageEventOrderField } from '../../generated/graphql.js';
import { allow, can, canWhereNamed } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { defineList, type ListArgs } from '../../resource/list.js';
import { MICROS } from '../run/index.js';
import { CALLS, createCallCounter } from './count-calls.js';
import { correctUsage } from './correct-usage.js';
import { DOWNLOAD } from './download.js';
import { exportUsage, urlOf, USAGE_EXPORT_LAPSES } from './export-usage.js';
import { jobs } from './jobs.js';
import { readStatement } from './read-statement.js';
import { readUsage } from './read-usage.js';
import { recordUsage, recordUsageBatch } from './record-usage.js';
import { record } from './record.js';
import { toDay, usageByDay } from './usage-by-day.js';

const MICROS_IN_CENT = MICROS / 100;

const usageEvents = defineList('UsageEvent', {
  name: 'usageEvents',
  orders: { DAY: { by: 'day' } },
  usual: { field: 'DAY', direction: 'DESC' },
  where: ({ filter }: ListArgs<UsageEventOrderField, UsageEventFilter>) => {
    const { from, to } = filter ?? {};
    return from == null && to == null
      ? {}
      : { day: { ...(from != null && { gte: from }), ...(to != null && { lte: to }) } };
  },
});

const resolvers = {
  Query: {
    organizationUsage: (_, { period }, context) => readUsage(period, context),
    usageStatement: (_, { period }, context) => readStatement(period, context),
    usageByDay: (_, args, context) => usageByDay(args, context),
    usageEvents: (_, args, context) => {
      for (const name of ['from', 'to'] as const) toDay(args.filter?.[name], `filter.${name}`);
      return usageEvents.page(args, context);
    },
  },
  UsageStatement: {
    totalCost: ({ totalCostMicros }) => totalCostMicros / MICROS,
    costCents: ({ totalCostMicros }) => Math.round(totalCostMicros / MICROS_IN_CENT),
  },
  UsageExport: { url: ({ id }, _args, context) => urlOf(id, context) },
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
    exportUsage: (_, { input }, context) => exportUsage(input, context),
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
  due: [USAGE_EXPORT_LAPSES],
  downloads: [DOWNLOAD],
  provide: (parts, { organizationDb }) => parts.add(CALLS, createCallCounter(organizationDb)),
  access: {
    Query: {
      organizationUsage: can('usage:read'),
      usageStatement: can('usage:read'),
      usageByDay: canWhereNamed('usage:read'),
      usageEvents: canWhereNamed('usage:read'),
    },
    Mutation: {
      recordUsage: can('usage:record'),
      recordUsageBatch: can('usage:record'),
      correctUsage: can('usage:correct'),
      exportUsage: can('usage:read'),
    },
    UsageStatement: allow,
    UsageByDay: allow,
    UsageExport: allow,
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

export { CALLS, type CallCounter } from './count-calls.js';
export { openHeldPaidUses, openUsageSums } from './outside.js';
export { dayOf, lastDayOf, toPeriod } from './period.js';
export { costOf, countCalls, readUsage, readUsageElsewhere } from './read-usage.js';
