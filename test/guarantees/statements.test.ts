import { expect, test } from '@jest/globals';
import { newId } from '../../src/data/id.js';
import { givenOrganization, type GivenOrganization, personId, unique } from '../support/given.js';
import { type Client, useServer } from '../support/server.js';
import { byTest } from '../support/act.js';
import { givenKey, givenServiceAccount } from '../support/api-key.js';
import { givenGrant, givenImpersonation } from '../support/impersonation.js';

const server = useServer();

const NESTED = `{
  repositories(first: 100) {
    totalCount
    nodes {
      name
      agents { totalCount nodes { name repository { name } } }
      runs(first: 5) { totalCount nodes { id status createdBy { name email } agent { name } repository { name } } }
    }
  }
}`;

async function fill(organization: GivenOrganization, repositories: number): Promise<void> {
  const db = server.database.organizationDb(organization.id, byTest);
  const createdById = await personId(organization.owner);
  for (let index = 0; index < repositories; index += 1) {
    const repository = await db.repository.create({
      id: newId('rep'),
      name: unique('r'),
      gitUrl: 'https://git.example/r',
    });
    for (let each = 0; each < 2; each += 1) {
      const agent = await db.agent.create({ id: newId('agt'), name: unique('a'), repositoryId: repository.id });
      for (let run = 0; run < 4; run += 1) {
        await db.run.create({ id: newId('run'), agentId: agent.id, repositoryId: repository.id, createdById });
      }
    }
  }
}

async function statementsOf(organization: GivenOrganization, query: string): Promise<string[]> {
  const before = server.statements.length;
  const answer = await organization.viewer(query);
  expect(answer.errors).toEqual([]);
  return server.statements.slice(before).map(({ text }) => text);
}

test('a nested list MUST cost the same number of statements however many rows there are', async () => {
  const organization = await givenOrganization(server);
  await statementsOf(organization, NESTED);
  const few = await statementsOf(organization, NESTED);
  await fill(organization, 20);
  const many = await statementsOf(organization, NESTED);
  const { data } = await organization.viewer(NESTED);
  expect(data.repositories.nodes).toHaveLength(21);
  expect(
    data.repositories.nodes.filter((node: { runs: { nodes: unknown[] } }) => node.runs.nodes.length === 5),
  ).toHaveLength(20);
  expect(many).toHaveLength(few.length);
  // Who asks, repositories and their count, agents and runs with their counts, agents, repositories and people by id.
  expect(many.length).toBeLessThanOrEqual(10);
});

test('the end of a nested list MUST cost as much as its start, and be right for each parent', async () => {
  const organization = await givenOrganization(server);
  await fill(organization, 5);
  const LIST = (page: string) => `{
    repositories(first: 10) { nodes { id runs(${page}) { nodes { id } pageInfo { hasNextPage hasPreviousPage } } agents(${page}) { nodes { name } } } }
  }`;
  const starts = await statementsOf(organization, LIST('first: 3'));
  expect(await statementsOf(organization, LIST('last: 3'))).toHaveLength(starts.length);
  interface Parent {
    runs: { nodes: { id: string }[]; pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean } };
    agents: { nodes: { name: string }[] };
  }
  const read = async (page: string) =>
    (await organization.viewer(LIST(page))).data.repositories.nodes as readonly Parent[];
  const [all, ends] = [await read('first: 10'), await read('last: 3')];
  expect(all).toHaveLength(6);
  for (const [index, { runs, agents }] of ends.entries()) {
    expect(runs.nodes).toEqual(all[index]?.runs.nodes.slice(-3));
    expect(agents.nodes).toEqual(all[index]?.agents.nodes.slice(-3));
    const isMore = (all[index]?.runs.nodes.length ?? 0) > 3;
    expect(runs.pageInfo).toEqual({ hasNextPage: false, hasPreviousPage: isMore });
  }
});

test('totalCount MUST be counted only when it is asked for', async () => {
  const organization = await givenOrganization(server);
  const without = await statementsOf(organization, '{ repositories { nodes { id } } }');
  const withIt = await statementsOf(organization, '{ repositories { totalCount nodes { id } } }');
  expect(withIt).toHaveLength(without.length + 1);
});

