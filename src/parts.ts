/** Names a part of a deployment, such as its outbox, and says its type. Made once, beside that type. */
export interface Part<T> {
  readonly name: string;
  /** Never there: what says the type. */
  readonly is?: (part: T) => T;
}

export const part = <T>(name: string): Part<T> => ({ name });

/** Gives a part. @throws when the deployment has none */
export type Use = <T>(part: Part<T>) => T;

/** The parts of one deployment: whoever makes one adds it, whoever needs one names it. */
export class Parts {
  readonly #parts = new Map<object, unknown>();

  add<T>(part: Part<T>, made: T): this {
    this.#parts.set(part, made);
    return this;
  }

  readonly use: Use = <T>(part: Part<T>): T => {
    if (!this.#parts.has(part)) throw new Error(`this deployment has no ${part.name}`);
    return this.#parts.get(part) as T;
  };
}
