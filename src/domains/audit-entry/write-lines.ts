import { type Lines as LinesOf, linesOf } from '../../resource/lines.js';
import { DIGESTED } from './chain.js';
import type { SealedEntry } from './read-stretch.js';

export type Lines = LinesOf<SealedEntry>;

/** All that `verify-audit.mjs` needs, in the words of docs/audit.md. */
export const LINES = linesOf(
  ['sequence', 'at', 'action', 'outcome', ...DIGESTED, 'salts', 'hash'] as const,
  ({ entry, seal }: SealedEntry) => ({
    ...entry,
    sequence: Number(seal.sequence),
    at: entry.at.toISOString(),
    salts: seal.salts,
    hash: seal.hash,
  }),
);
