import type { RequestDb } from '../../data/organization/organization-db.js';
import { readHead } from '../audit-entry/index.js';

/**
 * The last place of the record that was sealed before a moment: whatever happened since stands behind it. Places are sealed in their order, so
 * it is found by halves.
 */
export async function placeBefore(db: RequestDb, moment: Date): Promise<bigint> {
  let low = 0n;
  let high = (await readHead(db))?.sequence ?? 0n;
  while (low < high) {
    const middle = (low + high + 1n) / 2n;
    const seal = await db.auditSeal.find({ sequence: middle });
    if (seal && seal.sealedAt >= moment) high = middle - 1n;
    else low = middle;
  }
  return low;
}
