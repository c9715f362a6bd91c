import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import path from 'node:path';
import { CompactEncrypt, compactDecrypt } from 'jose';
import { part } from '../parts.js';
import { readOrMakeFile } from './secret-file.js';

/** Keeps secrets at rest: whoever reads the database, or a copy of it, reads none of them. */
export interface Seal {
  /**
   * @param purpose what it is and whose, such as `signing_key/<kid>`; the same words are needed to open it, so a sealed
   *   value that was moved into another row stays shut
   * @returns a compact JWE (AES-256-GCM)
   */
  seal(plain: string, purpose: string): Promise<string>;
  /** @throws when it was sealed under a key that is gone, for another purpose, or was altered */
  open(sealed: string, purpose: string): Promise<string>;
}

export const SEAL = part<Seal>('seal');

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
  const [currentKid, currentKey] = first;
  return {
    seal: (plain, purpose) =>
      new CompactEncrypt(Buffer.from(plain))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: currentKid, purpose })
        .encrypt(currentKey),
    open: async (sealed, purpose) => {
      const { plaintext, protectedHeader } = await compactDecrypt(
        sealed,
        ({ kid }) => derived.get(String(kid)) ?? fail('a secret was sealed under a key that is gone'),
        { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'] },
      );
      if (protectedHeader['purpose'] !== purpose) fail('a secret was sealed for another purpose');
      return Buffer.from(plaintext).toString();
    },
  };
}

function fail(reason: string): never {
  throw new Error(reason);
}
