import type { RequestContext } from '../../context/context.js';
import { badInput } from '../../errors.js';
import type { OrganizationUsageParent, UsageStatementParent } from './parent.js';
import { closesAt, toPeriod } from './period.js';
import { readUsage } from './read-usage.js';

/** Longer than anything takes that was on its way into a month as it was closed. */
const SETTLES_MS = 60_000;

/** What a month used, for its bill. @throws BAD_USER_INPUT for what is no month */
export async function readStatement(name: string, context: RequestContext): Promise<UsageStatementParent> {
  const { db } = context;
  const month = toPeriod(name, db.now());
  if (month.isDay) throw badInput('period', 'A month is written YYYY-MM.');
  const closes = new Date(closesAt(month).getTime() + SETTLES_MS);
  // Asked before it is read: what is read after that is what it stays.
  const isClosed = db.now() >= closes;
  const { totalRuns, totalTokens, totalCostMicros, metrics }: OrganizationUsageParent = await readUsage(name, context);
  return { period: month.name, isClosed, closesAt: closes, totalRuns, totalTokens, totalCostMicros, metrics };
}
