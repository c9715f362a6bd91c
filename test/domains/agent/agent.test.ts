import { expect, test } from '@jest/globals';
import { givenOrganization, givenTwoOrganizations, unique } from '../../support/given.js';
import { codeOf, useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

const server = useServer();

const CREATE = `mutation ($input: CreateAgentInput!) { createAgent(input: $input) {
  id name description createdAt updatedAt repository { id } organization { slug }
} }`;
const UPDATE =
  'mutation ($input: UpdateAgentInput!) { updateAgent(input: $input) { id name description updatedAt repository { id } } }';
const DELETE = 'mutation ($id: ID!) { deleteAgent(id: $id) }';
const FIND = 'query ($id: ID, $name: String) { agent(id: $id, name: $name) { id name } }';
const UNKNOWN = `agt_${'0'.repeat(26)}`;

test('a DEVELOPER creates, changes and deletes an agent; everyone in the organization reads it', async () => {
  const { developer, viewer, repositoryId, slug } = await givenOrganization(server);
  const name = unique('Agent');
  const created = await developer(CREATE, { input: { repositoryId, name, description: ' Answers. ' } });
  const { id, createdAt, updatedAt } = created.data.createAgent;
  expect(id).toMatch(/^agt_[0-9a-v]{26}$/);
  expect(created.data.createAgent).toEqual({
    id,
    name,
    description: 'Answers.',
    createdAt,
    updatedAt,
    repository: { id: repositoryId },
    organization: { slug },
  });
  expect(createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  for (const by of [{ id }, { name }]) expect((await viewer(FIND, by)).data).toEqual({ agent: { id, name } });

  const renamed = await developer(UPDATE, { input: { id, name: `${name} 2`, expectedUpdatedAt: updatedAt } });
  expect(renamed.data.updateAgent).toMatchObject({ id, name: `${name} 2`, description: 'Answers.' });
  const stale = await developer(UPDATE, { input: { id, name: 'late', expectedUpdatedAt: updatedAt } });
  expect(codeOf(stale)).toBe('CONFLICT');
  expect(stale.errors[0]?.extensions['argument']).toBe('input.expectedUpdatedAt');
  const cleared = await developer(UPDATE, { input: { id, description: null } });
  expect(cleared.data.updateAgent).toMatchObject({ name: `${name} 2`, description: '' });

  expect((await developer(DELETE, { id })).data).toEqual({ deleteAgent: id });
  for (const answer of [await viewer(FIND, { id }), await developer(DELETE, { id })]) {
    expect(codeOf(answer)).toBe('NOT_FOUND');
    expect(Object.values(answer.data)).toEqual([null]);
  }
});

test('an agent is asked for by exactly one of id and name', async () => {
  const { viewer, agentId, agentName } = await givenOrganization(server);
  for (const by of [{}, { id: null }, { id: agentId, name: agentName }]) {
    const refused = await viewer(FIND, by);
    expect(codeOf(refused)).toBe('BAD_USER_INPUT');
    expect(refused.errors[0]?.extensions['argument']).toBe('id');
  }
  for (const by of [{ id: UNKNOWN }, { id: agentName }, { name: agentId }, { name: 'nobody' }]) {
    expect(codeOf(await viewer(FIND, by))).toBe('NOT_FOUND');
  }
});

test('names are unique within the organization, across its repositories, and only there', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  // Both have a CustomerSupport already.
  expect(acme.agentName).toBe(globex.agentName);
  const [mine, theirs] = [
    await acme.viewer(FIND, { name: acme.agentName }),
    await globex.viewer(FIND, { name: acme.agentName }),
  ];
  expect(mine.data.agent.id).toBe(acme.agentId);
  expect(theirs.data.agent.id).toBe(globex.agentId);

  const repository = await acme.developer(
    'mutation { createRepository(input: { name: "other", gitUrl: "https://git.example/other" }) { id } }',
  );
  const again = await acme.developer(CREATE, {
    input: { repositoryId: repository.data.createRepository.id, name: acme.agentName },
  });
  expect(codeOf(again)).toBe('CONFLICT');
  expect(again.errors[0]?.extensions['argument']).toBe('input.name');

  const second = await acme.developer(CREATE, { input: { repositoryId: acme.repositoryId, name: 'Second' } });
  const taken = await acme.developer(UPDATE, { input: { id: second.data.createAgent.id, name: acme.agentName } });
  expect(codeOf(taken)).toBe('CONFLICT');
  expect(taken.errors[0]?.extensions['argument']).toBe('input.name');
});

test('an agent lives in, and moves to, a repository of its own organization only', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  const repository = await acme.developer(
    'mutation { createRepository(input: { name: "other", gitUrl: "https://git.example/other" }) { id } }',
  );
  const repositoryId = repository.data.createRepository.id as string;
  const moved = await acme.developer(UPDATE, { input: { id: acme.agentId, repositoryId } });
  expect(moved.data.updateAgent.repository).toEqual({ id: repositoryId });

  for (const elsewhere of [globex.repositoryId, `rep_${'0'.repeat(26)}`, globex.agentId]) {
    const created = await acme.developer(CREATE, { input: { repositoryId: elsewhere, name: unique('Agent') } });
    const carried = await acme.developer(UPDATE, { input: { id: acme.agentId, repositoryId: elsewhere } });
    expect([codeOf(created), codeOf(carried)]).toEqual(['NOT_FOUND', 'NOT_FOUND']);
  }
  expect(codeOf(await acme.developer(UPDATE, { input: { id: globex.agentId, name: 'mine' } }))).toBe('NOT_FOUND');
});

