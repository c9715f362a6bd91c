import { beforeAll, expect, test } from '@jest/globals';
import { newId } from '../../../src/data/id.js';
import { type GivenOrganization, givenOrganization, personId, unique } from '../../support/given.js';
import { useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

/**
 * Lists of runs are read in many ways, by whichever index suits a filter: here each filter, combination, order and page is
 * compared with what the rows themselves say. Several runs share an instant, and ids do not sort as the instants do.
 */
const server = useServer({ poolSize: 1 });

interface Seen {
  id: string;
  status: string;
  agentId: string;
  repositoryId: string;
  createdById: string;
  createdAt: Date;
}

const STATUSES = ['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const;
const at = (day: number) => new Date(Date.UTC(2026, 2, 1 + day));
let acme: GivenOrganization;
const rows: Seen[] = [];

beforeAll(async () => {
  acme = await givenOrganization(server);
  const db = server.database.organizationDb(acme.id, byTest);
  const { repositoryId } = acme;
  const agents = [acme.agentId];
  agents.push((await db.agent.create({ id: newId('agt'), name: unique('a'), repositoryId })).id);
  const other = { id: newId('rep'), name: unique('r'), gitUrl: 'https://git.example/r' };
  const repositories = [repositoryId, (await db.repository.create(other)).id];
  const creators = [await personId(acme.owner), await personId(acme.developer)];
  await db.run.delete({ id: acme.runId });
  for (let index = 0; index < 60; index += 1) {
    const run = {
      id: newId('run', Date.UTC(2026, 4, 1 + ((index * 7) % 60))),
      status: STATUSES[(index * 3) % 5] as (typeof STATUSES)[number],
      agentId: agents[index % 2] as string,
      repositoryId: repositories[Number(index % 5 === 0)] as string,
      createdById: creators[Number(index % 3 === 0)] as string,
      createdAt: at(Math.floor(((index * 11) % 60) / 4)),
    };
    await db.run.create(run);
    rows.push(run);
  }
});

const LIST = `query ($filter: RunFilter, $order: RunOrder, $after: String) {
  runs(first: 7, filter: $filter, order: $order, after: $after) {
    totalCount nodes { id } pageInfo { hasNextPage endCursor }
  }
}`;

async function readAll(filter: object, order: string): Promise<string[]> {
  const ids: string[] = [];
  let after: string | null = null;
  for (let page = 0; page < 20; page += 1) {
    const { data, errors } = await acme.viewer(LIST, { filter, order, after });
    expect(errors).toEqual([]);
    ids.push(...data.runs.nodes.map((node: { id: string }) => node.id));
    if (!data.runs.pageInfo.hasNextPage) {
      expect(data.runs.totalCount).toBe(ids.length);
      return ids;
    }
    after = data.runs.pageInfo.endCursor as string;
  }
  throw new Error('the list does not end');
}

function expected(filter: Record<string, unknown>, order: string): string[] {
  const { status, createdFrom, createdBefore, ...same } = filter as { status?: string[] } & Record<string, string>;
  const found = rows.filter(
    (row) =>
      (!status || status.includes(row.status)) &&
      (!createdFrom || row.createdAt >= new Date(createdFrom)) &&
      (!createdBefore || row.createdAt < new Date(createdBefore)) &&
      Object.entries(same).every(([field, value]) => row[field as keyof Seen] === value),
  );
  const sorted = found
    .toSorted((a, b) => a.createdAt.getTime() - b.createdAt.getTime() || (a.id < b.id ? -1 : 1))
    .map(({ id }) => id);
  return order === 'CREATED_AT_ASC' ? sorted : sorted.toReversed();
}

/** Every combination of one choice of each. */
const combine = (choices: object[][]): object[] =>
  choices.reduce((all, each) => all.flatMap((one) => each.map((more) => ({ ...one, ...more }))), [{}]);

test('every combination of filters, in both orders, page by page, answers exactly the rows it should', async () => {
  const filters = combine([
    [{}, { status: ['FAILED'] }, { status: ['CANCELLED', 'QUEUED', 'CANCELLED'] }, { status: STATUSES }],
    [{}, { agentId: acme.agentId }],
    [{}, { repositoryId: acme.repositoryId }],
    [{}, { createdById: await personId(acme.developer) }],
    [{}, { createdFrom: at(3).toISOString(), createdBefore: at(9).toISOString() }],
  ]);
  let found = 0;
  for (const [index, filter] of filters.entries()) {
    const order = index % 2 === 0 ? 'CREATED_AT_DESC' : 'CREATED_AT_ASC';
    const ids = await readAll(filter, order);
    expect([filter, ids]).toEqual([filter, expected(filter as Record<string, unknown>, order)]);
    found += Math.min(1, ids.length);
  }
  expect(filters).toHaveLength(64);
  expect(found).toBeGreaterThan(55);
});

test('the runs of each agent and repository go on past a cursor in the same order', async () => {
  const NESTED = `query ($after: String, $order: RunOrder) {
    agents { nodes { id runs(first: 4, after: $after, order: $order) { nodes { id } pageInfo { endCursor } } } }
    repositories { nodes { id runs(first: 4, after: $after, order: $order) { nodes { id } } } }
  }`;
  interface Parent {
    id: string;
    runs: { nodes: { id: string }[] };
  }
  for (const order of ['CREATED_AT_DESC', 'CREATED_AT_ASC']) {
    const first = (await acme.viewer(NESTED, { order })).data;
    const [agent] = first.agents.nodes;
    const last = agent?.runs.nodes.at(-1)?.id as string;
    const next = (await acme.viewer(NESTED, { order, after: agent?.runs.pageInfo.endCursor })).data;
    const all = expected({}, order);
    const isPast = (id: string) => all.indexOf(id) > all.indexOf(last);
    for (const [parents, field] of [
      [next.agents.nodes, 'agentId'],
      [next.repositories.nodes, 'repositoryId'],
    ] as [Parent[], string][]) {
      expect(parents).toHaveLength(2);
      for (const { id, runs } of parents) {
        const wanted = expected({ [field]: id }, order)
          .filter(isPast)
          .slice(0, 4);
        expect(runs.nodes.map((node) => node.id)).toEqual(wanted);
      }
    }
  }
});

test.each(['agentId', 'repositoryId', 'createdById'])(
  'a %s that nothing has finds nothing, an empty one too',
  async (field) => {
    for (const id of ['', 'nobody', newId('agt')])
      expect(await readAll({ [field]: id }, 'CREATED_AT_DESC')).toEqual([]);
  },
);

test('no status finds nothing', async () => {
  expect(await readAll({ status: [] }, 'CREATED_AT_DESC')).toEqual([]);
});

test('several filters at once are planned for their own values, one alone is prepared', async () => {
  const prepared = async (...columns: string[]) => {
    const texts = await server.database.pool.queryAsLoginRole('select statement from pg_prepared_statements');
    const isOf = ({ statement }: { statement: string }) =>
      columns.every((each) => statement.includes(`."${each}" = $`));
    return (texts.rows as { statement: string }[]).filter(isOf).length;
  };
  await readAll({ repositoryId: acme.repositoryId }, 'CREATED_AT_DESC');
  await readAll({ agentId: acme.agentId, repositoryId: acme.repositoryId }, 'CREATED_AT_DESC');
  expect(await prepared('repository_id')).toBeGreaterThan(0);
  expect(await prepared('repository_id', 'agent_id')).toBe(0);
});
