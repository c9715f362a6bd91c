import { CompactSign } from 'jose';
import { REAL_TIME } from '../../context/deployment.js';
import type { Use } from '../../parts.js';
import { SIGNING_ALGORITHM, SIGNING_KEYS } from '../../identity/signing-keys.js';
import type { Chain } from './read-chain.js';

/**
 * Says by signature how long a record was at this moment, and what it held; null while nothing is sealed.
 *
 * @param organizationId whose it is; null of the deployment's own
 */
export async function signCheckpoint(chain: Chain, organizationId: string | null, use: Use): Promise<string | null> {
  const head = await chain.head();
  if (!head) return null;
  const key = await use(SIGNING_KEYS).current();
  const { sequence, hash } = head;
  const said = { organizationId, sequence: Number(sequence), hash, at: use(REAL_TIME)().toISOString() };
  return new CompactSign(new TextEncoder().encode(JSON.stringify(said)))
    .setProtectedHeader({ alg: SIGNING_ALGORITHM, typ: 'orgate-checkpoint+jws', kid: key.kid })
    .sign(key);
}
