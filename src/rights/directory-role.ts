import type { OrganizationDb } from '../data/organization/organization-db.js';
import { isAtMost, type Role, ROLES } from '../permissions/catalogue.js';
import type { RoleAssignment } from './escalation.js';

/** More groups than any directory has. */
export const MAX_GROUPS = 50_000;

/** The roles that a directory gives: one to all its users, and higher ones by its groups, the highest first. */
export interface DirectoryRoles {
  readonly defaultRole: Role;
  readonly byGroups: readonly { readonly role: Role; readonly groupIds: readonly string[] }[];
}

export async function readDirectoryRoles(db: OrganizationDb, directoryId: string): Promise<DirectoryRoles> {
  const { defaultRole } = await db.scimDirectory.get({ id: directoryId });
  const groups = await db.scimGroup.list({
    where: { directoryId, role: { not: null } },
    orderBy: { id: 'asc' },
    take: MAX_GROUPS,
  });
  const byGroups = ROLES.toReversed()
    .filter((role) => !isAtMost(role, defaultRole))
    .map((role) => ({
      role,
      groupIds: groups.filter((group) => group.role === role).map(({ id }) => id),
    }));
  return { defaultRole, byGroups: byGroups.filter(({ groupIds }) => groupIds.length > 0) };
}

/** What a directory makes of one of its users, or of somebody it does not know yet: that role, and nothing besides. */
export async function assignmentByDirectory(
  db: OrganizationDb,
  { directoryId, scimUserId }: { readonly directoryId: string; readonly scimUserId: string | null },
): Promise<RoleAssignment> {
  const { defaultRole, byGroups } = await readDirectoryRoles(db, directoryId);
  const assignment = (role: Role) => ({ role, granted: [], withheld: [] });
  if (scimUserId === null) return assignment(defaultRole);
  for (const { role, groupIds } of byGroups) {
    if (await db.scimGroupMember.find({ scimUserId, groupId: { in: groupIds } })) return assignment(role);
  }
  return assignment(defaultRole);
}
