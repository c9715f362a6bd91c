import { z } from 'zod';
import type { Filter, Row } from '../../data/organization/table.js';
import { badInput } from '../../errors.js';
import { OrganizationRole } from '../../generated/enums.js';
import type { InvitationFilter, InvitationOrderField, InvitationStatus, Resolvers } from '../../generated/graphql.js';
import { allow, can, canAsPerson, isPerson } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { emailText, nameText, parseInput } from '../../resource/input.js';
import { defineList, type ListArgs } from '../../resource/list.js';
import { isOpen } from '../../rights/end-invitation.js';
import { memberUser, permissionsOf } from '../membership/parent.js';
import { acceptInvitation, declineInvitation, requestNewInvitation } from './answer-invitation.js';
import { resendInvitation, revokeInvitation } from './change-invitation.js';
import { inviteUser } from './invite-user.js';
import { withMembership, withMemberships } from './parent.js';
import { record } from './record.js';

const invitations = defineList('Invitation', {
  name: 'invitations',
  orders: {
    CREATED_AT: { by: 'id' },
    EMAIL: { by: 'email' },
    EXPIRES_AT: { by: 'expiresAt', is: 'instant' },
  },
  usual: { field: 'CREATED_AT', direction: 'DESC' },
  search: ['email'],
  lowered: ['email'],
  where: (args: InvitationArgs, { db }) => ofStatus(db.now(), args.status, args.filter?.status),
  show: withMemberships,
});

interface InvitationArgs extends ListArgs<InvitationOrderField, InvitationFilter> {
  readonly status?: InvitationStatus | null;
}

/** EXPIRED is not stored: time makes it so. Of two that were asked for both count, and nothing is in two. */
function ofStatus(now: Date, ...asked: (InvitationStatus | null | undefined)[]): Filter<Row<'Invitation'>> {
  const [status, ...others] = new Set(asked.filter((each) => each != null));
  if (others.length > 0) return { status: { in: [] } };
  if (!status) return {};
  if (status === 'PENDING') return { status, expiresAt: { gt: now } };
  if (status === 'EXPIRED') return { status: 'PENDING', expiresAt: { lte: now } };
  return { status };
}

/** @throws BAD_USER_INPUT */
function lifetime(hours: number | null | undefined, argument: string): number {
  const given = hours ?? 168;
  if (given < 1 || given > 720) throw badInput(argument, 'Must be 1 to 720 hours.');
  return given;
}

const inviteInput = z.object({
  email: emailText,
  name: nameText,
  role: z.enum(OrganizationRole),
  permissions: z.array(z.string()).max(100, 'At most 100.').nullish(),
  withheldPermissions: z.array(z.string()).max(100, 'At most 100.').nullish(),
  expiresInHours: z.int().min(1, 'Must be 1 to 720 hours.').max(720, 'Must be 1 to 720 hours.').nullish(),
});

const resolvers = {
  Query: {
    invitations: (_, args, context) => invitations.page(args, context),
  },
  Mutation: {
    inviteUser: async (_, { input }, context) => {
      const { membership, invitation } = await inviteUser(parseInput(inviteInput, input), context);
      return {
        // Whoever invites gave the address.
        user: { ...memberUser(membership), isMember: false },
        role: membership.role,
        permissions: permissionsOf(membership, context),
        membership,
        invitation: { ...invitation, membership, invitedBy: membership.invitedBy },
      };
    },
    resendInvitation: async (_, { id, expiresInHours }, context) =>
      withMembership(await resendInvitation(id, lifetime(expiresInHours, 'expiresInHours'), context), context),
    revokeInvitation: async (_, { id }, context) => withMembership(await revokeInvitation(id, context), context),
    acceptInvitation: (_, { secret }, context) => acceptInvitation({ secret }, context),
    declineInvitation: (_, { secret }, context) => declineInvitation({ secret }, context),
    requestNewInvitation: (_, { secret }, context) => requestNewInvitation({ secret }, context),
  },
  Invitation: {
    status: (row, _args, { db }) => (row.status === 'PENDING' && !isOpen(row, db.now()) ? 'EXPIRED' : row.status),
    invitedBy: async ({ invitedBy }, _args, { db }) => {
      const inviter = invitedBy === null ? null : await db.membership.load(invitedBy);
      return inviter && memberUser(inviter);
    },
  },
} satisfies Resolvers;

export const invitation = defineDomain({
  resolvers,
  grants: { 'member:invite': { from: 'ADMIN', may: 'Invite people, read invitations, and answer requests to join.' } },
  record,
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
    rule: can('member:invite'),
    find: async (id, context) => {
      const row = await context.db.invitation.load(id);
      return row && withMembership(row, context);
    },
  },
});

export { takeInvitation } from './take-invitation.js';
export { invite } from './invite-user.js';
