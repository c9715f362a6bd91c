import type { RequestContext } from '../../context/context.js';
import type { Row } from '../../data/organization/table.js';
import { conflict } from '../../errors.js';
import type { Role } from '../../permissions/catalogue.js';
import { asActor } from '../../rights/actor.js';
import { assignmentsBroughtBack } from '../../rights/earlier-role-assignment.js';
import { enrolMember } from '../../rights/enrol-member.js';
import { assertNoEscalation } from '../../rights/escalation.js';

/**
 * Makes whoever asked to join a member, in the role of the domain they came by when none is given.
 *
 * @throws NOT_FOUND; FORBIDDEN when the actor lost the permission; ROLE_ESCALATION; CONFLICT when the request was
 *   approved before, or the person cannot be enrolled
 */
export function approveJoinRequest(
  id: string,
  role: Role | null | undefined,
  context: RequestContext,
): Promise<Row<'Membership'>> {
  return asActor(context, 'member:invite', async (db, actor) => {
    const { personId, email, name, domain, status } = await db.joinRequest.get({ id });
    if (status === 'APPROVED') throw conflict('This request was approved before.');
    const ofDomain = (await db.organizationDomain.find({ name: domain }))?.joiningRole;
    const assignment = { role: role ?? ofDomain ?? 'VIEWER', granted: [], withheld: [] };
    const person = { id: personId, email, name };
    assertNoEscalation(context.catalogue, actor, assignment, ...(await assignmentsBroughtBack(db, person)));
    const member = await enrolMember(db, person, assignment, { reactivateRemoved: true });
    await db.joinRequest.update({ id }, { status: 'APPROVED', ...decision(context, db.now()) });
    return member;
  });
}

/**
 * Answers a request with no, which stays the answer however often they ask: where a removal was cleared, that is over.
 *
 * @throws NOT_FOUND; FORBIDDEN when the actor lost the permission; CONFLICT when the request was approved before
 */
export function declineJoinRequest(id: string, context: RequestContext): Promise<Row<'JoinRequest'>> {
  return asActor(context, 'member:invite', async (db) => {
    const { status, personId, email } = await db.joinRequest.get({ id });
    if (status === 'APPROVED') throw conflict('This request was approved before; remove the member instead.');
    for (const theirs of [{ userId: personId }, { email }]) {
      const cleared = await db.membership.find({ ...theirs, mayRejoin: true });
      if (cleared) await db.membership.update({ userId: cleared.userId }, { mayRejoin: false });
    }
    return db.joinRequest.update({ id }, { status: 'DECLINED', ...decision(context, db.now()) });
  });
}

const decision = ({ actorId }: RequestContext, decidedAt: Date) => ({ decidedById: actorId, decidedAt });
