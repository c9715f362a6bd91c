import { checksum, hashOf, newSecretPart } from './api-key-format.js';

/** What a token of a machine is for: an executor's claims runs, a claim's works on the one run that was claimed. */
export type MachineKind = 'executor' | 'claim';

/** How each is spelt, and how the ids begin that it names. */
const SPELT = { executor: { word: 'exec', prefix: 'exr' }, claim: { word: 'run', prefix: 'clm' } } as const;

/** A new token. Only the hash is kept; `token` is shown once. */
export interface MadeMachineToken {
  readonly token: string;
  readonly hash: string;
  readonly lastFour: string;
}

/** A well-formed token, not yet known to be anyone's. */
export type PresentedMachineToken = {
  readonly [K in MachineKind]: { readonly kind: K; readonly id: string; readonly hash: string };
}[MachineKind];

/** What secret scanners look for; docs/executors.md gives it to them. */
const TOKEN = /^og_(exec|run)_([0-9a-v]{26})_[0-9a-v]{32}_[0-9a-v]{7}$/;

/** `og_exec_<executor>_<secret>_<checksum>`: formed like an API key, and never mistaken for one. */
export function makeMachineToken(kind: MachineKind, id: string): MadeMachineToken {
  const { word, prefix } = SPELT[kind];
  const unchecked = `og_${word}_${id.slice(`${prefix}_`.length)}_${newSecretPart()}`;
  const token = `${unchecked}_${checksum(unchecked)}`;
  return { token, hash: hashOf(token), lastFour: token.slice(-4) };
}

/** Whether a text begins as one does, so that it was meant to be one. */
export const isLikeMachineToken = (text: string): boolean => /^og_(?:exec|run)_/.test(text);

/** Reads a token without asking anyone; null for what was never one. */
export function readMachineToken(text: string): PresentedMachineToken | null {
  const [token, word, publicId] = TOKEN.exec(text) ?? [];
  if (!token || checksum(token.slice(0, -8)) !== token.slice(-7)) return null;
  const kind = word === 'exec' ? 'executor' : 'claim';
  return { kind, id: `${SPELT[kind].prefix}_${publicId}`, hash: hashOf(token) };
}
