import type { OrganizationDb } from '../data/organization/organization-db.js';
import type { Row } from '../data/organization/table.js';
import { assignmentByDirectory } from './directory-role.js';
import type { RoleAssignment } from './escalation.js';

type MembershipRow = Row<'Membership'>;

const NOTHING_LEFT = { leftRole: null, leftGranted: [], leftWithheld: [], leftJoinedAt: null };

/** What a membership becomes that someone joins: an active one, without anything of an earlier stay. */
export const joined = ({ role, granted, withheld }: RoleAssignment, joinedAt: Date) => ({
  role,
  granted,
  withheld,
  status: 'ACTIVE' as const,
  joinedAt,
  mayRejoin: false,
  ...NOTHING_LEFT,
});

/**
 * What a membership becomes that ends, or an invitation that comes to nothing: whoever was removed before is again who
 * they were then, and that they might come back is over.
 */
export function ended(before: MembershipRow): Partial<MembershipRow> {
  const was = whatTheyLeft(before);
  return { ...(was && { ...was, ...NOTHING_LEFT }), status: 'REMOVED', mayRejoin: false };
}

/** What a membership becomes whose person is invited. What someone was who had been removed is kept until they answer. */
export function invitedAgain(before: MembershipRow, assignment: RoleAssignment): Partial<MembershipRow> {
  const { role, granted, withheld, joinedAt } = before;
  const left = { leftRole: role, leftGranted: granted, leftWithheld: withheld, leftJoinedAt: joinedAt };
  const wasMember = before.status === 'REMOVED' && hasJoined(before);
  return { ...assignment, ...(wasMember && left), status: 'INVITED', joinedAt: null, mayRejoin: false };
}

/**
 * All that bringing someone back touches: what they were, what they are invited to be, and what their directory would
 * make of them. Whoever may not remove someone does not undo it either. Who never joined was nothing: of a membership that was
 * kept for an address there is what its invitation says, while it waits.
 */
export async function assignmentsBehind(db: OrganizationDb, membership: MembershipRow): Promise<RoleAssignment[]> {
  const known = await db.scimUser.find({ userId: membership.userId });
  const byDirectory = known && (await assignmentByDirectory(db, { ...known, scimUserId: known.id }));
  const own = hasJoined(membership) || membership.status === 'INVITED' ? membership : null;
  return [own, whatTheyLeft(membership), byDirectory].filter((assignment) => assignment !== null);
}

/**
 * All that letting a person in brings back: of the row that is theirs, by whatever e-mail they are known here, and of the
 * membership that waits for the one they come with. Nothing of a member; nor of who was cleared, since whoever cleared them held it.
 */
export async function assignmentsBroughtBack(
  db: OrganizationDb,
  { id, email }: { readonly id: string; readonly email: string },
): Promise<RoleAssignment[]> {
  const touched: RoleAssignment[] = [];
  for (const row of [await db.membership.find({ userId: id }), await db.membership.find({ email })]) {
    const isBrought = row?.status === 'INVITED' || (row?.status === 'REMOVED' && !row.mayRejoin);
    if (isBrought) touched.push(...(await assignmentsBehind(db, row)));
  }
  return touched;
}

/** Whether they ever were a member, whatever they are now. */
export const hasJoined = ({ joinedAt, leftJoinedAt }: MembershipRow): boolean => (joinedAt ?? leftJoinedAt) !== null;

const whatTheyLeft = ({ leftRole: role, leftGranted: granted, leftWithheld: withheld, leftJoinedAt }: MembershipRow) =>
  role === null ? null : { role, granted, withheld, joinedAt: leftJoinedAt };
