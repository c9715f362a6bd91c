import type { RequestContext } from '../../context/context.js';
import type { LimitDecision, LimitName } from '../../permissions/features.js';
import type { ActiveMembership, OrganizationSummary } from '../../identity/person.js';

/** An organization as the request may see it, with the viewer's membership where it is not the current one. */
export interface OrganizationParent extends OrganizationSummary {
  readonly membership?: ActiveMembership;
}

/** How many of something it may have; how many there are is counted when it is asked for. */
export interface OrganizationLimitParent extends LimitDecision {
  readonly name: LimitName;
}

export const withMembership = (membership: ActiveMembership): OrganizationParent => ({
  ...membership.organization,
  membership,
});

/** A slug that the organization had, and holds for some time. */
export interface FormerSlugParent {
  readonly slug: string;
  readonly givenUpAt: Date;
}

/** One thing that is not the same in both. */
export interface OrganizationDifferenceParent {
  readonly path: string;
  readonly a: unknown;
  readonly b: unknown;
  readonly isPromotable: boolean;
}

/** Two organizations that the viewer was let into, and in what they differ. */
export interface OrganizationComparisonParent {
  readonly a: RequestContext;
  readonly b: RequestContext;
  readonly differences: OrganizationDifferenceParent[];
}
