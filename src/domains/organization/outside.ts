import type { Act } from '../../data/connection/act.js';
import { createDirectoryQuery, createHeldDirectoryQuery } from '../../data/connection/directory-query.js';
import type { ScopedPool } from '../../data/connection/org-connection.js';
import type { OrganizationSummary } from '../../identity/person.js';
import { FREE_SLUG, FREE_SLUGS, organizationNamed } from '../../identity/slugs.js';
import type { SubscriptionPlan, SubscriptionStatus } from '../../generated/enums.js';
import type { Entitlements } from '../../permissions/features.js';

/** What is agreed with an organization; what is left out stays as it is. */
export interface Subscription {
  readonly plan?: SubscriptionPlan | undefined;
  readonly status?: SubscriptionStatus | undefined;
  /** Null is without a limit. */
  readonly seatLimit?: number | null | undefined;
}

/** An organization of which something was to be agreed. */
export interface AgreedWith extends OrganizationSummary {
  /** Whether anything changed, which its record tells. */
  readonly isTold: boolean;
}

/** What whoever runs the deployment decides of one organization, told in its own record. Call it for a SYSTEM_ADMIN only. */
export interface Agreed {
  /** Null where there is no such organization. */
  setEntitlements(named: string, entitlements: Entitlements, act: Act): Promise<AgreedWith | null>;
  setSubscription(named: string, subscription: Subscription, act: Act): Promise<AgreedWith | null>;
  /** Answers it with the status that it had where that is another than these two. */
  setStatus(named: string, status: 'ACTIVE' | 'SUSPENDED', act: Act): Promise<AgreedWith | null>;
}

const NAMED = organizationNamed('$1', '$2');
// What is looked up while it is updated is as it was.
const ANSWER = `returning id, name, slug, status, created_at as "createdAt", set_id as "setId", base, project, region, environment, (
  select (was.status, was.plan, was.subscription_status, was.seat_limit, was.entitlements) is distinct from (organization.status,
    organization.plan, organization.subscription_status, organization.seat_limit, organization.entitlements)
  from organization was where was.id = organization.id) as "isTold"`;
const SET_ENTITLEMENTS = `update organization set entitlements = entitlements || $3::jsonb where id = ${NAMED} ${ANSWER}`;
const SET_SUBSCRIPTION = `
  update organization set plan = coalesce($3, plan), subscription_status = coalesce($4, subscription_status),
    seat_limit = case when $5 then $6::integer else seat_limit end
  where id = ${NAMED} ${ANSWER}`;
const SET_STATUS = `
  update organization set status = case when status in ('ACTIVE', 'SUSPENDED') then $3 else status end
  where id = ${NAMED} ${ANSWER}`;

export function openAgreed(pool: ScopedPool): Agreed {
  const query = createDirectoryQuery(pool);
  const set = async (text: string, named: string, values: unknown[], act: Act) => {
    const rows = await query<AgreedWith & object>(text, [named, pool.clock.movedMs, ...values], act);
    return rows[0] ?? null;
  };
  return {
    setEntitlements: (named, entitlements, act) => set(SET_ENTITLEMENTS, named, [JSON.stringify(entitlements)], act),
    setSubscription: (named, { plan, status, seatLimit }, act) =>
      set(SET_SUBSCRIPTION, named, [plan, status, seatLimit !== undefined, seatLimit], act),
    setStatus: (named, status, act) => set(SET_STATUS, named, [status], act),
  };
}

/** Slugs that nobody holds any more. */
export interface LapsedSlugs {
  /** Frees one in the transaction that is to take it. */
  free(slug: string): Promise<void>;
  /** Frees so many. */
  freeMany(most: number): Promise<void>;
}

export function openLapsedSlugs(pool: ScopedPool): LapsedSlugs {
  const query = createDirectoryQuery(pool);
  const held = createHeldDirectoryQuery(pool);
  return {
    async free(slug) {
      await held(FREE_SLUG, [slug, pool.clock.movedMs]);
    },
    async freeMany(most) {
      await query(FREE_SLUGS, [pool.clock.movedMs, most]);
    },
  };
}
