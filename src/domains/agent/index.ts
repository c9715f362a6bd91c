import { badInput, orNotFound } from '../../errors.js';
import type { AgentFilter, AgentOrderField, Resolvers } from '../../generated/graphql.js';
import { allow, can, canWhereNamed } from '../../permissions/rules.js';
import { currentOrganization } from '../../resource/current-organization.js';
import { allowing } from '../../resource/define-domain.js';
import { defineResource } from '../../resource/define-resource.js';
import { descriptionText, given, nameText, poolText, reference } from '../../resource/input.js';
import { defineList, type ListArgs } from '../../resource/list.js';
import { deleteRow } from '../../resource/rows.js';
import { assertNotNamed } from '../approval/index.js';
import { clearingRuns, estimate, listRunsOf, retryPolicy, retryPolicyOf } from '../run/index.js';

const agents = defineList('Agent', {
  name: 'agents',
  orders: {
    NAME: { by: 'name', isUnique: true },
    CREATED_AT: { by: 'id' },
    UPDATED_AT: { by: 'updatedAt', is: 'instant' },
  },
  usual: { field: 'NAME', direction: 'ASC' },
  search: ['name'],
  where: ({ filter }: ListArgs<AgentOrderField, AgentFilter>) =>
    given({ repositoryId: filter?.repositoryId ?? undefined }),
  filtersNeed: { repositoryId: 'repository:read' },
});

export const listAgents = agents.page;
export const listAgentsOf = agents.pageOf;

const columns = {
  repositoryId: reference,
  name: nameText,
  description: descriptionText,
  estimatedCostMicros: estimate,
  pool: poolText.optional(),
  retryPolicy: retryPolicy.optional(),
};

const resolvers = {
  Query: {
    agent: (_, { id, name }, { db }) => {
      if (id != null && name == null) return db.agent.get({ id });
      if (name != null && id == null) return db.agent.get({ name });
      throw badInput('id', 'Give exactly one of id and name.');
    },
  },
  Mutation: {
    deleteAgent: (_, { id }, context) =>
      clearingRuns(context, 'agent:delete', async (tx, clear) => {
        assertNotNamed(tx.held, [id]);
        return (await clear('agentId', id)) ? deleteRow(tx.agent, id) : null;
      }),
  },
  Agent: {
    retryPolicy: retryPolicyOf,
    organization: currentOrganization,
    repository: async ({ repositoryId }, _args, { db }) => orNotFound(await db.repository.load(repositoryId)),
    runs: ({ id }, args, context) => listRunsOf('agentId', id, args, context),
  },
} satisfies Resolvers;

export const agent = defineResource('Agent', {
  type: 'Agent',
  prefix: 'agt',
  plural: 'agents',
  list: agents,
  // A repository that is not there, or is another organization's, breaks the same foreign key: NOT_FOUND.
  create: columns,
  update: columns,
  // An estimate reserves of a budget with every run, and moving an agent takes the credentials away that are lent to it.
  forOthers: {
    create: ['repositoryId', 'name', 'description', 'pool', 'retryPolicy'],
    update: ['name', 'description', 'pool', 'retryPolicy'],
  },
  rights: {
    read: { from: 'VIEWER', may: 'Read agents.' },
    create: { from: 'DEVELOPER', may: 'Make agents.', vendor: true },
    update: { from: 'DEVELOPER', may: 'Rename, describe and move agents.', vendor: true },
    delete: { from: 'DEVELOPER', may: 'Delete agents.' },
  },
  access: {
    Agent: {
      ...allowing('id', 'organization', 'name', 'description', 'estimatedCostMicros', 'createdAt', 'updatedAt'),
      ...allowing('pool', 'retryPolicy', 'version'),
      credentials: canWhereNamed('credential:read'),
      repository: can('repository:read'),
      runs: can('run:read'),
    },
    RetryPolicy: allow,
  },
  resolvers,
});
