import DataLoader from 'dataloader';
import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import type { Row } from '../../data/organization/table.js';
import { orNotFound } from '../../errors.js';
import { ApprovalVerdict } from '../../generated/enums.js';
import type { ApprovalFilter, ApprovalOrderField, Resolvers } from '../../generated/graphql.js';
import { openBarredMembers } from '../../identity/set-only.js';
import { allow, can } from '../../permissions/rules.js';
import { allowing, defineDomain } from '../../resource/define-domain.js';
import { parseInput } from '../../resource/input.js';
import { anyOf, defineList, type ListArgs } from '../../resource/list.js';
import { memberUser } from '../membership/parent.js';
import { cancelApproval, decideApproval } from './decide-approval.js';
import { findDeciders, type Members, MOST_DECIDERS } from './deciders.js';
import { due } from './jobs.js';
import { MOST_DECISIONS, readNow } from './read-approval.js';
import { record } from './record.js';

const approvals = defineList('Approval', {
  name: 'approvals',
  orders: { CREATED_AT: { by: 'id' } },
  usual: { field: 'CREATED_AT', direction: 'DESC' },
  where: ({ filter }: ListArgs<ApprovalOrderField, ApprovalFilter>) => ({
    ...anyOf({ status: filter?.status }),
    ...(filter?.subjectId != null && { subjectId: filter.subjectId }),
  }),
});

const decideInput = z.object({
  id: z.string(),
  decision: z.enum(ApprovalVerdict),
  inputHash: z.string().max(100, 'At most 100 characters.'),
  comment: z
    .string()
    .trim()
    .max(2000, 'At most 2,000 characters.')
    .nullish()
    .transform((text) => text || null),
});

const barredById = ({ organization: { orgId }, outside }: RequestContext) =>
  new DataLoader<string, boolean>(
    async (ids) => {
      const barred = await outside(openBarredMembers)(orgId, ids);
      return ids.map((id) => barred.has(id));
    },
    { cache: false },
  );

async function listBarred(ids: readonly string[], context: RequestContext): Promise<ReadonlySet<string>> {
  const barred = await Promise.all(ids.map((id) => context.once(barredById).load(id)));
  return new Set(ids.filter((_, index) => barred[index]));
}

/** Those of one request; of many approvals they are read by few statements. */
const membersOf = (context: RequestContext): Members => ({
  load: (userId) => context.db.membership.load(userId),
  owners: () =>
    context.db.membership.listFor('role', 'OWNER', {
      where: { status: 'ACTIVE', kind: 'PERSON' },
      orderBy: { userId: 'asc' },
      take: MOST_DECIDERS,
    }),
  barred: (userIds) => listBarred(userIds, context),
});

const decisionsOf = ({ id }: Row<'Approval'>, { db }: RequestContext): Promise<Row<'ApprovalDecision'>[]> =>
  db.approvalDecision.listFor('approvalId', id, { orderBy: { id: 'asc' }, take: MOST_DECISIONS });

async function waitsFor(approval: Row<'Approval'>, context: RequestContext) {
  if (approval.status !== 'PENDING') return [];
  const { db, catalogue } = context;
  const [said, { hash }] = await Promise.all([decisionsOf(approval, context), readNow(db, approval)]);
  const members = membersOf(context);
  const { turn, escalation } = await findDeciders(catalogue, members, approval, said, { hash, now: db.now() });
  const waiting = await Promise.all([...new Set([...turn, ...escalation])].map((id) => members.load(id)));
  return waiting
    .filter((member) => member !== null)
    .slice(0, MOST_DECIDERS)
    .map(memberUser);
}

const resolvers = {
  Query: {
    approvals: (_, args, context) => approvals.page(args, context),
  },
  Mutation: {
    decideApproval: (_, { input }, context) => decideApproval(parseInput(decideInput, input), context),
    cancelApproval: (_, { id }, context) => cancelApproval(id, context),
  },
  Approval: {
    run: ({ subjectId }, _args, { db }) => db.run.load(subjectId),
    inputHash: async (approval, _args, { db }) =>
      approval.status === 'PENDING' ? (await readNow(db, approval)).hash : approval.inputHash,
    submittedBy: async ({ submittedById }, _args, { db }) =>
      memberUser(orNotFound(await db.membership.load(submittedById))),
    waitsFor: (approval, _args, context) => waitsFor(approval, context),
    decisions: (approval, _args, context) => decisionsOf(approval, context),
  },
  ApprovalDecision: {
    by: async ({ decidedById }, _args, { db }) => {
      const member = await db.membership.load(decidedById);
      return member && memberUser(member);
    },
    at: ({ createdAt }) => createdAt,
  },
  Run: {
    approval: async ({ id }, _args, { db }) =>
      (await db.approval.listFor('subjectId', id, { orderBy: { id: 'asc' }, take: 1 }))[0] ?? null,
  },
} satisfies Resolvers;

export const approval = defineDomain({
  resolvers,
  grants: {
    'approval:read': { from: 'VIEWER', may: 'Read what waits for people to allow it, and what they said.' },
    'approval:decide': { from: 'DEVELOPER', may: 'Decide on what waits, where the settings name them.' },
    'approval:cancel': {
      // Whoever started it may hold less by now.
      from: 'VIEWER',
      may: 'Take back what they started and what waits; as ADMIN, what others did.',
    },
  },
  record,
  due,
  access: {
    Query: { approvals: can('approval:read') },
    Mutation: {
      decideApproval: can('approval:decide'),
      cancelApproval: can('approval:cancel'),
    },
    Approval: {
      ...allowing('id', 'subjectType', 'subjectId', 'status', 'inputHash', 'submittedBy', 'order', 'approverIds'),
      ...allowing('waitsFor', 'decisions', 'createdAt', 'escalatesAt', 'escalatedAt', 'autoApprovesAt', 'expiresAt'),
      ...allowing('decidedAt', 'reason'),
      run: can('run:read'),
    },
    ApprovalDecision: allow,
  },
  node: {
    prefix: 'apr',
    type: 'Approval',
    rule: can('approval:read'),
    find: (id, { db }) => db.approval.load(id),
  },
});

export { APPROVAL } from './approval-work.js';
export { endApprovalOf } from './end-approval.js';
export { endingIn } from './ending.js';
export { assertAsApproved } from './read-approval.js';
export { assertNotNamed, assertRoom, findRequirement, requireApproval } from './require-approval.js';
export { digestOf, hashOf } from './what-will-run.js';
