import { CompactSign } from 'jose';
import type { RequestContext } from '../../context/context.js';
import { SIGNING_ALGORITHM, SIGNING_KEYS } from '../../identity/signing-keys.js';
import { readHead } from './verify-chain.js';

/** Says by signature how long the record was at this moment, and what it held; null while nothing is sealed. */
export async function signCheckpoint({ db, organization, use }: RequestContext): Promise<string | null> {
  const head = await readHead(db);
  if (!head) return null;
  const key = await use(SIGNING_KEYS).current();
  const { sequence, hash } = head;
  const said = { organizationId: organization.orgId, sequence: Number(sequence), hash, at: new Date().toISOString() };
  return new CompactSign(new TextEncoder().encode(JSON.stringify(said)))
    .setProtectedHeader({ alg: SIGNING_ALGORITHM, typ: 'orgate-checkpoint+jws', kid: key.kid })
    .sign(key);
}
