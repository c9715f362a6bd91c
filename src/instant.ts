// A list shows hundreds of instants. The built-in parser and printer take most of a microsecond for each, nearly all of it
// for the date, and the next instant mostly has the same one.

const DAY_MS = 86_400_000;

let parsedDate = '';
let parsedDay = Number.NaN;

/**
 * @param text in UTC, as PostgreSQL writes it: `2026-11-20 18:37:30.209+00`, with no or up to three digits of a second
 * @returns null when it is anything else: years past 9999 or before 100, other zones, `infinity`
 */
export function parseUtc(text: string): Date | null {
  const { length } = text;
  // Of the years before 100 the built-in parser thinks otherwise.
  if (length < 22 || length > 26 || !text.endsWith('+00') || text.charCodeAt(4) !== HYPHEN || text.startsWith('00')) {
    return null;
  }
  if (parsedDate === '' || !text.startsWith(parsedDate)) {
    parsedDate = text.slice(0, 10);
    parsedDay = Date.UTC(Number(text.slice(0, 4)), digits(text, 5) - 1, digits(text, 8));
  }
  let millis = 0;
  for (let at = 20, unit = 100; at < length - 3; at += 1, unit /= 10) millis += (text.charCodeAt(at) - ZERO) * unit;
  return new Date(parsedDay + ((digits(text, 11) * 60 + digits(text, 14)) * 60 + digits(text, 17)) * 1000 + millis);
}

const ZERO = 48;
const HYPHEN = 45;

const digits = (text: string, at: number): number => (text.charCodeAt(at) - ZERO) * 10 + text.charCodeAt(at + 1) - ZERO;

const TWO = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'));
const THREE = Array.from({ length: 1000 }, (_, number) => String(number).padStart(3, '0'));

let printedDay = Number.NaN;
let printedDate = '';

/** As `toISOString` does: `2026-11-20T18:37:30.209Z`. */
export function printUtc(instant: Date): string {
  const time = instant.getTime();
  const day = Math.floor(time / DAY_MS);
  if (day !== printedDay) {
    printedDate = instant.toISOString().slice(0, -13);
    printedDay = day;
  }
  const millis = time - day * DAY_MS;
  const seconds = Math.floor(millis / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  return `${printedDate}${TWO[hours]}:${TWO[minutes % 60]}:${TWO[seconds % 60]}.${THREE[millis % 1000]}Z`;
}

const WORDS = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });

/** For people: `7 December 2026, 13:24 UTC`. */
export const inWords = (instant: Date): string => `${WORDS.format(instant).replace(' at ', ', ')} UTC`;

/** When the UTC day of an instant is over. */
export const nextDay = (at: Date): Date =>
  new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate() + 1));

/** When the UTC month of an instant is over. */
export const nextMonth = (at: Date): Date => new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1));
