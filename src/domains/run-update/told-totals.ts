import type { Row } from '../../data/organization/table.js';

/** Runs whose totals were told last: what was told is not told again. Of more than these one may be. */
const REMEMBERED = 1000;

type Totals = Pick<Row<'Run'>, 'id' | 'reportedAt' | 'totalTokens' | 'totalCostMicros' | 'stopRequestedAt'>;

/**
 * What one stream was told of totals. There may be a thousand streams, each of a thousand runs, for hours: so no more is kept of any than
 * two small numbers. Two runs of the same one are told once more than they had to be.
 */
export class ToldTotals {
  readonly #totals = new Map<number, number>();

  /** Notes what is told of a run now. @returns whether that is anything new */
  isNews({ id, ...row }: Totals): boolean {
    const run = digest(id);
    const now = digest(
      `${row.reportedAt?.getTime()} ${row.totalTokens} ${row.totalCostMicros} ${row.stopRequestedAt?.getTime()}`,
    );
    if (this.#totals.get(run) === now) return false;
    this.#totals.delete(run);
    const [oldest] = this.#totals.size >= REMEMBERED ? this.#totals.keys() : [];
    if (oldest !== undefined) this.#totals.delete(oldest);
    this.#totals.set(run, now);
    return true;
  }
}

/** Of 31 bits (FNV-1a), which a map holds in itself. */
function digest(text: string): number {
  let found = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) found = Math.imul(found ^ text.charCodeAt(at), 0x01000193);
  return found >> 1;
}
