import { checksum, hashOf, newSecretPart } from './api-key-format.js';

/** A new token of a directory. Only the hash is kept; `token` is shown once. */
export interface MadeScimToken {
  readonly token: string;
  readonly hash: string;
  readonly lastFour: string;
}

/** What secret scanners look for. */
const TOKEN = /^og_scim_([0-9a-v]{26})_[0-9a-v]{32}_[0-9a-v]{7}$/;

/** `og_scim_<directory>_<secret>_<checksum>`: formed like an API key, and never mistaken for one. */
export function makeScimToken(directoryId: string): MadeScimToken {
  const unchecked = `og_scim_${directoryId.slice('scm_'.length)}_${newSecretPart()}`;
  const token = `${unchecked}_${checksum(unchecked)}`;
  return { token, hash: hashOf(token), lastFour: token.slice(-4) };
}

/** Reads a token without asking anyone; null for what was never one. */
export function readScimToken(text: string): { directoryId: string; hash: string } | null {
  const [token, publicId] = TOKEN.exec(text) ?? [];
  if (!token || checksum(token.slice(0, -8)) !== token.slice(-7)) return null;
  return { directoryId: `scm_${publicId}`, hash: hashOf(token) };
}