test('deleting an agent leaves its runs, without it, and the usage', async () => {
  const { developer, agentId, runId, repositoryId } = await givenOrganization(server);
  const usage = '{ organizationUsage { totalRuns totalTokens totalCostMicros runsByStatus { status count } } }';
  const before = await developer(usage);
  await developer(DELETE, { id: agentId });
  const { data } = await developer('query ($id: ID!) { run(id: $id) { agent { id } repository { id } totalTokens } }', {
    id: runId,
  });
  expect(data.run).toEqual({ agent: null, repository: { id: repositoryId }, totalTokens: 1000 });
  expect((await developer(usage)).data).toEqual(before.data);
  expect(before.data.organizationUsage.totalRuns).toBe(1);
});

test.each([
  ['agents', (list: string) => list],
  ['repository', (list: string, id: string) => `repository(id: "${id}") { ${list} }`],
  ['currentOrganization', (list: string) => `currentOrganization { ${list} }`],
])('the agents of %s are listed by name, page after page', async (root, within) => {
  const { developer, viewer, repositoryId } = await givenOrganization(server);
  for (const letter of 'EDCBA') await developer(CREATE, { input: { repositoryId, name: `Agent ${letter}` } });
  const list = within(
    `agents(first: 4, after: $after) {
      totalCount nodes { name } edges { cursor node { name runs(first: 1) { totalCount } } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }`,
    repositoryId,
  );
  const ask = async (after: string | null) => {
    const { data } = await viewer(`query ($after: String) { ${list} }`, { after });
    return data[root].agents ?? data[root];
  };
  const first = await ask(null);
  expect(first.totalCount).toBe(6);
  expect(first.edges.map((edge: { node: object }) => edge.node)).toMatchObject(first.nodes);
  expect(first.pageInfo).toEqual({
    hasNextPage: true,
    hasPreviousPage: false,
    startCursor: first.edges[0].cursor,
    endCursor: first.edges[3].cursor,
  });
  const second = await ask(first.pageInfo.endCursor);
  expect(second.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
  expect([...first.nodes, ...second.nodes].map(({ name }) => name)).toEqual([
    ...[...'ABCDE'].map((letter) => `Agent ${letter}`),
    'CustomerSupport',
  ]);
  expect(second.edges.at(-1).node.runs.totalCount).toBe(1);
});

test('an agent, or a repository, leaves its runs by batches, under the lock of the organization', async () => {
  const { id: orgId, developer, agentId, repositoryId } = await givenOrganization(server);
  const db = server.database.organizationDb(orgId, byTest);
  const before = server.statements.length;
  expect((await developer(DELETE, { id: agentId })).data).toEqual({ deleteAgent: agentId });
  expect(await db.run.count({ agentId: null as never })).toBe(1);
  const gone = await developer('mutation ($id: ID!) { deleteRepository(id: $id) }', { id: repositoryId });
  expect(gone.data).toEqual({ deleteRepository: repositoryId });
  expect(await db.run.count({ repositoryId: null as never })).toBe(1);
  const texts = server.statements.slice(before).map(({ text }) => text);
  // More than one batch: domains/run/clear-runs.
  const batches = texts.filter((text) => /^update "run" set "(agent|repository)_id".* limit /.test(text));
  expect(batches).toHaveLength(2);
  expect(texts.filter((text) => /lock_version/.test(text) && /^update/i.test(text))).toHaveLength(2);
});
