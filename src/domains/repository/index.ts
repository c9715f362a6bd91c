import { z } from 'zod';
import type { Resolvers } from '../../generated/graphql.js';
import { can, canWhereNamed } from '../../permissions/rules.js';
import { currentOrganization } from '../../resource/current-organization.js';
import { allowing } from '../../resource/define-domain.js';
import { defineResource } from '../../resource/define-resource.js';
import { descriptionText, nameText } from '../../resource/input.js';
import { defineList } from '../../resource/list.js';
import { deleteRow } from '../../resource/rows.js';
import { listAgentsOf } from '../agent/index.js';
import { assertNotNamed } from '../approval/index.js';
import { clearingRuns, listRunsOf } from '../run/index.js';

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

/** Where a repository is fetched from. */
export const gitUrl = z
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

export const branch = z
  .string('Must not be null.')
  .trim()
  .min(1, 'Must not be blank.')
  .max(200, 'At most 200 characters.')
  .regex(/^(?!-)[^\s~^:?*[\\\p{Cc}]+$/u, 'Not a branch name.');

const columns = { name: nameText, gitUrl, description: descriptionText };

const resolvers = {
  Mutation: {
    deleteRepository: (_, { id }, context) =>
      clearingRuns(context, 'repository:delete', async (tx, clear) => {
        if (!(await clear('repositoryId', id))) return null;
        const agents = await tx.agent.list({ where: { repositoryId: id }, orderBy: { name: 'asc' }, take: 100 });
        assertNotNamed(
          tx.held,
          agents.map((agent) => agent.id),
        );
        for (const agent of agents) {
          if (!(await clear('agentId', agent.id))) return null;
          await tx.agent.delete({ id: agent.id });
        }
        return agents.length === 100 ? null : deleteRow(tx.repository, id);
      }),
  },
  AgentRepository: {
    organization: currentOrganization,
    agents: ({ id }, args, context) => listAgentsOf('repositoryId', id, args, context),
    runs: ({ id }, args, context) => listRunsOf('repositoryId', id, args, context),
  },
} satisfies Resolvers;

export const repository = defineResource('Repository', {
  type: 'AgentRepository',
  prefix: 'rep',
  plural: 'repositories',
  list: repositories,
  create: { ...columns, branch: branch.nullish().transform((name) => name ?? undefined) },
  update: { ...columns, branch },
  // A credential is lent to where a repository lies: another place takes it away, and is no business of who only helps.
  forOthers: { create: ['name', 'gitUrl', 'description', 'branch'], update: ['name', 'description', 'branch'] },
  rights: {
    read: { from: 'VIEWER', may: 'Read repositories.' },
    create: { from: 'DEVELOPER', may: 'Make repositories.', vendor: true },
    update: { from: 'DEVELOPER', may: 'Change repositories.', vendor: true },
    delete: { from: 'DEVELOPER', may: 'Delete repositories with their agents.' },
  },
  access: {
    AgentRepository: {
      ...allowing('id', 'organization', 'name', 'gitUrl', 'branch', 'description'),
      ...allowing('lastSyncedAt', 'createdAt', 'updatedAt'),
      credential: canWhereNamed('credential:read'),
      agents: can('agent:read'),
      runs: can('run:read'),
    },
  },
  resolvers,
});
