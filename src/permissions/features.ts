import type { DecidedBy, SubscriptionPlan } from '../generated/enums.js';

/** What an organization has or has not, each with what it is. */
export const FEATURES = {
  custom_hosts: 'Hosts of its own that lead to the organization.',
  webhooks: 'What happens is told to URLs of the organization.',
  approvals: 'It can set what people have to allow before it is done.',
  own_executors: 'Machines of its own carry out its runs.',
  audit_stream: 'Its record is fetched as it grows: `GET /organizations/<slug>/audit`.',
} as const;

/** What an organization may have so many of, each with what it is. */
export const LIMITS = {
  seats: 'People who belong to it, and invitations that can be accepted.',
  concurrent_runs: 'Runs that are RUNNING at the same moment.',
  runs_per_day: 'Runs that are started on one UTC day.',
  api_calls_per_month: 'Requests in one UTC month. None is refused: OWNERs are told.',
} as const;

/** What watches over those who may change the settings: OWNERs only switch it off, or on again. */
export const OWNERS_FEATURES: readonly FeatureName[] = ['approvals', 'audit_stream'];

export type FeatureName = keyof typeof FEATURES;
export type LimitName = keyof typeof LIMITS;

export const FEATURE_NAMES = Object.keys(FEATURES) as readonly FeatureName[];
export const LIMIT_NAMES = Object.keys(LIMITS) as readonly LimitName[];

export const isFeature = (name: string): name is FeatureName => Object.hasOwn(FEATURES, name);

interface Plan {
  readonly features: Readonly<Record<FeatureName, boolean>>;
  /** Null is without a limit. */
  readonly limits: Readonly<Record<LimitName, number | null>>;
  /** What it can record of what was used, beside what all can. */
  readonly metrics: readonly string[];
}

const EVERYTHING: Plan = {
  features: { custom_hosts: true, webhooks: true, approvals: true, own_executors: true, audit_stream: true },
  limits: { seats: null, concurrent_runs: null, runs_per_day: null, api_calls_per_month: null },
  metrics: [],
};

/** What each plan holds. This is the place to sell by: as it is shipped, every plan has everything. */
export const PLANS: Readonly<Record<SubscriptionPlan, Plan>> = {
  FREE: EVERYTHING,
  TEAM: EVERYTHING,
  ENTERPRISE: EVERYTHING,
};

/** How many claims of its runs the deployment's executors make while an organization of weight 1 has one, and how many pieces of due work are done. */
export type PlanWeights = Readonly<Record<SubscriptionPlan, number>>;

export const USUAL_WEIGHTS: PlanWeights = { FREE: 1, TEAM: 3, ENTERPRISE: 9 };

/** What of its plan is otherwise for one organization. */
export interface Entitlements {
  readonly features?: { readonly [F in FeatureName]?: boolean };
  readonly limits?: { readonly [L in LimitName]?: number | null };
}

/** What decides of an organization's features, as it is stored. */
export interface Standing {
  readonly plan: SubscriptionPlan;
  readonly entitlements: unknown;
  readonly featureFlags: unknown;
}

export interface FeatureDecision {
  readonly enabled: boolean;
  readonly decidedBy: DecidedBy;
}

/** Whether an organization has a feature: what it switches off it has not, and what it has not it cannot switch on. */
export function decideFeature({ plan, entitlements, featureFlags }: Standing, name: FeatureName): FeatureDecision {
  const override = (entitlements as Entitlements).features?.[name];
  const enabled = override ?? PLANS[plan].features[name];
  if (enabled && (featureFlags as { readonly [F in FeatureName]?: boolean })[name] === false) {
    return { enabled: false, decidedBy: 'ORGANIZATION' };
  }
  return { enabled, decidedBy: override === undefined ? 'PLAN' : 'PLATFORM' };
}

/** The columns of an organization that decide of its limits. */
export interface Limited extends Pick<Standing, 'plan' | 'entitlements'> {
  readonly seatLimit: number | null;
  readonly maxConcurrentRuns: number;
}

export interface LimitDecision {
  /** Null is without a limit. */
  readonly max: number | null;
  readonly decidedBy: DecidedBy;
}

/** How many of something an organization may have: of what others allow and what it chose itself, the less. */
export function decideLimit(organization: Limited, name: LimitName): LimitDecision {
  const allowed = decideAllowed(organization, name);
  const own = name === 'concurrent_runs' ? organization.maxConcurrentRuns : null;
  const isOwnLess = own !== null && (allowed.max === null || own < allowed.max);
  return isOwnLess ? { max: own, decidedBy: 'ORGANIZATION' } : allowed;
}

/** How many others allow it to have. */
export function decideAllowed(
  {
    plan,
    entitlements,
    seatLimit = null,
  }: Pick<Limited, 'plan' | 'entitlements'> & Partial<Pick<Limited, 'seatLimit'>>,
  name: LimitName,
): LimitDecision {
  const override = (entitlements as Entitlements).limits?.[name];
  if (override !== undefined) return { max: override, decidedBy: 'PLATFORM' };
  // Agreed with this one organization, in its subscription.
  if (name === 'seats' && seatLimit !== null) return { max: seatLimit, decidedBy: 'PLATFORM' };
  return { max: PLANS[plan].limits[name], decidedBy: 'PLAN' };
}
