import { describe, expect, test } from '@jest/globals';
import { parseUtc, printUtc } from '../src/instant.js';

/** Instants from 100 to 9999, some of them side by side, as rows of a list are. */
const instants = Array.from({ length: 5000 }, (_, index) => {
  const time = Date.UTC(100, 0) + ((index * 48_271_727) % 9899) * 31_556_952_000 + index * 7919;
  return [time, time + 1, time + 1000, time + 86_399_999];
})
  .flat()
  .map((time) => new Date(time));

/** As PostgreSQL writes it in UTC: without zeros at the end of a second. */
const asPostgres = (instant: Date) =>
  `${instant.toISOString().replace('T', ' ').replace('Z', '').replace(/0+$/, '').replace(/\.$/, '')}+00`;

describe('instants', () => {
  test('are printed as JavaScript itself prints them', () => {
    expect(instants.filter((each) => printUtc(each) !== each.toISOString())).toEqual([]);
    const years = [-62_135_596_800_001, -8.64e15, 8.64e15, 253_402_300_800_000].map((time) => new Date(time));
    expect(years.map(printUtc)).toEqual(years.map((each) => each.toISOString()));
    expect(() => printUtc(new Date(Number.NaN))).toThrow(RangeError);
  });

  test("are read as PostgreSQL wrote them, and what is not of that form is left to pg's own parser", () => {
    expect(instants.filter((each) => parseUtc(asPostgres(each))?.getTime() !== each.getTime())).toEqual([]);
    const others = ['infinity', '10000-01-01 00:00:00+00', '0044-03-15 12:00:00+00', '0044-03-15 12:00:00+00 BC'];
    const finer = ['2026-11-20 18:37:30.209123+00', '2026-11-20 18:37:30+02', '2026-11-20 18:37:30+05:30', ''];
    expect([...others, ...finer].map(parseUtc)).toEqual([...others, ...finer].map(() => null));
  });
});