test('what a run was given and answered MUST be read only where it is asked for, for all rows at once', async () => {
  const organization = await givenOrganization(server);
  await fill(organization, 3);
  const { data } = await organization.viewer('{ runs(first: 100) { nodes { id } } }');
  const ids = data.runs.nodes.map(({ id }: { id: string }) => id) as string[];
  for (const id of ids) {
    await server.database.pool.queryAsLoginRole(
      `update run set input = jsonb_build_object('of', id), output = jsonb_build_array(id) where id = $1`,
      [id],
    );
  }
  const LISTS = (fields: string) => `{
    runs { nodes { id ${fields} } }
    repositories(first: 5) { nodes { runs { nodes { id ${fields} } } } }
    run(id: "${ids[0]}") { id ${fields} }
    node(id: "${ids[1]}") { ... on Run { id ${fields} } }
  }`;
  const reads = (texts: string[], column: string) => texts.filter((text) => text.includes(`"${column}"`)).length;
  const without = await statementsOf(organization, LISTS('status'));
  expect([reads(without, 'input'), reads(without, 'output')]).toEqual([0, 0]);
  const withInput = await statementsOf(organization, LISTS('status input'));
  expect([reads(withInput, 'input'), reads(withInput, 'output')]).toEqual([expect.any(Number), 0]);
  // Once for each of the four places at the most: some of them are answered at the same moment, and load together.
  expect(withInput.length - without.length).toBeLessThanOrEqual(4);
  const answer = (await organization.viewer(LISTS('input output'))).data;
  type Seen = { id: string; input: unknown; output: unknown };
  const seen = [
    ...(answer.runs.nodes as Seen[]),
    ...(answer.repositories.nodes as { runs: { nodes: Seen[] } }[]).flatMap(({ runs }) => runs.nodes),
    answer.run as Seen,
    answer.node as Seen,
  ];
  expect(seen.length).toBeGreaterThan(40);
  for (const { id, input, output } of seen) expect([input, output]).toEqual([{ of: id }, [id]]);
});

test('who asks, and in which organization, MUST be read live in one statement', async () => {
  const organization = await givenOrganization(server);
  expect(await statementsOf(organization, '{ viewer { role } }')).toHaveLength(1);
});

test('a page of each parent MUST be right: order, limit, cursor, and parents without children', async () => {
  const organization = await givenOrganization(server);
  await fill(organization, 3);
  const PAGE = `query ($after: String, $order: RunOrder) {
    repositories(first: 100) { nodes { id runs(first: 3, after: $after, order: $order) { nodes { id } pageInfo { hasNextPage endCursor } } } }
  }`;
  for (const order of ['CREATED_AT_DESC', 'CREATED_AT_ASC']) {
    const { data } = await organization.viewer(PAGE, { order });
    for (const { id, runs } of data.repositories.nodes as {
      id: string;
      runs: { nodes: { id: string }[]; pageInfo: { hasNextPage: boolean; endCursor: string } };
    }[]) {
      const all = await organization.viewer(
        'query ($id: ID, $order: RunOrder) { runs(first: 100, filter: { repositoryId: $id }, order: $order) { nodes { id } } }',
        { id, order },
      );
      const ids = all.data.runs.nodes.map((node: { id: string }) => node.id) as string[];
      expect(runs.nodes.map((node) => node.id)).toEqual(ids.slice(0, 3));
      expect(runs.pageInfo.hasNextPage).toBe(ids.length > 3);
      const next = await organization.viewer(PAGE, { order, after: runs.pageInfo.endCursor });
      const same = next.data.repositories.nodes.find((node: { id: string }) => node.id === id);
      expect(same?.runs.nodes.map((node) => node.id)).toEqual(ids.slice(3, 6));
    }
  }
});

test('to start a run or record usage MUST be one statement, which looks itself at whoever does it, but for who acts as a member', async () => {
  const acme = await givenOrganization(server);
  await givenGrant(acme, 'WRITE');
  const permissions = ['run:start', 'usage:record'];
  const serviceAccountId = await givenServiceAccount(acme.owner, 'DEVELOPER');
  const { acting } = await givenImpersonation(server, acme, { as: 'developer' });
  const { client: key } = await givenKey(server, acme.owner, permissions);
  const { client: machine } = await givenKey(server, acme.owner, permissions, { serviceAccountId });
  const inserts = async (by: Client, query: string, input: object) => {
    const before = server.statements.length;
    expect((await by(query, { input })).errors).toEqual([]);
    const texts = server.statements.slice(before).map(({ text }) => text);
    return texts.filter((text) => /^insert into "(run|usage_event)"/.test(text)).length;
  };
  const START = 'mutation ($input: StartRunInput!) { startRun(input: $input) { id } }';
  const RECORD = 'mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { duplicate } }';
  for (const by of [acme.owner, acme.developer, key, machine]) {
    expect(await inserts(by, START, { agentId: acme.agentId })).toBe(1);
    expect(await inserts(by, RECORD, { idempotencyKey: unique('key'), metric: 'images', quantity: 1 })).toBe(1);
  }
  expect(await inserts(acting, START, { agentId: acme.agentId })).toBe(0);
});
