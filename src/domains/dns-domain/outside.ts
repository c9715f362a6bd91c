import { createDirectoryQuery } from '../../data/connection/directory-query.js';
import type { ScopedPool } from '../../data/connection/org-connection.js';
import { brandOrgId, type OrgId } from '../../data/id.js';

/** A domain whose daily check is due, and the organization that holds it: the check acts for nobody else. */
export interface HeldDomain {
  readonly orgId: OrgId;
  readonly id: string;
}

/** How due work names a domain. */
export const subjectOf = (orgId: OrgId, id: string): string => `${orgId}/${id}`;

/** @returns null where the organization holds it no longer */
export type FindHeldDomain = (subject: string) => Promise<HeldDomain | null>;

export function openHeldDomains(pool: ScopedPool): FindHeldDomain {
  const query = createDirectoryQuery(pool);
  return async (subject) => {
    const rows = await query<{ orgId: string; id: string }>(
      `select org_id as "orgId", id from organization_domain where org_id = $1 and id = $2 and status = 'VERIFIED'`,
      subject.split('/'),
    );
    const [held] = rows;
    return held ? { ...held, orgId: brandOrgId(held.orgId) } : null;
  };
}
