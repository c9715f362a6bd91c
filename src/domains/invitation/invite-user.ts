import type { RequestContext } from '../../context/context.js';
import { newId } from '../../data/id.js';
import type { Row } from '../../data/organization/table.js';
import { conflict } from '../../errors.js';
import { DUE_WORK } from '../../jobs/due-work.js';
import { invitedAgain, assignmentsBehind } from '../../rights/earlier-role-assignment.js';
import { isOpen } from '../../rights/end-invitation.js';
import { parseRoleAssignment, type RoleAssignmentInput } from '../../rights/parse-role-assignment.js';
import { hoursFrom, sendInvitation } from './send-invitation.js';
import { assertNoEscalation } from '../../rights/escalation.js';
import { assertSeatFree } from '../../rights/seats.js';
import { readActor } from '../../rights/actor.js';

export interface Invited extends RoleAssignmentInput {
  readonly email: string;
  readonly name: string;
  /** A week when left out. */
  readonly expiresInHours?: number | null | undefined;
}

/** A repeat within this time changes the invitation, and sends no second mail. */
const QUIET_MS = 60_000;

/**
 * Makes an INVITED membership, which grants nothing, and mails a link to accept. It holds what the inviter typed:
 * whether the address has an account elsewhere, and under which name, is not told.
 *
 * @throws CONFLICT on `input.email` for someone who is a member already; BAD_USER_INPUT; ROLE_ESCALATION
 */
export async function inviteUser(
  invited: Invited,
  context: RequestContext,
): Promise<{ membership: Row<'Membership'>; invitation: Row<'Invitation'> }> {
  const { email, name } = invited;
  const assignment = parseRoleAssignment(invited, context);
  const { mail, ...made } = await context.db.locked(async (db) => {
    const actor = await readActor(db, context, 'member:invite');
    assertNoEscalation(context.catalogue, actor, assignment);
    const before = await db.membership.find({ email });
    const changes = { name, invitedBy: context.actorId };
    // Machines have addresses, too, and nobody who could accept.
    if (before?.kind === 'SERVICE_ACCOUNT' || before?.status === 'ACTIVE' || before?.status === 'SUSPENDED') {
      throw conflict('This person is a member already.', 'input.email');
    }
    if (before) assertNoEscalation(context.catalogue, actor, ...(await assignmentsBehind(db, before)));
    const pending = await db.invitation.find({ pendingEmail: email });
    if (!pending || !isOpen(pending, db.now())) await assertSeatFree(db);
    const membership = before
      ? await db.membership.update({ userId: before.userId }, { ...changes, ...invitedAgain(before, assignment) })
      : await db.membership.create({ ...changes, ...assignment, status: 'INVITED', userId: newId('usr'), email });

    const expiresAt = hoursFrom(db.now(), invited.expiresInHours ?? 168);
    const invitation = pending
      ? await db.invitation.update({ id: pending.id }, { expiresAt })
      : await db.invitation.create({ id: newId('inv'), email, expiresAt });
    const since = new Date(db.now().getTime() - QUIET_MS);
    const wasJustSent = await db.invitationSecret.find({ invitationId: invitation.id, createdAt: { gt: since } });
    const sent = wasJustSent
      ? null
      : await sendInvitation(db, invitation, { inviter: actor.name, role: assignment.role }, context);
    return { membership, invitation: sent?.invitation ?? invitation, mail: sent?.mail };
  });
  if (mail) context.use(DUE_WORK).dispatch(mail);
  return made;
}
