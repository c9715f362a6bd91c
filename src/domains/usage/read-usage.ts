import type { RequestContext } from '../../context/context.js';
import type { OrgId } from '../../data/id.js';
import type { RequestDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import type { RunStatus, UsageByMetric, UsageByStatus } from '../../generated/graphql.js';
import { openEntryWriter } from '../audit-entry/index.js';
import { STATUSES } from '../run/index.js';
import { CALLS_METRIC, METRICS } from './metrics.js';
import { openNamedOrganization, openUsageSums, type UsageSum } from './outside.js';
import type { OrganizationUsageParent } from './parent.js';
import { dayOf, lastDayOf, type Period, toPeriod } from './period.js';
import type { record } from './record.js';

const SUMMED: keyof typeof record.actions = 'usage.summed';

/** A month is counted in at most as many rows, so that those who count need not wait for each other. */
const SLOTS = 16;

/** The column in which the runs of a status are counted. */
const COUNTED = {
  AWAITING_APPROVAL: 'awaitingApproval',
  QUEUED: 'queued',
  RUNNING: 'running',
  SUCCEEDED: 'succeeded',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
} as const satisfies Record<RunStatus, keyof Row<'RunUsage'>>;

/** Past the last exact number that number stands for the sum, so that the rest of the period still answers. */
export function toSafe(sum: bigint): number {
  const most = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(sum > most ? most : sum < -most ? -most : sum);
}

/** Where usage is read: the request's own organization, one that its account looks at, or any, for whoever runs the deployment. */
export type UsageReader = Pick<RequestContext, 'db' | 'outside'> & {
  readonly organization: { readonly orgId: OrgId };
};

/** Usage of one month or day: what the ledger adds up to, and runs by when they were created. */
export async function readUsage(
  name: string | null | undefined,
  reader: UsageReader,
): Promise<OrganizationUsageParent> {
  const { db, outside, organization } = reader;
  const of = { orgId: organization.orgId, db };
  const period = toPeriod(name, db.now());
  const [runsByStatus, sums] = await Promise.all([
    countRuns(period, db),
    outside(openUsageSums)(of.orgId, dayOf(period.start), lastDayOf(period)),
  ]);
  const totalRuns = runsByStatus.reduce((total, { count }) => total + count, 0);
  return {
    of,
    period,
    totalRuns,
    totalTokens: toSafe(sums.find(({ metric }) => metric === 'tokens')?.quantity ?? 0n),
    totalCostMicros: toSafe(costOf(sums)),
    metrics: toMetrics(sums, totalRuns),
    runsByStatus,
  };
}

/** The same of an organization that whoever runs the deployment looks at, which its record tells. Call it for a SYSTEM_ADMIN only. */
export async function readUsageElsewhere(
  organizationId: string,
  name: string | null | undefined,
  { outside, deployment, act, actElsewhere }: RequestContext,
): Promise<OrganizationUsageParent> {
  const orgId = outside(openNamedOrganization)(organizationId);
  const usage = await readUsage(name, {
    outside,
    db: deployment.organizationDb(orgId, act),
    organization: { orgId },
  });
  const told = { act: actElsewhere, action: SUMMED, outcome: 'DONE', onceIn: '1 day', targetType: 'usage' } as const;
  await outside(openEntryWriter)(orgId, [told]);
  return usage;
}

/** Requests in the month that runs now, as far as they are in the ledger. */
export async function countCalls({ db, outside, organization }: UsageReader): Promise<number> {
  const month = toPeriod(undefined, db.now());
  const sums = await outside(openUsageSums)(organization.orgId, dayOf(month.start), lastDayOf(month));
  return toSafe(sums.find(({ metric }) => metric === CALLS_METRIC)?.quantity ?? 0n);
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
async function countRuns({ name, start, end, isDay }: Period, db: RequestDb): Promise<UsageByStatus[]> {
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
