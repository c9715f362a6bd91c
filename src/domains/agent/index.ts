import { z } from 'zod';
import { newId } from '../../data/id.js';
import { badInput, notFound } from '../../errors.js';
import type { AgentFilter, AgentOrderField, Resolvers } from '../../generated/graphql.js';
import { allow, can } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { descriptionText, given, nameText, parseInput } from '../../resource/input.js';
import { defineList, type ListArgs } from '../../resource/list.js';
import { updateIfUnchanged } from '../../resource/update-if-unchanged.js';
import { listRunsOf } from '../run/index.js';
import { clearingRuns } from '../run/index.js';

const agents = defineList('Agent', {
  name: 'agents',
  orders: {
    NAME: { by: 'name', isUnique: true },
    CREATED_AT: { by: 'id' },
    UPDATED_AT: { by: 'updatedAt', is: 'instant' },
  },
  usual: { field: 'NAME', direction: 'ASC' },
  search: ['name'],
  where: ({ filter }: ListArgs<AgentOrderField> & { filter?: AgentFilter | null }) =>
    given({ repositoryId: filter?.repositoryId ?? undefined }),
});

export const listAgents = agents.page;
export const listAgentsOf = agents.pageOf;

const createInput = z.object({
  repositoryId: z.string(),
  name: nameText,
  description: descriptionText.nullish(),
});

const updateInput = z.object({
  id: z.string(),
  repositoryId: z.string('Must not be null.').optional(),
  name: nameText.optional(),
  description: descriptionText.nullish(),
  expectedUpdatedAt: z.date().nullish(),
});

const resolvers = {
  Query: {
    agents: (_, args, context) => listAgents(args, context),
    agent: (_, { id, name }, { db }) => {
      if (id != null && name == null) return db.agent.get({ id });
      if (name != null && id == null) return db.agent.get({ name });
      throw badInput('id', 'Give exactly one of id and name.');
    },
  },
  Mutation: {
    // A repository that is not there, or is another organization's, breaks the same foreign key: NOT_FOUND.
    createAgent: (_, { input }, { db }) => {
      const { repositoryId, name, description } = parseInput(createInput, input);
      return db.agent.create({ id: newId('agt'), repositoryId, name, description: description ?? '' });
    },
    updateAgent: (_, { input }, { db }) => {
      const { id, expectedUpdatedAt, description, ...changes } = parseInput(updateInput, input);
      const cleared = description === null ? '' : description;
      return updateIfUnchanged(db.agent, id, expectedUpdatedAt, given({ ...changes, description: cleared }));
    },
    deleteAgent: (_, { id }, { db }) =>
      clearingRuns(db, async (tx, clear) => {
        if (!(await clear('agentId', id))) return null;
        if ((await tx.agent.delete({ id })) === 0) throw notFound();
        return id;
      }),
  },
  Agent: {
    organization: (_, _args, { organization }) => organization.organization,
    repository: async ({ repositoryId }, _args, { db }) => {
      const found = await db.repository.load(repositoryId);
      if (!found) throw notFound();
      return found;
    },
    runs: ({ id }, args, context) => listRunsOf('agentId', id, args, context),
  },
} satisfies Resolvers;

export const agent = defineDomain({
  resolvers,
  grants: {
    'agent:read': { from: 'VIEWER', may: 'Read agents.' },
    'agent:create': { from: 'DEVELOPER', may: 'Make agents.' },
    'agent:update': { from: 'DEVELOPER', may: 'Rename, describe and move agents.' },
    'agent:delete': { from: 'DEVELOPER', may: 'Delete agents.' },
  },
  access: {
    Query: { agents: can('agent:read'), agent: can('agent:read') },
    Mutation: {
      createAgent: can('agent:create'),
      updateAgent: can('agent:update'),
      deleteAgent: can('agent:delete'),
    },
    Agent: {
      id: allow,
      organization: allow,
      name: allow,
      description: allow,
      createdAt: allow,
      updatedAt: allow,
      repository: can('repository:read'),
      runs: can('run:read'),
    },
  },
  node: { prefix: 'agt', type: 'Agent', permission: 'agent:read', find: (id, { db }) => db.agent.load(id) },
});
