import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';

/** What pg's pool is asked and told here. */
interface Sized extends NodeJS.EventEmitter {
  readonly options: { max: number };
}

const GROW_AFTER_MS = 10_000;
/** Shrinking takes as many refusals as there are connections too few; it is told once, when that is over. */
const TELL_AFTER_MS = 1000;
const WAIT_MS = 10_000;
const RETRY_MS = 100;

/**
 * Keeps a pool to the connections that are to be had. Where the server, a role, a database or a pooler has fewer than
 * configured, whoever would open one more waits for one of those that are open, instead of being refused. Now and then
 * one more is tried.
 */
export class PoolSize {
  readonly #wanted: number;
  #isShort = false;
  /** Without those that are only being opened, which the pool counts too. */
  #open = 0;
  #growing: NodeJS.Timeout | undefined;

  /**
   * @param onSize told of each size that the pool takes
   * @param onChange told when connections are too few, with how many there are, and when all are to be had again
   */
  constructor(
    private readonly pool: Sized,
    private readonly onSize: (size: number) => void,
    private readonly onChange: (size: number) => void,
  ) {
    this.#wanted = pool.options.max;
    pool.on('connect', () => {
      this.#open += 1;
      if (this.#isShort && this.#open >= pool.options.max) this.#grow();
    });
    pool.on('remove', () => (this.#open -= 1));
  }

  /** Takes a connection, by opening it or waiting for one. Nearly always the first is to be had: that takes no promise more. */
  take<T>(connect: () => Promise<T>): Promise<T> {
    const end = performance.now() + WAIT_MS;
    const again = async (error: unknown): Promise<T> => {
      if (!isTooMany(error)) throw error;
      this.#shrink();
      if (performance.now() > end) throw error;
      if (this.#open === 0) await wait(RETRY_MS); // nobody will give one back: ask again, and not all the time
      return connect().catch(again);
    };
    return connect().catch(again);
  }

  #shrink(): void {
    const { pool } = this;
    this.#resize(Math.max(this.#open, 1));
    if (!this.#isShort) setTimeout(() => this.#isShort && this.onChange(pool.options.max), TELL_AFTER_MS).unref();
    this.#isShort = true;
    this.#growing ??= setInterval(() => this.#grow(), GROW_AFTER_MS).unref();
  }

  #resize(size: number): void {
    this.pool.options.max = size;
    this.onSize(size);
  }

  /** Lets one more be tried; where it is to be had, the next is tried at once. */
  #grow(): void {
    const { options } = this.pool;
    if (options.max < this.#wanted) this.#resize(options.max + 1);
    else if (this.#open >= this.#wanted) {
      this.#isShort = false;
      clearInterval(this.#growing);
      this.#growing = undefined;
      this.onChange(this.#wanted);
    }
  }
}

/** PostgreSQL says so by its code; PgBouncer, which has none for it, in words. */
export const isTooMany = (error: unknown): boolean =>
  error instanceof pg.DatabaseError && (error.code === '53300' || /no more connections allowed/.test(error.message));
