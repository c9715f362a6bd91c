import { OrgateError } from '../../errors.js';

/** What is held in memory for answers, in bytes as they came or will be printed. */
export interface ReadLimits {
  /** For one request. */
  readonly request: number;
  /** For all requests of one organization, or of people in none. */
  readonly holder: number;
  /** For all requests together. */
  readonly together: number;
}

/** Of rows and answers, by all requests together; an organization holds a quarter of it at most. */
const MAX_HELD_BYTES = 64_000_000;

/** What holds for requests whose answers have so many characters at most: rows hold more than is shown of them. */
export const readLimits = (maxAnswer: number): ReadLimits => ({
  request: 4 * maxAnswer,
  holder: MAX_HELD_BYTES / 4,
  together: MAX_HELD_BYTES,
});

/** So little may always be read, and so little printed: whoever asks for much waits for whoever asks for much. */
const SMALL_READ = 1024 * 1024;
const SMALL_ANSWER = 64 * 1024;

let held = 0;
const heldBy = new Map<string, number>();

function hold(holder: string, bytes: number): number {
  held += bytes;
  const theirs = (heldBy.get(holder) ?? 0) + bytes;
  if (theirs > 0) heldBy.set(holder, theirs);
  else heldBy.delete(holder);
  return theirs;
}

/**
 * What one request holds until its answer has been taken: the rows it has read, and then what was printed from them. Rows
 * become objects of several times their size, so they are counted while they come; and an answer that nobody takes lies
 * in memory for as long as its connection lasts.
 */
export class ReadBound {
  #bytes = 0;
  #isReleased = false;
  #holder = '';

  constructor(private readonly limits: ReadLimits) {}

  /** Says whose request it is, as soon as that is known. */
  belongTo(holder: string): void {
    hold(this.#holder, -this.#bytes);
    hold(holder, this.#bytes);
    this.#holder = holder;
  }

  /** @throws QUERY_TOO_EXPENSIVE; SERVICE_UNAVAILABLE while too much is held already */
  count(bytes: number): void {
    this.#bytes += bytes;
    const theirs = this.#isReleased ? 0 : hold(this.#holder, bytes);
    if (this.#bytes > this.limits.request) throw new OrgateError('QUERY_TOO_EXPENSIVE');
    if (this.#bytes > SMALL_READ) this.#refuseBeyond(theirs);
  }

  /**
   * The rows are let go for what was printed from them.
   *
   * @throws SERVICE_UNAVAILABLE while too much is held already
   */
  printed(bytes: number): void {
    const theirs = this.hold(bytes);
    if (bytes > SMALL_ANSWER) this.#refuseBeyond(theirs);
  }

  /** The same for what was carried out, and cannot be refused any more. Answers what its holder holds. */
  hold(bytes: number): number {
    if (this.#isReleased) return 0;
    const theirs = hold(this.#holder, bytes - this.#bytes);
    this.#bytes = bytes;
    return theirs;
  }

  /** The answer was taken, or its client is gone. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    hold(this.#holder, -this.#bytes);
  }

  #refuseBeyond(theirs: number): void {
    if (held <= this.limits.together && theirs <= this.limits.holder) return;
    throw new OrgateError(
      'SERVICE_UNAVAILABLE',
      'Too much is asked for at once; take answers as they come, and try again.',
    );
  }
}
