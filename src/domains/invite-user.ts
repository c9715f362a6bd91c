import type { RequestContext } from '../context/context.js';
import { newId } from '../data/id.js';
import type { Row } from '../data/table.js';
import { conflict } from '../errors.js';
import { assertNoEscalation, assertSeatFree, readActor } from './change-membership.js';
import { parseStanding, type StandingInput } from './parse-standing.js';

export interface Invitation extends StandingInput {
  readonly email: string;
  readonly name: string;
}

/**
 * Makes an INVITED membership, which grants nothing. It holds what the inviter typed: whether the address has an account
 * elsewhere, and under which name, is not told.
 *
 * @throws CONFLICT on `input.email` for someone who is a member already; BAD_USER_INPUT; ROLE_ESCALATION
 */
export async function inviteUser(invitation: Invitation, context: RequestContext): Promise<Row<'Membership'>> {
  const { email, name } = invitation;
  const standing = parseStanding(invitation, context);
  return context.db.transaction(async (db) => {
    const { seatLimit } = await db.lockOrganization();
    const actor = await readActor(db, context, 'member:invite');
    assertNoEscalation(context.catalogue, actor, standing);
    const before = await db.membership.find({ email });
    const changes = { ...standing, name, status: 'INVITED', invitedBy: context.actorId, joinedAt: null };
    if (before?.status === 'ACTIVE' || before?.status === 'SUSPENDED') {
      throw conflict('This person is a member already.', 'input.email');
    }
    if (before?.status === 'INVITED') assertNoEscalation(context.catalogue, actor, before);
    else await assertSeatFree(db, seatLimit);
    return before
      ? db.membership.update({ userId: before.userId }, changes)
      : db.membership.create({ ...changes, userId: newId('usr'), email });
  });
}
