import { hash } from 'node:crypto';
import { canonicalJson } from '../../canonical-json.js';

/** Of an entry, what its hash covers through digests: each with a salt of its own, so that it can be erased alone. */
export const DIGESTED = [
  'id',
  'actorKind',
  'actorId',
  'actorName',
  'onBehalfOf',
  'targetType',
  'targetId',
  'targetName',
  'changes',
  'reason',
  'requestId',
  'address',
] as const;

/** What is sealed, as it stands in the store. */
export type Sealable = { readonly [F in (typeof DIGESTED)[number]]: unknown } & {
  readonly at: Date;
  readonly action: string;
  readonly outcome: string;
};

/** 128 bits in base64url; null of a field that is empty; the digest alone where field and salt were erased. */
export type Salt = string | null | { readonly digest: string };

/** Before the first entry. */
export const NO_HASH = '';

/** What the salts of one entry are made of. */
export const SALTS_BYTES = 16 * DIGESTED.length;

/** @param random so many bytes that nobody else is given; drawn for many entries at once they take a fifth of the time */
export const newSalts = (entry: Sealable, random: Buffer): Salt[] =>
  DIGESTED.map((field, index) =>
    entry[field] == null ? null : random.toString('base64url', 16 * index, 16 * (index + 1)),
  );

/** What an entry says of people and things. The rest is what kind of thing was done, when, and by what kind of actor. */
const OF_PEOPLE_AND_THINGS: ReadonlySet<(typeof DIGESTED)[number]> = new Set([
  'actorId',
  'actorName',
  'onBehalfOf',
  'targetId',
  'targetName',
  'changes',
  'reason',
  'requestId',
  'address',
] as const);

/** The salts of an entry of which that was erased. Its hash stays what it is. */
export const saltsOfErased = (entry: Sealable, salts: readonly Salt[]): Salt[] =>
  DIGESTED.map((field, index) => {
    const salt = salts[index] ?? null;
    const isErased = OF_PEOPLE_AND_THINGS.has(field) && entry[field] != null;
    return isErased ? { digest: digestOf(entry[field], salt) } : salt;
  });

/**
 * The hash of an entry, which covers that of the one before it. docs/audit.md says how it is made, and prints a program that
 * makes it, too.
 */
export function hashOf(entry: Sealable, { before, sequence, salts }: Link): string {
  const digests = DIGESTED.map((field, index) => digestOf(entry[field], salts[index] ?? null));
  const { at, action, outcome } = entry;
  return sha256(JSON.stringify([before, sequence, at.toISOString(), action, outcome, ...digests]));
}

/** Of a place whose entry was taken before it was sealed: it verifies as MISSING, and what follows hangs on it. */
export const hashOfGone = ({ before, sequence }: Omit<Link, 'salts'>): string =>
  sha256(JSON.stringify([before, sequence]));

interface Link {
  /** The hash of the entry before it. */
  readonly before: string;
  /** From 1. */
  readonly sequence: number;
  readonly salts: readonly Salt[];
}

function digestOf(value: unknown, salt: Salt): string {
  // A digest stands for what is gone: with something in its place it would vouch for whatever that is.
  if (salt !== null && typeof salt === 'object') return value == null ? salt.digest : 'more than was erased';
  return value == null && salt === null ? '' : sha256(`${salt ?? ''}${canonicalJson(value)}`);
}

// At once, which takes half as long as what is told bit by bit.
const sha256 = (text: string): string => hash('sha256', text, 'base64url');
