import type { Outside } from '../../data/connection/outside.js';
import { createRounds } from '../../jobs/rounds.js';
import { openSealing, type RecordOf } from './outside.js';

/** Entries that are sealed by one statement. */
const BATCH = 1000;

/**
 * Makes what seals whatever waits, of every record, round by round. Killed anywhere, the next round goes on: what is chained no longer waits, by the same
 * statement.
 *
 * @throws AggregateError with what failed, after all others were sealed
 */
export function createSealRecords(): (outside: Outside, signal: AbortSignal) => Promise<void> {
  const round = createRounds<RecordOf>(BATCH, (count) => `${count} records could not be sealed`);
  return (outside, signal) => {
    const sealing = outside(openSealing);
    return round({ listWaiting: sealing.listWaiting, part: sealing.seal }, signal);
  };
}
