import type { OrganizationDb } from '../data/organization/organization-db.js';
import { isAtMost, type Role } from '../permissions/catalogue.js';
import type { Standing } from './escalation.js';

/** More groups than any directory has. */
export const MAX_GROUPS = 50_000;

/** The roles that a directory gives: one to all its users, others by its groups. */
interface DirectoryRoles {
  readonly defaultRole: Role;
  readonly ofGroup: ReadonlyMap<string, Role>;
}

export async function readDirectoryRoles(db: OrganizationDb, directoryId: string): Promise<DirectoryRoles> {
  const { defaultRole } = await db.scimDirectory.get({ id: directoryId });
  const groups = await db.scimGroup.list({
    where: { directoryId, role: { not: null } },
    orderBy: { id: 'asc' },
    take: MAX_GROUPS,
  });
  return { defaultRole, ofGroup: new Map(groups.flatMap(({ id, role }) => (role ? [[id, role]] : []))) };
}

/** Of each of these users the highest of the default role and of the roles that their groups give. */
export async function highestRoles(
  db: OrganizationDb,
  { defaultRole, ofGroup }: DirectoryRoles,
  scimUserIds: readonly string[],
): Promise<Map<string, Role>> {
  const highest = new Map(scimUserIds.map((id) => [id, defaultRole]));
  const belongings = await db.scimGroupMember.list({
    where: { scimUserId: { in: [...scimUserIds] }, groupId: { in: [...ofGroup.keys()] } },
    orderBy: { scimUserId: 'asc' },
    take: scimUserIds.length * ofGroup.size, // all there can be
  });
  for (const { scimUserId, groupId } of belongings) {
    const [known, given] = [highest.get(scimUserId), ofGroup.get(groupId)];
    if (known && given && isAtMost(known, given)) highest.set(scimUserId, given);
  }
  return highest;
}

/** What a directory makes of one of its users, or of somebody it does not know yet: that role, and nothing besides. */
export async function standingByDirectory(
  db: OrganizationDb,
  { directoryId, scimUserId }: { readonly directoryId: string; readonly scimUserId: string | null },
): Promise<Standing> {
  const roles = await readDirectoryRoles(db, directoryId);
  const highest = scimUserId === null ? undefined : (await highestRoles(db, roles, [scimUserId])).get(scimUserId);
  return { role: highest ?? roles.defaultRole, granted: [], withheld: [] };
}
