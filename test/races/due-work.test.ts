import { expect } from '@jest/globals';
import { z } from 'zod';
import { addDueWork, dropDueWork, type DueKind } from '../../src/jobs/due-kind.js';
import { openSharedOutWork, type TakenWork } from '../../src/jobs/outside.js';
import { USUAL_WEIGHTS } from '../../src/permissions/features.js';
import { byTest } from '../support/act.js';
import { openReplica } from '../support/due-work.js';
import { type GivenOrganization, givenOrganization, unique } from '../support/given.js';
import { eventually } from '../support/mail.js';
import { useServer } from '../support/server.js';
import { inOrder } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });

type Kind = DueKind<string>;
const givenKind = (run: Kind['run'] = () => Promise.resolve()): Kind => ({
  name: unique('kind'),
  payload: z.string(),
  run,
});
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const dbOf = ({ id }: GivenOrganization) => server.database.organizationDb(id, byTest);
const inMs = (ms: number): Date => new Date(server.database.pool.clock.now().getTime() + ms);
const add = (of: GivenOrganization, kind: Kind, payload: string, ms = -1000) =>
  dbOf(of).transaction((db) => addDueWork(db, kind, { subject: 'it', payload, dueAt: inMs(ms) }));
const rowsOf = async ({ name }: Kind) =>
  (await sql('select payload, attempts, taken_at, wanted_at from due_work where kind = $1', [name])).rows;
const workRow = ({ name }: Kind) => ({ text: 'select from due_work where kind = $1 for update', values: [name] });
const shared = () => server.database.outside(openSharedOutWork);
const room = ({ name: kind }: Kind) => [{ kind, free: 5, atOnce: 9 }];

race('replicas that ask for what is due at once share it out: each is done by one', async () => {
  const organizations = await Promise.all(Array.from({ length: 4 }, () => givenOrganization(server)));
  const runs: string[] = [];
  const kind = givenKind(async ({ orgId, subject }) => void runs.push(`${orgId} ${subject}`));
  await sql(
    `insert into due_work (org_id, id, kind, subject, payload, due_at)
     select org, 'due_' || $2 || org || n, $2, n, '""', current_timestamp - interval '1 s'
     from unnest($1::text[]) org, generate_series(1, 100) n`,
    [organizations.map(({ id }) => id), kind.name],
  );
  await Promise.all(
    Array.from({ length: 4 }, () => openReplica(server, { kinds: [kind as DueKind<never>] }).workOff()),
  );
  expect(runs).toHaveLength(400);
  expect(new Set(runs).size).toBe(400);
  expect(await rowsOf(kind)).toEqual([]);
});

const takers: [string, (kind: Kind, work: TakenWork) => Promise<unknown[]>][] = [
  ['a round', async (kind) => shared().take(room(kind), [], USUAL_WEIGHTS)],
  ['its writer', async (_kind, work) => [await shared().takeOne(work)].filter((taken) => taken !== null)],
];

race.each([
  ['a round', 'its writer'],
  ['its writer', 'a round'],
  ['its writer', 'its writer'],
])('of %s and %s, who want one at the same moment, one has it', async (...names) => {
  const acme = await givenOrganization(server);
  const kind = givenKind();
  const id = await add(acme, kind, 'it');
  const work = { orgId: acme.id, id, kind: kind.name, attempts: 0, takenAt: new Date() };
  const taken = await Promise.all(names.map((name) => new Map(takers).get(name)?.(kind, work) ?? Promise.resolve([])));
  expect(taken.flat()).toHaveLength(1);
  expect(await rowsOf(kind)).toMatchObject([{ attempts: 1 }]);
});

race('a round takes what nobody holds, and waits for nothing', async () => {
  const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
  const kind = givenKind();
  const held = await add(acme, kind, 'held');
  await add(globex, kind, 'free');
  const takeOne = () => shared().takeOne({ orgId: acme.id, id: held });
  let taken: TakenWork[] = [];
  const lock = { text: 'select from due_work where id = $1 for update', values: [held] };
  const [waited] = await inOrder(
    lock,
    [takeOne],
    async () => (taken = await shared().take(room(kind), [], USUAL_WEIGHTS)),
  );
  expect(taken.map(({ orgId }) => orgId)).toEqual([globex.id]);
  expect(waited?.attempts).toBe(1);
  await sql(`update due_work set due_at = current_timestamp where id = $1`, [held]);
  const [first, second] = await inOrder(lock, [takeOne, takeOne]);
  expect([first?.attempts, second]).toEqual([2, null]);
});

