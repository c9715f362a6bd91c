import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import { createDirectoryQuery } from '../../../src/data/connection/directory-query.js';
import { SecondConnectionError, Stop, stoppable } from '../../../src/data/connection/org-connection.js';
import { MOST_PENDING } from '../../../src/data/connection/pending.js';
import { ReadBound } from '../../../src/data/connection/read-bound.js';
import type { Database } from '../../../src/data/database.js';
import type { RequestDb } from '../../../src/data/organization/organization-db.js';
import { connectBeside, whileLocked } from '../../races/interleave.js';
import { givenOrganization, type GivenOrganization } from '../../support/given.js';
import { isPostgres, startServer, type TestServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

const BUSY = { code: 'SERVICE_UNAVAILABLE', detail: { retryAfter: 1 } };

let server: TestServer;
let database: Database;
let acme: GivenOrganization;
let globex: GivenOrganization;
let db: RequestDb;
beforeAll(async () => {
  server = await startServer({ poolSize: 10, env: { DATABASE_LOCK_TIMEOUT_MS: '300' } });
  ({ database } = server);
  acme = await givenOrganization(server, 'acme');
  globex = await givenOrganization(server, 'globex');
  db = database.organizationDb(acme.id, byTest);
});
afterAll(() => server.close());

describe('whoever holds a connection waits for no second one', () => {
  test.each<[string, () => Promise<unknown>]>([
    ['a statement of the outer client', () => db.repository.list({ orderBy: { id: 'asc' }, take: 1 })],
    ['one of Prisma', () => db.repository.count({})],
    ['one of the directory', () => createDirectoryQuery(database.pool)('select 1')],
    ['a transaction of the outer client', () => db.locked((tx) => Promise.resolve(tx.held))],
    [
      'one of another organization',
      () => database.organizationDb(globex.id, byTest).locked((tx) => Promise.resolve(tx.held)),
    ],
    ['a connection as such', () => database.pool.connect()],
  ])('%s', async (_, ask) => {
    await expect(db.transaction(ask)).rejects.toBeInstanceOf(SecondConnectionError);
    expect(await ask().then((got) => (got as { release?(): void })?.release?.())).toBeUndefined();
  });

  test('but its own statements and transactions inside go on, and afterwards everything does', async () => {
    const late = await db.transaction(async (tx) => {
      await tx.locked((same) => Promise.resolve(same.held));
      return { ask: () => db.repository.count({}) };
    });
    expect(await late.ask()).toBeGreaterThan(0);
  });

  test('one that fails gives its turn back', async () => {
    for (let round = 0; round < 12; round += 1) {
      await expect(db.transaction(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    }
    expect(database.pool.turns.waiting).toBe(0);
    expect(database.pool.turns.remembered).toBe(0);
  });
});

test('however much one request asks at once, it has few in line, and all of it is answered', async () => {
  const stop = new Stop(new ReadBound({ request: 1e9, holder: 1e9, together: 1e9 }));
  const asked = stoppable(stop, () =>
    Promise.all(
      Array.from({ length: 2 * MOST_PENDING }, () => db.repository.list({ orderBy: { id: 'asc' }, take: 1 })),
    ),
  );
  await new Promise(setImmediate);
  expect(database.pool.turns.waiting).toBeGreaterThan(MOST_PENDING / 2);
  expect(database.pool.turns.waiting).toBeLessThanOrEqual(MOST_PENDING);
  const answers = await asked;
  expect(answers).toEqual(answers.map(() => [expect.objectContaining({ name: 'support-bots' })]));
});

test('of what a request asked whose client left, nothing begins that was not under way', async () => {
  const stop = new Stop(new ReadBound({ request: 1e9, holder: 1e9, together: 1e9 }));
  const asked = Array.from({ length: MOST_PENDING + 20 }, () =>
    stoppable(stop, () => db.repository.list({ orderBy: { id: 'asc' }, take: 1 })),
  );
  const outcomes = Promise.allSettled(asked);
  await new Promise(setImmediate);
  const underWay = MOST_PENDING - database.pool.turns.waiting;
  stop.stop();
  const answered = (await outcomes).filter(({ status }) => status === 'fulfilled');
  expect(answered.length).toBeLessThanOrEqual(underWay);
});

(isPostgres ? describe : describe.skip)('while a table is locked (PostgreSQL)', () => {
  let outside: pg.Client;
  beforeAll(async () => {
    outside = await connectBeside();
  });
  afterAll(() => outside.end());

  const QUERIES: [string, () => Promise<unknown>][] = [
    ['a list', () => db.run.list({ orderBy: { id: 'asc' }, take: 1 })],
    ['a count', () => db.run.count({})],
    ['a set', () => db.run.updateMany({ id: 'x' }, { claimId: 'x' })],
    ['a transaction', () => db.transaction((tx) => tx.run.find({ id: 'x' }))],
    ['a set in a transaction', () => db.transaction((tx) => tx.run.updateMany({ id: 'x' }, { claimId: 'x' }))],
  ];

  test.each(QUERIES)('%s waits no longer than it may, and is to be tried again', async (_, ask) => {
    await whileLocked(outside, 'run', () => expect(ask()).rejects.toMatchObject(BUSY));
    await ask();
  });

  test('who leaves while they wait for their turn leaves the queue', async () => {
    await whileLocked(outside, 'run', async () => {
      const stop = new Stop(new ReadBound({ request: 1e9, holder: 1e9, together: 1e9 }));
      const asked = Array.from({ length: 20 }, () => stoppable(stop, async () => QUERIES[0]?.[1]()));
      const settled = Promise.allSettled(asked);
      await new Promise(setImmediate);
      expect(database.pool.turns.waiting).toBeGreaterThan(10);
      stop.stop();
      expect(database.pool.turns.waiting).toBe(0);
      expect((await settled).every(({ status }) => status === 'rejected')).toBe(true);
    });
  });

  test('the answer over HTTP says SERVICE_UNAVAILABLE, and when to come again', async () => {
    await whileLocked(outside, 'agent', async () => {
      const { errors } = await acme.viewer('{ agents { nodes { id } } }');
      expect(errors[0]?.extensions).toMatchObject({ code: 'SERVICE_UNAVAILABLE', retryAfter: 1 });
    });
  });

  test.each(QUERIES)('where another waited in vain already, %s is refused the same way', async (_, ask) => {
    await whileLocked(outside, 'run', async () => {
      const asked = await Promise.allSettled(
        [acme, globex].flatMap(({ id }) =>
          Array.from({ length: 10 }, (_each, index) => {
            const other = database.organizationDb(id, byTest);
            return index % 2 === 0 ? other.run.count({}) : other.transaction((tx) => tx.run.count({}));
          }),
        ),
      );
      const busy = { status: 'rejected', reason: expect.objectContaining(BUSY) };
      expect(asked).toEqual(asked.map(() => busy));
      await expect(ask()).rejects.toMatchObject(BUSY);
    });
    await ask();
  });

  test('writers of one organization wait for each other without a connection', async () => {
    await outside.query('begin');
    await outside.query('select from organization where id = $1 for update', [acme.id]);
    const writers = Array.from({ length: 30 }, () => db.locked((tx) => Promise.resolve(tx.held)));
    const settled = Promise.allSettled(writers);
    while (database.pool.turns.waiting < 29) await new Promise(setImmediate);
    const others = await Promise.all(
      Array.from({ length: 50 }, () =>
        database.organizationDb(globex.id, byTest).locked((tx) => Promise.resolve(tx.held)),
      ),
    );
    expect(others).toHaveLength(50);
    await outside.query('rollback');
    expect((await settled).filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0);
  });
});
