import { badInput } from '../../errors.js';
import { nextDay, nextMonth } from '../../instant.js';

/** A UTC month or day: `start` inclusive, `end` exclusive. */
export interface Period {
  readonly name: string;
  readonly start: Date;
  readonly end: Date;
  readonly isDay: boolean;
}

/** The UTC day of an instant, as the ledger has it: `2026-11-20`. */
export const dayOf = (at: Date): string => at.toISOString().slice(0, 10);

/**
 * @param name `YYYY-MM` or `YYYY-MM-DD`; the current month when left out
 * @param argument what is at fault where it is neither
 */
export function toPeriod(name: string | null | undefined, now: Date, argument = 'period'): Period {
  const [, text = '', month, day] = /^((?:19|20|21)\d\d-(0[1-9]|1[0-2])(?:-(\d\d))?)$/.exec(name ?? monthOf(now)) ?? [];
  const start = new Date(`${text}${day === undefined ? '-01' : ''}T00:00:00Z`);
  // The 31st of a month that has 30 days would be the first of the next.
  if (month === undefined || Number.isNaN(start.getTime()) || !start.toISOString().startsWith(text)) {
    throw badInput(argument, 'A month is written YYYY-MM, a day YYYY-MM-DD.');
  }
  return { name: text, start, end: day === undefined ? nextMonth(start) : nextDay(start), isDay: day !== undefined };
}

const monthOf = (at: Date): string => at.toISOString().slice(0, 7);

/** The last UTC day of a period. */
export const lastDayOf = ({ end }: Pick<Period, 'end'>): string => dayOf(new Date(end.getTime() - 1));

/** Months are open for so long after their end. */
const CLOSES_MS = 3 * 86_400_000;

/** From when on nothing comes to the month of an instant. */
export const closesAt = ({ start }: Pick<Period, 'start'>): Date => new Date(nextMonth(start).getTime() + CLOSES_MS);

/** The UTC day that counts what is recorded now: that on which it occurred, or today where that month is closed. */
export function countedOn(occurredAt: Date, now: Date): { day: string; late: boolean } {
  const late = now >= closesAt({ start: occurredAt });
  return { day: dayOf(late ? now : occurredAt), late };
}
