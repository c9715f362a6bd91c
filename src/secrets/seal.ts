import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import path from 'node:path';
import { CompactEncrypt, compactDecrypt, decodeProtectedHeader } from 'jose';
import { readOrMakeFile } from './secret-file.js';

/**
 * Keeps at rest what is the deployment's own: its signing keys, who is on their way through an identity provider, and the data
 * keys of organizations. Whoever reads the database, or a copy of it, reads none of them.
 */
export interface Seal {
  /** The secret key that seals, by name: how its SHA-256 begins. */
  readonly current: string;
  /**
   * @param purpose what it is and whose, such as `signing_key/<kid>`; the same words are needed to open it, so a sealed
   *   value that was moved into another row stays shut
   * @returns a compact JWE (AES-256-GCM)
   */
  seal(plain: string, purpose: string): Promise<string>;
  /** @throws when it was sealed under a key that is gone, for another purpose, or was altered */
  open(sealed: string, purpose: string): Promise<string>;
}

/** @param keys as configured; null takes one that is made once and kept in the data directory */
export const openSeal = async (keys: readonly string[] | null, dataDirectory: string): Promise<Seal> =>
  createSeal(keys ?? [await readOrMakeFile(path.join(dataDirectory, 'secret.key'), makeSecretKey)]);

const makeSecretKey = (): string => randomBytes(32).toString('base64');

/** @param keys 32 bytes each in base64; the first one seals, every one opens, so that keys can be replaced */
export function createSeal(keys: readonly string[]): Seal {
  const derived = new Map<string, Uint8Array>();
  for (const key of keys) {
    const bytes = Buffer.from(key, 'base64');
    if (bytes.length !== 32) throw new Error('a secret key is not 32 bytes in base64');
    const kid = createHash('sha256').update(bytes).digest('base64url').slice(0, 8);
    derived.set(kid, new Uint8Array(hkdfSync('sha256', bytes, '', 'orgate/seal', 32)));
  }
  const [first] = derived;
  if (!first) throw new Error('there is no secret key');
  const [current, currentKey] = first;
  return {
    current,
    seal: (plain, purpose) => encrypt(plain, { key: currentKey, kid: current, purpose }),
    async open(sealed, purpose) {
      const key = derived.get(keyNameOf(sealed)) ?? fail('a secret was sealed under a key that is gone');
      return decrypt(sealed, { key, purpose });
    },
  };
}

/** What was sealed does not open, and never will with these keys. */
export class SealError extends Error {
  override readonly name = 'SealError';
}

/** Which key something was sealed under, by name. @throws SealError */
export function keyNameOf(sealed: string): string {
  try {
    return String(decodeProtectedHeader(sealed).kid);
  } catch (cause) {
    throw new SealError('a secret was altered', { cause });
  }
}

/** The names of key and purpose are authenticated with it. */
export const encrypt = (
  plain: string | Uint8Array,
  { key, kid, purpose }: { key: Uint8Array; kid: string; purpose: string },
): Promise<string> =>
  new CompactEncrypt(Buffer.from(plain)).setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid, purpose }).encrypt(key);

/** @throws when it was encrypted for another purpose, or altered */
export async function decrypt(sealed: string, { key, purpose }: { key: Uint8Array; purpose: string }): Promise<string> {
  const { plaintext, protectedHeader } = await compactDecrypt(sealed, key, {
    keyManagementAlgorithms: ['dir'],
    contentEncryptionAlgorithms: ['A256GCM'],
  }).catch((cause: unknown) => {
    throw new SealError('a secret was altered', { cause });
  });
  if (protectedHeader['purpose'] !== purpose) fail('a secret was sealed for another purpose');
  return Buffer.from(plaintext).toString();
}

function fail(reason: string): never {
  throw new SealError(reason);
}
