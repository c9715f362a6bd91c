import pg from 'pg';

const INT8 = 20;
const TIMESTAMPTZ = 1184;

/** UTC, as PostgreSQL writes it: `2026-11-20 18:37:30.209+00`. Anything else is left to pg's own, slower parser. */
function parseInstant(text: string): Date {
  if (text.length < 19 || !text.endsWith('+00')) return pg.types.getTypeParser(TIMESTAMPTZ, 'text')(text) as Date;
  return new Date(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`);
}

/** How rows of handwritten statements become values: as Prisma has them, counts as bigint and instants as Date. */
export const ROW_TYPES: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format: 'text' | 'binary') => {
    if (oid === TIMESTAMPTZ) return parseInstant;
    return oid === INT8 ? BigInt : pg.types.getTypeParser(oid, format);
  }) as never,
};
