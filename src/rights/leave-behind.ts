import type { LockedDb, OrganizationDb } from '../data/organization/organization-db.js';
import type { Row } from '../data/organization/table.js';
import { withdrawInvitation } from './end-invitation.js';

/** One organization seldom has more that wait of one person; what is left over is worth nothing without its sender. */
const MOST = 1000;

/** What someone had asked before they were removed brings them back by nobody's oversight. */
export async function endJoinRequest(db: LockedDb, personId: string, decidedById: string | null): Promise<void> {
  const asked = await db.joinRequest.find({ personId, status: 'PENDING' });
  if (!asked) return;
  await db.joinRequest.update({ id: asked.id }, { status: 'DECLINED', decidedById, decidedAt: db.now() });
}

/** The pending memberships of whom this person invited. */
export const pendingOf = (db: OrganizationDb, userId: string): Promise<Row<'Membership'>[]> =>
  db.membership.list({ where: { invitedBy: userId, status: 'INVITED' }, orderBy: { userId: 'asc' }, take: MOST });

/** What this person sent and nobody answered yet is revoked. */
export async function withdrawInvitationsOf(db: LockedDb, userId: string): Promise<void> {
  for (const { email } of await pendingOf(db, userId)) {
    const invitation = await db.invitation.find({ pendingEmail: email });
    if (invitation) await withdrawInvitation(db, invitation, 'REVOKED');
  }
}
