import { inFrame, type ScopedPool } from '../../data/connection/org-connection.js';
import { brandOrgId, type OrgId } from '../../data/id.js';

/** A domain whose daily check is due, and the organization that holds it: the check acts for nobody else. */
export interface DueDomain {
  readonly orgId: OrgId;
  readonly id: string;
}

/**
 * Takes domains whose check is due, so that no other replica takes them within the hour. Whoever takes one and ends
 * before its check leaves it to the next.
 */
export type ClaimDueDomains = (most: number) => Promise<DueDomain[]>;

export const openDueDomains =
  (pool: ScopedPool): ClaimDueDomains =>
  async (most) => {
    const { rows } = await inFrame({ role: 'orgate_directory' }, () =>
      pool.query<{ orgId: string; id: string }>({
        text: `
          update organization_domain d set next_check_at = current_timestamp + interval '1 hour'
          from (select org_id, id from organization_domain where status = 'VERIFIED' and next_check_at <= current_timestamp
                order by next_check_at limit $1 for update skip locked) due
          where d.org_id = due.org_id and d.id = due.id
          returning d.org_id as "orgId", d.id`,
        values: [most],
      }),
    );
    return rows.map(({ orgId, id }) => ({ orgId: brandOrgId(orgId), id }));
  };
