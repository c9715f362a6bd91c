/** No id has it. */
const SEPARATOR = '\n';

/**
 * Ids as one text, in which they stand one below the other: the database reads, compares and writes 50,000 of them, which
 * are never as many objects here. To make those takes a while in which nobody else's request gets on.
 */
export class Ids {
  static readonly none = new Ids('', 0);
  readonly #text: string;
  readonly #size: number;

  private constructor(text: string, size: number) {
    this.#text = text;
    this.#size = size;
  }

  /** What is no id, for it holds what separates them, becomes one that nothing has. */
  static of(ids: Iterable<string>): Ids {
    const list = Array.from(ids, (id) => (id.includes(SEPARATOR) ? '' : id));
    return new Ids(list.join(SEPARATOR), list.length);
  }

  /** From what `packed` gave, here or in another thread, or the database by PACK. */
  static unpack({ text, size }: PackedIds): Ids {
    return new Ids(text ?? '', Number(size));
  }

  /** Whether it was made here: what only looks so is not. */
  static isIds(value: unknown): value is Ids {
    return typeof value === 'object' && value !== null && #text in value;
  }

  get size(): number {
    return this.#size;
  }

  get packed(): { readonly text: string; readonly size: number } {
    return { text: this.#text, size: this.#size };
  }

  and(others: Ids): Ids {
    if (others.#size === 0) return this;
    return this.#size === 0 ? others : new Ids(this.#text + SEPARATOR + others.#text, this.#size + others.#size);
  }

  /** So many at a time. */
  *parts(most: number): Generator<string[]> {
    const { length } = this.#text;
    for (let [start, end] = [0, 0]; start < length; start = end + 1) {
      end = start - 1;
      for (let count = 0; count < most && end < length; count += 1) {
        const next = this.#text.indexOf(SEPARATOR, end + 1);
        end = next === -1 ? length : next;
      }
      yield this.#text.slice(start, end).split(SEPARATOR);
    }
  }
}

export interface PackedIds {
  readonly text: string | null;
  readonly size: number | string;
}

/** What the database makes of a column, to be unpacked here. */
export const pack = (column: string, order = ''): string =>
  `string_agg(${column}, E'\\n'${order}) as text, count(${column}) as size`;

/** What the database makes of the text that stands behind a parameter. */
export const unpackParameter = (parameter: string): string => `string_to_array(${parameter}, E'\\n')`;
