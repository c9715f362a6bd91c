import type { LockedDb } from '../../data/organization/organization-db.js';
import type { Catalogue } from '../../permissions/catalogue.js';
import { isOpen, withdrawInvitation } from '../../rights/end-invitation.js';
import type { RoleAssignment } from '../../rights/escalation.js';
import { isStillGranted } from './answer-invitation.js';

/**
 * What someone is invited to, if that can be accepted now. One that nobody stands behind any more is taken back.
 *
 * @param person whose e-mail was verified
 */
export async function takeInvitation(
  db: LockedDb,
  person: { readonly id: string; readonly email: string },
  catalogue: Catalogue,
): Promise<RoleAssignment | null> {
  const { email } = person;
  const invitation = await db.invitation.find({ pendingEmail: email });
  if (!invitation || !isOpen(invitation, db.now())) return null;
  const pending = await db.membership.find({ email, status: 'INVITED' });
  if (pending && (await isStillGranted(db, pending, person, catalogue))) return pending;
  await withdrawInvitation(db, invitation, 'REVOKED');
  return null;
}
