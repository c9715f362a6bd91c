import { Ids } from '../../data/organization/ids.js';
import type { LockedDb, OrganizationDb } from '../../data/organization/organization-db.js';
import type { ManyFilter, Row } from '../../data/organization/table.js';
import { OrgateError } from '../../errors.js';
import type { Role } from '../../permissions/catalogue.js';
import { readDirectoryRoles } from '../../rights/directory-role.js';

/**
 * Makes these users of a directory what it says they are: the highest of its default role and of the roles that their
 * groups give. Who gave those roles to the groups held them.
 *
 * @throws LAST_OWNER
 */
export async function applyRoles(db: LockedDb, directoryId: string, users: Ids): Promise<void> {
  if (users.size === 0) return;
  const { defaultRole, byGroups } = await readDirectoryRoles(db, directoryId);
  const hadOwner = await hasOwner(db);
  let higher = Ids.none;
  for (const { role, groupIds } of byGroups) {
    const scimUserId = { in: users, notIn: higher };
    const those = await db.scimGroupMember.ids('scimUserId', { groupId: { in: groupIds }, scimUserId });
    await giveRole(db, { id: { in: those } }, role);
    higher = higher.and(those);
  }
  await giveRole(db, { id: { in: users, notIn: higher } }, defaultRole);
  // Who becomes one counts, so that another may go in the same change.
  if (hadOwner && !(await hasOwner(db))) throw new OrgateError('LAST_OWNER');
}

async function giveRole(db: LockedDb, users: ManyFilter<Row<'ScimUser'>>, role: Role): Promise<void> {
  // What the removed were stays as it was: whoever brings them back must hold it. What they are then is read anew.
  const change = { role, ...(role === 'OWNER' && { withheld: [] }) };
  // Each of them is told in the record: of 50,000 at once that would take as long as a statement may.
  for (const part of (await db.scimUser.ids('userId', users)).parts(AT_ONCE)) {
    const those = {
      userId: { in: Ids.of(part) },
      status: { in: ['ACTIVE', 'SUSPENDED'] },
      role: { not: role },
    } as const;
    await db.membership.updateMany(those, change);
  }
}

const AT_ONCE = 10_000;

const hasOwner = async (db: OrganizationDb): Promise<boolean> =>
  (await db.membership.find({ role: 'OWNER', status: 'ACTIVE' })) !== null;
