import { createDirectoryQuery } from '../../data/connection/directory-query.js';
import type { Act } from '../../data/connection/act.js';
import { inFrame, type ScopedPool } from '../../data/connection/org-connection.js';
import { ROW_TYPES } from '../../data/connection/pg-types.js';
import { brandOrgId, type OrgId } from '../../data/id.js';
import { CLAIMANT, claimantCounts } from '../../identity/claims.js';
import { isBarred } from '../../identity/find-person.js';
import { isAtMost, type Role, ROLES } from '../../permissions/catalogue.js';
import { PLANS, type PlanWeights } from '../../permissions/features.js';

/** A token that is handed out with a claim, of which only the hash is kept. */
export interface ClaimToken {
  readonly id: string;
  readonly hash: string;
}

export interface WantedClaims {
  /** As many are claimed as there are of these, or fewer. */
  readonly tokens: readonly ClaimToken[];
  readonly leaseSeconds: number;
  /** Null is of all. */
  readonly agentIds: readonly string[] | null;
  readonly weights: PlanWeights;
}

export interface MadeClaim {
  readonly organizationId: string;
  readonly runId: string;
  readonly claimId: string;
  readonly attempt: number;
  readonly leaseExpiresAt: Date;
}

/** Whoever claims in an organization. */
export interface OwnClaimant {
  readonly orgId: OrgId;
  readonly memberId: string;
  readonly apiKeyId: string | null;
}

/** A claim whose lease was not renewed, or whose claimant counts no more. */
export interface LapsedClaim {
  readonly id: string;
  readonly runId: string;
  /** Whoever claimed it was revoked, removed or demoted, or is let in no more: it is not the run's fault, and does not wait for the end of the lease. */
  readonly isRevoked: boolean;
}

/** The queue across organizations. Of what is to be done it says nothing: ids, pools, priorities and times are all that is in it. */
export interface SharedQueue {
  /** For an executor of the deployment: between organizations in turn, by what their plans weigh, where they let it. */
  claimFairly(
    executor: { readonly id: string; readonly pool: string },
    wanted: WantedClaims,
    act: Act,
  ): Promise<MadeClaim[]>;
  /** In one organization, for whoever may claim there. In the transaction that it is called in, which holds the organization from then on. */
  claimOwn(claimant: OwnClaimant, wanted: WantedClaims, act: Act): Promise<MadeClaim[]>;
  /** Organizations that have lost ones, in order, behind one of them or from the first on. */
  listLosing(behind: OrgId | null, most: number): Promise<OrgId[]>;
  /** Those that one of them lost, the first ones first. */
  listLapsed(orgId: OrgId, most: number): Promise<LapsedClaim[]>;
}

/** What it does stands in the function: that it writes is told by its text, or nobody would be named who does. */
const CLAIM = `
  /* update run */ select claimed_org as "organizationId", claimed_run as "runId", claim as "claimId", attempt, expires_at as "leaseExpiresAt"
  from claim_runs($1, $2, $3, $4, $5, current_timestamp + $6 * interval '1 millisecond', $7, $8, $9, $10, $11, $12)`;

/** Who may claim in an organization, and the first role that does unless it is withheld. */
export const CLAIM_PERMISSION = 'run:claim';
export const CLAIMS_FROM: Role = 'ADMIN';

/** Whether whoever claimed `c` still holds that; what `mayClaim` decides of each of their requests. */
const HOLDS = `(c.executor_id is not null or (
  (m.role = any ('{${ROLES.filter((role) => isAtMost(CLAIMS_FROM, role)).join(',')}}') or '${CLAIM_PERMISSION}' = any (m.granted))
  and '${CLAIM_PERMISSION}' <> all (m.withheld) and not ${isBarred('m', 'o')}
  and (k.id is null or '${CLAIM_PERMISSION}' = any (k.permissions))))`;

// Whoever revoked, removed or demoted them need not have ended their claims: that is seen here, also after a kill between the two.
const NOW = `current_timestamp + $1 * interval '1 millisecond'`;
const COUNTS = `(${claimantCounts(NOW)} and ${HOLDS})`;
const CLAIMS = `run_claim c join organization o on o.id = c.org_id${CLAIMANT}`;
/** What the database took back, also from who may claim again by now. */
const IS_TAKEN_BACK = `c.expires_at = 'epoch'`;
const IS_LOST = `c.ended_at is null and (c.expires_at <= ${NOW} or not ${COUNTS})`;

const LOSING = `
  select distinct c.org_id as "orgId" from ${CLAIMS}
  where ${IS_LOST} and ($2::text is null or c.org_id > $2)
  order by c.org_id limit $3`;

const LAPSED = `
  select c.id, c.run_id as "runId", (${IS_TAKEN_BACK} or not ${COUNTS}) as "isRevoked" from ${CLAIMS}
  where c.org_id = $2 and ${IS_LOST}
  order by c.expires_at, c.id limit $3`;

/** What of the plans decides of claims. */
const byPlan = (weights: PlanWeights): string =>
  JSON.stringify(
    Object.fromEntries(
      Object.entries(PLANS).map(([plan, { limits }]) => [
        plan,
        { weight: weights[plan as keyof PlanWeights], concurrentRuns: limits.concurrent_runs },
      ]),
    ),
  );

export function openSharedQueue(pool: ScopedPool): SharedQueue {
  const query = createDirectoryQuery(pool);
  const values = (
    {
      own = null,
      from = null,
      executor = null,
      member = null,
      key = null,
    }: Readonly<Partial<Record<string, string | null>>>,
    { tokens, leaseSeconds, agentIds, weights }: WantedClaims,
  ): unknown[] => [
    own,
    from,
    agentIds,
    tokens.length,
    leaseSeconds,
    pool.clock.movedMs,
    byPlan(weights),
    executor,
    member,
    key,
    tokens.map(({ id }) => id),
    tokens.map(({ hash }) => hash),
  ];
  return {
    claimFairly: ({ id, pool: from }, wanted, act) =>
      query<MadeClaim & object>(CLAIM, values({ from, executor: id }, wanted), act),
    async claimOwn({ orgId, memberId, apiKeyId }, wanted, act) {
      const own = values({ own: orgId, member: memberId, key: apiKeyId }, wanted);
      const { rows } = await inFrame({ role: 'orgate_app', orgId, act }, () =>
        pool.queryHeld({ text: CLAIM, values: own, types: ROW_TYPES }),
      );
      return rows as MadeClaim[];
    },
    async listLosing(behind, most) {
      const rows = await query<{ orgId: string }>(LOSING, [pool.clock.movedMs, behind, most]);
      return rows.map(({ orgId }) => brandOrgId(orgId)); // they are put back in there
    },
    listLapsed: (orgId, most) => query<LapsedClaim & object>(LAPSED, [pool.clock.movedMs, orgId, most]),
  };
}
