import type { Outside } from '../../data/connection/outside.js';
import type { OrgId } from '../../data/id.js';
import { openFolding } from './outside.js';

/** Rows that are added up by one statement. */
const BATCH = 5000;
/** Organizations that are looked after in one round; of more, those behind them are next. */
const ORGANIZATIONS = 200;
/** No longer than a few batches, so that one busy organization keeps nobody waiting. */
const BATCHES = 5;

/**
 * Makes what adds the ledger up, round by round, so that a sum is read from a few rows. Nothing depends on when: what is not added up yet is read
 * beside the totals.
 *
 * @throws AggregateError with what failed, after all others had their turn
 */
export function createFoldUsage(): (outside: Outside, signal: AbortSignal) => Promise<void> {
  let behind: OrgId | null = null;
  return async (outside, signal) => {
    const folding = outside(openFolding);
    const failures: unknown[] = [];
    const waiting = await folding.listWaiting(behind, ORGANIZATIONS);
    const foldOne = async (orgId: OrgId): Promise<void> => {
      for (let batch = 0; batch < BATCHES && !signal.aborted; batch += 1) {
        if ((await folding.fold(orgId, BATCH)) < BATCH) return;
      }
    };
    for (const orgId of waiting) {
      if (signal.aborted) break;
      await foldOne(orgId).catch((error: unknown) => failures.push(error));
    }
    behind = waiting.length < ORGANIZATIONS ? null : (waiting.at(-1) ?? null);
    if (failures.length > 0) throw new AggregateError(failures, `usage of ${failures.length} was not added up`);
  };
}
