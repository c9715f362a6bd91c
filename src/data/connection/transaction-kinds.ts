/** Transactions that do the same, and so wait for the same. */
export interface TransactionKind {
  readonly isTransaction: true;
  /** Begun, and none of this kind came to its end since. */
  readonly unanswered: Set<object>;
}

/** What is asked for are names of the contract's mutations, of which a document may name several, each once. */
const MAX_KNOWN = 2000;

/**
 * Keeps count of transactions by what asks for them: what one will touch is not known when it takes its connection, but
 * what it is for tells that well enough. One that comes to its end shows that nothing of its kind waits.
 */
export class TransactionKinds {
  readonly #byPurpose = new Map<string, TransactionKind>();
  underWay = 0;
  unanswered = 0;

  of(purpose: string): TransactionKind {
    let kind = this.#byPurpose.get(purpose);
    if (!kind) {
      kind = { isTransaction: true, unanswered: new Set() };
      if (this.#byPurpose.size >= MAX_KNOWN) this.#byPurpose.clear();
      this.#byPurpose.set(purpose, kind);
    }
    return kind;
  }

  begin({ unanswered }: TransactionKind, transaction: object): void {
    this.underWay += 1;
    this.unanswered += 1;
    unanswered.add(transaction);
  }

  end({ unanswered }: TransactionKind, transaction: object, isAnswered: boolean): void {
    const before = unanswered.size;
    if (isAnswered) unanswered.clear();
    else unanswered.delete(transaction);
    this.unanswered -= before - unanswered.size;
    this.underWay -= 1;
  }
}
