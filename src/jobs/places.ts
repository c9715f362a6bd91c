import type { Room } from './outside.js';

/** What it takes of a kind of work at most. */
export interface Kind {
  readonly name: string;
  readonly atOnce?: number;
}

const AT_ONCE = 5;

/** So much is done at once of each kind; whenever something is over, more is taken. */
export class Places<W extends { readonly kind: string }> {
  readonly #taken: ReadonlyMap<string, Set<W>>;
  #filling: Promise<void> | null = null;
  /** More is taken as places come free, until it is aborted. Null takes nothing. */
  until: AbortSignal | null = null;

  /**
   * @param take takes as much as there is room for
   * @param work does it; never fails
   */
  constructor(
    private readonly kinds: readonly Kind[],
    private readonly take: (rooms: readonly Room[]) => Promise<readonly W[]>,
    private readonly work: (work: W) => Promise<void>,
  ) {
    this.#taken = new Map(kinds.map(({ name }) => [name, new Set<W>()]));
  }

  /** What is being done. */
  *held(): Iterable<W> {
    for (const taken of this.#taken.values()) yield* taken;
  }

  /** Answers once what there is room for has begun. */
  fill(): Promise<void> {
    this.#filling ??= this.#fill().finally(() => (this.#filling = null));
    return this.#filling;
  }

  async #fill(): Promise<void> {
    const rooms = this.#rooms();
    if (!this.until || this.until.aborted || rooms.length === 0) return;
    for (const work of await this.take(rooms)) {
      const taken = this.#taken.get(work.kind);
      taken?.add(work);
      void this.work(work).then(() => {
        taken?.delete(work);
        return this.fill().catch(() => undefined); // the next round says it
      });
    }
  }

  #rooms(): Room[] {
    return this.kinds
      .map(({ name: kind, atOnce = AT_ONCE }) => {
        const free = atOnce - (this.#taken.get(kind)?.size ?? 0);
        return { kind, free, atOnce };
      })
      .filter(({ free }) => free > 0);
  }
}
