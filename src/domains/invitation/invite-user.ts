import type { RequestContext } from '../../context/context.js';
import { newId } from '../../data/id.js';
import type { LockedDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { conflict } from '../../errors.js';
import type { DueWork } from '../../jobs/due-kind.js';
import { DUE_WORK } from '../../jobs/due-work.js';
import { invitedAgain, assignmentsBehind } from '../../rights/earlier-role-assignment.js';
import { isOpen } from '../../rights/end-invitation.js';
import { parseRoleAssignment, type RoleAssignmentInput } from '../../rights/parse-role-assignment.js';
import { hoursFrom, type Inviting, sendInvitation } from './send-invitation.js';
import { assertNoEscalation, type RoleAssignment } from '../../rights/escalation.js';
import { assertSeatFree } from '../../rights/seats.js';
import { type Actor, asActor } from '../../rights/actor.js';

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
  const assignment = parseRoleAssignment(invited, context);
  const { mail, ...made } = await asActor(context, 'member:invite', async (db, actor) => {
    assertNoEscalation(context.catalogue, actor, assignment);
    return invite(db, invited, assignment, actor, context);
  });
  if (mail) context.use(DUE_WORK).dispatch(mail);
  return made;
}

/**
 * The same under the organization's lock, of an assignment that whoever invites may give.
 *
 * @returns the mail with it, to be dispatched once the transaction is committed
 */
export async function invite(
  db: LockedDb,
  { email, name, expiresInHours }: Pick<Invited, 'email' | 'name' | 'expiresInHours'>,
  assignment: RoleAssignment,
  actor: Actor,
  inviting: Inviting,
): Promise<{ membership: Row<'Membership'>; invitation: Row<'Invitation'>; mail: DueWork | undefined }> {
  const before = await db.membership.find({ email });
  const changes = { name, invitedBy: actor.userId };
  // Machines have addresses, too, and nobody who could accept.
  if (before?.kind === 'SERVICE_ACCOUNT' || before?.status === 'ACTIVE' || before?.status === 'SUSPENDED') {
    throw conflict('This person is a member already.', 'input.email');
  }
  if (before) assertNoEscalation(inviting.catalogue, actor, ...(await assignmentsBehind(db, before)));
  const pending = await db.invitation.find({ pendingEmail: email });
  if (!pending || !isOpen(pending, db.now())) await assertSeatFree(db);
  const membership = before
    ? await db.membership.update({ userId: before.userId }, { ...changes, ...invitedAgain(before, assignment) })
    : await db.membership.create({ ...changes, ...assignment, status: 'INVITED', userId: newId('usr'), email });

  const expiresAt = hoursFrom(db.now(), expiresInHours ?? 168);
  const invitation = pending
    ? await db.invitation.update({ id: pending.id }, { expiresAt })
    : await db.invitation.create({ id: newId('inv'), email, expiresAt });
  const since = new Date(db.now().getTime() - QUIET_MS);
  const wasJustSent = await db.invitationSecret.find({ invitationId: invitation.id, createdAt: { gt: since } });
  const sent = wasJustSent
    ? null
    : await sendInvitation(db, invitation, { inviter: actor.name, role: assignment.role }, inviting);
  return { membership, invitation: sent?.invitation ?? invitation, mail: sent?.mail };
}
