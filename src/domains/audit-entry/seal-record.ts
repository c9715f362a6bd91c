import type { Outside } from '../../data/connection/outside.js';
import { openSealing, type RecordOf, type Sealing } from './outside.js';

/** Entries that are sealed by one statement. */
const BATCH = 1000;
/** Records that are sealed in one round; of more, those behind them are next. */
const RECORDS = 200;

/**
 * Makes what seals whatever waits, of every record, round by round. Killed anywhere, the next round goes on: what is chained no longer waits, by the same
 * statement.
 *
 * @throws AggregateError with what failed, after all others were sealed
 */
export function createSealRecords(): (outside: Outside, signal: AbortSignal) => Promise<void> {
  let behind: RecordOf | null = null;
  return async (outside, signal) => {
    const sealing = outside(openSealing);
    const failures: unknown[] = [];
    const waiting = await sealing.listWaiting(behind, RECORDS);
    for (const record of waiting) {
      await sealWhole(sealing, record, signal).catch((error: unknown) => failures.push(error));
      if (signal.aborted) break; // the next round begins where this one came to
      behind = record;
    }
    if (!signal.aborted && waiting.length < RECORDS) behind = null;
    if (failures.length > 0) throw new AggregateError(failures, `${failures.length} records could not be sealed`);
  };
}

/** No longer than a few batches, so that one busy organization keeps nobody waiting. */
async function sealWhole(sealing: Sealing, record: RecordOf, signal: AbortSignal): Promise<void> {
  for (let batch = 0; batch < 5 && !signal.aborted; batch += 1) {
    if ((await sealing.seal(record, BATCH)) < BATCH) return;
  }
}
