import { getNamedType } from 'graphql';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { newId } from '../../src/data/id.js';
import { byTest } from './act.js';
import { givenEverything, type GivenEverything } from './given-everything.js';
import { givenMember, givenTwoOrganizations, personId, unique } from './given.js';
import type { TestServer } from './server.js';

type SessionScope = (list: (field: string) => string, at: GivenEverything) => string;

/** How a list is reached that is no root field, in the organization it is asked for. */
const NESTED: Record<string, SessionScope> = {
  'Account.organizations': (list, { accountId }) => `account(id: "${accountId}") { ${list('organizations')} }`,
  'ScimDirectory.groups': (list, { scimDirectoryId: id }) =>
    `node(id: "${id}") { ... on ScimDirectory { ${list('groups')} } }`,
  'Webhook.attempts': (list, { webhookId: id }) => `webhook(id: "${id}") { ${list('attempts')} }`,
  'Viewer.memberships': (list) => `viewer { ${list('memberships')} }`,
  'Organization.repositories': (list) => `currentOrganization { ${list('repositories')} }`,
  'Organization.agents': (list) => `currentOrganization { ${list('agents')} }`,
  'Organization.runs': (list) => `currentOrganization { ${list('runs')} }`,
  'Organization.members': (list) => `currentOrganization { ${list('members')} }`,
  'AgentRepository.agents': (list, { repositoryId }) => `repository(id: "${repositoryId}") { ${list('agents')} }`,
  'AgentRepository.runs': (list, { repositoryId }) => `repository(id: "${repositoryId}") { ${list('runs')} }`,
  'Agent.runs': (list, { agentId }) => `agent(id: "${agentId}") { ${list('runs')} }`,
};

const { schema } = createContract();

/** Every list that is a root field, which the contract tells. */
const ROOT = Object.values(schema.getQueryType()?.getFields() ?? {})
  .filter(({ type }) => getNamedType(type).name.endsWith('Connection'))
  .map(({ name }): [string, SessionScope] => [`Query.${name}`, (list) => list(name)]);

/** Every list of the schema, by type and field: how it is reached. */
export const LISTS: Record<string, SessionScope> = { ...Object.fromEntries(ROOT), ...NESTED };

/** A document that asks for a list as `list`. */
export function listQuery(name: string, args: string, selection: string, at: GivenEverything): string {
  const build = LISTS[name];
  if (!build) throw new Error(name);
  return `{ ${build((field) => `list: ${field}${args} { ${selection} }`, at)} }`;
}

export interface Page {
  nodes: Record<string, unknown>[];
  edges: { cursor: string; node: object }[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null };
  totalCount: number;
}

/** The list itself, however deep it stands in the answer. */
export function listIn(data: Record<string, unknown>): Page {
  const [first] = Object.values(data);
  return (data['list'] ?? listIn(first as Record<string, unknown>)) as Page;
}

/** Two organizations with everything in them, and somebody of both who may ask for every list there is. */
export async function givenReaderOfAll(server: TestServer) {
  const given = await givenTwoOrganizations(server);
  const acme = await givenEverything(server, given.acme);
  const globex = await givenEverything(server, given.globex);
  const email = `${unique('both')}@both.example`;
  await givenMember(server, acme, 'OWNER', { email });
  await givenMember(server, globex, 'OWNER', { email });
  const everyone = await server.as(email, acme.slug);
  const id = await personId(everyone);
  await server.database.pool.queryAsLoginRole(`update person set system_role = 'SYSTEM_ADMIN' where id = $1`, [id]);
  for (const { id: orgId } of [acme, globex]) {
    const db = server.database.organizationDb(orgId, byTest);
    for (const text of ['one', 'another']) {
      const told = { id: newId('ntf'), kind: 'ALERT', occasion: text, isListed: true, at: new Date() } as const;
      await db.notification.create({ ...told, text, userId: id });
    }
  }
  return { acme, globex, everyone, id };
}
