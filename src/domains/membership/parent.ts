import type { RequestContext } from '../../context/context.js';
import type { Row } from '../../data/organization/table.js';
import type { ActiveMembership } from '../../identity/person.js';
import type { UserParent } from '../viewer/parent.js';

/** A membership: a row of the current organization or, in the viewer's own list, an active one of any. */
export type MembershipParent = Row<'Membership'> | ActiveMembership;

export const memberUser = ({ userId, name, email }: MembershipParent): UserParent => ({
  id: userId,
  name,
  email,
  isMember: true,
});

export const permissionsOf = ({ role, granted, withheld }: MembershipParent, context: RequestContext): string[] => [
  ...context.catalogue.effective(role, granted, withheld),
];

/** What would come of removing a member; each part is read when it is asked for. */
export interface MemberRemovalPreviewParent {
  readonly membership: MembershipParent;
}
