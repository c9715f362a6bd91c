import type { Row } from '../data/organization/table.js';
import { OrgateError } from '../errors.js';
import { type Catalogue, isAtMost, type Permission } from '../permissions/catalogue.js';

/** A role with single permissions more and less: what a membership, an invitation or a key adds up to. */
export type RoleAssignment = Pick<Row<'Membership'>, 'role' | 'granted' | 'withheld'>;

/** What a key of this member can do, as if it were a member itself. */
export const assignmentOfKey = (
  catalogue: Catalogue,
  owner: RoleAssignment,
  permissions: readonly string[],
): RoleAssignment => catalogue.ofKey(owner, permissions);

/** Nobody grants, edits or removes more than they hold: neither what someone has, nor what they are to have. */
export function assertNoEscalation(catalogue: Catalogue, actor: RoleAssignment, ...touched: RoleAssignment[]): void {
  if (!isWithinRights(catalogue, actor, ...touched)) throw new OrgateError('ROLE_ESCALATION');
}

export function isWithinRights(catalogue: Catalogue, actor: RoleAssignment, ...touched: RoleAssignment[]): boolean {
  const held = effective(catalogue, actor);
  return touched.every(
    (assignment) =>
      isAtMost(assignment.role, actor.role) &&
      [...effective(catalogue, assignment)].every((permission) => held.has(permission)),
  );
}

/** What a role assignment adds up to. */
export const effective = (catalogue: Catalogue, { role, granted, withheld }: RoleAssignment): ReadonlySet<Permission> =>
  catalogue.effective(role, granted, withheld);
