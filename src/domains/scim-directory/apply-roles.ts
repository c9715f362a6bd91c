import type { LockedDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { OrgateError } from '../../errors.js';
import type { Role } from '../../permissions/catalogue.js';
import { highestRoles, readDirectoryRoles } from '../../rights/directory-role.js';

/**
 * Makes these users of a directory what it says they are: the highest of its default role and of the roles that their
 * groups give. Who gave those roles to the groups held them.
 *
 * @throws LAST_OWNER
 */
export async function applyRoles(db: LockedDb, directoryId: string, userIds: readonly string[]): Promise<void> {
  if (userIds.length === 0) return;
  const roles = await readDirectoryRoles(db, directoryId);
  const wantedOf = new Map<string, Role>();
  const memberships: Row<'Membership'>[] = [];
  for (let start = 0; start < userIds.length; start += AT_ONCE) {
    const some = userIds.slice(start, start + AT_ONCE);
    const wanted = await highestRoles(db, roles, some);
    const users = await db.scimUser.list({ where: { id: { in: some } }, orderBy: { id: 'asc' }, take: AT_ONCE });
    for (const { id, userId } of users) wantedOf.set(userId, wanted.get(id) ?? roles.defaultRole);
    memberships.push(
      ...(await db.membership.list({
        // What the removed were stays as it was: whoever brings them back must hold it. What they are then is read anew.
        where: { userId: { in: users.map(({ userId }) => userId) }, status: { in: ['ACTIVE', 'SUSPENDED'] } },
        orderBy: { userId: 'asc' },
        take: AT_ONCE,
      })),
    );
  }
  const changed = memberships.filter(({ userId, role }) => role !== wantedOf.get(userId));
  if (await losesLastOwner(db, changed, wantedOf)) throw new OrgateError('LAST_OWNER');
  for (const role of new Set(wantedOf.values())) {
    const given = changed.filter(({ userId }) => wantedOf.get(userId) === role).map(({ userId }) => userId);
    if (given.length === 0) continue;
    await db.membership.updateMany({ userId: { in: given } }, { role, ...(role === 'OWNER' && { withheld: [] }) });
  }
}

/** Whether no active OWNER would be left. Who becomes one counts, so that another may go in the same change. */
async function losesLastOwner(
  db: LockedDb,
  changed: readonly Row<'Membership'>[],
  wantedOf: ReadonlyMap<string, Role>,
): Promise<boolean> {
  const active = changed.filter(({ status }) => status === 'ACTIVE');
  const gone = active.filter(({ role }) => role === 'OWNER').length;
  if (gone === 0) return false;
  const come = active.filter(({ userId }) => wantedOf.get(userId) === 'OWNER').length;
  return (await db.membership.count({ role: 'OWNER', status: 'ACTIVE' })) - gone + come < 1;
}

/** Of so many users the groups are read at once; of two groups with everyone in them all. */
const AT_ONCE = 5000;
