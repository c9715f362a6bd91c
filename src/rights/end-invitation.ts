import type { LockedDb } from '../data/organization/organization-db.js';
import type { Row } from '../data/organization/table.js';
import { takeBackMail } from '../mail/outbox.js';
import { ended } from './earlier-role-assignment.js';

type InvitationRow = Row<'Invitation'>;

/** Whether it can be accepted now. One that cannot holds no seat. */
export const isOpen = ({ status, expiresAt }: InvitationRow, now: Date): boolean =>
  status === 'PENDING' && expiresAt > now;

/** Ends an invitation, and takes back what was not mailed yet. */
export async function endInvitation(
  db: LockedDb,
  { id }: InvitationRow,
  status: 'ACCEPTED' | 'REVOKED' | 'DECLINED',
): Promise<InvitationRow> {
  await takeBackMail(db, id);
  return db.invitation.update({ id }, { status, endedAt: db.now() });
}

/** Ends an invitation without its being accepted: the pending membership of the address goes with it. */
export async function withdrawInvitation(
  db: LockedDb,
  invitation: InvitationRow,
  status: 'REVOKED' | 'DECLINED',
): Promise<InvitationRow> {
  const pending = await db.membership.find({ email: invitation.email, status: 'INVITED' });
  if (pending) await db.membership.update({ userId: pending.userId }, ended(pending));
  return endInvitation(db, invitation, status);
}
