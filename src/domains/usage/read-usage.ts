import type { RequestContext } from '../../context/context.js';
import type { Row } from '../../data/organization/table.js';
import type { RunStatus, UsageByMetric, UsageByStatus } from '../../generated/graphql.js';
import { STATUSES } from '../run/index.js';
import { METRICS } from './metrics.js';
import { openUsageSums, type UsageSum } from './outside.js';
import type { OrganizationUsageParent } from './parent.js';
import { dayOf, lastDayOf, type Period, toPeriod } from './period.js';

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

/** Past the last exact number that number stands for the sum, so that the rest of the period still answers. */
function toSafe(sum: bigint): number {
  const most = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(sum > most ? most : sum < -most ? -most : sum);
}

/** Usage of one month or day: what the ledger adds up to, and runs by when they were created. */
export async function readUsage(
  name: string | null | undefined,
  context: RequestContext,
): Promise<OrganizationUsageParent> {
  const { db, outside, organization } = context;
  const period = toPeriod(name, db.now());
  const [runsByStatus, sums] = await Promise.all([
    countRuns(period, context),
    outside(openUsageSums)(organization.orgId, dayOf(period.start), lastDayOf(period)),
  ]);
  const totalRuns = runsByStatus.reduce((total, { count }) => total + count, 0);
  return {
    period,
    totalRuns,
    totalTokens: toSafe(sums.find(({ metric }) => metric === 'tokens')?.quantity ?? 0n),
    totalCostMicros: toSafe(costOf(sums)),
    metrics: toMetrics(sums, totalRuns),
    runsByStatus,
  };
}

/** In millionths. */
export const costOf = (sums: readonly UsageSum[]): bigint =>
  sums.reduce((total, { costMicros }) => total + costMicros, 0n);

function toMetrics(sums: readonly UsageSum[], totalRuns: number): UsageByMetric[] {
  const found = new Map(sums.map((sum) => [sum.metric, sum]));
  return [...new Set([...METRICS, ...found.keys()])].map((metric) => {
    const { quantity = 0n, costMicros = 0n } = found.get(metric) ?? {};
    return {
      metric,
      quantity: metric === 'runs' ? totalRuns : toSafe(quantity),
      costMicros: toSafe(costMicros),
    };
  });
}

/** Of a month by what was counted with every change of a run, of a day by the runs of that day. */
async function countRuns({ name, start, end, isDay }: Period, { db }: RequestContext): Promise<UsageByStatus[]> {
  if (isDay) {
    const groups = await db.run.group('status', { createdAt: { gte: start, lt: end } });
    const counts = new Map(groups.map(({ key, count }) => [key, count]));
    return STATUSES.map((status) => ({ status, count: counts.get(status) ?? 0 }));
  }
  const slots = await db.runUsage.list({ where: { period: name }, orderBy: { slot: 'asc' }, take: SLOTS });
  return STATUSES.map((status) => ({
    status,
    count: toSafe(slots.reduce((all, slot) => all + slot[COUNTED[status]], 0n)),
  }));
}
