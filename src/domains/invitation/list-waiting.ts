import type { Outside } from '../../data/connection/outside.js';
import type { SessionScope } from '../../identity/registry.js';
import { openWaiting, type WaitingInvitation } from './outside.js';

/**
 * What waits for whoever is signed in, as told to who has the mails. In a session that an organization's own provider opened
 * nothing does: it reaches no other organization.
 */
export const listWaiting = (
  outside: Outside,
  { personId, boundOrgId }: Pick<SessionScope, 'personId' | 'boundOrgId'>,
): Promise<WaitingInvitation[]> => (boundOrgId === null ? outside(openWaiting)(personId) : Promise.resolve([]));
