import type { Outside } from '../../data/connection/outside.js';
import type { OrgId } from '../../data/id.js';
import { createRounds } from '../../jobs/rounds.js';
import { openFolding } from './outside.js';

/** Rows that are added up by one statement. */
const BATCH = 5000;

/**
 * Makes what adds the ledger up, round by round, so that a sum is read from a few rows. Nothing depends on when: what is not added up yet is read
 * beside the totals.
 *
 * @throws AggregateError with what failed, after all others had their turn
 */
export function createFoldUsage(): (outside: Outside, signal: AbortSignal) => Promise<void> {
  const round = createRounds<OrgId>(BATCH, (count) => `usage of ${count} was not added up`);
  return (outside, signal) => {
    const folding = outside(openFolding);
    return round({ listWaiting: folding.listWaiting, part: folding.fold }, signal);
  };
}
