import { conflict } from '../../errors.js';
import type { MembershipFilter, MembershipOrderField, MembershipStatus, Resolvers } from '../../generated/graphql.js';
import { allow, can, canAsPerson, isMember } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { anyOf, both, defineList, type ListArgs } from '../../resource/list.js';
import { parseRoleAssignment } from '../../rights/parse-role-assignment.js';
import { withMembership } from '../organization/parent.js';
import { changeMembership } from './change-membership.js';
import { memberUser, permissionsOf } from './parent.js';
import {
  countBoundSessions,
  countRequestsWaiting,
  listDirectories,
  listInvitationsSent,
  listProviders,
  listWorkingKeys,
  previewMemberRemoval,
} from './preview-member-removal.js';
import { record } from './record.js';
import { leaveOrganization, removeMember } from './remove-member.js';
import { transferOwnership } from './transfer-ownership.js';

const members = defineList('Membership', {
  name: 'members',
  key: 'userId',
  orders: {
    EMAIL: { by: 'email', isUnique: true },
    NAME: { by: 'name' },
    CREATED_AT: { by: 'createdAt', is: 'instant' },
    JOINED_AT: { by: 'joinedAt', is: 'instant', mayBeNull: true },
  },
  usual: { field: 'EMAIL', direction: 'ASC' },
  search: ['name', 'email'],
  lowered: ['email'],
  where: ({ status, filter }: MemberArgs) => ({
    kind: 'PERSON' as const,
    ...anyOf({ status: both(status, filter?.status), role: filter?.role }),
  }),
});

interface MemberArgs extends ListArgs<MembershipOrderField, MembershipFilter> {
  readonly status?: MembershipStatus | null;
}

export const listMembers = members.page;

const resolvers = {
  Query: {
    members: (_, args, context) => listMembers(args, context),
    previewMemberRemoval: (_, { userId }, context) => previewMemberRemoval(userId, context),
  },
  Mutation: {
    updateMemberRole: (_, { userId, role }, context) =>
      changeMembership(userId, context, 'member:update', (before) => ({
        role,
        withheld: role === 'OWNER' ? [] : before.withheld,
      })),
    updateMemberPermissions: (_, { userId, permissions, withheldPermissions }, context) =>
      changeMembership(userId, context, 'member:update', ({ role }) =>
        parseRoleAssignment({ role, permissions, withheldPermissions }, context, ''),
      ),
    suspendMember: (_, { userId }, context) =>
      changeMembership(userId, context, 'member:update', ({ status }) => {
        if (status === 'INVITED') throw conflict('Nobody has joined yet; revoke the invitation instead.');
        return { status: 'SUSPENDED' };
      }),
    reinstateMember: (_, { userId }, context) =>
      changeMembership(userId, context, 'member:update', ({ status }) => {
        if (status === 'INVITED') throw conflict('Nobody has joined yet.');
        return { status: 'ACTIVE' };
      }),
    removeMember: (_, { userId, reassignTo }, context) => removeMember(userId, reassignTo ?? null, context),
    leaveOrganization: (_, _args, context) => leaveOrganization(context),
    transferOwnership: (_, { userId }, context) => transferOwnership(userId, context),
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
    organization: (membership, _args, context) =>
      'organization' in membership ? withMembership(membership) : context.organization.organization,
    permissions: (membership, _args, context) => permissionsOf(membership, context),
  },
} satisfies Resolvers;

export const membership = defineDomain({
  resolvers,
  grants: {
    'member:read': { from: 'VIEWER', may: 'Read who the members are.' },
    'member:update': { from: 'ADMIN', may: 'Change roles and permissions of members, suspend and reinstate them.' },
    'member:remove': { from: 'ADMIN', may: 'Remove members, and see beforehand what stops.' },
    'ownership:transfer': { from: 'OWNER', may: 'Make another member the OWNER.' },
  },
  record,
  access: {
    Query: { members: can('member:read'), previewMemberRemoval: can('member:remove') },
    Mutation: {
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
  },
  node: {
    prefix: 'mem',
    type: 'Membership',
    rule: can('member:read'),
    find: async (id, { db, actorId }) => {
      const [row] = await db.membership.listFor('id', id, { orderBy: { userId: 'asc' }, take: 1 });
      // A machine's is shown as a service account, and as a membership to its own keys alone.
      return row && (row.kind === 'PERSON' || row.userId === actorId) ? row : null;
    },
  },
});
