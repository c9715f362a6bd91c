import type { RequestContext } from '../../context/context.js';
import type { Resolvers } from '../../generated/graphql.js';
import type { ActiveMembership } from '../../identity/person.js';
import { allow, canOfMembers, isSignedIn } from '../../permissions/rules.js';
import { allowing, defineDomain } from '../../resource/define-domain.js';
import { connect, type Order, type PageArgs, type PageQuery } from '../../resource/paging.js';
import { personUser } from './parent.js';
import { record } from './record.js';

interface Listed extends ActiveMembership {
  readonly orgId: string;
}

const byOrganization: Order<Listed> = { name: 'memberships', column: { by: 'orgId' }, direction: 'asc' };
const toListed = (membership: ActiveMembership): Listed => ({ ...membership, orgId: membership.organization.id });
const show = (rows: Listed[]) => rows;

const listMemberships = (args: PageArgs, { sessionScope, registry }: RequestContext) =>
  connect(args, sessionScope.personId, byOrganization, {
    read: async (page) => (await registry.listMemberships(sessionScope, page)).map(toListed),
    count: () => registry.countMemberships(sessionScope),
    show,
  });

/** A key acts with one membership, as far as it goes. */
function listKeyMembership(args: PageArgs, { organization: { orgId, membership } }: RequestContext) {
  const isPast = ({ past, orderBy }: PageQuery): boolean => {
    const [from] = past?.at ?? [];
    return from == null || (orderBy['orgId'] === 'asc' ? orgId > from : orgId < from);
  };
  return connect(args, orgId, byOrganization, {
    read: async (page) => (isPast(page) ? [toListed(membership)] : []),
    count: async () => 1,
    show,
  });
}

const resolvers = {
  Query: {
    viewer: (_, _args, { viewer }) => viewer,
  },
  Viewer: {
    user: ({ person }) => person && personUser(person),
    apiKey: ({ apiKey }, _args, context) => apiKey && context.db.apiKey.load(apiKey.id),
    systemRole: ({ person }) => person?.systemRole ?? 'USER',
    memberships: ({ person }, args, context) =>
      person ? listMemberships(args, context) : listKeyMembership(args, context),
    currentOrganization: (_, _args, { current }) => current?.organization ?? null,
    role: (_, _args, { current }) => current?.role ?? null,
    permissions: (_, _args, { current }) => [...(current?.permissions ?? [])],
    organizationSource: (_, _args, { current }) => current?.source ?? null,
  },
} satisfies Resolvers;

export const viewer = defineDomain({
  resolvers,
  record,
  access: {
    Query: { viewer: isSignedIn },
    Viewer: allow,
    User: { ...allowing('id', 'name'), email: canOfMembers('member:read') },
  },
});
