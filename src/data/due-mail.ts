import { brandVerifiedOrgId, type OrgId } from './id.js';
import { inFrame, type ScopedPool } from './org-connection.js';

/** A mail that waits in the outbox of an organization; what is done with it is done for that organization. */
export interface WaitingMail {
  readonly orgId: OrgId;
  readonly id: string;
}

/** Mail of any organization whose time has come, the longest due first. */
export type ListDueMail = (most: number) => Promise<WaitingMail[]>;

export const createListDueMail =
  (pool: ScopedPool): ListDueMail =>
  async (most) => {
    const { rows } = await inFrame({ role: 'orgate_directory' }, () =>
      pool.query({
        text: `select org_id as "orgId", id from outgoing_mail where next_attempt_at <= current_timestamp
               order by next_attempt_at limit $1`,
        values: [most],
      }),
    );
    return (rows as { orgId: string; id: string }[]).map(({ orgId, id }) => ({ orgId: brandVerifiedOrgId(orgId), id }));
  };
