import type { RequestContext } from '../../context/context.js';
import { newId } from '../../data/id.js';
import type { Row } from '../../data/organization/table.js';
import type { Role } from '../../permissions/catalogue.js';
import { given } from '../../resource/input.js';
import { asActor } from '../../rights/actor.js';
import { assertNoEscalation } from '../../rights/escalation.js';
import { parseRoleAssignment, type RoleAssignmentInput } from '../../rights/parse-role-assignment.js';
import { getServiceAccount } from './parent.js';

type Membership = Row<'Membership'>;

/** Nothing is ever sent there: mail has no top-level domain `invalid`. */
const addressOf = (id: string): string => `${id}@service-account.invalid`;

/** @throws BAD_USER_INPUT; ROLE_ESCALATION */
export function createServiceAccount(
  input: RoleAssignmentInput & { readonly name: string },
  context: RequestContext,
): Promise<Membership> {
  const assignment = parseRoleAssignment(input, context);
  return asActor(context, 'service-account:manage', async (db, actor) => {
    assertNoEscalation(context.catalogue, actor, assignment);
    const joinedAt = db.now();
    const userId = newId('svc', joinedAt.getTime());
    const { name } = input;
    return db.membership.create({
      ...assignment,
      userId,
      kind: 'SERVICE_ACCOUNT',
      email: addressOf(userId),
      name,
      status: 'ACTIVE',
      invitedBy: context.actorId,
      joinedAt,
    });
  });
}

/** What is left out stays as it is. */
export interface ServiceAccountChange {
  readonly id: string;
  readonly name?: string | undefined;
  readonly role?: Role | undefined;
  readonly permissions?: readonly string[] | undefined;
  readonly withheldPermissions?: readonly string[] | undefined;
}

/** @throws NOT_FOUND; BAD_USER_INPUT; ROLE_ESCALATION */
export const updateServiceAccount = (
  { id, name, role, permissions, withheldPermissions }: ServiceAccountChange,
  context: RequestContext,
): Promise<Membership> =>
  changeServiceAccount(id, context, (before) => ({
    ...given({ name }),
    ...parseRoleAssignment(
      {
        role: role ?? before.role,
        permissions: permissions ?? before.granted,
        withheldPermissions: withheldPermissions ?? before.withheld,
      },
      context,
    ),
  }));

/** @throws NOT_FOUND; ROLE_ESCALATION */
export const removeServiceAccount = (id: string, context: RequestContext): Promise<Membership> =>
  changeServiceAccount(id, context, () => ({ status: 'REMOVED' }));

function changeServiceAccount(
  id: string,
  context: RequestContext,
  change: (before: Membership) => Partial<Membership>,
): Promise<Membership> {
  return asActor(context, 'service-account:manage', async (db, actor) => {
    const before = await getServiceAccount(db, id);
    const changes = change(before);
    assertNoEscalation(context.catalogue, actor, before, { ...before, ...changes });
    return db.membership.update({ userId: id }, changes);
  });
}
