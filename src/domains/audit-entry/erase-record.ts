import { setImmediate as othersTurn } from 'node:timers/promises';
import type { Outside } from '../../data/connection/outside.js';
import type { OrgId } from '../../data/id.js';
import { openErasing } from './outside.js';

/**
 * Erases from the sealed record of an organization that is being deleted whatever it says of people and things. Actions, times
 * and the chain stay, which verifies as before. Begun again it goes on where it was.
 */
export async function eraseRecord(outside: Outside, orgId: OrgId, signal: AbortSignal): Promise<void> {
  const erasing = outside(openErasing);
  while (await erasing.eraseMore(orgId)) {
    signal.throwIfAborted();
    await othersTurn();
  }
}
