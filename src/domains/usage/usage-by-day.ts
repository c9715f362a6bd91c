import type { RequestContext } from '../../context/context.js';
import { badInput } from '../../errors.js';
import type { UsageByDay, UsageDimension } from '../../generated/graphql.js';
import { openUsageByDay } from './outside.js';
import { type Period, toPeriod } from './period.js';
import { toSafe } from './read-usage.js';

/** A year, the longest of them. */
const MOST_DAYS = 366;
const MOST_ROWS = 5000;
const DAY_MS = 86_400_000;

/** @throws BAD_USER_INPUT for what is no day */
export function toDay(name: string | null | undefined, argument: string): Period | null {
  if (name == null) return null;
  const period = toPeriod(name, new Date(0), argument);
  if (!period.isDay) throw badInput(argument, 'A day is written YYYY-MM-DD.');
  return period;
}

/** UTC days, the last one with. @throws BAD_USER_INPUT for what is no day, the wrong way round, or too many */
export function toDays(from: string, to: string, at = ''): { readonly from: string; readonly to: string } {
  const [first, last] = [toDay(from, `${at}from`), toDay(to, `${at}to`)];
  if (!first || !last) throw badInput(`${at}from`, 'A day is written YYYY-MM-DD.');
  const days = (last.end.getTime() - first.start.getTime()) / DAY_MS;
  if (days < 1) throw badInput(`${at}to`, 'Not before the first day.');
  if (days > MOST_DAYS) throw badInput(`${at}to`, `At most ${MOST_DAYS} days.`);
  return { from: first.name, to: last.name };
}

/** What was used on each of some days, by what it is of. @throws BAD_USER_INPUT, also where there are too many of them */
export async function usageByDay(
  args: { from: string; to: string; by: UsageDimension; metric?: string | null },
  { outside, organization }: RequestContext,
): Promise<UsageByDay[]> {
  const days = toDays(args.from, args.to);
  const read = outside(openUsageByDay);
  const rows = await read(organization.orgId, { ...days, by: args.by, metric: args.metric ?? null }, MOST_ROWS + 1);
  if (rows.length > MOST_ROWS) throw badInput('to', `More than ${MOST_ROWS} rows: ask for fewer days.`);
  return rows.map(({ day, key, quantity, costMicros }) => ({
    day,
    key: key === '' ? null : key,
    quantity: toSafe(quantity),
    costMicros: toSafe(costMicros),
  }));
}
