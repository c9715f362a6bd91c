import type { WORDS } from '../../generated/words.js';

/**
 * The fields of a row, with the words that they hold in the place of text: those that their models say at the column, and a
 * test holds the database's constraints to.
 */
export type Worded<M, Fields> = M extends keyof typeof WORDS
  ? { [F in keyof Fields]: F extends keyof (typeof WORDS)[M] ? Word<(typeof WORDS)[M][F], Fields[F]> : Fields[F] }
  : Fields;

type Word<Words, Text> = keyof Words | Extract<Text, null>;
