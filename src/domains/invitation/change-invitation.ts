import type { RequestContext } from '../../context/context.js';
import type { Row } from '../../data/organization/table.js';
import { conflict } from '../../errors.js';
import { DUE_WORK } from '../../jobs/due-work.js';
import { asActor } from '../../rights/actor.js';
import { assignmentsBehind } from '../../rights/earlier-role-assignment.js';
import { isOpen, withdrawInvitation } from '../../rights/end-invitation.js';
import { assertNoEscalation } from '../../rights/escalation.js';
import { assertSeatFree } from '../../rights/seats.js';
import { hoursFrom, sendInvitation } from './send-invitation.js';

/**
 * Sends an invitation again, in the name of whoever asks.
 *
 * @throws NOT_FOUND; CONFLICT when it was answered or revoked, and where an expired one finds no seat; ROLE_ESCALATION
 */
export async function resendInvitation(
  id: string,
  expiresInHours: number,
  context: RequestContext,
): Promise<Row<'Invitation'>> {
  const { invitation, mail } = await asActor(context, 'member:invite', async (db, actor) => {
    const before = await db.invitation.get({ id });
    const pending = await db.membership.find({ email: before.email, status: 'INVITED' });
    if (before.status !== 'PENDING' || !pending) throw conflict('This invitation is over; invite anew.', 'id');
    assertNoEscalation(context.catalogue, actor, ...(await assignmentsBehind(db, pending)));
    if (!isOpen(before, db.now())) await assertSeatFree(db);
    await db.membership.update({ userId: pending.userId }, { invitedBy: actor.userId });
    const renewed = await db.invitation.update(
      { id },
      { expiresAt: hoursFrom(db.now(), expiresInHours), renewalRequestedAt: null },
    );
    return sendInvitation(db, renewed, { inviter: actor.name, role: pending.role }, context);
  });
  context.use(DUE_WORK).dispatch(mail);
  return invitation;
}

/** @throws NOT_FOUND; CONFLICT when it was answered; ROLE_ESCALATION. One that is revoked already stays so. */
export function revokeInvitation(id: string, context: RequestContext): Promise<Row<'Invitation'>> {
  return asActor(context, 'member:invite', async (db, actor) => {
    const before = await db.invitation.get({ id });
    if (before.status === 'REVOKED') return before;
    if (before.status !== 'PENDING') throw conflict('This invitation was answered.', 'id');
    const pending = await db.membership.find({ email: before.email, status: 'INVITED' });
    if (pending) assertNoEscalation(context.catalogue, actor, pending);
    return withdrawInvitation(db, before, 'REVOKED');
  });
}
