import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { newId } from '../data/id.js';

/** `live` in production, `test` elsewhere: a key of the one is none in the other. */
export type KeyEnvironment = 'live' | 'test';

/** A new key. Only the hash is kept; `key` is shown once. */
export interface MadeApiKey {
  readonly id: string;
  readonly key: string;
  readonly hash: string;
  readonly lastFour: string;
}

/** A well-formed key, not yet known to exist. */
export interface PresentedApiKey {
  readonly id: string;
  readonly hash: string;
}

/** What secret scanners look for; docs/people.md gives it to them. */
const KEY = /^og_(live|test)_([0-9a-v]{26})_[0-9a-v]{32}_([0-9a-v]{7})$/;

/** `og_<env>_<publicId>_<secret>_<checksum>`, in digits and lower-case letters; the secret has 160 random bits. */
export function makeApiKey(environment: KeyEnvironment, at: number): MadeApiKey {
  const id = newId('key', at);
  const unchecked = `og_${environment}_${id.slice('key_'.length)}_${newSecretPart()}`;
  const key = `${unchecked}_${checksum(unchecked)}`;
  return { id, key, hash: hashOf(key), lastFour: key.slice(-4) };
}

/** Reads a key without asking anyone; null for what this environment never made: a typo, a stranger, a guess. */
export function readApiKey(text: string, environment: KeyEnvironment): PresentedApiKey | null {
  const [key, madeFor, publicId, check] = KEY.exec(text) ?? [];
  if (!key || madeFor !== environment || check !== checksum(key.slice(0, -8))) return null;
  return { id: `key_${publicId}`, hash: hashOf(key) };
}

/** What looks like a key, and is none that this environment made. */
export interface UnreadableKey {
  /** Null where it has none. */
  readonly id: string | null;
  readonly why: 'MALFORMED' | 'OTHER_ENVIRONMENT';
}

/** What is wrong with a text that is no key and begins like one; null for everything else. */
export function faultOfKey(text: string, environment: KeyEnvironment): UnreadableKey | null {
  if (!text.startsWith('og_')) return null;
  const other = environment === 'live' ? 'test' : 'live';
  const isOther = readApiKey(text, other) !== null;
  const [, , publicId] = KEY.exec(text) ?? [];
  return { id: publicId ? `key_${publicId}` : null, why: isOther ? 'OTHER_ENVIRONMENT' : 'MALFORMED' };
}

/** 160 random bits, in digits and lower-case letters. */
export const newSecretPart = (): string =>
  BigInt(`0x${randomBytes(20).toString('hex')}`)
    .toString(32)
    .padStart(32, '0');

/** CRC-32 in base 32: a key that was cut or mistyped is told at once, and scanners have no false alarms. */
export const checksum = (text: string): string => crc32(text).toString(32).padStart(7, '0');

/** The secret is random through and through, so one round of a fast hash keeps it. */
export const hashOf = (key: string): string => createHash('sha256').update(key).digest('base64url');
