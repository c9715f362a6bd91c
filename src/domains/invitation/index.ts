import { z } from 'zod';
import type { Filter, Row } from '../../data/organization/table.js';
import { badInput } from '../../errors.js';
import { OrganizationRole } from '../../generated/enums.js';
import type { InvitationStatus, Resolvers } from '../../generated/graphql.js';
import { allow, can, canAsPerson, isPerson } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { emailText, nameText, parseInput } from '../../resource/input.js';
import { connect, keyset, type Order } from '../../resource/paging.js';
import { isOpen } from '../../rights/end-invitation.js';
import { type MembershipParent, memberUser, permissionsOf } from '../membership/parent.js';
import { acceptInvitation, declineInvitation, requestNewInvitation } from './answer-invitation.js';
import { resendInvitation, revokeInvitation } from './change-invitation.js';
import { inviteUser } from './invite-user.js';
import { type InvitationParent, withMembership, withMemberships } from './parent.js';

const newestFirst: Order<InvitationParent> = { name: 'invitations', column: 'id', direction: 'desc' };

/** EXPIRED is not stored: time makes it so. */
function ofStatus(status: InvitationStatus | null | undefined): Filter<Row<'Invitation'>> {
  if (!status) return {};
  if (status === 'PENDING') return { status, expiresAt: { gt: new Date() } };
  if (status === 'EXPIRED') return { status: 'PENDING', expiresAt: { lte: new Date() } };
  return { status };
}

/** @throws BAD_USER_INPUT */
function lifetime(hours: number | null | undefined, argument: string): number {
  const given = hours ?? 168;
  if (given < 1 || given > 720) throw badInput(argument, '1 to 720 hours.');
  return given;
}

const inviteInput = z.object({
  email: emailText,
  name: nameText,
  role: z.enum(OrganizationRole),
  permissions: z.array(z.string()).max(100, 'At most 100.').nullish(),
  withheldPermissions: z.array(z.string()).max(100, 'At most 100.').nullish(),
  expiresInHours: z.int().min(1, '1 to 720 hours.').max(720, '1 to 720 hours.').nullish(),
});

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
    inviteUser: async (_, { input }, context) => {
      const { membership: row, invitation } = await inviteUser(parseInput(inviteInput, input), context);
      const membership: MembershipParent = { ...row, orgId: context.organization.orgId };
      return {
        user: memberUser(membership),
        role: membership.role,
        permissions: permissionsOf(membership, context),
        membership,
        invitation: { ...invitation, membership, invitedBy: row.invitedBy },
      };
    },
    resendInvitation: async (_, { id, expiresInHours }, context) =>
      withMembership(await resendInvitation(id, lifetime(expiresInHours, 'expiresInHours'), context), context),
    revokeInvitation: async (_, { id }, context) => withMembership(await revokeInvitation(id, context), context),
    acceptInvitation: (_, { secret }, context) => acceptInvitation(secret, context),
    declineInvitation: (_, { secret }, context) => declineInvitation(secret, context),
    requestNewInvitation: (_, { secret }, context) => requestNewInvitation(secret, context),
  },
  Invitation: {
    status: (row) => (row.status === 'PENDING' && !isOpen(row) ? 'EXPIRED' : row.status),
    invitedBy: async ({ invitedBy }, _args, { db, organization: { orgId } }) => {
      const inviter = invitedBy === null ? null : await db.membership.load(invitedBy);
      return inviter && memberUser({ ...inviter, orgId });
    },
  },
} satisfies Resolvers;

export const invitation = defineDomain({
  resolvers,
  grants: { 'member:invite': 'ADMIN' },
  access: {
    Query: { invitations: can('member:invite') },
    Mutation: {
      inviteUser: canAsPerson('member:invite'),
      resendInvitation: canAsPerson('member:invite'),
      revokeInvitation: can('member:invite'),
      acceptInvitation: isPerson,
      declineInvitation: isPerson,
      requestNewInvitation: isPerson,
    },
    Invitation: allow,
    InvitationAnswer: allow,
    InviteUserPayload: allow,
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

export { takeInvitation } from './take-invitation.js';
