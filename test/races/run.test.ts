import { describe, expect } from '@jest/globals';
import { type GivenOrganization, givenOrganization, unique } from '../support/given.js';
import { type Answer, codeOf, useServer } from '../support/server.js';
import { connectBeside, inOrder, organizationRow, runRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });

const start = ({ developer, agentId }: GivenOrganization, idempotencyKey?: string, input?: unknown) =>
  developer('mutation ($input: StartRunInput!) { startRun(input: $input) { id } }', {
    input: { agentId, idempotencyKey, input },
  });
const record = ({ developer }: GivenOrganization, id: string, input: object) =>
  developer(
    `mutation ($id: ID!, $input: RunProgressInput!) { recordRunProgress(id: $id, input: $input) { status totalTokens } }`,
    { id, input },
  );
const cancel = ({ developer }: GivenOrganization, id: string) =>
  developer('mutation ($id: ID!) { cancelRun(id: $id) { status } }', { id });
const read = async ({ viewer }: GivenOrganization, id: string) =>
  (await viewer('query ($id: ID!) { run(id: $id) { status totalTokens } }', { id })).data.run;

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const outcome = (answer: Answer): string => (answer.errors.length === 0 ? 'done' : String(codeOf(answer)));
const idOf = (answer: Answer): string => answer.data.startRun.id as string;

async function givenLimit(limit: number): Promise<GivenOrganization> {
  const acme = await givenOrganization(server);
  await sql('update organization set max_concurrent_runs = $2 where id = $1', [acme.id, limit]);
  return acme;
}

describe('Moving runs to RUNNING at the same moment', () => {
  race('never passes the limit, with 12 at once, ten times over', async () => {
    const acme = await givenLimit(3);
    for (let round = 0; round < 10; round += 1) {
      const ids = [];
      for (let count = 0; count < 12; count += 1) ids.push(idOf(await start(acme)));
      const answers = await Promise.all(ids.map((id) => record(acme, id, { status: 'RUNNING' })));
      expect(answers.map(outcome).sort()).toEqual([...Array(9).fill('CONFLICT'), 'done', 'done', 'done']);
      const { data } = await acme.viewer('{ runs(filter: { status: [RUNNING] }) { totalCount } }');
      expect(data.runs.totalCount).toBe(3);
      await sql(`update run set status = 'SUCCEEDED' where org_id = $1`, [acme.id]);
    }
  });

  race('gives the last place to whoever comes first, in either order', async () => {
    const acme = await givenLimit(1);
    const [one, two] = [idOf(await start(acme)), idOf(await start(acme))];
    for (const order of [
      [one, two],
      [two, one],
    ]) {
      await sql(`update run set status = 'QUEUED' where org_id = $1`, [acme.id]);
      const answers = await inOrder(
        organizationRow(acme.id),
        order.map((id) => () => record(acme, id, { status: 'RUNNING' })),
      );
      expect(answers.map(outcome)).toEqual(['done', 'CONFLICT']);
    }
  });
});

describe('Starting with one idempotency key at the same moment', () => {
  race('makes one run, with 10 at once, twenty times over', async () => {
    const acme = await givenOrganization(server);
    for (let round = 0; round < 20; round += 1) {
      const key = unique('key');
      const answers = await Promise.all(Array.from({ length: 10 }, () => start(acme, key, { round })));
      expect(answers.map(outcome)).toEqual(Array(10).fill('done'));
      expect(new Set(answers.map(idOf)).size).toBe(1);
      const { rowCount } = await sql('select from run where org_id = $1 and idempotency_key = $2', [acme.id, key]);
      expect(rowCount).toBe(1);
    }
  });

  race('for different starts serves one of them, and the others are CONFLICT', async () => {
    const acme = await givenOrganization(server);
    for (let round = 0; round < 10; round += 1) {
      const key = unique('key');
      const answers = await Promise.all(Array.from({ length: 6 }, (_, index) => start(acme, key, { index })));
      expect(answers.map(outcome).sort()).toEqual([...Array(5).fill('CONFLICT'), 'done']);
    }
  });
});

describe('A run that is cancelled while its executor reports', () => {
  async function givenRunning(acme: GivenOrganization): Promise<string> {
    const id = idOf(await start(acme));
    await record(acme, id, { status: 'RUNNING' });
    return id;
  }

  race.each([{ status: 'SUCCEEDED' }, { totalTokens: 7 }])(
    'stays cancelled when that came first: %j',
    async (report) => {
      const acme = await givenOrganization(server);
      const id = await givenRunning(acme);
      const [cancelled] = await inOrder<Answer>(runRow(id), [() => cancel(acme, id), () => record(acme, id, report)]);
      expect(cancelled?.data.cancelRun).toEqual({ status: 'CANCELLED' });
      expect((await read(acme, id)).status).toBe('CANCELLED');
    },
  );

  race('stays finished when that came first', async () => {
    const acme = await givenOrganization(server);
    const id = await givenRunning(acme);
    const answers = await inOrder<Answer>(runRow(id), [
      () => record(acme, id, { status: 'SUCCEEDED', totalTokens: 7 }),
      () => cancel(acme, id),
    ]);
    expect(answers.map(outcome)).toEqual(['done', 'CONFLICT']);
    expect(await read(acme, id)).toEqual({ status: 'SUCCEEDED', totalTokens: 7 });
  });

  race('is what exactly one of the two was told, 50 times over', async () => {
    const acme = await givenOrganization(server);
    for (let round = 0; round < 50; round += 1) {
      const id = await givenRunning(acme);
      const both: (() => Promise<Answer>)[] = [() => cancel(acme, id), () => record(acme, id, { status: 'FAILED' })];
      const answers = await Promise.all((round % 2 === 0 ? both : both.reverse()).map((each) => each()));
      expect(answers.map(outcome).sort()).toEqual(['CONFLICT', 'done']);
      const told = answers.find((answer) => outcome(answer) === 'done')?.data;
      expect((await read(acme, id)).status).toBe((told.cancelRun ?? told.recordRunProgress).status);
    }
  });
});

race('whoever reports on a run that is under way waits for nobody of the organization', async () => {
  const acme = await givenOrganization(server);
  const id = idOf(await start(acme));
  await record(acme, id, { status: 'RUNNING' });
  const beside = await connectBeside();
  try {
    await beside.query('begin');
    await beside.query(organizationRow(acme.id));
    for (const more of [{}, { totalTokens: 5 }, { totalCostMicros: 7 }]) {
      expect(outcome(await record(acme, id, { status: 'RUNNING', ...more }))).toBe('done');
    }
  } finally {
    await beside.end();
  }
});

race('totals reported at the same moment never fall', async () => {
  const acme = await givenOrganization(server);
  const id = idOf(await start(acme));
  const totals = Array.from({ length: 30 }, (_, index) => index + 1);
  const answers = await Promise.all(totals.map((totalTokens) => record(acme, id, { totalTokens })));
  for (const answer of answers) expect(['done', 'BAD_USER_INPUT']).toContain(outcome(answer));
  expect((await read(acme, id)).totalTokens).toBe(30);
});
