import type { RequestContext } from '../../context/context.js';
import type { Filter, Row } from '../../data/organization/table.js';
import { badInput } from '../../errors.js';
import type { InvitationStatus, MailStatus, Resolvers } from '../../generated/graphql.js';
import { allow, can, canAsPerson, isPerson } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { connect, keyset, type Order } from '../../resource/paging.js';
import { isOpen } from '../../rights/end-invitation.js';
import { memberUser, type MembershipParent } from '../membership/index.js';
import { acceptInvitation, declineInvitation, requestNewInvitation } from './answer-invitation.js';
import { resendInvitation, revokeInvitation } from './change-invitation.js';

/** An invitation with the membership that belongs to its address. */
export interface InvitationParent extends Row<'Invitation'> {
  readonly membership: MembershipParent | null;
  readonly invitedBy: string | null;
}

const newestFirst: Order<InvitationParent> = { name: 'invitations', column: 'id', direction: 'desc' };

/** Adds the memberships of all rows in one statement. */
export async function withMemberships(
  rows: readonly Row<'Invitation'>[],
  { db, organization: { orgId } }: RequestContext,
): Promise<InvitationParent[]> {
  const memberships = await Promise.all(
    rows.map(({ email }) => db.membership.listFor('email', email, { column: 'userId', direction: 'asc', take: 1 })),
  );
  return rows.map((row, index) => {
    const membership = memberships[index]?.[0];
    return {
      ...row,
      membership: membership ? { ...membership, orgId } : null,
      invitedBy: membership?.invitedBy ?? null,
    };
  });
}

const withMembership = async (row: Row<'Invitation'>, context: RequestContext): Promise<InvitationParent> =>
  (await withMemberships([row], context))[0] as InvitationParent;

/** EXPIRED is not stored: time makes it so. */
function ofStatus(status: InvitationStatus | null | undefined): Filter<Row<'Invitation'>> {
  if (!status) return {};
  if (status === 'PENDING') return { status, expiresAt: { gt: new Date() } };
  if (status === 'EXPIRED') return { status: 'PENDING', expiresAt: { lte: new Date() } };
  return { status };
}

/** @throws BAD_USER_INPUT */
export function lifetime(hours: number | null | undefined, argument: string): number {
  const given = hours ?? 168;
  if (given < 1 || given > 720) throw badInput(argument, '1 to 720 hours.');
  return given;
}

const resolvers = {
  Query: {
    invitations: (_, { status, ...page }, context) => {
      const filter = ofStatus(status);
      return connect(
        page,
        context.organization.orgId,
        newestFirst,
        async (wanted) => {
          const { where, ...rest } = keyset(newestFirst, wanted);
          return withMemberships(
            await context.db.invitation.list({ ...rest, where: { ...where, ...filter } }),
            context,
          );
        },
        () => context.db.invitation.count(filter),
      );
    },
  },
  Mutation: {
    resendInvitation: async (_, { id, expiresInHours }, context) =>
      withMembership(await resendInvitation(id, lifetime(expiresInHours, 'expiresInHours'), context), context),
    revokeInvitation: async (_, { id }, context) => withMembership(await revokeInvitation(id, context), context),
    acceptInvitation: (_, { secret }, context) => acceptInvitation(secret, context),
    declineInvitation: (_, { secret }, context) => declineInvitation(secret, context),
    requestNewInvitation: (_, { secret }, context) => requestNewInvitation(secret, context),
  },
  Invitation: {
    status: (row) => (row.status === 'PENDING' && !isOpen(row) ? 'EXPIRED' : (row.status as InvitationStatus)),
    invitedBy: async ({ invitedBy }, _args, { db, organization: { orgId } }) => {
      const inviter = invitedBy === null ? null : await db.membership.load(invitedBy);
      return inviter && memberUser({ ...inviter, orgId });
    },
    mailStatus: ({ mailStatus }) => mailStatus as MailStatus,
  },
} satisfies Resolvers;

export const invitation = defineDomain({
  resolvers,
  access: {
    Query: { invitations: can('member:invite') },
    Mutation: {
      resendInvitation: canAsPerson('member:invite'),
      revokeInvitation: can('member:invite'),
      acceptInvitation: isPerson,
      declineInvitation: isPerson,
      requestNewInvitation: isPerson,
    },
    Invitation: allow,
    InvitationAnswer: allow,
  },
  node: {
    prefix: 'inv',
    type: 'Invitation',
    permission: 'member:invite',
    find: async (id, context) => {
      const row = await context.db.invitation.load(id);
      return row && withMembership(row, context);
    },
  },
});
