import type { RequestContext } from '../context/context.js';
import type { OrganizationSummary } from '../identity/person.js';

/** Whose anything is that was read in the current organization. */
export const currentOrganization = (
  _: unknown,
  _args: unknown,
  { organization }: RequestContext,
): OrganizationSummary => organization.organization;
