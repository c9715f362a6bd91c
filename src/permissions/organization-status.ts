import { OrgateError } from '../errors.js';
import type { OrganizationStatus } from '../generated/enums.js';

/** What an organization that is not served in full answers. */
export const notServed = (status: Exclude<OrganizationStatus, 'ACTIVE'>): OrgateError =>
  status === 'SUSPENDED'
    ? new OrgateError('FORBIDDEN', 'This organization is suspended: reads answer, mutations do not.')
    : new OrgateError(
        'FORBIDDEN',
        'This organization is to be deleted: its OWNERs read and export it, and may cancel that.',
        { reason: 'PENDING_DELETION' },
      );

/** @throws FORBIDDEN unless it is active */
export function assertServed({ status }: { readonly status: OrganizationStatus }): void {
  if (status !== 'ACTIVE') throw notServed(status);
}

/** What an organization answers whose people belong to its set and to no other, to who does. */
export const notOfSet = (): OrgateError =>
  new OrgateError('FORBIDDEN', 'This organization is for people who belong to no other outside its set.', {
    reason: 'SET_ONLY',
  });
