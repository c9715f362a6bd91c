import { isIP } from 'node:net';
import { LOOK_UP_HOST } from '../egress/look-up-host.js';
import type { Use } from '../parts.js';
import { HOSTS } from './hosts.js';

/** Where the DNS of a custom host leads, as it says now. */
export interface LookAtHost {
  /** The name that it is an alias of, or its addresses. */
  readonly found: string[];
  /** Whether that is this gateway and nowhere else. */
  readonly leadsHere: boolean;
}

const SHOWN = 20;

/**
 * Looks where a custom host leads: here, when it is an alias of the gateway's own host, or when each of its addresses is one of
 * that host's. Where the DNS says nothing it does not.
 */
export async function lookAtHost(name: string, use: Use): Promise<LookAtHost> {
  const [target, lookUp] = [use(HOSTS).target(), use(LOOK_UP_HOST)];
  const { alias, addresses, isAnswered } = await lookUp(name);
  const found = alias === null ? addresses.slice(0, SHOWN) : [alias];
  if (!isAnswered) return { found, leadsHere: false };
  if (alias === target) return { found, leadsHere: true };
  if (addresses.length === 0) return { found, leadsHere: false };
  const own = isIP(target) === 0 ? (await lookUp(target)).addresses : [target];
  return { found, leadsHere: addresses.every((address) => own.includes(address)) };
}
