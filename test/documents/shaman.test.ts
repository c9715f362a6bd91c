import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { type Database, openDatabase } from '../../src/data/database.js';
import { unique } from '../support/given.js';
import { type Answer, codeOf, startServer, type TestServer } from '../support/server.js';

// The executable blocks of the document, byte for byte.

const GET_REPOSITORIES = `query GetRepositories {
  # Returns only repositories for the current organization
  repositories {
    edges {
      node {
        name
        gitUrl
      }
    }
  }
}
`;

const SWITCH_ORGANIZATION = `mutation SwitchOrganization {
  switchOrganization(organizationId: "org-123") {
    user {
      name
    }
    currentOrganization {
      name
      slug
    }
  }
}
`;

const ORGANIZATION_MANAGEMENT = `# Create a new organization
mutation CreateOrganization {
  createOrganization(input: {
    name: "Acme Corporation"
    slug: "acme-corp"
    description: "Enterprise AI automation"
  }) {
    id
    name
    slug
  }
}

# Invite users to organization
mutation InviteUser {
  inviteUser(input: {
    email: "developer@acme.com"
    name: "Jane Developer"
    role: DEVELOPER
    permissions: ["execute_agents", "view_analytics"]
  }) {
    user {
      email
    }
    role
  }
}
`;

/** A database in which nothing was ever done, and what removes it. */
async function openFreshDatabase(): Promise<Database> {
  const options = {
    poolSize: 4,
    statementTimeoutMs: 10_000,
    preparedStatements: true,
    requireSeparateLogin: false,
    onStep: () => undefined,
  };
  const server = process.env['ORGATE_TEST_URL'];
  if (!server) return openDatabase({ ...options, store: { dataDirectory: null } });
  const name = `orgate_test_${randomUUID().slice(0, 8)}`;
  const admin = new pg.Client({ connectionString: server });
  await admin.connect();
  await admin.query(`create database ${name}`);
  const url = new URL(server);
  url.pathname = name;
  const database = await openDatabase({ ...options, store: { url: url.href, migrationUrl: null } });
  return Object.assign(Object.create(database) as Database, {
    close: async () => {
      await database.close();
      await admin.query(`drop database ${name} with (force)`);
      await admin.end();
    },
  });
}

let server: TestServer;
/** Sends an operation of a document by its name, as the person who made org-123. */
let send: (document: string, operationName: string, organization?: string) => Promise<Answer>;

beforeAll(async () => {
  const fresh = await openFreshDatabase();
  server = await startServer({
    wrap: (shared) =>
      Object.assign(Object.create(fresh) as Database, {
        close: () => Promise.all([fresh.close(), shared.close()]).then(() => undefined),
      }),
  });
  const ann = await server.as(`${unique('ann')}@acme.example`);
  send = (query, operationName, organization) =>
    server.post(JSON.stringify({ query, operationName }), {
      authorization: `Bearer ${ann.token}`,
      ...(organization && { 'x-organization-id': organization }),
    });
  const made = await ann('mutation { createOrganization(input: { name: "Org 123", slug: "org-123" }) { slug } }');
  expect(made.data).toEqual({ createOrganization: { slug: 'org-123' } });
});
afterAll(() => server.close());

describe('The document runs as it is printed', () => {
  test('GetRepositories: those of the current organization', async () => {
    expect((await send(GET_REPOSITORIES, 'GetRepositories')).data).toEqual({ repositories: { edges: [] } });
    const input = '{ name: "bots", gitUrl: "https://git.example/bots.git" }';
    await send(`mutation M { createRepository(input: ${input}) { id } }`, 'M');
    const { data, errors } = await send(GET_REPOSITORIES, 'GetRepositories');
    expect(errors).toEqual([]);
    expect(data.repositories.edges).toEqual([{ node: { name: 'bots', gitUrl: 'https://git.example/bots.git' } }]);
  });

  test('SwitchOrganization: by a slug in the place of an id', async () => {
    const { data, errors } = await send(SWITCH_ORGANIZATION, 'SwitchOrganization');
    expect(errors).toEqual([]);
    expect(data.switchOrganization).toEqual({
      user: { name: expect.stringMatching(/^ann-/) },
      currentOrganization: { name: 'Org 123', slug: 'org-123' },
    });
  });

  test('CreateOrganization, then InviteUser into what it made; a second time the slug is taken', async () => {
    const created = await send(ORGANIZATION_MANAGEMENT, 'CreateOrganization');
    expect(created.errors).toEqual([]);
    expect(created.data.createOrganization).toEqual({
      id: expect.stringMatching(/^org_/),
      name: 'Acme Corporation',
      slug: 'acme-corp',
    });
    // Whoever is in several organizations says in which one they act.
    expect(codeOf(await send(ORGANIZATION_MANAGEMENT, 'InviteUser'))).toBe('ORG_CONTEXT_REQUIRED');
    const invited = await send(ORGANIZATION_MANAGEMENT, 'InviteUser', 'acme-corp');
    expect(invited.errors).toEqual([]);
    expect(invited.data).toEqual({ inviteUser: { user: { email: 'developer@acme.com' }, role: 'DEVELOPER' } });
    const { data } = await send('query Q { members(status: INVITED) { nodes { permissions } } }', 'Q', 'acme-corp');
    expect(data.members.nodes[0].permissions).toEqual(expect.arrayContaining(['run:start', 'usage:read']));

    const again = await send(ORGANIZATION_MANAGEMENT, 'CreateOrganization');
    expect([codeOf(again), again.data]).toEqual(['CONFLICT', { createOrganization: null }]);
    expect(again.errors[0]?.extensions['argument']).toBe('input.slug');
  });

  test('every field that its types print answers', async () => {
    const input = '{ name: "bots-2", gitUrl: "https://git.example/bots.git" }';
    const at = 'org-123';
    const { data: made } = await send(`mutation M { createRepository(input: ${input}) { id } }`, 'M', at);
    const agent = `createAgent(input: { name: "Bot", repositoryId: "${made.createRepository.id}" }) { id }`;
    const { data: bot } = await send(`mutation M { ${agent} }`, 'M', at);
    await send(`mutation M { startRun(input: { agentId: "${bot.createAgent.id}" }) { id } }`, 'M', at);
    const { data, errors } = await send(
      `query Printed {
        currentOrganization {
          id name slug description
          settings {
            agentExecution { defaultModel defaultProvider maxConcurrentRuns }
            security { externalAgentPolicy allowedDomains }
            featureFlags
          }
          subscription { plan status }
        }
        repositories { nodes { organization { slug } name gitUrl } }
        runs { nodes { organization { slug } createdBy { name } } }
        organizationUsage {
          currentPeriodStart currentPeriodEnd totalRuns totalCost totalTokens runsByStatus { status count }
        }
      }`,
      'Printed',
      at,
    );
    expect(errors).toEqual([]);
    expect(data.currentOrganization).toMatchObject({ name: 'Org 123', slug: 'org-123', description: '' });
    expect(data.repositories.nodes).toContainEqual({
      organization: { slug: 'org-123' },
      name: 'bots-2',
      gitUrl: 'https://git.example/bots.git',
    });
    expect(data.runs.nodes).toEqual([
      { organization: { slug: 'org-123' }, createdBy: { name: expect.stringMatching(/^ann-/) } },
    ]);
    expect(data.organizationUsage).toMatchObject({ totalRuns: 1, totalCost: 0, totalTokens: 0 });
    expect(data.organizationUsage.runsByStatus).toContainEqual({ status: 'QUEUED', count: 1 });
  });
});
