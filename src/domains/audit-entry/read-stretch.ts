import type { RequestDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { STRETCH } from './read-chain.js';
import type { EntryFilter } from './which-entries.js';

/** An entry with its place in the chain, and what its hash is checked with. */
export interface SealedEntry {
  readonly entry: Row<'AuditEntry'>;
  readonly seal: Row<'AuditSeal'>;
}

/** What stands behind a place of the chain, in its order, up to `STRETCH` places of it and no further than the last. */
export async function readStretch(
  db: RequestDb,
  { after, last, where }: { readonly after: number; readonly last: number; readonly where: EntryFilter },
): Promise<SealedEntry[]> {
  const seals = await db.auditSeal.list({
    where: { sequence: { gt: BigInt(after), lte: BigInt(Math.min(after + STRETCH, last)) } },
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
  return seals.flatMap((seal) => {
    const entry = byNumber.get(seal.number);
    return entry ? [{ entry, seal }] : [];
  });
}
