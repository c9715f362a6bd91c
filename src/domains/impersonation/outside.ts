import { createDirectoryQuery } from '../../data/connection/directory-query.js';
import type { ScopedPool } from '../../data/connection/org-connection.js';
import { brandOrgId, type OrgId } from '../../data/id.js';
import type { SystemRole } from '../../generated/enums.js';
import { organizationNamed } from '../../identity/slugs.js';

/** Where somebody of the deployment wants to act, and as whom. */
export interface WantedAccess {
  readonly orgId: OrgId;
  /** What the person is to the deployment; null where there is no active one of that id. */
  readonly systemRole: SystemRole | null;
}

/** For whoever runs the deployment. */
export interface AccessOutside {
  /** Null where there is no such organization. */
  find(organization: string, userId: string): Promise<WantedAccess | null>;
  /** The organization in which this person began to act as somebody; null where they did not. */
  findOwn(id: string, actorId: string): Promise<OrgId | null>;
}

const FIND = `
  select o.id as "orgId", p.system_role as "systemRole"
  from organization o left join person p on p.id = $2 and p.status = 'ACTIVE' where o.id = ${organizationNamed('$1', '$3')}`;

const FIND_OWN = `select org_id as "orgId" from impersonation where actor_id = $2 and id = $1`;

export function openAccess(pool: ScopedPool): AccessOutside {
  const query = createDirectoryQuery(pool);
  return {
    async find(organization, userId) {
      const [row] = await query<{ orgId: string; systemRole: WantedAccess['systemRole'] }>(FIND, [
        organization,
        userId,
        pool.clock.movedMs,
      ]);
      return row ? { ...row, orgId: brandOrgId(row.orgId) } : null; // whether they may is decided in there
    },
    async findOwn(id, actorId) {
      const [row] = await query<{ orgId: string }>(FIND_OWN, [id, actorId]);
      return row ? brandOrgId(row.orgId) : null; // they began it
    },
  };
}
