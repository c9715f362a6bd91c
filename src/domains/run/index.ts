import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import type { Filter, Row } from '../../data/organization/table.js';
import { orNotFound } from '../../errors.js';
import { RunStatus } from '../../generated/enums.js';
import type { Resolvers, RunFilter, RunOrder, RunOrderField } from '../../generated/graphql.js';
import { allow, can, canClaim, canOrWorksOn, canReport, hasClaim } from '../../permissions/rules.js';
import { NEWS } from '../../jobs/news.js';
import { currentOrganization } from '../../resource/current-organization.js';
import { allowing, defineDomain } from '../../resource/define-domain.js';
import { parseInput } from '../../resource/input.js';
import { defineList, type ListArgs } from '../../resource/list.js';
import { memberUser } from '../membership/parent.js';
import { cancelRun } from './cancel-run.js';
import { credentialsOf, openSecret, providerOf } from './claimed-credentials.js';
import { claimRuns } from './claim-runs.js';
import { jobs } from './jobs.js';
import { CLAIM_PERMISSION, CLAIMS_FROM } from './outside.js';
import { MICROS, recordRunProgress, STATUSES } from './record-run-progress.js';
import { record } from './record.js';
import { startRun } from './start-run.js';
import { readClaimedRun, readHeld } from './use-claim.js';

type RunRow = Row<'Run'>;

/** Every index that a list is read by is in this order. */
const runs = defineList('Run', {
  name: 'runs',
  orders: { CREATED_AT: { by: 'createdAt', is: 'instant' } },
  usual: { field: 'CREATED_AT', direction: 'DESC' },
  where: ({ filter }: RunArgs) => toFilter(filter ?? {}),
  filtersNeed: { agentId: 'agent:read', repositoryId: 'repository:read' },
  indexed,
  isPlannedAnew: (where) => Object.keys(where).length > 1,
});

interface RunArgs extends ListArgs<RunOrderField, RunFilter> {
  readonly order?: RunOrder | null;
}

/** `order` is an older way to say it. */
const inOrder = <A extends RunArgs>(args: A): A => ({
  ...args,
  orderBy: args.orderBy ?? { field: 'CREATED_AT', direction: args.order === 'CREATED_AT_ASC' ? 'ASC' : 'DESC' },
});

export const listRuns = (args: RunArgs, context: RequestContext) => runs.page(inOrder(args), context);

/** The runs of an agent or a repository; those of many are read in one statement. */
export const listRunsOf = (
  parent: 'agentId' | 'repositoryId',
  parentId: string,
  args: RunArgs,
  context: RequestContext,
) => runs.pageOf(parent, parentId, inOrder(args), context);

function toFilter({
  status,
  agentId,
  repositoryId,
  createdById,
  createdFrom,
  createdBefore,
}: RunFilter): Filter<RunRow> {
  return {
    // All of them are no filter.
    ...(status &&
      new Set(status).size < STATUSES.length && { status: status.length === 1 ? status[0] : { in: status } }),
    ...(agentId != null && { agentId }),
    ...(repositoryId != null && { repositoryId }),
    ...(createdById != null && { createdById }),
    ...((createdFrom || createdBefore) && {
      createdAt: { ...(createdFrom && { gte: createdFrom }), ...(createdBefore && { lt: createdBefore }) },
    }),
  } as Filter<RunRow>;
}

/** The index of what somebody started goes by status before it goes by time: of all statuses, each is looked for. */
function indexed(filter: Filter<RunRow>): Filter<RunRow> {
  const isOfSomebody = 'createdById' in filter;
  const isNarrower = 'status' in filter || 'agentId' in filter || 'repositoryId' in filter;
  return isOfSomebody && !isNarrower ? { ...filter, status: { in: STATUSES } } : filter;
}

/** What a run is thought to cost, in millionths: more would not add up. */
export const estimate = z
  .int('Must be a whole number.')
  .min(0, 'At least 0.')
  .max(1e12, 'At most 1,000,000,000,000.')
  .transform(BigInt)
  .nullish();

const startInput = z.object({
  agentId: z.string(),
  input: z.unknown().optional(),
  idempotencyKey: z.string().min(1, 'Must not be blank.').max(100, 'At most 100 characters.').nullish(),
  estimatedCostMicros: estimate,
  priority: z.int('Must be a whole number.').min(0, 'At least 0.').max(9, 'At most 9.').nullish(),
});

const claimInput = z.object({
  max: z
    .int('Must be a whole number.')
    .min(1, 'At least 1.')
    .max(100, 'At most 100.')
    .nullish()
    .transform((max) => max ?? 1),
  leaseSeconds: z
    .int('Must be a whole number.')
    .min(1, 'At least 1.')
    .max(3600, 'At most 3,600.')
    .nullish()
    .transform((seconds) => seconds ?? 60),
  agentIds: z
    .array(z.string())
    .min(1, 'At least one.')
    .max(100, 'At most 100.')
    .nullish()
    .transform((ids) => ids && [...new Set(ids)])
    .transform((ids) => ids ?? null),
});

const total = z.int('Must be a whole number.').min(0, 'At least 0.').max(Number.MAX_SAFE_INTEGER).nullish();

