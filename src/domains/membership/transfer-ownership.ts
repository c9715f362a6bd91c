import type { RequestContext } from '../../context/context.js';
import type { Row } from '../../data/organization/table.js';
import { badInput } from '../../errors.js';
import { asActor } from '../../rights/actor.js';
import { assertNoEscalation, type RoleAssignment } from '../../rights/escalation.js';

/**
 * Makes another member an OWNER, and the actor, who was one, an ADMIN; never one without the other.
 *
 * @throws NOT_FOUND without such an active member; BAD_USER_INPUT; FORBIDDEN when the actor is no OWNER any more
 */
export function transferOwnership(userId: string, context: RequestContext): Promise<Row<'Membership'>> {
  return asActor(context, 'ownership:transfer', async (db, actor) => {
    if (userId === actor.userId) throw badInput('userId', 'Must be someone other than you.');
    await db.membership.get({ userId, kind: 'PERSON', status: 'ACTIVE' });
    const owner: RoleAssignment = { role: 'OWNER', granted: [], withheld: [] };
    assertNoEscalation(context.catalogue, actor, owner);
    await db.membership.update({ userId: actor.userId }, { ...owner, role: 'ADMIN' });
    return db.membership.update({ userId }, owner);
  });
}
