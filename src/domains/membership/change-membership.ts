import type { RequestContext } from '../../context/context.js';
import type { LockedDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { notFound } from '../../errors.js';
import type { Permission } from '../../permissions/catalogue.js';
import { type Actor, asActor } from '../../rights/actor.js';
import { assignmentsBehind } from '../../rights/earlier-role-assignment.js';
import { forgetWhoEnded } from '../../rights/end-earlier-stay.js';
import { endInvitation } from '../../rights/end-invitation.js';
import { assertNoEscalation } from '../../rights/escalation.js';
import { assertOwnerStays } from '../../rights/owners.js';

type MembershipRow = Row<'Membership'>;
type Change = Partial<Omit<MembershipRow, 'userId'>>;

/**
 * Changes what someone is in the current organization.
 *
 * The actor is read anew with the lock, so that of two people who act on each
 * other at the same moment the second acts with what the first has left them.
 *
 * @param change what is to become of them; may throw, when nothing can
 * @param alongside what else changes with it
 * @throws NOT_FOUND without such a member; FORBIDDEN when the actor lost the permission; ROLE_ESCALATION; LAST_OWNER
 */
export function changeMembership(
  userId: string,
  context: RequestContext,
  permission: Permission,
  change: (before: MembershipRow) => Change,
  alongside: (db: LockedDb, actor: Actor) => Promise<void> = () => Promise.resolve(),
): Promise<MembershipRow> {
  return asActor(context, permission, async (db, actor) => {
    const before = await db.membership.find({ userId });
    if (!before || before.kind !== 'PERSON' || (before.status === 'REMOVED' && !before.mayRejoin)) throw notFound();
    const changes = change(before);
    const after = { ...before, ...changes };
    // Of who was removed, and that was cleared, nothing is left but to take the clearance back.
    if (before.status === 'REMOVED' && after.mayRejoin) throw notFound();
    assertNoEscalation(context.catalogue, actor, before);
    // Whoever changes what someone is invited to be brings them back, when they accept.
    const isInvited = after.status === 'INVITED';
    const touched = isInvited ? await assignmentsBehind(db, after) : after.status === 'REMOVED' ? [] : [after];
    assertNoEscalation(context.catalogue, actor, ...touched);
    await assertOwnerStays(db, before, after);
    await alongside(db, actor);
    if (changes.status) await forgetWhoEnded(db, userId);
    if (before.status !== 'INVITED') return db.membership.update({ userId }, changes);
    const invitation = after.status === 'INVITED' ? null : await db.invitation.find({ pendingEmail: before.email });
    if (invitation) await endInvitation(db, invitation, 'REVOKED');
    // Whoever decides last what someone is invited to be answers for it when they accept.
    return db.membership.update({ userId }, { ...changes, invitedBy: actor.userId });
  });
}
