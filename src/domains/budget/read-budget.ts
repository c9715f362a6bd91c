import type { RequestContext } from '../../context/context.js';
import type { Outside } from '../../data/connection/outside.js';
import { nextDay, nextMonth } from '../../instant.js';
import type { OrganizationUsageParent } from '../usage/parent.js';
import { costOf, dayOf, lastDayOf, openUsageSums, toPeriod } from '../usage/index.js';
import type { BudgetParent } from './parent.js';

/** What everyone has who never said otherwise. */
const THRESHOLDS = [80, 100];

/** What the current organization may spend now, and what it did: by the ledger, and by what is held for its runs. */
export const readBudget = ({ db, outside, organization: { orgId } }: RequestContext): Promise<BudgetParent> =>
  readBudgetOf({ db, orgId }, outside);

/** The same of any organization. */
export async function readBudgetOf(
  { db, orgId }: OrganizationUsageParent['of'],
  outside: Outside,
): Promise<BudgetParent> {
  const now = db.now();
  const month = toPeriod(undefined, now);
  const sum = outside(openUsageSums);
  const today = dayOf(now);
  const [row, ofDay, ofMonth] = await Promise.all([
    db.budget.find({}),
    sum(orgId, today, today),
    sum(orgId, dayOf(month.start), lastDayOf(month)),
  ]);
  const { monthlyLimitMicros = null, dailyLimitMicros = null } = row ?? {};
  // Nobody counts it where there is no limit.
  const isLimited = monthlyLimitMicros !== null || dailyLimitMicros !== null;
  const reservedMicros = isLimited ? (row?.reservedMicros ?? 0n) : 0n;
  return {
    daily: {
      limitMicros: dailyLimitMicros,
      settledMicros: costOf(ofDay),
      reservedMicros,
      resetsAt: nextDay(now),
    },
    monthly: {
      limitMicros: monthlyLimitMicros,
      settledMicros: costOf(ofMonth),
      reservedMicros,
      resetsAt: nextMonth(now),
    },
    alertThresholdsPercent: row?.alertThresholdsPercent ?? THRESHOLDS,
    hardStopAtLimit: row?.hardStop ?? true,
  };
}

/** How much of a limit so much is, in percent with two decimals; null without a limit. */
export function percentOf(spentMicros: number, limitMicros: bigint | null): number | null {
  if (limitMicros === null) return null;
  if (limitMicros === 0n) return 100;
  return Math.round((spentMicros / Number(limitMicros)) * 10_000) / 100;
}
