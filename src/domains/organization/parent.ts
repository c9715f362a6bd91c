import type { ActiveMembership, OrganizationSummary } from '../../identity/person.js';

/** An organization as the request may see it, with the viewer's membership where it is not the current one. */
export interface OrganizationParent extends OrganizationSummary {
  readonly membership?: ActiveMembership;
}

export const withMembership = (membership: ActiveMembership): OrganizationParent => ({
  ...membership.organization,
  membership,
});
