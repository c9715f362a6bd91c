import type { RequestContext } from '../context/context.js';
import { badInput } from '../errors.js';
import type { Permission, Role } from '../permissions/catalogue.js';
import type { RoleAssignment } from './escalation.js';

/** A role with single permissions more and less, as clients name them. */
export interface RoleAssignmentInput {
  readonly role: Role;
  readonly permissions?: readonly string[] | null | undefined;
  readonly withheldPermissions?: readonly string[] | null | undefined;
}

/**
 * What is to be stored of it: only what differs from the role.
 *
 * @param at where the names stand among the arguments
 * @throws BAD_USER_INPUT on a name that no permission has, and for an OWNER who is to hold less than everything
 */
export function parseRoleAssignment(
  { role, permissions, withheldPermissions }: RoleAssignmentInput,
  { catalogue }: RequestContext,
  at = 'input.',
): RoleAssignment {
  const granted = parsePermissions(permissions ?? [], `${at}permissions`, catalogue);
  const withheld = parsePermissions(withheldPermissions ?? [], `${at}withheldPermissions`, catalogue);
  if (role === 'OWNER' && withheld.length > 0) {
    throw badInput(`${at}withheldPermissions`, 'An OWNER holds every permission.');
  }
  const bundle = catalogue.effective(role, [], []);
  return {
    role,
    granted: granted.filter((permission) => !bundle.has(permission)),
    withheld: withheld.filter((permission) => bundle.has(permission)),
  };
}

/** Permissions by name or alias, each once. */
export function parsePermissions(
  names: readonly string[],
  argument: string,
  catalogue: RequestContext['catalogue'],
): Permission[] {
  const parsed = names.map((name, index) => {
    const permission = catalogue.parse(name);
    if (!permission)
      throw badInput(`${argument}.${index}`, 'No permission has this name; viewer { permissions } lists some.');
    return permission;
  });
  return [...new Set(parsed)];
}
