import { createDirectoryQuery } from '../data/connection/directory-query.js';
import type { ScopedPool } from '../data/connection/org-connection.js';
import { brandOrgId, type OrgId } from '../data/id.js';

/** A mail that waits in the outbox of an organization; what is done with it is done for that organization. */
export interface WaitingMail {
  readonly orgId: OrgId;
  readonly id: string;
}

/** Mail of any organization whose time has come, the longest due first. */
export type ListDueMail = (most: number) => Promise<WaitingMail[]>;

export function openDueMail(pool: ScopedPool): ListDueMail {
  const query = createDirectoryQuery(pool);
  return async (most) => {
    const rows = await query<{ orgId: string; id: string }>(
      `select org_id as "orgId", id from outgoing_mail where next_attempt_at <= current_timestamp
       order by next_attempt_at limit $1`,
      [most],
    );
    return rows.map(({ orgId, id }) => ({ orgId: brandOrgId(orgId), id }));
  };
}
