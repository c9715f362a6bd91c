/** What waits of some organizations, and is done part by part. */
export interface Waiting<Of extends string> {
  /** Those with something that waits, up to so many, in order: behind one of them, or from the first on. */
  listWaiting(behind: Of | null, most: number): Promise<Of[]>;
  /** Does so much of what waits of one. @returns how much it was; less than asked for when none is left */
  part(of: Of, most: number): Promise<number>;
}

/** Looked after in one round; of more, those behind them are next. */
const IN_A_ROUND = 200;
/** No longer than a few batches, so that one that is busy keeps nobody waiting. */
const BATCHES = 5;

/**
 * Makes what looks after whatever waits, one after the other, round by round.
 *
 * @param batch how much is done by one statement
 * @throws AggregateError with what failed, after all others had their turn
 */
export function createRounds<Of extends string>(
  batch: number,
  failed: (count: number) => string,
): (waiting: Waiting<Of>, signal: AbortSignal) => Promise<void> {
  let behind: Of | null = null;
  return async (waiting, signal) => {
    const failures: unknown[] = [];
    const found = await waiting.listWaiting(behind, IN_A_ROUND);
    for (const of of found) {
      await doneOf(waiting, of, batch, signal).catch((error: unknown) => failures.push(error));
      if (signal.aborted) break; // the next round begins where this one came to
      behind = of;
    }
    if (!signal.aborted && found.length < IN_A_ROUND) behind = null;
    if (failures.length > 0) throw new AggregateError(failures, failed(failures.length));
  };
}

async function doneOf<Of extends string>(
  waiting: Waiting<Of>,
  of: Of,
  most: number,
  signal: AbortSignal,
): Promise<void> {
  for (let batch = 0; batch < BATCHES && !signal.aborted; batch += 1) {
    if ((await waiting.part(of, most)) < most) return;
  }
}
