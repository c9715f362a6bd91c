import type { RequestContext } from '../../context/context.js';
import { REPORT } from '../../context/deployment.js';
import { JOIN_ON_SIGN_IN } from '../../context/enter-organization.js';
import type { Row } from '../../data/organization/table.js';
import { badInput, conflict, notFound } from '../../errors.js';
import type {
  DomainJoining,
  JoinRequestFilter,
  JoinRequestOrderField,
  JoinRequestStatus,
  OrganizationRole,
  Resolvers,
} from '../../generated/graphql.js';
import { allow, can, canAsPerson, isOneself, isPerson } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { anyOf, both, defineList, type ListArgs } from '../../resource/list.js';
import { asActor } from '../../rights/actor.js';
import { assignmentsBehind } from '../../rights/earlier-role-assignment.js';
import { assertNoEscalation } from '../../rights/escalation.js';
import { memberUser } from '../membership/parent.js';
import { personUser } from '../viewer/parent.js';
import { approveJoinRequest, declineJoinRequest } from './decide-join-request.js';
import { createJoinOnSignIn, joinByDomain } from './join-by-domain.js';
import { type Joinable, openJoinable } from './outside.js';
import { record } from './record.js';

const requests = defineList('JoinRequest', {
  name: 'joinRequests',
  orders: { CREATED_AT: { by: 'id' }, EMAIL: { by: 'email' } },
  usual: { field: 'CREATED_AT', direction: 'ASC' },
  search: ['name', 'email'],
  lowered: ['email'],
  where: ({ status, filter }: RequestArgs) => anyOf({ status: both(status, filter?.status) }),
});

interface RequestArgs extends ListArgs<JoinRequestOrderField, JoinRequestFilter> {
  readonly status?: JoinRequestStatus | null;
}

/** A session of an organization's own provider stays in that organization. */
const findJoinable = ({ person, viewer, outside }: RequestContext): Promise<Joinable | null> =>
  viewer?.session.boundOrgId == null ? outside(openJoinable)(person) : Promise.resolve(null);

async function requestToJoin(organizationId: string, context: RequestContext): Promise<Joinable> {
  const joinable = await findJoinable(context);
  if (joinable?.orgId !== organizationId) throw notFound();
  const db = context.deployment.organizationDb(joinable.orgId, { ...context.act, name: context.person.name });
  const { status } = await joinByDomain(context.person, joinable, db, context.use);
  return { ...joinable, requestStatus: status };
}

function setDomainJoining(
  { id, joining, role }: { id: string; joining: DomainJoining; role?: OrganizationRole | null },
  context: RequestContext,
): Promise<Row<'OrganizationDomain'>> {
  if (role === 'OWNER' || role === 'ADMIN') throw badInput('role', 'By domain people become DEVELOPER at most.');
  return asActor(context, 'domain:manage', async (db, actor) => {
    const { joiningRole } = await db.organizationDomain.get({ id });
    const assignment = { role: role ?? joiningRole, granted: [], withheld: [] };
    if (joining !== 'MANUAL') assertNoEscalation(context.catalogue, actor, assignment);
    return db.organizationDomain.update({ id }, { joining, joiningRole: assignment.role });
  });
}

const clearRemoval = (userId: string, context: RequestContext): Promise<Row<'Membership'>> =>
  asActor(context, 'member:invite', async (db, actor) => {
    const before = await db.membership.get({ userId, kind: 'PERSON' });
    if (before.status !== 'REMOVED') throw conflict('This member was not removed.');
    assertNoEscalation(context.catalogue, actor, ...(await assignmentsBehind(db, before)));
    return db.membership.update({ userId }, { mayRejoin: true });
  });

const resolvers = {
  Query: {
    joinableOrganizations: async (_, _args, context) => {
      const joinable = await findJoinable(context);
      return joinable ? [joinable] : [];
    },
    joinRequests: (_, args, context) => requests.page(args, context),
  },
  Mutation: {
    requestToJoin: (_, { organizationId }, context) => requestToJoin(organizationId, context),
    setDomainJoining: (_, args, context) => setDomainJoining(args, context),
    approveJoinRequest: (_, { id, role }, context) => approveJoinRequest(id, role, context),
    declineJoinRequest: (_, { id }, context) => declineJoinRequest(id, context),
    clearRemoval: (_, { userId }, context) => clearRemoval(userId, context),
  },
  JoinableOrganization: {
    id: ({ orgId }) => orgId,
  },
  JoinRequest: {
    user: ({ personId, name, email }) => personUser({ id: personId, name, email }),
    decidedBy: async ({ decidedById }, _args, { db }) => {
      const member = decidedById === null ? null : await db.membership.load(decidedById);
      return member && memberUser(member);
    },
  },
} satisfies Resolvers;

export const joinRequest = defineDomain({
  resolvers,
  record,
  access: {
    Query: { joinableOrganizations: isOneself, joinRequests: can('member:invite') },
    Mutation: {
      requestToJoin: isPerson,
      setDomainJoining: canAsPerson('domain:manage'),
      approveJoinRequest: canAsPerson('member:invite'),
      declineJoinRequest: can('member:invite'),
      clearRemoval: canAsPerson('member:invite'),
    },
    JoinableOrganization: allow,
    JoinRequest: allow,
  },
  node: {
    prefix: 'jrq',
    type: 'JoinRequest',
    rule: can('member:invite'),
    find: (id, { db }) => db.joinRequest.load(id),
  },
  provide: (parts, deployment) =>
    parts.add(
      JOIN_ON_SIGN_IN,
      createJoinOnSignIn(deployment, (error) => deployment.use(REPORT)(error, 'joining by domain failed')),
    ),
});
