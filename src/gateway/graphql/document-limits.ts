/** What one document may hold. Everything is counted in linear time, before GraphQL's own validation looks. */
export interface DocumentLimits {
  readonly characters: number;
  readonly tokens: number;
  /** Fields and fragments, with every fragment spread out wherever it is spread. */
  readonly selections: number;
  /** Of fields within fields; introspection has a bound of its own in GraphQL. */
  readonly depth: number;
  readonly aliases: number;
  /** The same field again in one selection: of n of a name all but the first. */
  readonly duplicates: number;
  /**
   * Pairs of one name that validation compares, with fragments spread out: n of a name are n (n - 1) / 2 pairs. One whose
   * arguments are long counts as several.
   */
  readonly pairs: number;
  readonly directives: number;
  /** Directives of one field, fragment or operation. */
  readonly directivesInOnePlace: number;
  readonly fragments: number;
  readonly operations: number;
  /** Lists and objects within one another, in a value that is written into the document. */
  readonly valueDepth: number;
}

export const DOCUMENT_LIMITS: DocumentLimits = {
  characters: 65_536,
  tokens: 4000,
  selections: 2000,
  depth: 14,
  aliases: 30,
  duplicates: 20,
  pairs: 1000,
  directives: 30,
  directivesInOnePlace: 4,
  fragments: 100,
  operations: 50,
  valueDepth: 100,
};

/** Whoever has not signed in may ask little: an introspection query with all its options is 2,075 characters and 240 selections. */
export const STRANGERS_LIMITS: DocumentLimits = {
  ...DOCUMENT_LIMITS,
  characters: 4096,
  tokens: 1000,
  selections: 500,
  fragments: 20,
  operations: 10,
};

/** Validation stops here: what is wrong a hundred times over is no clearer than what is wrong five times. */
export const MAX_VALIDATION_ERRORS = 5;
