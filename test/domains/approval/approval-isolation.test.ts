import { newId } from '../../../src/data/id.js';
import type { OrganizationDb } from '../../../src/data/organization/organization-db.js';
import { type Attempt, describeIsolation, fromCursor, never, type Target } from '../../support/isolation.js';

/** A run that waits, and its approval. */
const give = async ({ ownerId, agentId }: Target, db: OrganizationDb) => {
  const [id, subjectId] = [newId('apr'), newId('run')];
  await db.run.create({ id: subjectId, agentId, createdById: ownerId, status: 'AWAITING_APPROVAL' });
  await db.approval.create({
    id,
    subjectType: 'RUN',
    subjectId,
    submittedById: ownerId,
    approverIds: [],
    order: 'ANY',
    allowSelfApproval: true,
    expiresAt: new Date(Date.now() + 3_600_000),
    inputDigest: 'x',
    inputHash: 'x',
    agentVersion: 1,
  });
  return { id, subjectId };
};
const giveApproval = async (acme: Target, db: OrganizationDb) => (await give(acme, db)).id;
const list = (argument: 'after' | 'before') =>
  fromCursor(argument, 'approvals', 'approvals CREATED_AT DESC', never('apr')());

const person = { foreign: (acme: Target) => acme.ownerId, unknown: never('usr') };
const agent = { foreign: (acme: Target) => acme.agentId, unknown: never('agt') };
const UPDATE = 'mutation ($input: UpdateOrganizationInput!) { updateOrganization(input: $input) { name } }';
const CREATE = 'mutation ($input: CreateOrganizationInput!) { createOrganization(input: $input) { name } }';
const slug = () => `made-${newId('org').slice(-20)}`;
const setting = (
  named: Pick<Attempt, 'foreign' | 'unknown'>,
  asks: (value: string) => object,
): { readonly update: Attempt; readonly create: Attempt } => ({
  update: { query: UPDATE, ...named, variables: (value) => ({ input: { settings: { approval: asks(value) } } }) },
  create: {
    query: CREATE,
    ...named,
    variables: (value) => ({ input: { name: 'x', slug: slug(), settings: { approval: asks(value) } } }),
    uncontrolled: 'of what is made nobody is a member yet but its OWNER, and it has no agents',
  },
});
const approvers = setting(person, (id) => ({ approvers: [id] }));
const escalationTo = setting(person, (escalationTo) => ({ escalationTo }));
const agents = setting(agent, (agentId) => ({ requireFor: [{ kind: 'AGENT', agentId }] }));

describeIsolation({
  'Query.approvals.after': list('after'),
  'Query.approvals.before': list('before'),
  'Query.approvals.filter.subjectId': {
    query: 'query ($filter: ApprovalFilter) { approvals(filter: $filter) { totalCount nodes { id status } } }',
    foreign: async (acme, db) => (await give(acme, db)).subjectId,
    unknown: never('run'),
    variables: (subjectId) => ({ filter: { subjectId } }),
  },
  'Mutation.decideApproval.input.id': {
    query: 'mutation ($input: DecideApprovalInput!) { decideApproval(input: $input) { status } }',
    foreign: giveApproval,
    unknown: never('apr'),
    variables: (id) => ({ input: { id, decision: 'APPROVE', inputHash: 'x' } }),
  },
  'Mutation.cancelApproval.id': {
    query: 'mutation ($id: ID!) { cancelApproval(id: $id) { status } }',
    foreign: giveApproval,
    unknown: never('apr'),
    variables: (id) => ({ id }),
  },
  'Mutation.updateOrganization.input.settings.approval.requireFor.agentId': agents.update,
  'Mutation.updateOrganization.input.settings.approval.approvers': approvers.update,
  'Mutation.updateOrganization.input.settings.approval.escalationTo': escalationTo.update,
  'Mutation.createOrganization.input.settings.approval.requireFor.agentId': agents.create,
  'Mutation.createOrganization.input.settings.approval.approvers': approvers.create,
  'Mutation.createOrganization.input.settings.approval.escalationTo': escalationTo.create,
});
