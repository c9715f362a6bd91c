import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import type { Row } from '../../data/organization/table.js';
import { conflict } from '../../errors.js';
import type { MembershipStatus, OrganizationRole, Resolvers } from '../../generated/graphql.js';
import type { ActiveMembership } from '../../identity/directory.js';
import { ROLES } from '../../permissions/catalogue.js';
import { allow, can, canAsPerson, isMember } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { emailText, nameText, parseInput } from '../../resource/input.js';
import { connect, keyset, type Order, type PageArgs } from '../../resource/paging.js';
import { changeMembership } from '../../rights/change-membership.js';
import { parseStanding } from '../../rights/parse-standing.js';
import type { OrganizationParent } from '../organization/index.js';
import type { UserParent } from '../viewer/index.js';
import { inviteUser } from './invite-user.js';
import {
  countBoundSessions,
  countRequestsWaiting,
  listDirectories,
  listInvitationsSent,
  listProviders,
  listWorkingKeys,
  previewMemberRemoval,
} from './preview-member-removal.js';
import { leaveOrganization, removeMember } from './remove-member.js';
import { transferOwnership } from './transfer-ownership.js';

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

const inOrganization = async (row: Promise<Row<'Membership'>>, context: RequestContext): Promise<MembershipParent> => ({
  ...(await row),
  orgId: context.organization.orgId,
});

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
    previewMemberRemoval: (_, { userId }, context) => previewMemberRemoval(userId, context),
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
    updateMemberRole: (_, { userId, role }, context) => {
      const row = changeMembership(userId, context, 'member:update', (before) => ({
        role,
        withheld: role === 'OWNER' ? [] : before.withheld,
      }));
      return inOrganization(row, context);
    },
    updateMemberPermissions: (_, { userId, permissions, withheldPermissions }, context) => {
      const row = changeMembership(userId, context, 'member:update', ({ role }) =>
        parseStanding({ role: role as OrganizationRole, permissions, withheldPermissions }, context, ''),
      );
      return inOrganization(row, context);
    },
    suspendMember: (_, { userId }, context) => {
      const row = changeMembership(userId, context, 'member:update', ({ status }) => {
        if (status === 'INVITED') throw conflict('Nobody has joined yet; revoke the invitation instead.');
        return { status: 'SUSPENDED' };
      });
      return inOrganization(row, context);
    },
    reinstateMember: (_, { userId }, context) => {
      const row = changeMembership(userId, context, 'member:update', ({ status }) => {
        if (status === 'INVITED') throw conflict('Nobody has joined yet.');
        return { status: 'ACTIVE' };
      });
      return inOrganization(row, context);
    },
    removeMember: (_, { userId, reassignTo }, context) =>
      inOrganization(removeMember(userId, reassignTo ?? null, context), context),
    leaveOrganization: (_, _args, context) => inOrganization(leaveOrganization(context), context),
    transferOwnership: (_, { userId }, context) => inOrganization(transferOwnership(userId, context), context),
  },
  MemberRemovalPreview: {
    apiKeys: (preview, _args, context) => listWorkingKeys(preview, 'own', context),
    serviceAccountKeys: (preview, _args, context) => listWorkingKeys(preview, 'service accounts', context),
    invitationsSent: (preview, _args, context) => listInvitationsSent(preview, context),
    directories: (preview, _args, context) => listDirectories(preview, context),
    identityProviders: (preview, _args, context) => listProviders(preview, context),
    sessions: (preview, _args, context) => countBoundSessions(preview, context),
    joinRequestsWaiting: (preview, _args, context) => countRequestsWaiting(preview, context),
  },
  Membership: {
    user: memberUser,
    organization: ({ organization }, _args, context) => organization ?? context.organization.organization,
    permissions: (membership, _args, context) => permissionsOf(membership, context),
    joinedAt: ({ status, joinedAt }) => (status === 'INVITED' ? null : joinedAt),
  },
} satisfies Resolvers;

export const membership = defineDomain({
  resolvers,
  grants: {
    'member:read': 'VIEWER',
    'member:invite': 'ADMIN',
    'member:update': 'ADMIN',
    'member:remove': 'ADMIN',
    'ownership:transfer': 'OWNER',
  },
  access: {
    Query: { members: can('member:read'), previewMemberRemoval: can('member:remove') },
    Mutation: {
      inviteUser: canAsPerson('member:invite'),
      updateMemberRole: canAsPerson('member:update'),
      updateMemberPermissions: canAsPerson('member:update'),
      suspendMember: can('member:update'),
      reinstateMember: canAsPerson('member:update'),
      removeMember: can('member:remove'),
      leaveOrganization: isMember,
      transferOwnership: canAsPerson('ownership:transfer'),
    },
    MemberRemovalPreview: {
      membership: allow,
      apiKeys: can('api-key:manage'),
      serviceAccountKeys: can('api-key:manage'),
      invitationsSent: can('member:invite'),
      directories: can('scim:manage'),
      identityProviders: can('identity-provider:manage'),
      sessions: allow,
      joinRequestsWaiting: allow,
    },
    Membership: allow,
    InviteUserPayload: allow,
  },
});
