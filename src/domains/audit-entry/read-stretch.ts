import type { RequestDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { readPlaces, STRETCH } from './read-chain.js';
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
  const places = await readPlaces(db, after + 1, Math.min(after + STRETCH, last), where);
  return places.flatMap(({ seal, entry }) => (entry ? [{ entry, seal }] : []));
}
