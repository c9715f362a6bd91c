import type { Outside } from '../../data/connection/outside.js';
import type { News } from '../../jobs/news.js';
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
export function createSealRecords(): (
  outside: Outside,
  news: Pick<News, 'sealed'>,
  signal: AbortSignal,
) => Promise<void> {
  const round = createRounds<RecordOf>(BATCH, (count) => `${count} records could not be sealed`);
  return (outside, news, signal) => {
    const sealing = outside(openSealing);
    const part = async (of: RecordOf, most: number): Promise<number> => {
      const sealed = await sealing.seal(of, most);
      if (sealed > 0 && of !== '') news.sealed(of);
      return sealed;
    };
    return round({ listWaiting: sealing.listWaiting, part }, signal);
  };
}
