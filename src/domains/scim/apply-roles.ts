import type { OrganizationDb } from '../../data/organization-db.js';
import { isAtMost, type Role } from '../../permissions/catalogue.js';
import { assertOwnerStays } from '../change-membership.js';

/**
 * Makes these users of a directory what it says they are: the highest of its default role and of the roles that their
 * groups give. Call it under the organization's lock. Who gave those roles to the groups held them.
 *
 * @throws LAST_OWNER
 */
export async function applyRoles(db: OrganizationDb, directoryId: string, userIds: readonly string[]): Promise<void> {
  if (userIds.length === 0) return;
  const { defaultRole } = await db.scimDirectory.get({ id: directoryId });
  const groups = await db.scimGroup.list({
    where: { directoryId, role: { not: null } },
    orderBy: { id: 'asc' },
    take: MAX_ROWS,
  });
  const roleOf = new Map(groups.map(({ id, role }) => [id, role as Role]));
  const wanted = new Map(userIds.map((id) => [id, defaultRole as Role]));
  const belongings = await db.scimGroupMember.list({
    where: { scimUserId: { in: userIds }, groupId: { in: [...roleOf.keys()] } },
    orderBy: { scimUserId: 'asc' },
    take: MAX_ROWS,
  });
  for (const { scimUserId, groupId } of belongings) {
    const [known, given] = [wanted.get(scimUserId) as Role, roleOf.get(groupId) as Role];
    if (isAtMost(known, given)) wanted.set(scimUserId, given);
  }
  const users = await db.scimUser.list({ where: { id: { in: userIds } }, orderBy: { id: 'asc' }, take: MAX_ROWS });
  const wantedOf = new Map(users.map(({ id, userId }) => [userId, wanted.get(id) as Role]));
  const memberships = await db.membership.list({
    where: { userId: { in: [...wantedOf.keys()] } },
    orderBy: { userId: 'asc' },
    take: MAX_ROWS,
  });
  // Whoever becomes OWNER comes first, so that an OWNER may go in the same change.
  const changed = memberships
    .map((before) => ({ before, role: wantedOf.get(before.userId) as Role }))
    .filter(({ before, role }) => before.role !== role)
    .toSorted((a, b) => Number(b.role === 'OWNER') - Number(a.role === 'OWNER'));
  for (const { before, role } of changed) {
    await assertOwnerStays(db, before, { ...before, role });
    await db.membership.update({ userId: before.userId }, { role, ...(role === 'OWNER' && { withheld: [] }) });
  }
}

const MAX_ROWS = 50_000;
