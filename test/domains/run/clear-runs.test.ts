import { expect, test } from '@jest/globals';
import { newId } from '../../../src/data/id.js';
import { clearingRuns } from '../../../src/domains/run/index.js';
import { createContract } from '../../../src/gateway/graphql/schema.js';
import { deleteRow } from '../../../src/resource/rows.js';
import { byTest } from '../../support/act.js';
import { contextOf } from '../../support/context.js';
import { givenOrganization, personId } from '../../support/given.js';
import { useServer } from '../../support/server.js';

const server = useServer();
const { catalogue } = createContract();
const AT_ONCE = 3;

/** An agent of so many runs, one of them made with the organization. */
async function givenRuns(count: number) {
  const organization = await givenOrganization(server);
  const { id: orgId, developer, agentId, repositoryId } = organization;
  const db = server.database.organizationDb(orgId, byTest);
  const createdById = await personId(developer);
  const more = Array.from({ length: count - 1 }, () => ({ id: newId('run'), agentId, repositoryId, createdById }));
  await db.run.createMany(more);
  const context = await contextOf(server, catalogue, developer, organization);
  const before = server.statements.length;
  const countOf = (sought: RegExp) => server.statements.slice(before).filter(({ text }) => sought.test(text)).length;
  return { db, agentId, context, countOf };
}

const BATCH = /^update "run" set "agent_id".* limit /;
const LOCK = /^update.*lock_version/i;

test.each([
  ['fewer than a batch holds', 2, 1],
  ['as many as a batch holds, which may not be all', 3, 2],
  ['more than two batches hold', 7, 3],
])('of %s, each batch is under the lock of the organization', async (_, runs, batches) => {
  const { db, agentId, context, countOf } = await givenRuns(runs);
  const gone = await clearingRuns(
    context,
    'agent:delete',
    async (tx, clear) => ((await clear('agentId', agentId)) ? deleteRow(tx.agent, agentId) : null),
    AT_ONCE,
  );
  expect(gone).toBe(agentId);
  expect([countOf(BATCH), countOf(LOCK)]).toEqual([batches, batches]);
  expect(await db.run.count({ agentId: null as never })).toBe(runs);
  expect(await db.agent.find({ id: agentId })).toBeNull();
});

test('whoever may not any more when a batch begins clears no more, and what was cleared stays so', async () => {
  const { db, agentId, context } = await givenRuns(7);
  const { actorId } = context;
  const clearing = clearingRuns(
    context,
    'agent:delete',
    async (tx, clear) => {
      if (await clear('agentId', agentId)) return deleteRow(tx.agent, agentId);
      await tx.membership.update({ userId: actorId }, { role: 'VIEWER' });
      return null;
    },
    AT_ONCE,
  );
  await expect(clearing).rejects.toMatchObject({ code: 'FORBIDDEN' });
  expect(await db.run.count({ agentId: null as never })).toBe(AT_ONCE);
  expect((await db.agent.find({ id: agentId }))?.id).toBe(agentId);
});
