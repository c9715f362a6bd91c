import pg from 'pg';
import { parseUtc } from '../../instant.js';

const INT8 = 20;
const TIMESTAMPTZ = 1184;

const parseInstant = (text: string): Date =>
  parseUtc(text) ?? (pg.types.getTypeParser(TIMESTAMPTZ, 'text')(text) as unknown as Date);

/** How rows of handwritten statements become values: as Prisma has them, counts as bigint and instants as Date. */
export const ROW_TYPES: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format: 'text' | 'binary') => {
    if (oid === TIMESTAMPTZ) return parseInstant;
    return oid === INT8 ? BigInt : pg.types.getTypeParser(oid, format);
  }) as never,
};
