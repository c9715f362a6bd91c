import { LRUCache } from 'lru-cache';
import { readDocument, type ReadDocument, type ReadOptions } from './read-document.js';

/** Documents that came once, of which most never come again. */
const NEW_BYTES = 4 * 1024 * 1024;
/** Documents that came again. */
const KEPT_BYTES = 12 * 1024 * 1024;

/**
 * Reads documents, and keeps those that people who are signed in send, by what they really weigh. What came once makes
 * room only for what came once: however many different documents somebody sends, those that come again stay.
 */
export class Documents {
  readonly #new = new LRUCache<string, ReadDocument>({ maxSize: NEW_BYTES, sizeCalculation: weigh });
  readonly #kept = new LRUCache<string, ReadDocument>({ maxSize: KEPT_BYTES, sizeCalculation: weigh });
  readonly #options: Omit<ReadOptions, 'isStranger'>;

  constructor(
    options: Omit<ReadOptions, 'isStranger'>,
    private readonly tellLookup: (isFound: boolean) => void = () => undefined,
  ) {
    this.#options = options;
  }

  /** A stranger's document is read anew each time, and leaves nothing behind. */
  read(source: string, isStranger: boolean): ReadDocument {
    const known = isStranger ? undefined : this.#find(source);
    if (!isStranger) this.tellLookup(known !== undefined);
    if (known) return known;
    const began = performance.now();
    const read = readDocument(source, { ...this.#options, isStranger });
    if (read.errors.length > 0) read.refusedMs = performance.now() - began;
    else if (!isStranger) this.#new.set(source, read);
    return read;
  }

  #find(source: string): ReadDocument | undefined {
    const kept = this.#kept.get(source);
    if (kept) return kept;
    const before = this.#new.get(source);
    if (before) {
      this.#new.delete(source);
      this.#kept.set(source, before);
    }
    return before;
  }
}

const weigh = ({ bytes }: ReadDocument, source: string): number => bytes + source.length * 2;
