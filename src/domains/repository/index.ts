import { z } from 'zod';
import { newId } from '../../data/id.js';
import { notFound } from '../../errors.js';
import type { Resolvers } from '../../generated/graphql.js';
import { allow, can } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { descriptionText, given, nameText, parseInput } from '../../resource/input.js';
import { defineList } from '../../resource/list.js';
import { updateIfUnchanged } from '../../resource/update-if-unchanged.js';
import { listAgentsOf } from '../agent/index.js';
import { listRunsOf } from '../run/index.js';
import { clearingRuns } from '../run/index.js';

const repositories = defineList('Repository', {
  name: 'repositories',
  orders: {
    NAME: { by: 'name', isUnique: true },
    CREATED_AT: { by: 'id' },
    UPDATED_AT: { by: 'updatedAt', is: 'instant' },
    LAST_SYNCED_AT: { by: 'lastSyncedAt', is: 'instant', mayBeNull: true },
  },
  usual: { field: 'NAME', direction: 'ASC' },
  search: ['name'],
});

export const listRepositories = repositories.page;

const gitUrl = z
  .string('Must not be null.')
  .trim()
  .max(500, 'At most 500 characters.')
  .refine(isGitUrl, 'Must be https or ssh, without credentials in it.');

/** `https://host/path`, `ssh://[user@]host/path` or `user@host:path`; a password never. */
function isGitUrl(url: string): boolean {
  if (/^(?!-)[\w.-]+@(?!-)[\w.-]+:(?!\/\/)[^\s:@]+$/.test(url)) return true;
  if (/\s/.test(url) || !URL.canParse(url)) return false;
  const { protocol, username, password, hostname, pathname } = new URL(url);
  const isBare = password === '' && hostname !== '' && pathname.length > 1 && ![username, hostname].some(isOption);
  return isBare && ((protocol === 'https:' && username === '') || protocol === 'ssh:');
}

/** Whatever begins with a hyphen would be an option to git or ssh. */
const isOption = (text: string): boolean => text.startsWith('-');

const branch = z
  .string('Must not be null.')
  .trim()
  .min(1, 'Must not be blank.')
  .max(200, 'At most 200 characters.')
  .regex(/^(?!-)[^\s~^:?*[\\\p{Cc}]+$/u, 'Not a branch name.');

const createInput = z.object({
  name: nameText,
  gitUrl,
  branch: branch.nullish(),
  description: descriptionText.nullish(),
});

const updateInput = z.object({
  id: z.string(),
  name: nameText.optional(),
  gitUrl: gitUrl.optional(),
  branch: branch.optional(),
  description: descriptionText.nullish(),
  expectedUpdatedAt: z.date().nullish(),
});

const resolvers = {
  Query: {
    repositories: (_, args, context) => listRepositories(args, context),
    repository: (_, { id }, { db }) => db.repository.get({ id }),
  },
  Mutation: {
    createRepository: (_, { input }, { db }) => {
      const { name, gitUrl, branch, description } = parseInput(createInput, input);
      return db.repository.create({
        id: newId('rep'),
        name,
        gitUrl,
        branch: branch ?? 'main',
        description: description ?? '',
      });
    },
    updateRepository: (_, { input }, { db }) => {
      const { id, expectedUpdatedAt, description, ...changes } = parseInput(updateInput, input);
      const cleared = description === null ? '' : description;
      return updateIfUnchanged(db.repository, id, expectedUpdatedAt, given({ ...changes, description: cleared }));
    },
    deleteRepository: (_, { id }, { db }) =>
      clearingRuns(db, async (tx, clear) => {
        if (!(await clear('repositoryId', id))) return null;
        const agents = await tx.agent.list({ where: { repositoryId: id }, orderBy: { name: 'asc' }, take: 100 });
        for (const agent of agents) {
          if (!(await clear('agentId', agent.id))) return null;
          await tx.agent.delete({ id: agent.id });
        }
        if (agents.length === 100) return null;
        if ((await tx.repository.delete({ id })) === 0) throw notFound();
        return id;
      }),
  },
  AgentRepository: {
    organization: (_, _args, { organization }) => organization.organization,
    agents: ({ id }, args, context) => listAgentsOf('repositoryId', id, args, context),
    runs: ({ id }, args, context) => listRunsOf('repositoryId', id, args, context),
  },
} satisfies Resolvers;

export const repository = defineDomain({
  resolvers,
  grants: {
    'repository:read': { from: 'VIEWER', may: 'Read repositories.' },
    'repository:create': { from: 'DEVELOPER', may: 'Make repositories.' },
    'repository:update': { from: 'DEVELOPER', may: 'Change repositories.' },
    'repository:delete': { from: 'DEVELOPER', may: 'Delete repositories with their agents.' },
  },
  access: {
    Query: { repositories: can('repository:read'), repository: can('repository:read') },
    Mutation: {
      createRepository: can('repository:create'),
      updateRepository: can('repository:update'),
      deleteRepository: can('repository:delete'),
    },
    AgentRepository: {
      id: allow,
      organization: allow,
      name: allow,
      gitUrl: allow,
      branch: allow,
      description: allow,
      lastSyncedAt: allow,
      createdAt: allow,
      updatedAt: allow,
      agents: can('agent:read'),
      runs: can('run:read'),
    },
  },
  node: {
    prefix: 'rep',
    type: 'AgentRepository',
    permission: 'repository:read',
    find: (id, { db }) => db.repository.load(id),
  },
});
