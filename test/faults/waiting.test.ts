/** @alone: what it starts and takes away leaves others little of the machine. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { connectBeside, organizationRow } from '../races/interleave.js';
import { givenOrganization, type GivenOrganization, unique } from '../support/given.js';
import { expectNoneLeaked, expectSurvived, startLoad, useGateway } from '../support/load.js';
import { givenDirectory, type ScimClient } from '../support/scim.js';
import { type Answer, isPostgres, startServer, type TestServer } from '../support/server.js';
import { byTest } from '../support/act.js';

const START = 'mutation ($id: ID!, $key: String) { startRun(input: { agentId: $id, idempotencyKey: $key }) { id } }';
const PROGRESS = 'mutation ($id: ID!) { recordRunProgress(id: $id, input: { status: RUNNING }) { id } }';
const CANCEL = 'mutation ($id: ID!) { cancelRun(id: $id) { status } }';
const TOTAL = 'mutation ($id: ID!, $n: SafeInt!) { recordRunProgress(id: $id, input: { totalTokens: $n }) { id } }';
const RUNS = '{ runs { totalCount nodes { id status agent { name } } } }';
const READ = '{ repositories { totalCount nodes { name agents { nodes { name } } } } }';
const WRITE = 'mutation ($d: String!) { updateOrganization(input: { description: $d }) { description } }';

/** One organization does its worst, and another, which has no part in it, must not be told of it. */
(isPostgres ? describe : describe.skip)('while others do their worst (PostgreSQL)', () => {
  let server: TestServer;
  let quiet: GivenOrganization;
  let worst: GivenOrganization;
  let outside: pg.Client;
  beforeAll(async () => {
    // As it comes: the pool, the wait for locks and for one's turn.
    server = await startServer({ poolSize: 10, env: { DATABASE_LOCK_TIMEOUT_MS: '2000' } });
    quiet = await givenOrganization(server, 'quiet');
    worst = await givenOrganization(server, 'worst');
    outside = await connectBeside();
  });
  afterAll(async () => {
    await outside.end();
    await server.close();
  });

  /** What the quiet organization is answered as long as `others` go on, ten times at least. */
  async function besides(others: Promise<unknown>): Promise<void> {
    let isOver = false;
    void others.finally(() => (isOver = true)).catch(() => undefined);
    const rounds = async (ask: (round: number) => Promise<void>) => {
      for (let round = 0; round < 10 || (!isOver && round < 10_000); round += 1) await ask(round);
    };
    await Promise.all([
      rounds(async () => expect((await quiet.viewer(READ)).errors).toEqual([])),
      rounds(async (round) => {
        const d = `round ${round}`;
        expect((await quiet.owner(WRITE, { d })).data).toEqual({ updateOrganization: { description: d } });
        expect((await quiet.viewer('{ currentOrganization { description } }')).text).toContain(d);
      }),
    ]);
    await others;
  }

  /** Refused or answered: nothing else happens to those who do their worst. */
  function expectNothingElse(answers: readonly Answer[]): void {
    const refused = answers.filter(({ errors }) => errors.length > 0);
    for (const { errors } of refused) {
      expect(errors[0]?.extensions).toMatchObject({ code: 'SERVICE_UNAVAILABLE', retryAfter: 1 });
    }
  }

  async function whileLocked<T>(lock: { text: string; values: unknown[] }, seconds: number, work: () => Promise<T>) {
    await outside.query('begin');
    await outside.query(lock);
    try {
      const working = work();
      await besides(new Promise((resolve) => setTimeout(resolve, seconds * 1000)));
      await outside.query('rollback');
      return await working;
    } finally {
      await outside.query('rollback');
    }
  }

  const runIdOf = async (organization: GivenOrganization): Promise<string> =>
    (await organization.developer(START, { id: organization.agentId })).data.startRun.id as string;

  test('ten organizations are at a table that is locked', async () => {
    const hammering = await Promise.all(Array.from({ length: 10 }, () => givenOrganization(server, 'hammer')));
    const runs = await Promise.all(hammering.map(runIdOf));
    let isLocked = true;
    const kept: [GivenOrganization, string][] = [];
    const answers = await whileLocked({ text: 'lock table run in access exclusive mode', values: [] }, 5, async () => {
      setTimeout(() => (isLocked = false), 4500);
      const all: Answer[] = [];
      const loop = async (ask: () => Promise<Answer>) => {
        while (isLocked) all.push(await ask());
      };
      await Promise.all(
        hammering.flatMap((each, index) => [
          loop(() => each.viewer(RUNS)),
          loop(() => each.developer(PROGRESS, { id: runs[index] })),
          loop(async () => {
            const key = unique('key');
            const answer = await each.developer(START, { id: each.agentId, key });
            if (answer.data?.startRun) kept.push([each, answer.data.startRun.id as string]);
            return answer;
          }),
        ]),
      );
      return all;
    });
    expectNothingElse(answers);
    expect(answers.some(({ errors }) => errors.length > 0)).toBe(true);
    for (const [each, id] of kept) {
      const { data } = await each.viewer('query ($id: ID!) { run(id: $id) { id } }', { id });
      expect(data.run).toEqual({ id });
    }
    for (const each of hammering) expect((await each.viewer(RUNS)).errors).toEqual([]);
    expect(server.database.pool.turns.waiting).toBe(0);
  });

  test('statements that wait for a table, and go on waiting, leave connections to others', async () => {
    // Longer than anyone waits for a connection: were they all taken, others would be refused.
    const patient = await startServer({
      poolSize: 10,
      env: { DATABASE_LOCK_TIMEOUT_MS: '60000', DATABASE_STATEMENT_TIMEOUT_MS: '60000' },
    });
    try {
      const fine = await givenOrganization(patient, 'quiet');
      const hammering = await Promise.all(Array.from({ length: 10 }, () => givenOrganization(patient, 'hammer')));
      await outside.query('begin');
      await outside.query('lock table run in access exclusive mode');
      const asked = hammering.flatMap(({ viewer }) => [viewer(RUNS), viewer(RUNS), viewer(RUNS)]);
      while (patient.database.pool.turns.waiting < 20) await new Promise(setImmediate);
      for (let round = 0; round < 30; round += 1) {
        expect((await fine.viewer(READ)).errors).toEqual([]);
        expect((await fine.owner(WRITE, { d: `round ${round}` })).errors).toEqual([]);
      }
      await outside.query('rollback');
      expectNothingElse(await Promise.all(asked));
    } finally {
      await outside.query('rollback');
      await patient.close();
    }
  });

  test.each([1, 2])('%i organizations wait for rows of their own', async (count) => {
    const waiting = await Promise.all(Array.from({ length: count }, () => givenOrganization(server, 'waiter')));
    const runs = await Promise.all(waiting.map((each) => Promise.all(Array.from({ length: 6 }, () => runIdOf(each)))));
    const progressed = await runIdOf(quiet);
    const ids = waiting.map(({ id }) => id);
    let isOver = false;
    const refused = new Map(ids.map((id) => [id, 0]));
    const loop = async ({ id }: GivenOrganization, ask: () => Promise<Answer>) => {
      while (!isOver) {
        const answer = await ask();
        expectNothingElse([answer]);
        if (answer.errors.length > 0) refused.set(id, (refused.get(id) ?? 0) + 1);
      }
    };
    await outside.query('begin');
    try {
      await outside.query('select from run where org_id = any($1) for update', [ids]);
      await outside.query('select from agent where org_id = any($1) for update', [ids]);
      const loops = waiting.flatMap((each, index) =>
        (runs[index] ?? []).flatMap((id) => [
          loop(each, () => each.developer(CANCEL, { id })),
          loop(each, () => each.developer(START, { id: each.agentId })),
        ]),
      );
      const looping = Promise.all(loops);
      for (let n = 1; n < 500 && (n <= 40 || [...refused.values()].some((times) => times < 20)); n += 1) {
        const answers = await Promise.all([
          quiet.developer(START, { id: quiet.agentId }),
          quiet.developer(TOTAL, { id: progressed, n }),
        ]);
        expect(answers.flatMap(({ errors }) => errors)).toEqual([]);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      expect([...refused.values()].every((times) => times >= 20)).toBe(true);
      isOver = true;
      await outside.query('rollback');
      await looping;
    } finally {
      isOver = true;
      await outside.query('rollback');
    }
  });

  test('a directory sends a group of thousands beside thirty reports of progress', async () => {
    const directory: ScimClient = await givenDirectory(server, worst);
    const numbers = Array.from({ length: 5000 }, (_, index) => `${unique('n')}${index}`);
    const db = server.database.organizationDb(worst.id, byTest);
    await db.membership.createMany(
      numbers.map((n) => ({ userId: `usr_${n}`, email: `${n}@x.example`, name: n, role: 'VIEWER', status: 'ACTIVE' })),
    );
    await db.scimUser.createMany(
      numbers.map((n) => ({ id: `scu_${n}`, directoryId: directory.id, userId: `usr_${n}`, userName: n })),
    );
    const id = await runIdOf(worst);
    const sent = directory('POST', '/Groups', {
      displayName: 'Everyone',
      members: numbers.map((n) => ({ value: `scu_${n}` })),
    });
    const reports = Promise.all(Array.from({ length: 30 }, (_, index) => worst.developer(TOTAL, { id, n: index })));
    await besides(Promise.all([sent, reports]));
    expect((await sent).status).toBe(201);
    expect(await db.scimGroupMember.count({})).toBe(5000);
    // Reports come in any order, and a total never falls; the highest that was taken is there.
    const taken = (await reports).flatMap(({ errors }, index) => (errors.length === 0 ? [index] : []));
    expect(Number((await db.run.get({ id })).totalTokens)).toBe(Math.max(...taken));
  });

  test('one organization asks for more than there are connections', async () => {
    const asked = Promise.all(Array.from({ length: 150 }, () => worst.viewer(READ)));
    await besides(asked);
    expectNothingElse(await asked);
  });

  test('one organization has more waiting than may wait', async () => {
    const id = await runIdOf(worst);
    const answers = await whileLocked(organizationRow(worst.id), 1, () =>
      Promise.all(Array.from({ length: 700 }, (_, index) => worst.developer(TOTAL, { id, n: 1000 + index }))),
    );
    const refused = answers.filter(({ errors }) => errors[0]?.extensions['code'] === 'SERVICE_UNAVAILABLE');
    expect(refused.length).toBeGreaterThanOrEqual(100);
    const taken = answers.flatMap(({ errors }, index) => (errors.length === 0 ? [1000 + index] : []));
    const { totalTokens } = await server.database.organizationDb(worst.id, byTest).run.get({ id });
    if (taken.length > 0) expect(Number(totalTokens)).toBe(Math.max(...taken));
    expect(server.database.pool.turns.waiting).toBe(0);
    expect((await worst.viewer(READ)).errors).toEqual([]);
  });
});

/** Of the gateway as it comes. */
const POOL = 10;
const LOCKED_MS = 5000;

(isPostgres ? describe : describe.skip)('a table that is locked (PostgreSQL)', () => {
  const { postgres, gateway } = useGateway({ DATABASE_POOL_SIZE: String(POOL) });

  test('keeps whoever asks for it, and nobody else', async () => {
    const other = await gateway.another();
    const outside = new pg.Client({ connectionString: postgres.url });
    await outside.connect();
    try {
      const load = startLoad(gateway);
      await load.served(50);
      await outside.query('begin; lock table repository in access exclusive mode');
      const until = performance.now() + LOCKED_MS;
      // More of them than there are connections, and the load.
      const readers = Array.from({ length: 30 }, async () => {
        while (performance.now() < until) await gateway.ask('{ repositories { nodes { name } } }');
      });
      let rounds = 0;
      for (; performance.now() < until; rounds += 1) {
        expect((await other('{ viewer { role } runs { totalCount } }')).code).toBe('OK');
        expect((await other('mutation { updateOrganization(input: { description: "beside" }) { id } }')).code).toBe(
          'OK',
        );
        expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);
      }
      await outside.query('rollback');
      // Behind those who wait there would be a few, one each time that they are told to go.
      expect(rounds).toBeGreaterThan(20);
      await Promise.all(readers);
      await load.served(50);
      const seen = await load.stop();
      // Otherwise nobody waited for it.
      expect(seen.codes['SERVICE_UNAVAILABLE']).toBeGreaterThan(0);
      await expectSurvived('a table locked for 5 s', gateway, postgres, seen);
      await expectNoneLeaked(postgres, POOL);
    } finally {
      await outside.end();
    }
  });
});
