import type { OrganizationDb } from '../../data/organization-db.js';
import type { Standing } from '../change-membership.js';
import { isAtMost, type Role } from '../../permissions/catalogue.js';

/** More groups than anyone is in. */
const MAX_GROUPS = 10_000;

/**
 * What a directory makes of one of its users: the highest of its default role and of the roles that their groups there
 * give, and nothing besides.
 */
export async function standingByDirectory(
  db: OrganizationDb,
  { directoryId, scimUserId }: { readonly directoryId: string; readonly scimUserId: string | null },
): Promise<Standing> {
  const { defaultRole } = await db.scimDirectory.get({ id: directoryId });
  const belongings =
    scimUserId === null
      ? []
      : await db.scimGroupMember.list({
          where: { scimUserId },
          orderBy: { groupId: 'asc' },
          take: MAX_GROUPS,
        });
  const groups = await db.scimGroup.list({
    where: { directoryId, id: { in: belongings.map(({ groupId }) => groupId) }, role: { not: null } },
    orderBy: { id: 'asc' },
    take: MAX_GROUPS,
  });
  const role = groups.reduce<Role>(
    (highest, { role: given }) => (isAtMost(highest, given as Role) ? (given as Role) : highest),
    defaultRole as Role,
  );
  return { role, granted: [], withheld: [] };
}
