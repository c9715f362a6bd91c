import type { LockedDb } from '../data/organization/organization-db.js';
import { conflict } from '../errors.js';

/**
 * Seats are taken by people who are members, suspended ones included, and by invitations that can be accepted.
 */
export async function assertSeatFree(db: LockedDb): Promise<void> {
  const { seatLimit } = db.held;
  if (seatLimit === null) return;
  const members = await db.membership.count({ kind: 'PERSON', status: { in: ['ACTIVE', 'SUSPENDED'] } });
  const invited = await db.invitation.count({ status: 'PENDING', expiresAt: { gt: db.now() } });
  if (members + invited >= seatLimit) throw conflict('Every seat of the subscription is taken.');
}
