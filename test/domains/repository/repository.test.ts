import { expect, test } from '@jest/globals';
import { givenOrganization, unique } from '../../support/given.js';
import { type Answer, codeOf, useServer } from '../../support/server.js';

const server = useServer();

const CREATE =
  'mutation ($input: CreateRepositoryInput!) { createRepository(input: $input) { id name gitUrl branch updatedAt } }';
const UPDATE =
  'mutation ($input: UpdateRepositoryInput!) { updateRepository(input: $input) { name branch updatedAt } }';

test('a DEVELOPER creates, changes and deletes a repository', async () => {
  const { developer } = await givenOrganization(server);
  const name = unique('bots');
  const created = await developer(CREATE, { input: { name, gitUrl: 'git@git.example:team/bots.git' } });
  expect(created.data.createRepository).toMatchObject({ name, branch: 'main' });
  const { id, updatedAt } = created.data.createRepository;

  const updated = await developer(UPDATE, { input: { id, branch: 'next', expectedUpdatedAt: updatedAt } });
  expect(updated.data.updateRepository).toMatchObject({ name, branch: 'next' });

  const stale = await developer(UPDATE, { input: { id, branch: 'late', expectedUpdatedAt: updatedAt } });
  expect(codeOf(stale)).toBe('CONFLICT');
  expect(stale.errors[0]?.extensions['argument']).toBe('input.expectedUpdatedAt');

  const deleted = await developer('mutation ($id: ID!) { deleteRepository(id: $id) }', { id });
  expect(deleted.data).toEqual({ deleteRepository: id });
  expect(codeOf(await developer('query ($id: ID!) { repository(id: $id) { id } }', { id }))).toBe('NOT_FOUND');
});

test('names are unique within the organization, and only there', async () => {
  const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
  const input = { name: unique('bots'), gitUrl: 'https://git.example/bots.git' };
  expect((await acme.developer(CREATE, { input })).errors).toEqual([]);
  expect((await globex.developer(CREATE, { input })).errors).toEqual([]);
  const again = await acme.developer(CREATE, { input });
  expect(codeOf(again)).toBe('CONFLICT');
  expect(again.errors[0]?.extensions['argument']).toBe('input.name');
});

test.each([
  'http://git.example/x.git',
  'https://user:secret@git.example/x.git',
  'https://token@git.example/x.git',
  'ssh://git:secret@git.example/x.git',
  'file:///etc/passwd',
  'ext::sh -c touch% /tmp/x',
  'https://git.example/',
  'not a url',
])('%s is no git URL', async (gitUrl) => {
  const { developer } = await givenOrganization(server);
  const refused = await developer(CREATE, { input: { name: unique('bots'), gitUrl } });
  expect(codeOf(refused)).toBe('BAD_USER_INPUT');
  expect(refused.errors[0]?.extensions['argument']).toBe('input.gitUrl');
  expect(refused.text).not.toContain('secret');
});

test('deleting a repository takes its agents, and leaves the runs and their usage', async () => {
  const { developer, repositoryId, runId, agentId } = await givenOrganization(server);
  const usage = '{ organizationUsage { totalRuns totalTokens totalCostMicros totalCost } }';
  const before = await developer(usage);
  await developer('mutation ($id: ID!) { deleteRepository(id: $id) }', { id: repositoryId });
  const after = await developer(
    'query ($id: ID!) { run(id: $id) { id agent { id } repository { id } createdBy { email } } }',
    {
      id: runId,
    },
  );
  expect(after.data.run).toMatchObject({ id: runId, agent: null, repository: null });
  expect(codeOf(await developer('query ($id: ID!) { agent(id: $id) { id } }', { id: agentId }))).toBe('NOT_FOUND');
  expect((await developer(usage)).data).toEqual(before.data);
  expect(before.data.organizationUsage).toEqual({
    totalRuns: 1,
    totalTokens: 1000,
    totalCostMicros: 2_500_000,
    totalCost: 2.5,
  });
});

test('pages follow one another without a gap, and a cursor is good only where it was made', async () => {
  const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
  for (const letter of 'abcdefg')
    await acme.developer(CREATE, { input: { name: `repo-${letter}`, gitUrl: 'https://git.example/x' } });
  const PAGE = `query ($first: Int, $after: String) {
    repositories(first: $first, after: $after) { totalCount nodes { name } edges { cursor } pageInfo { hasNextPage hasPreviousPage endCursor } }
  }`;
  const names: string[] = [];
  let after: string | null = null;
  do {
    const { data }: Answer = await acme.viewer(PAGE, { first: 3, after });
    names.push(...data.repositories.nodes.map((node: { name: string }) => node.name));
    expect(data.repositories.totalCount).toBe(8);
    expect(data.repositories.pageInfo.hasPreviousPage).toBe(after !== null);
    after = data.repositories.pageInfo.hasNextPage ? data.repositories.pageInfo.endCursor : null;
  } while (after);
  expect(names).toEqual([...'abcdefg'].map((letter) => `repo-${letter}`).concat('support-bots'));

  const { data } = await acme.viewer(PAGE, { first: 1 });
  const cursor = data.repositories.edges[0].cursor as string;
  for (const client of [globex.viewer, acme.viewer]) {
    const query = client === acme.viewer ? 'agents' : 'repositories';
    const refused = await client(`query ($after: String) { ${query}(after: $after) { nodes { name } } }`, {
      after: cursor,
    });
    expect(codeOf(refused)).toBe('BAD_USER_INPUT');
    expect(refused.errors[0]?.extensions['argument']).toBe('after');
  }
  for (const first of [101, -1]) expect(codeOf(await acme.viewer(PAGE, { first }))).toBe('BAD_USER_INPUT');
  expect((await acme.viewer(PAGE, { first: 0 })).data.repositories.nodes).toEqual([]);
});

test('what was read before a change in the same request is read anew after it', async () => {
  const { developer } = await givenOrganization(server);
  const CREATE_REPOSITORY = `mutation { createRepository(input: { name: "old", gitUrl: "https://git.example/x.git" }) { id } }`;
  const repository = (await developer(CREATE_REPOSITORY)).data.createRepository.id as string;
  const CREATE_AGENT = 'mutation ($id: ID!) { createAgent(input: { repositoryId: $id, name: "agent" }) { id } }';
  const agent = (await developer(CREATE_AGENT, { id: repository })).data.createAgent.id as string;
  const { data } = await developer(
    `mutation ($agent: ID!, $repository: ID!) {
      before: updateAgent(input: { id: $agent, description: "one" }) { repository { name } }
      updateRepository(input: { id: $repository, name: "new" }) { name }
      after: updateAgent(input: { id: $agent, description: "two" }) { repository { name } }
    }`,
    { agent, repository },
  );
  expect(data).toEqual({
    before: { repository: { name: 'old' } },
    updateRepository: { name: 'new' },
    after: { repository: { name: 'new' } },
  });
});