const progressInput = z
  .object({
    status: z.enum(RunStatus).nullish(),
    output: z.unknown().optional(),
    error: z.string().max(10_000, 'At most 10,000 characters.').nullish(),
    totalTokens: total,
    totalCost: z.number().min(0, 'At least 0.').max(9e9, 'At most 9,000,000,000.').nullish(),
    totalCostMicros: total,
  })
  .refine(({ totalCost, totalCostMicros }) => totalCost == null || totalCostMicros == null, {
    path: ['totalCost'],
    message: 'Give totalCost or totalCostMicros, not both.',
  });

const resolvers = {
  Query: {
    runs: (_, args, context) => listRuns(args, context),
    run: (_, { id }, { db }) => db.run.get({ id }),
    claimedRun: (_, _args, context) => readClaimedRun(context),
  },
  Mutation: {
    startRun: (_, { input }, context) => startRun(parseInput(startInput, input), context),
    recordRunProgress: async (_, { id, input }, context) => {
      const reported = await recordRunProgress(id, parseInput(progressInput, input), context);
      context.use(NEWS).reported(context.organization.orgId, id);
      return reported;
    },
    cancelRun: (_, { id }, context) => cancelRun(id, context),
    claimRuns: (_, { input }, context) => claimRuns(parseInput(claimInput, input), context),
  },
  Run: {
    organization: currentOrganization,
    createdBy: async ({ createdById }, _args, { db }) => memberUser(orNotFound(await db.membership.load(createdById))),
    agent: ({ agentId }, _args, { db }) => (agentId === null ? null : db.agent.load(agentId)),
    repository: ({ repositoryId }, _args, { db }) => (repositoryId === null ? null : db.repository.load(repositoryId)),
    input: ({ id }, _args, { db }) => db.run.loadApart(id, 'input'),
    output: ({ id }, _args, { db }) => db.run.loadApart(id, 'output'),
    error: ({ id }, _args, { db }) => db.run.loadApart(id, 'error'),
    totalCost: ({ totalCostMicros }) => Number(totalCostMicros) / MICROS,
    stopRequested: ({ status, finishedAt, stopReason: reason, stopRequestedAt: at }) => {
      // Whoever works on it yet need not know what the status says.
      if (status === 'CANCELLED' && finishedAt) return { reason: 'CANCELLED', at: finishedAt };
      return reason && at ? { reason, at } : null;
    },
  },
  ClaimedRun: {
    agentName: ({ agent }) => agent?.name ?? null,
    repositoryUrl: ({ repository }) => repository?.gitUrl ?? null,
    input: async ({ runId, claim }, _args, { db }) => {
      const input = await db.run.loadApart(runId, 'input');
      await readHeld(db, claim);
      return input;
    },
    provider: (_parent, _args, context) => providerOf(context),
    credentials: (parent, _args, context) => credentialsOf(parent, context),
  },
  ClaimedCredential: {
    secret: (parent, _args, context) => openSecret(parent, context),
  },
} satisfies Resolvers;

/** Whoever reports on a run, or cancels it, need not be who reads it. */
const reads = canOrWorksOn('run:read');

export const run = defineDomain({
  resolvers,
  grants: {
    'run:read': { from: 'VIEWER', may: 'Read runs, with what they were given and answered.' },
    'run:start': { from: 'DEVELOPER', may: 'Start runs of agents.', vendor: true },
    'run:cancel': { from: 'DEVELOPER', may: 'Cancel runs.', vendor: true },
    'run:record': { from: 'DEVELOPER', may: 'Report how runs go, as executors do that claim nothing.' },
    [CLAIM_PERMISSION]: {
      from: CLAIMS_FROM,
      may: 'Claim runs, with the secrets that they need, as executors of its own do.',
    },
  },
  record,
  jobs,
  access: {
    Query: { runs: can('run:read'), run: can('run:read'), claimedRun: hasClaim },
    Mutation: {
      startRun: can('run:start'),
      recordRunProgress: canReport,
      cancelRun: can('run:cancel'),
      claimRuns: canClaim,
    },
    Run: {
      ...allowing('id', 'organization', 'status'),
      createdBy: reads,
      input: reads,
      output: reads,
      error: reads,
      ...allowing('createdAt', 'startedAt', 'finishedAt', 'totalTokens', 'totalCost', 'totalCostMicros'),
      ...allowing('estimatedCostMicros', 'stopRequested', 'priority', 'attempts', 'providers'),
      agent: can('agent:read'),
      approval: can('approval:read'),
      repository: can('repository:read'),
    },
    RunStop: allow,
    RunLease: allow,
    ClaimRunsPayload: allow,
    ClaimedRun: allow,
    ClaimedCredential: allow,
  },
  node: { prefix: 'run', type: 'Run', rule: can('run:read'), find: (id, { db }) => db.run.load(id) },
});

export { retryPolicy, retryPolicyOf } from './retry-policy.js';
export { putBack } from './return-lost-runs.js';
export { claimOf, renewClaim } from './use-claim.js';
export { clearingRuns } from './clear-runs.js';
export { MICROS, STATUSES } from './record-run-progress.js';
