import { createDirectoryQuery } from '../data/connection/directory-query.js';
import type { ScopedPool } from '../data/connection/org-connection.js';
import { beganSinceJoining, MEMBERSHIP, type MembershipRow, toMembership } from './find-person.js';
import type { ActiveMembership, OrganizationStanding, OrganizationSummary } from './person.js';

/** Who claimed a run. */
export type Claimant =
  | { readonly kind: 'EXECUTOR'; readonly id: string; readonly name: string }
  | {
      readonly kind: 'MEMBER';
      /** As it is now. */
      readonly membership: ActiveMembership;
      readonly apiKeyId: string | null;
      readonly keyPermissions: readonly string[];
      readonly isServiceAccount: boolean;
    };

/** A claim of one run. */
export interface LiveClaim {
  readonly id: string;
  readonly runId: string;
  readonly attempt: number;
  readonly by: Claimant;
}

export interface FoundClaim {
  readonly tokenHash: string;
  readonly organization: OrganizationSummary;
  readonly standing: OrganizationStanding;
  /** Null once it has ended, or whoever claimed it may not any more: the executor was revoked, the key or its owner are over. */
  readonly claim: LiveClaim | null;
}

/** Claims as their tokens name them, before any organization is known. */
export interface Claims {
  find(id: string): Promise<FoundClaim | null>;
}

/** Who claimed `c`, beside it and its organization. */
export const CLAIMANT = `
    left join executor e on e.id = c.executor_id
    left join membership m on m.org_id = c.org_id and m.user_id = c.claimed_by
    left join person p on p.id = m.user_id
    left join api_key k on k.org_id = c.org_id and k.id = c.api_key_id`;

/**
 * Whether they count yet: an executor that was not revoked, where the organization `o` lets machines of the deployment in, a member in the stay in
 * which they claimed it, with a key that is not over. A claim of whoever does not is over, however long its lease, and its run waits again.
 */
export const claimantCounts = (now: string): string => `(case
    when c.executor_id is not null then e.revoked_at is null and o.settings ->> 'agentExecution.executors' is distinct from 'OWN'
    else m.status = 'ACTIVE' and ${beganSinceJoining('c.claimed_at', 'm')} and (m.kind = 'SERVICE_ACCOUNT' or p.status = 'ACTIVE')
      and (c.api_key_id is null or (k.revoked_at is null and k.created_at >= m.joined_at and k.expires_at > ${now})) end is true)`;

const NOW = `current_timestamp + $2 * interval '1 millisecond'`;

const FIND = `
  select c.id as "claimId", c.run_id as "runId", c.attempt, c.token_hash as "tokenHash", c.executor_id as "executorId",
    e.name as "executorName", c.api_key_id as "apiKeyId", k.permissions as "keyPermissions", m.kind as "memberKind",
    c.ended_at is null and c.expires_at > ${NOW} and ${claimantCounts(NOW)} as "isLive",
    ${MEMBERSHIP}, o.id as "organizationId"
  from run_claim c join organization o on o.id = c.org_id${CLAIMANT}
  where c.id = $1`;

interface ClaimRow extends MembershipRow {
  claimId: string;
  runId: string;
  attempt: number;
  tokenHash: string;
  executorId: string | null;
  executorName: string | null;
  apiKeyId: string | null;
  keyPermissions: string[] | null;
  memberKind: string | null;
  isLive: boolean;
  organizationId: string;
}

export function openClaimTokens(pool: ScopedPool): Claims {
  const query = createDirectoryQuery(pool);
  return {
    async find(id) {
      const [row] = await query<ClaimRow>(FIND, [id, pool.clock.movedMs]);
      if (!row) return null;
      // Of a claim by no member, the membership is there without one.
      const { organization } = toMembership({ ...row, orgId: row.organizationId });
      return {
        tokenHash: row.tokenHash,
        organization,
        standing: { plan: row.plan, entitlements: row.entitlements, featureFlags: row.featureFlags },
        claim: row.isLive ? { id: row.claimId, runId: row.runId, attempt: row.attempt, by: claimantOf(row) } : null,
      };
    },
  };
}

const claimantOf = (row: ClaimRow): Claimant =>
  row.executorId === null
    ? {
        kind: 'MEMBER',
        membership: toMembership(row),
        apiKeyId: row.apiKeyId,
        keyPermissions: row.keyPermissions ?? [],
        isServiceAccount: row.memberKind === 'SERVICE_ACCOUNT',
      }
    : { kind: 'EXECUTOR', id: row.executorId, name: row.executorName ?? '' };
