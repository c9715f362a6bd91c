import type { LockedDb, OrganizationDb } from '../data/organization/organization-db.js';
import { conflict } from '../errors.js';
import { decideLimit } from '../permissions/features.js';

/**
 * Seats are taken by people who are members, suspended ones included, and by invitations that can be accepted.
 */
export async function assertSeatFree(db: LockedDb): Promise<void> {
  const { max } = decideLimit(db.held, 'seats');
  if (max === null) return;
  if ((await countSeats(db)) >= max) throw conflict('Every seat of the subscription is taken.');
}

/** How many are taken. */
export async function countSeats(db: OrganizationDb): Promise<number> {
  const members = await db.membership.count({ kind: 'PERSON', status: { in: ['ACTIVE', 'SUSPENDED'] } });
  const invited = await db.invitation.count({ status: 'PENDING', expiresAt: { gt: db.now() } });
  return members + invited;
}
