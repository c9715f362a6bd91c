import type { RequestContext } from '../../context/context.js';
import type { MembershipStatus, OrganizationRole } from '../../generated/enums.js';
import type { ActiveMembership } from '../../identity/person.js';
import type { OrganizationParent } from '../organization/parent.js';
import type { UserParent } from '../viewer/parent.js';

/** A membership, of the current organization or, in the viewer's own list, of another. */
export interface MembershipParent {
  readonly orgId: string;
  readonly userId: string;
  readonly email: string;
  readonly name: string;
  readonly role: OrganizationRole;
  readonly status: MembershipStatus;
  readonly granted: readonly string[];
  readonly withheld: readonly string[];
  readonly createdAt: Date;
  readonly joinedAt: Date | null;
  /** Where it is not the current one. */
  readonly organization?: OrganizationParent;
}

export const toMembership = (membership: ActiveMembership): MembershipParent => ({
  ...membership,
  orgId: membership.organization.id,
  status: 'ACTIVE',
  organization: { ...membership.organization, membership },
});

export const memberUser = ({ userId, name, email }: MembershipParent): UserParent => ({ id: userId, name, email });

export const permissionsOf = ({ role, granted, withheld }: MembershipParent, context: RequestContext): string[] => [
  ...context.catalogue.effective(role, granted, withheld),
];

/** What would come of removing a member; each part is read when it is asked for. */
export interface MemberRemovalPreviewParent {
  readonly membership: MembershipParent;
}