race('what two write at once waits once, for what was written last', async () => {
  const acme = await givenOrganization(server);
  for (const [first, second] of [
    ['a', 'b'],
    ['b', 'a'],
  ] as const) {
    const kind = givenKind();
    let commit = (): void => undefined;
    const mayCommit = new Promise<void>((resolve) => (commit = resolve));
    let isWritten = false;
    const one = dbOf(acme).transaction(async (db) => {
      await addDueWork(db, kind, { subject: 'it', payload: first, dueAt: inMs(-1) });
      isWritten = true;
      await mayCommit;
    });
    await eventually(() => isWritten || undefined);
    // Another replica's: of one organization each has one transaction at a time.
    const other = addDueWork(dbOf(acme), kind, { subject: 'it', payload: second, dueAt: inMs(-1) });
    commit();
    await Promise.all([one, other]);
    expect(await rowsOf(kind)).toMatchObject([{ payload: JSON.stringify(second) }]);
  }
});

race('what is wanted again while its end is written is done again, whichever is first', async () => {
  const acme = await givenOrganization(server);
  for (const endsFirst of [true, false]) {
    const seen: string[] = [];
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const kind = givenKind(async ({ payload }) => {
      seen.push(payload);
      if (payload === 'first') await finished;
    });
    await add(acme, kind, 'first');
    const replica = openReplica(server, { kinds: [kind as DueKind<never>] });
    await replica.round(new AbortController().signal);
    await eventually(() => seen[0]);
    const end = async () => {
      finish();
      await replica.close();
    };
    const again = async () =>
      void (await addDueWork(dbOf(acme), kind, { subject: 'it', payload: 'second', dueAt: inMs(-1) }));
    await inOrder(workRow(kind), endsFirst ? [end, again] : [again, end]);
    expect(await rowsOf(kind)).toMatchObject([{ payload: '"second"', taken_at: null, wanted_at: null }]);
    await replica.workOff();
    expect(seen).toEqual(['first', 'second']);
  }
});

race('nothing is written of what is taken back meanwhile; what was written before stays', async () => {
  const acme = await givenOrganization(server);
  for (const isDroppedFirst of [true, false]) {
    let settled = 0;
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    let begun = false;
    const kind = givenKind(async () => {
      begun = true;
      await finished;
      return { settle: async () => (settled += 1) };
    });
    await add(acme, kind, 'it');
    const replica = openReplica(server, { kinds: [kind as DueKind<never>] });
    await replica.round(new AbortController().signal);
    await eventually(() => begun || undefined);
    const end = async () => {
      finish();
      await replica.close();
    };
    const drop = async () => void (await dropDueWork(dbOf(acme), kind, 'it'));
    await inOrder(workRow(kind), isDroppedFirst ? [drop, end] : [end, drop]);
    expect([settled, await rowsOf(kind)]).toEqual([isDroppedFirst ? 0 : 1, []]);
  }
});

race('what an organization has due waits while that is suspended meanwhile, and goes on', async () => {
  const acme = await givenOrganization(server);
  const kind = givenKind();
  const id = await add(acme, kind, 'it');
  const set = (status: string) => sql('update organization set status = $2 where id = $1', [acme.id, status]);
  const takeOne = () => shared().takeOne({ orgId: acme.id, id });
  await set('SUSPENDED');
  expect(await takeOne()).toBeNull();
  expect(await shared().take(room(kind), [], USUAL_WEIGHTS)).toEqual([]);
  await shared().resume();
  expect((await sql('select stopped from due_work where id = $1', [id])).rows).toEqual([{ stopped: true }]);
  await set('ACTIVE');
  expect(await shared().take(room(kind), [], USUAL_WEIGHTS)).toEqual([]);
  await shared().resume();
  expect(await shared().take(room(kind), [], USUAL_WEIGHTS)).toHaveLength(1);
});
