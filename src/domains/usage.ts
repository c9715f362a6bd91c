import type { RequestContext } from '../context/context.js';
import { badInput } from '../errors.js';
import type { OrganizationUsage, Resolvers, RunStatus } from '../generated/graphql.js';
import { defineDomain } from '../permissions/domain.js';
import { allow, can } from '../permissions/rules.js';
import { MICROS } from './record-run-progress.js';

const STATUSES: readonly RunStatus[] = ['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'];

/** A UTC month: `start` inclusive, `end` exclusive. */
export function monthOf(period: string | null | undefined, now = new Date()): { start: Date; end: Date } {
  const name = period ?? now.toISOString().slice(0, 7);
  const [, year, month] = /^((?:19|20|21)\d\d)-(0[1-9]|1[0-2])$/.exec(name) ?? [];
  if (!year || !month) throw badInput('period', 'A month is written YYYY-MM.');
  return {
    start: new Date(Date.UTC(Number(year), Number(month) - 1)),
    end: new Date(Date.UTC(Number(year), Number(month))),
  };
}

/** Usage of one month, added up from its runs in one statement. */
export async function readUsage(period: string | null | undefined, { db }: RequestContext): Promise<OrganizationUsage> {
  const { start, end } = monthOf(period);
  const groups = await db.run.group('status', { createdAt: { gte: start, lt: end } }, [
    'totalTokens',
    'totalCostMicros',
  ]);
  // Past the last exact number that number stands for the sum, so that the rest of the month still answers.
  const sum = (field: 'totalTokens' | 'totalCostMicros') =>
    Math.min(Number(groups.reduce((all, { sums }) => all + (sums[field] ?? 0n), 0n)), Number.MAX_SAFE_INTEGER);
  const counts = new Map(groups.map((group) => [group.key, group.count]));
  return {
    currentPeriodStart: start,
    currentPeriodEnd: end,
    totalRuns: groups.reduce((total, group) => total + group.count, 0),
    totalTokens: sum('totalTokens'),
    totalCost: sum('totalCostMicros') / MICROS,
    totalCostMicros: sum('totalCostMicros'),
    runsByStatus: STATUSES.map((status) => ({ status, count: counts.get(status) ?? 0 })),
  };
}

const resolvers = {
  Query: { organizationUsage: (_, { period }, context) => readUsage(period, context) },
} satisfies Resolvers;

export const usage = defineDomain({
  resolvers,
  grants: { 'usage:read': 'VIEWER' },
  access: {
    Query: { organizationUsage: can('usage:read') },
    OrganizationUsage: allow,
    UsageByStatus: allow,
  },
});
