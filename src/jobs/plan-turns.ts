/** A turn that was had: when it was, and when the organization's next one is, both in virtual time. */
export interface HadTurn {
  readonly orgId: string;
  readonly start: number;
  readonly next: number;
}

/** In virtual time: how long a turn of whoever weighs least is. One of three times its weight is a third as long. */
export const STEP = 1_000_000;
/** So many are remembered of a kind, the latest: more than one statement looks at. Whoever is forgotten has their next turn as if they came just now. */
const MOST = 2000;

/**
 * Whose turn it is of one kind of work: start-time fair queueing, as between claims of runs, and kept by this process alone. Each turn makes the
 * organization's next one later by a step, and whoever has the least goes first. Who was away has no turn left from then.
 */
export class PlanTurns {
  /** When the last turn was. Nobody's next one is earlier. */
  now = 0;
  /** Where there are too many organizations to look at, those behind this one are looked at. */
  behind = '';
  /** When they were come to. */
  #since = 0;
  readonly #next = new Map<string, number>();

  /** Those whose next turn is later than now, with when that is. */
  get later(): ReadonlyMap<string, number> {
    return this.#next;
  }

  /**
   * @param free how many turns there were to be had
   * @param reached up to which organization was looked; '' where that was the last, null where nobody was left out
   */
  note(free: number, had: readonly HadTurn[], reached: string | null): void {
    for (const { orgId, next } of had) {
      const latest = Math.max(next, this.#next.get(orgId) ?? 0);
      this.#next.delete(orgId);
      this.#next.set(orgId, latest);
    }
    this.now = Math.max(this.now, ...had.map(({ start }) => start));
    for (const [orgId, next] of this.#next) {
      if (next <= this.now || this.#next.size > MOST) this.#next.delete(orgId);
    }
    // Until each of those that are looked at has had as many turns as it weighs, the others wait.
    if (reached !== null && had.length === free && had.some(({ start }) => start < this.#since + STEP)) return;
    this.behind = reached ?? this.behind;
    this.#since = this.now;
  }
}
