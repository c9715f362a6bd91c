import type { OrganizationDb, RequestDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import type { Sealable } from './chain.js';
import type { EntryFilter } from './which-entries.js';

/** A place of a chain, as it stands in the store. */
export interface ChainLink {
  readonly seal: { readonly sequence: bigint; readonly hash: string; readonly salts: unknown };
  /** Undefined where it is gone. */
  readonly entry: Sealable | undefined;
}

export interface ChainHead {
  readonly sequence: bigint;
  readonly hash: string;
}

/** The chain of one record, as it is read: an organization's, or the deployment's own. */
export interface Chain {
  /** The newest place; null while nothing is sealed. */
  head(): Promise<ChainHead | null>;
  /** The hash at a place; null where there is none. */
  hashAt(sequence: number): Promise<string | null>;
  /** `STRETCH` places at the most, the last included. */
  links(from: number, to: number): Promise<Map<number, ChainLink>>;
}

/** Places that are read at once, of entries with long changes a megabyte: whoever works on them keeps all others waiting. */
export const STRETCH = 250;

/** The newest place of an organization's chain; null while nothing is sealed. */
export async function readHead(db: RequestDb): Promise<ChainHead | null> {
  const [head] = await db.auditSeal.list({ orderBy: { sequence: 'desc' }, take: 1 });
  return head ?? null;
}

/** A place of an organization's chain, and the entry behind it: undefined where it is gone, or not asked for. */
export interface Place {
  readonly seal: Row<'AuditSeal'>;
  readonly entry: Row<'AuditEntry'> | undefined;
}

/** Places in their order, `STRETCH` at the most, the last included; of their entries those that are asked for. */
export async function readPlaces(
  db: OrganizationDb,
  from: number,
  to: number,
  where: EntryFilter = {},
): Promise<Place[]> {
  const seals = await db.auditSeal.list({
    where: { sequence: { gte: BigInt(from), lte: BigInt(to) } },
    orderBy: { sequence: 'asc' },
    take: STRETCH,
  });
  if (seals.length === 0) return [];
  const entries = await db.auditEntry.list({
    where: { ...where, number: { in: seals.map(({ number }) => number) } },
    orderBy: { number: 'asc' },
    take: STRETCH,
  });
  const byNumber = new Map(entries.map((entry) => [entry.number, entry]));
  return seals.map((seal) => ({ seal, entry: byNumber.get(seal.number) }));
}

/** The chain of an organization. */
export const chainOf = (db: RequestDb): Chain => ({
  head: () => readHead(db),
  hashAt: async (sequence) => (await db.auditSeal.find({ sequence: BigInt(sequence) }))?.hash ?? null,
  links: async (from, to) =>
    new Map((await readPlaces(db, from, to)).map((place) => [Number(place.seal.sequence), place])),
});
