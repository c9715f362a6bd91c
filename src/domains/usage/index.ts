import type { RequestContext } from '../../context/context.js';
import type { Row } from '../../data/organization/table.js';
import { badInput } from '../../errors.js';
import type { OrganizationUsage, Resolvers, RunStatus } from '../../generated/graphql.js';
import { allow, can } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { MICROS, STATUSES } from '../run/index.js';
import { record } from './record.js';

/** A UTC month: `start` inclusive, `end` exclusive. */
function monthOf(period: string | null | undefined, now: Date): { start: Date; end: Date } {
  const name = period ?? now.toISOString().slice(0, 7);
  const [, year, month] = /^((?:19|20|21)\d\d)-(0[1-9]|1[0-2])$/.exec(name) ?? [];
  if (!year || !month) throw badInput('period', 'Must be a month, written YYYY-MM.');
  return {
    start: new Date(Date.UTC(Number(year), Number(month) - 1)),
    end: new Date(Date.UTC(Number(year), Number(month))),
  };
}

/** A month is counted in at most as many rows, so that those who count need not wait for each other. */
const SLOTS = 16;

/** The column in which the runs of a status are counted. */
const COUNTED = {
  QUEUED: 'queued',
  RUNNING: 'running',
  SUCCEEDED: 'succeeded',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
} as const satisfies Record<RunStatus, keyof Row<'RunUsage'>>;

/** Usage of one month, which the database counts with every change of a run. */
export async function readUsage(period: string | null | undefined, { db }: RequestContext): Promise<OrganizationUsage> {
  const { start, end } = monthOf(period, db.now());
  const slots = await db.runUsage.list({
    where: { period: start.toISOString().slice(0, 7) },
    orderBy: { slot: 'asc' },
    take: SLOTS,
  });
  // Past the last exact number that number stands for the sum, so that the rest of the month still answers.
  const sum = (field: 'totalTokens' | 'totalCostMicros' | (typeof COUNTED)[RunStatus]) =>
    Math.min(Number(slots.reduce((all, slot) => all + slot[field], 0n)), Number.MAX_SAFE_INTEGER);
  const runsByStatus = STATUSES.map((status) => ({ status, count: sum(COUNTED[status]) }));
  return {
    currentPeriodStart: start,
    currentPeriodEnd: end,
    totalRuns: runsByStatus.reduce((total, { count }) => total + count, 0),
    totalTokens: sum('totalTokens'),
    totalCost: sum('totalCostMicros') / MICROS,
    totalCostMicros: sum('totalCostMicros'),
    runsByStatus,
  };
}

const resolvers = {
  Query: { organizationUsage: (_, { period }, context) => readUsage(period, context) },
} satisfies Resolvers;

export const usage = defineDomain({
  resolvers,
  grants: { 'usage:read': { from: 'VIEWER', may: 'Read what a month used.' } },
  record,
  access: {
    Query: { organizationUsage: can('usage:read') },
    OrganizationUsage: allow,
    UsageByStatus: allow,
  },
});
