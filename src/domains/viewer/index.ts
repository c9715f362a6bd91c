import type { RequestContext } from '../../context/context.js';
import type { Resolvers } from '../../generated/graphql.js';
import { allow, isSignedIn } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { connect, type Order, type PageArgs, type PageQuery } from '../../resource/paging.js';
import { type MembershipParent, toMembership } from '../membership/parent.js';
import { personUser } from './parent.js';

const byOrganization: Order<MembershipParent> = { name: 'memberships', column: 'orgId', direction: 'asc' };

const listMemberships = (args: PageArgs, { reach, directory }: RequestContext) =>
  connect(
    args,
    reach.personId,
    byOrganization,
    async (page) => (await directory.listMemberships(reach, page)).map(toMembership),
    () => directory.countMemberships(reach),
  );

/** A key acts with one membership, as far as it goes. */
function listKeyMembership(args: PageArgs, { organization: { orgId, membership } }: RequestContext) {
  const read = async ({ past, isBackward }: PageQuery) =>
    past === undefined || (isBackward ? past > orgId : past < orgId) ? [toMembership(membership)] : [];
  return connect(args, orgId, byOrganization, read, async () => 1);
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
  access: { Query: { viewer: isSignedIn }, Viewer: allow, User: allow },
});
