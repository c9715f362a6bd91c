import type { RequestContext } from '../../context/context.js';
import type { Row } from '../../data/organization/table.js';
import type { MembershipParent } from '../membership/parent.js';

/** An invitation with the membership that belongs to its address. */
export interface InvitationParent extends Row<'Invitation'> {
  readonly membership: MembershipParent | null;
  readonly invitedBy: string | null;
}

/** Adds the memberships of all rows in one statement. */
export async function withMemberships(
  rows: readonly Row<'Invitation'>[],
  { db }: RequestContext,
): Promise<InvitationParent[]> {
  const memberships = await Promise.all(
    rows.map(({ email }) => db.membership.listFor('email', email, { orderBy: { userId: 'asc' }, take: 1 })),
  );
  return rows.map((row, index) => {
    const membership = memberships[index]?.[0] ?? null;
    return { ...row, membership, invitedBy: membership?.invitedBy ?? null };
  });
}

export const withMembership = async (row: Row<'Invitation'>, context: RequestContext): Promise<InvitationParent> =>
  (await withMemberships([row], context))[0] as InvitationParent;
