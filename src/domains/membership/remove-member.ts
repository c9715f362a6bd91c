import type { RequestContext } from '../../context/context.js';
import type { LockedDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { badInput } from '../../errors.js';
import { openSessions } from '../../identity/sessions.js';
import { assertStillAsking } from '../../rights/actor.js';
import { ended, assignmentsBehind } from '../../rights/earlier-role-assignment.js';
import { assertNoEscalation, effective, type RoleAssignment } from '../../rights/escalation.js';
import { endJoinRequest, pendingOf, withdrawInvitationsOf } from '../../rights/leave-behind.js';
import { assertOwnerStays } from '../../rights/owners.js';
import { changeMembership } from './change-membership.js';

/**
 * Ends a membership or an invitation, or takes back that someone who was removed might come back. What the person sent and
 * nobody answered yet goes on in the name of someone else, or is revoked; what they asked is answered with no.
 *
 * @param reassignTo an active member who may grant what those invitations grant, and holds no more than who removes: nobody
 *   gives the word of someone above them
 * @throws NOT_FOUND; BAD_USER_INPUT on `reassignTo`; ROLE_ESCALATION; LAST_OWNER
 */
export async function removeMember(
  userId: string,
  reassignTo: string | null,
  context: RequestContext,
): Promise<Row<'Membership'>> {
  if (reassignTo === userId) throw badInput('reassignTo', 'Must be someone other than who is removed.');
  const removed = await changeMembership(userId, context, 'member:remove', ended, async (db, actor) => {
    await handOverInvitations(db, { actor, from: userId, to: reassignTo }, context);
    await endJoinRequest(db, userId, context.actorId);
  });
  await endBoundSessions(userId, context);
  return removed;
}

/**
 * Everyone may leave, except the last OWNER, also what is suspended or to be deleted: it may be what bars them from where they belong.
 *
 * @throws LAST_OWNER
 */
export async function leaveOrganization(context: RequestContext): Promise<Row<'Membership'>> {
  const { id: userId } = context.person;
  const left = await context.db.locked(async (db) => {
    await assertStillAsking(db, context);
    const before = await db.membership.get({ userId, status: 'ACTIVE' });
    await assertOwnerStays(db, before, { ...before, status: 'REMOVED' });
    await withdrawInvitationsOf(db, userId);
    await endJoinRequest(db, userId, userId);
    return db.membership.update({ userId }, ended(before));
  });
  await endBoundSessions(userId, context);
  return left;
}

/** What the organization's own provider signed in reaches nothing any more. */
const endBoundSessions = (
  personId: string,
  { outside, act, organization: { orgId } }: RequestContext,
): Promise<number> => outside(openSessions).endAll({ personId, boundOrgId: orgId }, 'REVOKED', act);

async function handOverInvitations(
  db: LockedDb,
  { actor, from, to }: { readonly actor: RoleAssignment; readonly from: string; readonly to: string | null },
  { catalogue }: RequestContext,
): Promise<void> {
  if (to === null) return withdrawInvitationsOf(db, from);
  const heir = await db.membership.get({ userId: to, kind: 'PERSON', status: 'ACTIVE' });
  // Whether the invited were removed under another e-mail shows when they accept, and then it is the heir who counts.
  assertNoEscalation(catalogue, actor, heir);
  const pending = await pendingOf(db, from);
  for (const each of pending) assertNoEscalation(catalogue, heir, ...(await assignmentsBehind(db, each)));
  if (!effective(catalogue, heir).has('member:invite')) throw badInput('reassignTo', 'This member may invite nobody.');
  for (const { userId } of pending) await db.membership.update({ userId }, { invitedBy: heir.userId });
}
