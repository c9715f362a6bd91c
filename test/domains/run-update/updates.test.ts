import { expect, test } from '@jest/globals';
import type { RequestContext } from '../../../src/context/context.js';
import { newId } from '../../../src/data/id.js';
import { openUpdates } from '../../../src/domains/run-update/updates.js';
import { createContract } from '../../../src/gateway/graphql/schema.js';
import { NEWS, type News, type Tidings } from '../../../src/jobs/news.js';
import { Parts } from '../../../src/parts.js';
import { createSealedPlaces, SEALED_PLACES } from '../../../src/secrets/sealed-place.js';
import { createSeal } from '../../../src/secrets/seal.js';
import { byTest } from '../../support/act.js';
import { contextOf } from '../../support/context.js';
import { personId } from '../../support/given.js';
import { givenSealed } from '../../support/sealed.js';
import { useServer } from '../../support/server.js';
import { until } from '../../support/until.js';

const server = useServer({ scheduled: true });
const { catalogue } = createContract();

const SEALED: Tidings = { runs: [], isLook: false };
const LOOK: Tidings = { runs: [], isLook: true };

type Acme = Awaited<ReturnType<typeof givenSealed>>;

/** A VIEWER who hears this, and then that it is over. */
async function hearing(acme: Acme, news: Tidings[]): Promise<RequestContext> {
  const listening = { next: () => Promise.resolve(news.shift() ?? null), close: () => undefined };
  const context = await contextOf(server, catalogue, acme.viewer, acme);
  const parts = new Parts()
    .add(NEWS, { listen: () => listening } as unknown as News)
    .add(SEALED_PLACES, createSealedPlaces(createSeal([Buffer.alloc(32, 1).toString('base64')])));
  return Object.create(context, { use: { value: parts.use } }) as RequestContext;
}

// A client that takes nothing, or has no points left, MUST NOT have much of it wait in memory.
test('of much that happened a few things are read and told at a time, and all of it', async () => {
  const acme = await givenSealed(server);
  const db = server.database.organizationDb(acme.id, byTest);
  const runs: string[] = [];
  for (let index = 0; index < 60; index += 1) {
    const error = 'x'.repeat(10_000);
    const { id } = await db.run.create({
      id: newId('run'),
      agentId: acme.agentId,
      createdById: await personId(acme.owner),
      status: 'RUNNING',
      reportedAt: new Date(),
      error,
    });
    runs.push(id);
  }
  const updates = await openUpdates({ runId: null, after: null }, await hearing(acme, [{ runs, isLook: false }]));
  const heard = [];
  for await (const told of updates) heard.push(told ?? []);
  expect(heard.map(({ length }) => length)).toEqual([0, 25, 25, 10]);
  expect(heard.flat().map(({ run }) => run?.id)).toEqual(expect.arrayContaining(runs));
  expect(
    JSON.stringify(heard, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)),
  ).not.toContain('xxx');
});

// Whoever reads runs, and not the record, MUST NOT learn when else it goes on.
test('whoever waits is told so by the clock alone, and nothing by what is recorded of others', async () => {
  const acme = await givenSealed(server);
  const heard: unknown[] = [];
  const updates = await openUpdates({ runId: null, after: null }, await hearing(acme, [SEALED, LOOK, SEALED, LOOK]));
  const { errors, data } = await acme.owner(`mutation {
    createRepository(input: { name: "hidden", gitUrl: "https://git.example/hidden.git" }) { id } }`);
  expect(errors).toEqual([]);
  await until(async () => {
    const { data: found } = await acme.admin(
      'query ($id: ID!) { auditLog(first: 1, filter: { targetId: $id }) { nodes { sequence } } }',
      { id: data.createRepository.id },
    );
    return found.auditLog.nodes[0]?.sequence != null;
  });
  for await (const told of updates) heard.push(told);
  expect(heard).toEqual([[], null, [], null]);
});
