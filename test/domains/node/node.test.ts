import { expect, test } from '@jest/globals';
import { givenMember, givenOrganization, givenTwoOrganizations, personId } from '../../support/given.js';
import { codeOf, useServer } from '../../support/server.js';

const server = useServer();

const NODE = `query ($id: ID!) { node(id: $id) {
  __typename id ... on Organization { slug } ... on AgentRepository { name } ... on Agent { name } ... on Run { status }
} }`;
const NODES = 'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }';

test('an id finds its object, of the type that its prefix names', async () => {
  const { viewer, id, slug, repositoryId, agentId, agentName, runId } = await givenOrganization(server);
  const found = [
    { __typename: 'Organization', id, slug },
    { __typename: 'AgentRepository', id: repositoryId, name: 'support-bots' },
    { __typename: 'Agent', id: agentId, name: agentName },
    { __typename: 'Run', id: runId, status: 'QUEUED' },
  ];
  for (const node of found) expect(await viewer(NODE, { id: node.id })).toMatchObject({ data: { node }, errors: [] });
  const prefixes = found.map((node) => node.id.slice(0, 4));
  expect(prefixes).toEqual(['org_', 'rep_', 'agt_', 'run_']);
});

test('what it does not find is null and no error: foreign, unknown, of another type, or no id at all', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  const userId = await personId(acme.owner);
  const absent = [
    globex.id,
    globex.repositoryId,
    globex.agentId,
    globex.runId,
    `run_${'0'.repeat(26)}`,
    acme.runId.replace('run_', 'agt_'),
    `RUN_${acme.runId.slice(4)}`,
    `${acme.runId} `,
    userId,
    acme.slug,
    'run_',
    '',
  ];
  for (const id of absent) {
    const { data, errors } = await acme.owner(NODE, { id });
    expect({ id, data, errors }).toEqual({ id, data: { node: null }, errors: [] });
  }
  const { data, errors } = await acme.owner(NODES, { ids: absent });
  expect({ data, errors }).toEqual({ data: { nodes: absent.map(() => null) }, errors: [] });
});

test('many ids are answered in the order asked for, twice where asked for twice', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  const ids = [acme.runId, globex.runId, acme.agentId, acme.runId, acme.id];
  const { data } = await acme.viewer(NODES, { ids });
  expect(data.nodes).toEqual([
    { __typename: 'Run', id: acme.runId },
    null,
    { __typename: 'Agent', id: acme.agentId },
    { __typename: 'Run', id: acme.runId },
    { __typename: 'Organization', id: acme.id },
  ]);
  expect((await acme.viewer(NODES, { ids: [] })).data).toEqual({ nodes: [] });
  expect((await acme.viewer(NODES, { ids: Array(100).fill(acme.runId) })).data.nodes).toHaveLength(100);
});

test('a hundred ids of one type cost as many statements as one', async () => {
  const acme = await givenOrganization(server);
  const statementsFor = async (ids: string[]) => {
    const before = server.statements.length;
    await acme.viewer(NODES, { ids });
    return server.statements.length - before;
  };
  await statementsFor([acme.runId]);
  const unknown = Array.from({ length: 99 }, (_, index) => `run_${String(index).padStart(26, '0')}`);
  expect(await statementsFor([acme.runId, ...unknown])).toBe(await statementsFor([acme.runId]));
});

test('whoever may not read a type does not find it by its id either, be it there or not', async () => {
  const acme = await givenOrganization(server);
  const narrowed = await givenMember(server, acme, 'VIEWER', { withheld: ['run:read'] });
  for (const id of [acme.runId, `run_${'0'.repeat(26)}`]) {
    const refused = await narrowed(NODE, { id });
    expect([codeOf(refused), refused.data]).toEqual(['FORBIDDEN', { node: null }]);
    expect(refused.errors[0]?.extensions['requiredPermission']).toBe('run:read');
  }
  expect((await narrowed(NODE, { id: acme.agentId })).data.node).toMatchObject({ id: acme.agentId });
});

test('without an organization there is no node to find', async () => {
  const acme = await givenOrganization(server);
  const stranger = await server.as('stranger@nowhere.example');
  for (const query of [NODE, NODES]) {
    expect(codeOf(await stranger(query, { id: acme.id, ids: [acme.id] }))).toBe('ORG_CONTEXT_REQUIRED');
  }
});

test.each(['organization', 'repository', 'agent', 'run'])(
  'asked for by its own field, %s that is not there is null with one NOT_FOUND, foreign and unknown alike',
  async (field) => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const pick = (of: typeof acme) =>
      ({ organization: of.id, repository: of.repositoryId, agent: of.agentId, run: of.runId })[field] as string;
    const QUERY = `query ($id: ID!) { ${field}(id: $id) { __typename id } }`;
    expect((await acme.viewer(QUERY, { id: pick(acme) })).data[field].id).toBe(pick(acme));
    const answers = new Set<string>();
    for (const id of [pick(globex), pick(acme).replace(/[^_]*$/, '0'.repeat(26)), pick(acme).toUpperCase(), '']) {
      const answer = await acme.viewer(QUERY, { id });
      expect([codeOf(answer), answer.data]).toEqual(['NOT_FOUND', { [field]: null }]);
      answers.add(answer.text.replaceAll(/"requestId":"[^"]+"/g, ''));
    }
    expect(answers.size).toBe(1);
  },
);
