import { z } from 'zod';
import type { RequestContext } from '../context/context.js';
import type { ActiveMembership } from '../data/directory.js';
import type { Row } from '../data/table.js';
import type { MembershipStatus, OrganizationRole, Resolvers } from '../generated/graphql.js';
import { ROLES } from '../permissions/catalogue.js';
import { defineDomain } from '../permissions/domain.js';
import { allow, can } from '../permissions/rules.js';
import { changeMembership } from './change-membership.js';
import { connect, keyset, type Order, type PageArgs } from './connection.js';
import { emailText, nameText, parseInput } from './input.js';
import { inviteUser } from './invite-user.js';
import type { OrganizationParent } from './organization.js';
import type { UserParent } from './viewer.js';

/** A membership, of the current organization or, in the viewer's own list, of another. */
export interface MembershipParent {
  readonly orgId: string;
  readonly userId: string;
  readonly email: string;
  readonly name: string;
  readonly role: string;
  readonly status: string;
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

const byEmail: Order<MembershipParent> = { name: 'members', column: 'email', direction: 'asc' };

export function listMembers(args: PageArgs & { status?: MembershipStatus | null }, context: RequestContext) {
  const { db, organization } = context;
  const filter = { kind: 'PERSON', ...(args.status && { status: args.status }) };
  return connect(
    args,
    organization.orgId,
    byEmail,
    (page) => {
      const { where, ...rest } = keyset(byEmail, page);
      return ownRows(db.membership.list({ ...rest, where: { ...where, ...filter } }), organization.orgId);
    },
    () => db.membership.count(filter),
  );
}

const ownRows = async (rows: Promise<Row<'Membership'>[]>, orgId: string): Promise<MembershipParent[]> =>
  (await rows).map((row) => ({ ...row, orgId }));

const inviteInput = z.object({
  email: emailText,
  name: nameText,
  role: z.enum(ROLES),
  permissions: z.array(z.string()).max(100, 'At most 100.').nullish(),
  withheldPermissions: z.array(z.string()).max(100, 'At most 100.').nullish(),
  expiresInHours: z.int().min(1, '1 to 720 hours.').max(720, '1 to 720 hours.').nullish(),
});

const permissionsOf = ({ role, granted, withheld }: MembershipParent, context: RequestContext): string[] => [
  ...context.catalogue.effective(role as OrganizationRole, granted, withheld),
];

const resolvers = {
  Query: {
    members: (_, args, context) => listMembers(args, context),
  },
  Mutation: {
    inviteUser: async (_, { input }, context) => {
      const { membership: row, invitation } = await inviteUser(parseInput(inviteInput, input), context);
      const membership: MembershipParent = { ...row, orgId: context.organization.orgId };
      return {
        user: memberUser(membership),
        role: membership.role as OrganizationRole,
        permissions: permissionsOf(membership, context),
        membership,
        invitation: { ...invitation, membership, invitedBy: row.invitedBy },
      };
    },
    updateMemberRole: async (_, { userId, role }, context) => {
      const row = await changeMembership(userId, context, 'member:update', (before) => ({
        role,
        withheld: role === 'OWNER' ? [] : before.withheld,
      }));
      return { ...row, orgId: context.organization.orgId };
    },
    removeMember: async (_, { userId }, context) => {
      const row = await changeMembership(userId, context, 'member:remove', () => ({ status: 'REMOVED' }));
      return { ...row, orgId: context.organization.orgId };
    },
  },
  Membership: {
    user: memberUser,
    organization: ({ organization }, _args, context) => organization ?? context.organization.organization,
    permissions: (membership, _args, context) => permissionsOf(membership, context),
  },
} satisfies Resolvers;

export const membership = defineDomain({
  resolvers,
  grants: {
    'member:read': 'VIEWER',
    'member:invite': 'ADMIN',
    'member:update': 'ADMIN',
    'member:remove': 'ADMIN',
  },
  access: {
    Query: { members: can('member:read') },
    Mutation: {
      inviteUser: can('member:invite'),
      updateMemberRole: can('member:update'),
      removeMember: can('member:remove'),
    },
    Membership: allow,
    InviteUserPayload: allow,
  },
});
