import { createHash } from 'node:crypto';

/** What was read on both sides. */
export interface Comparison {
  readonly theirs: number;
  readonly ours: number;
  /** One for the rows of each side, in whatever order. */
  readonly checksums: readonly [theirs: string, ours: string];
  /** How many are missing here, or other than there. */
  readonly differ: number;
  /** Some of them, by their ids here. */
  readonly such: readonly string[];
}

type Row = Readonly<Record<string, unknown>> & { readonly id: string };

const MOST_TOLD = 10;
const ALL = 1n << 256n;

/** Adds up both sides of what moved. */
export class Compared {
  #theirs = 0;
  #ours = 0;
  #sums: [bigint, bigint] = [0n, 0n];
  readonly #differ = new Set<string>();

  /** The same rows of both sides; of ours only the fields count that theirs have. */
  add(theirs: readonly Row[], ours: readonly Row[]): void {
    const found = new Map(ours.map((row) => [row.id, row]));
    for (const row of theirs) {
      const own = found.get(row.id);
      const [there, here] = [textOf(row, row), own && textOf(own, row)];
      this.#theirs += 1;
      this.#sums[0] = (this.#sums[0] + digestOf(there)) % ALL;
      if (here !== undefined) {
        this.#ours += 1;
        this.#sums[1] = (this.#sums[1] + digestOf(here)) % ALL;
      }
      if (here !== there) this.differ(row.id);
    }
  }

  differ(id: string): void {
    this.#differ.add(id);
  }

  result(): Comparison {
    const [theirs, ours] = this.#sums.map((sum) => sum.toString(16).padStart(64, '0'));
    return {
      theirs: this.#theirs,
      ours: this.#ours,
      checksums: [theirs ?? '', ours ?? ''],
      differ: this.#differ.size,
      such: [...this.#differ].slice(0, MOST_TOLD),
    };
  }
}

const digestOf = (text: string): bigint => BigInt(`0x${createHash('sha256').update(text).digest('hex')}`);

const textOf = (row: Row, fields: Row): string =>
  JSON.stringify(
    Object.keys(fields)
      .toSorted()
      .map((field) => [field, plain(row[field])]),
  );

/** The same for the same value, however it was written. */
function plain(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, each]) => [key, plain(each)]);
}
