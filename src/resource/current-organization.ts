import type { RequestContext } from '../context/context.js';
import type { OrganizationCard } from '../identity/person.js';

/** Whose anything is that was read in the current organization. */
export const currentOrganization = (_: unknown, _args: unknown, { organization }: RequestContext): OrganizationCard =>
  organization.organization;
