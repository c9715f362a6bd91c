import type { RequestContext } from '../context/context.js';
import { newId } from '../data/id.js';
import type { Row } from '../data/table.js';
import { badInput, conflict } from '../errors.js';
import type { Permission, Role } from '../permissions/catalogue.js';
import { assertNoEscalation, assertSeatFree, readActor } from './change-membership.js';

export interface Invitation {
  readonly email: string;
  readonly name: string;
  readonly role: Role;
  readonly permissions?: readonly string[] | null | undefined;
  readonly withheldPermissions?: readonly string[] | null | undefined;
}

/**
 * Makes an INVITED membership, which grants nothing. It holds what the inviter typed: whether the address has an account
 * elsewhere, and under which name, is not told.
 *
 * @throws CONFLICT on `input.email` for someone who is a member already; BAD_USER_INPUT; ROLE_ESCALATION
 */
export async function inviteUser(invitation: Invitation, context: RequestContext): Promise<Row<'Membership'>> {
  const { email, name, role } = invitation;
  const granted = parsePermissions(invitation.permissions ?? [], 'input.permissions', context);
  const withheld = parsePermissions(invitation.withheldPermissions ?? [], 'input.withheldPermissions', context);
  if (role === 'OWNER' && withheld.length > 0) {
    throw badInput('input.withheldPermissions', 'An OWNER holds every permission.');
  }
  const bundle = context.catalogue.effective(role, [], []);
  const standing = {
    role,
    granted: granted.filter((permission) => !bundle.has(permission)),
    withheld: withheld.filter((permission) => bundle.has(permission)),
  };
  return context.db.transaction(async (db) => {
    const { seatLimit } = await db.lockOrganization();
    const actor = await readActor(db, context, 'member:invite');
    assertNoEscalation(context.catalogue, actor, standing);
    const before = await db.membership.find({ email });
    const changes = { ...standing, name, status: 'INVITED', invitedBy: context.person.id, joinedAt: null };
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

function parsePermissions(names: readonly string[], argument: string, context: RequestContext): Permission[] {
  const parsed = names.map((name, index) => {
    const permission = context.catalogue.parse(name);
    if (!permission)
      throw badInput(`${argument}.${index}`, 'No permission has this name; viewer { permissions } lists some.');
    return permission;
  });
  return [...new Set(parsed)];
}
