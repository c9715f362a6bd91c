import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { newId } from '../../src/data/id.js';
import { examineDatabase } from '../../src/data/start/doctor.js';
import { addDueWork, dropDueWork, type DueKind, type DueRun, type OwedKind } from '../../src/jobs/due-kind.js';
import { openOwedWork, openSharedOutWork, type TakenWork } from '../../src/jobs/outside.js';
import { USUAL_WEIGHTS } from '../../src/permissions/features.js';
import { SealError } from '../../src/secrets/seal.js';
import { byTest } from '../support/act.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { type DueReplica, openReplica } from '../support/due-work.js';
import { type GivenOrganization, givenOrganization, unique } from '../support/given.js';
import { eventually } from '../support/mail.js';
import { useServer } from '../support/server.js';

const server = useServer();

type Payload = string;
type Kind = DueKind<Payload>;

/** A kind that nothing else in the database is of. */
const givenKind = (run: Kind['run'] = () => Promise.resolve(), more: Partial<Kind> = {}): Kind => ({
  name: unique('kind'),
  payload: z.string(),
  run,
  ...more,
});
const replicaOf = (kind: Kind): DueReplica => openReplica(server, { kinds: [kind as DueKind<never>] });
const dbOf = ({ id }: GivenOrganization) => server.database.organizationDb(id, byTest);
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const inMs = (ms: number): Date => new Date(server.database.pool.clock.now().getTime() + ms);
const add = (of: GivenOrganization, kind: Kind, subject = 'it', ms = -1000, payload = subject) =>
  addDueWork(dbOf(of), kind, { subject, payload, dueAt: inMs(ms) });
const rowsOf = async ({ name }: { name: string }, table = 'due_work') =>
  (await sql(`select * from ${table} where kind = $1 order by subject`, [name])).rows;

/** Begins to do it, and goes on when a test says so. */
function stuck() {
  const begun: string[] = [];
  let finish = (): void => undefined;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const run = async ({ subject }: DueRun<Payload>) => {
    begun.push(subject);
    await finished;
  };
  return { begun, finish, run };
}

describe('Work that is due', () => {
  test('is done once it is, in the frame of its organization, and told of the system', async () => {
    const acme = await givenOrganization(server);
    const name = unique('made');
    const seen: string[] = [];
    const kind = givenKind(async ({ db, orgId, subject, payload }) => {
      seen.push(`${orgId} ${subject} ${payload}`);
      await db.repository.create({ id: newId('rep'), name, gitUrl: 'https://git.example/x.git' });
    });
    await add(acme, kind, 'later', 3_600_000);
    await add(acme, kind, 'now', -1, 'what');
    const replica = replicaOf(kind);
    await replica.workOff();
    expect(seen).toEqual([`${acme.id} now what`]);
    expect(await rowsOf(kind)).toMatchObject([{ subject: 'later', attempts: 0 }]);
    const { rows } = await sql(
      `select actor_kind, actor_name from audit_entry where org_id = $1 and target_name = $2`,
      [acme.id, name],
    );
    expect(rows).toEqual([{ actor_kind: 'SYSTEM', actor_name: kind.name }]);
    expect(replica.ended).toMatchObject([{ outcome: 'done', kind: kind.name }]);
  });

  test('is neither done nor kept when its transaction fails', async () => {
    const acme = await givenOrganization(server);
    const kind = givenKind();
    const failing = dbOf(acme).transaction(async (db) => {
      await addDueWork(db, kind, { subject: 'it', payload: '', dueAt: inMs(-1) });
      throw new Error('the reason is gone');
    });
    await expect(failing).rejects.toThrow('the reason is gone');
    expect(await rowsOf(kind)).toEqual([]);
  });

  test('is done as soon as its transaction is committed, where it is dispatched', async () => {
    const acme = await givenOrganization(server);
    const { begun, finish, run } = stuck();
    finish();
    const kind = givenKind(run);
    const replica = replicaOf(kind);
    replica.dispatch({ orgId: acme.id, id: await add(acme, kind, 'it', 5000) });
    await replica.close();
    expect(begun).toEqual(['it']);
    expect(await rowsOf(kind)).toEqual([]);
  });

  test('waits once for a subject, for what was asked last', async () => {
    const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
    const seen: string[] = [];
    const kind = givenKind(async ({ payload }) => void seen.push(payload));
    const ids = [await add(acme, kind, 'it', -2000, 'first'), await add(acme, kind, 'it', -1000, 'second')];
    await add(globex, kind, 'it', -1000, 'of another');
    expect(new Set(ids).size).toBe(1);
    await replicaOf(kind).workOff();
    expect(seen.toSorted()).toEqual(['of another', 'second']);
  });

  test('that is wanted again while it is done, is done again', async () => {
    const acme = await givenOrganization(server);
    const seen: string[] = [];
    const kind = givenKind(async ({ payload, subject }) => {
      seen.push(payload);
      if (payload === 'first') await add(acme, kind, subject, -1000, 'second');
    });
    await add(acme, kind, 'it', -1000, 'first');
    await replicaOf(kind).workOff();
    expect(seen).toEqual(['first', 'second']);
    expect(await rowsOf(kind)).toEqual([]);
  });

  test('that is taken back is not done, and nothing is written of what was under way', async () => {
    const acme = await givenOrganization(server);
    const { begun, finish, run } = stuck();
    let settled = 0;
    const kind = givenKind(async (of) => {
      await run(of);
      return { settle: async () => (settled += 1) };
    });
    const replica = replicaOf(kind);
    await add(acme, kind, 'it');
    await replica.round(new AbortController().signal);
    await eventually(() => begun[0]);
    await add(acme, kind, 'other', 60_000);
    for (const subject of ['it', 'other']) expect(await dropDueWork(dbOf(acme), kind, subject)).toBe(1);
    finish();
    await replica.close();
    expect([settled, await rowsOf(kind)]).toEqual([0, []]);
  });

  test('that fails is tried again later each time, and in the end given up where its kind says so', async () => {
    const acme = await givenOrganization(server);
    const told: unknown[] = [];
    const failure = new Error('not today');
    const kind = givenKind(() => Promise.reject(failure), {
      mostAttempts: 3,
      settleFailure: async (db, payload, error, isLast) => {
        told.push([payload, error, isLast]);
        await db.repository.update({ id: acme.repositoryId }, { description: `${isLast}` });
      },
    });
    const replica = replicaOf(kind);
    await add(acme, kind, 'it', -1000, 'what');
    for (const minutes of [2, 4]) {
      await replica.workOff();
      const [row] = await rowsOf(kind);
      const wait = row?.['due_at'].getTime() - inMs(0).getTime();
      expect([wait > (minutes - 0.2) * 60_000, wait <= minutes * 60_000]).toEqual([true, true]);
      expect(row).toMatchObject({ taken_at: null, attempts: minutes / 2 });
      await sql(`update due_work set due_at = current_timestamp where kind = $1`, [kind.name]);
    }
    await replica.workOff();
    expect(told).toEqual([false, false, true].map((isLast) => ['what', failure, isLast]));
    expect(replica.ended.map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'given_up']);
    expect(await rowsOf(kind)).toEqual([]);
    expect((await dbOf(acme).repository.get({ id: acme.repositoryId })).description).toBe('true');
  });

  test('that nobody can read is given up after an hour, shows, and keeps nobody waiting; asked for anew it is done', async () => {
    const acme = await givenOrganization(server);
    const seen: string[] = [];
    const kind = givenKind(async ({ payload }) => {
      if (payload === 'sealed') throw new SealError('a secret was sealed under a key that is gone');
      seen.push(payload);
    });
    const replica = replicaOf(kind);
    await add(acme, kind, 'lost key', -3000, 'sealed');
    for (const subject of ['not JSON', 'none of its kind']) await add(acme, kind, subject, -2000);
    await sql(`update due_work set payload = '{' where kind = $1 and subject = 'not JSON'`, [kind.name]);
    await sql(`update due_work set payload = '{"a":1}' where kind = $1 and subject = 'none of its kind'`, [kind.name]);
    for (let attempts = 1; attempts <= 6; attempts += 1) {
      expect((await rowsOf(kind)).every(({ given_up_at }) => given_up_at === null)).toBe(true);
      await sql(`update due_work set due_at = current_timestamp where kind = $1`, [kind.name]);
      await replica.workOff();
    }
    expect(replica.ended.map(({ outcome }) => outcome)).toEqual([
      ...Array<string>(15).fill('failed'),
      ...Array<string>(3).fill('given_up'),
    ]);
    expect(JSON.stringify(replica.ended)).not.toContain('"a"');
    expect(await rowsOf(kind)).toMatchObject(
      Array.from({ length: 3 }, () => ({ given_up_at: expect.any(Date), taken_at: null, stopped: true, attempts: 6 })),
    );
    // Neither by a later round nor since its organization is active.
    await sql(`update due_work set due_at = current_timestamp where kind = $1`, [kind.name]);
    for (let rounds = 0; rounds < 6; rounds += 1) await replica.workOff();
    expect(replica.ended).toHaveLength(18);
    const mine = (await replica.count()).filter((each) => each.kind === kind.name);
    expect(mine).toEqual([{ kind: kind.name, state: 'given_up', count: 3, oldestSeconds: 0 }]);
    // Of whatever kind: what no release knows any more shows as well.
    expect(await replicaOf(givenKind()).count()).toContainEqual(mine[0]);
    const unsound = (await examineDatabase(server.database.pool, false)).filter(({ ok }) => !ok);
    expect(unsound).toMatchObject([{ detail: expect.stringContaining(`${kind.name}: 3 given up`) }]);
    await add(acme, kind, 'lost key', -1000, 'readable');
    await replica.workOff();
    expect(seen).toEqual(['readable']);
    // What was stopped with its organization goes on, and nothing beside it.
    await add(acme, kind, 'stopped', -1000, 'goes on');
    await sql(`update due_work set stopped = true where kind = $1 and subject = 'stopped'`, [kind.name]);
    for (let rounds = 0; rounds < 6; rounds += 1) await replica.workOff();
    expect([seen, (await rowsOf(kind)).length]).toEqual([['readable', 'goes on'], 2]);
    await sql('delete from due_work where kind = $1', [kind.name]);
  });

  test('that was asked for anew while nobody could read it is not given up', async () => {
    const acme = await givenOrganization(server);
    const seen: string[] = [];
    const kind = givenKind(async ({ payload, subject }) => {
      if (payload === 'readable') return void seen.push(payload);
      await add(acme, kind, subject, -1000, 'readable');
      throw new SealError('a secret was altered');
    });
    await add(acme, kind);
    await sql('update due_work set attempts = 5 where kind = $1', [kind.name]);
    await replicaOf(kind).workOff();
    expect([seen, await rowsOf(kind)]).toEqual([['readable'], []]);
  });

  test('that is to be done again is, then, as if it had never failed', async () => {
    const acme = await givenOrganization(server);
    const again = inMs(86_400_000);
    const kind = givenKind(() => Promise.resolve({ again }));
    await add(acme, kind);
    await replicaOf(kind).workOff();
    expect(await rowsOf(kind)).toMatchObject([{ due_at: again, attempts: 0, taken_at: null }]);
  });

  test('of another release is left to it', async () => {
    const acme = await givenOrganization(server);
    const [kind, other] = [givenKind(), givenKind()];
    await add(acme, kind);
    await replicaOf(other).workOff();
    expect(await rowsOf(kind)).toMatchObject([{ attempts: 0 }]);
  });

  test('is told as due, running or failed, with how long the first is due', async () => {
    const acme = await givenOrganization(server);
    const { begun, finish, run } = stuck();
    const kind = givenKind(async (of) => {
      if (of.subject === 'bad') throw new Error('not today');
      await run(of);
    });
    const replica = replicaOf(kind);
    for (const subject of ['bad', 'good']) await add(acme, kind, subject, -60_000);
    await replica.round(new AbortController().signal);
    await eventually(() => begun[0]);
    await eventually(async () => ((await rowsOf(kind))[0]?.['taken_at'] === null ? true : undefined));
    await add(acme, kind, 'due', -30_000);
    const counts = await replica.count();
    expect(counts.toSorted((a, b) => (a.state < b.state ? -1 : 1))).toMatchObject([
      { kind: kind.name, state: 'due', count: 1 },
      { kind: kind.name, state: 'failed', count: 1 },
      { kind: kind.name, state: 'running', count: 1 },
    ]);
    expect(counts.find(({ state }) => state === 'due')?.oldestSeconds).toBeCloseTo(30, -1);
    finish();
    await replica.close();
  });
});

describe('A replica', () => {
  test('that was killed leaves its work to another, seconds later; that still works keeps it', async () => {
    const acme = await givenOrganization(server);
    const { begun, finish, run } = stuck();
    const kind = givenKind(run);
    await add(acme, kind, 'of the dead', -2000);
    const room = [{ kind: kind.name, free: 1, atOnce: 1 }];
    expect(await server.database.outside(openSharedOutWork).take(room, [], USUAL_WEIGHTS)).toHaveLength(1);
    await add(acme, kind, 'of the living');
    const living = replicaOf(kind);
    await living.round(new AbortController().signal);
    await eventually(() => begun[0]);
    const other = replicaOf(kind);
    await other.round(new AbortController().signal);
    expect(begun).toEqual(['of the living']);
    const [dead] = await rowsOf(kind);
    const lease = dead?.['due_at'].getTime() - inMs(0).getTime();
    expect([lease > 5000, lease <= 15_000]).toEqual([true, true]);
    await eventually(async () => {
      await other.round(new AbortController().signal);
      return begun[1];
    }, 30_000);
    // Its first wait is over by now, too.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    await other.round(new AbortController().signal);
    expect(begun).toEqual(['of the living', 'of the dead']);
    finish();
    await Promise.all([living.close(), other.close()]);
    expect(await rowsOf(kind)).toEqual([]);
  });

  test('that lost its work to another writes nothing of it', async () => {
    const acme = await givenOrganization(server);
    const settled: string[] = [];
    const [slow, slower] = [stuck(), stuck()];
    const shared = givenKind();
    const named = (name: string, run: Kind['run']): Kind => ({
      ...shared,
      run: async (of, deployment) => {
        await run(of, deployment);
        return { settle: async () => settled.push(name) };
      },
    });
    const [first, second] = [replicaOf(named('first', slow.run)), replicaOf(named('second', slower.run))];
    const { signal } = new AbortController();
    await add(acme, shared);
    await first.round(signal);
    await eventually(() => slow.begun[0]);
    await sql(`update due_work set due_at = current_timestamp - interval '1 s' where kind = $1`, [shared.name]);
    await second.round(signal);
    await eventually(() => slower.begun[0]);
    slow.finish();
    await first.close();
    expect([settled, await rowsOf(shared)]).toMatchObject([[], [{ attempts: 2 }]]);
    slower.finish();
    await second.close();
    expect([settled, await rowsOf(shared)]).toEqual([['second'], []]);
  });

  test('that closes gives back what it did not finish, to be done at once', async () => {
    const acme = await givenOrganization(server);
    const { begun, run } = stuck();
    const kind = givenKind(run);
    await add(acme, kind);
    const closing = openReplica(server, { kinds: [kind as DueKind<never>], limits: { tellAgain: [], close: 100 } });
    await closing.round(new AbortController().signal);
    await eventually(() => begun[0]);
    await closing.close();
    const [row] = await rowsOf(kind);
    expect(row).toMatchObject({ taken_at: null });
    expect(row?.['due_at'] <= inMs(0)).toBe(true);
  });

  test('lets go of what takes too long, and goes on', async () => {
    const acme = await givenOrganization(server);
    const { begun, run } = stuck();
    const kind = givenKind((of) => (of.subject === 'a' ? run(of) : Promise.resolve()), { mostMs: 1000, atOnce: 1 });
    for (const subject of ['a', 'b']) await add(acme, kind, subject, subject === 'a' ? -2000 : -1000);
    const replica = replicaOf(kind);
    await replica.round(new AbortController().signal);
    await eventually(() => begun[0]);
    await collectGarbage(); // nobody but the clock knows of the time that it has
    await eventually(async () => ((await rowsOf(kind)).length === 1 ? true : undefined));
    expect(begun).toEqual(['a']);
    expect(replica.ended.map(({ outcome }) => outcome)).toEqual(['failed', 'done']);
    await replica.close();
  });

  test('keeps nothing of what is done', async () => {
    const acme = await givenOrganization(server);
    const signals: WeakRef<AbortSignal>[] = [];
    const kind = givenKind(async ({ signal }) => void signals.push(new WeakRef(signal)));
    await add(acme, kind);
    const replica = replicaOf(kind);
    await replica.workOff();
    for (let times = 0; times < 20 && signals[0]?.deref(); times += 1) await collectGarbage();
    expect(signals.map((signal) => signal.deref())).toEqual([undefined]);
    await replica.close();
  });

  test('has done what one organization has ten thousand of, and what another has one of at once', async () => {
    const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
    const { begun, finish } = stuck();
    const kind = givenKind(async ({ orgId, subject }) => {
      begun.push(subject);
      if (orgId === acme.id) await new Promise((resolve) => setTimeout(resolve, 60_000).unref());
    });
    await sql(
      `insert into due_work (org_id, id, kind, subject, payload, due_at)
       select $1, 'due_' || $2 || n, $2, n, '""', current_timestamp - interval '1 hour' from generate_series(1, 10000) n`,
      [acme.id, kind.name],
    );
    const other = givenKind();
    for (const [of, ms] of [
      [acme, -3000],
      [globex, -1000],
    ] as const) {
      await add(of, other, 'a', ms);
      await add(of, other, 'b', ms);
    }
    const inTurn = await server.database
      .outside(openSharedOutWork)
      .take([{ kind: other.name, free: 2, atOnce: 4 }], [], USUAL_WEIGHTS);
    expect(new Set(inTurn.map(({ orgId }) => orgId)).size).toBe(2);
    await givesTurns();
    const replica = openReplica(server, { kinds: [kind as DueKind<never>], limits: { tellAgain: [], close: 10 } });
    await replica.round(new AbortController().signal);
    await eventually(() => begun[2]);
    await add(globex, kind, 'the one', -1);
    await replica.round(new AbortController().signal);
    await eventually(() => (begun.includes('the one') ? true : undefined));
    // Of five places one organization has three.
    expect(begun).toHaveLength(4);
    finish();
    await replica.close();
    await sql('delete from due_work where kind = $1', [kind.name]);
  });
});

describe('Between organizations work is shared out by what plans weigh', () => {
  const ofPlan = async (plan: string) => {
    const organization = await givenOrganization(server);
    await sql('update organization set plan = $2 where id = $1', [organization.id, plan]);
    return organization;
  };
  const addMany = (kind: Kind, { id }: GivenOrganization, count: number, hours: number) =>
    sql(
      `insert into due_work (org_id, id, kind, subject, payload, due_at)
       select $1, 'due_' || $2 || $1 || n, $2, n, '""', current_timestamp - $4 * interval '1 hour' from generate_series(1, $3::int) n`,
      [id, kind.name, count, hours],
    );
  const forget = (kind: Kind) => sql('delete from due_work where kind = $1', [kind.name]);
  const fresh = () => openSharedOutWork(server.database.pool).take;

  // Whoever has it due since earlier is looked at first, and has no more for that.
  test.each([
    ['TEAM', 'FREE'],
    ['FREE', 'TEAM'],
  ])('pieces taken follow within a tenth, of %s and %s with long queues, by two replicas', async (older, newer) => {
    const [first, second] = [await ofPlan(older), await ofPlan(newer)];
    const begun: string[] = [];
    const enough = new AbortController();
    // One at a time: how long an organization's pieces wait for connections, of which each has as many, decides nothing.
    const run = async ({ orgId }: DueRun<Payload>) => {
      if (begun.push(orgId) >= 200) enough.abort();
    };
    const kind = givenKind(run, { atOnce: 1 });
    await addMany(kind, first, 600, 2);
    await addMany(kind, second, 600, 1);
    const replicas = [replicaOf(kind), replicaOf(kind)];
    while (!enough.signal.aborted) await Promise.all(replicas.map((replica) => replica.round(enough.signal)));
    await Promise.all(replicas.map((replica) => replica.close()));
    const team = begun.filter((id) => id === (older === 'TEAM' ? first : second).id).length;
    expect(Math.abs(team / begun.length / 0.75 - 1)).toBeLessThan(0.1);
    await forget(kind);
  });

  test.each([
    { free: 1, atOnce: 1, weights: { TEAM: 3, FREE: 1 } },
    { free: 5, atOnce: 5, weights: { TEAM: 3, FREE: 1 } },
    { free: 3, atOnce: 20, weights: { TEAM: 30, FREE: 20 } },
  ])(
    'also where all of $free are done in no time, or each of $atOnce lasts as long',
    async ({ free, atOnce, weights }) => {
      for (const lasting of [0, atOnce]) {
        const [team, small] = [await ofPlan('TEAM'), await ofPlan('FREE')];
        const kind = givenKind();
        await addMany(kind, team, 700, 2);
        await addMany(kind, small, 700, 1);
        const take = fresh();
        const [held, taken]: [TakenWork[], TakenWork[]] = [[], []];
        while (taken.length < 200) {
          held.splice(0, held.length - Math.max(0, lasting - free));
          const holding = [team, small].map(({ id }) => ({
            kind: kind.name,
            orgId: id,
            count: held.filter(({ orgId }) => orgId === id).length,
          }));
          const room = { kind: kind.name, free: Math.min(free, Math.max(1, atOnce - held.length)), atOnce };
          const more = await take([room], holding, { ...USUAL_WEIGHTS, ...weights });
          expect(more).toHaveLength(room.free);
          held.push(...more);
          taken.push(...more);
        }
        const ofTeam = taken.filter(({ orgId }) => orgId === team.id).length;
        const share = weights.TEAM / (weights.TEAM + weights.FREE);
        expect(Math.abs(ofTeam / taken.length / share - 1)).toBeLessThan(0.1);
        await forget(kind);
      }
    },
  );

  test('whoever has one piece waits for one batch at the most, whatever the others weigh and have waiting', async () => {
    const kind = givenKind();
    const many = [await ofPlan('ENTERPRISE'), await ofPlan('TEAM')];
    for (const each of many) await addMany(kind, each, 2000, 1);
    const take = fresh();
    const batch = () => take([{ kind: kind.name, free: 4, atOnce: 4 }], [], USUAL_WEIGHTS);
    for (let times = 0; times < 10; times += 1) await batch();
    const one = await ofPlan('FREE');
    await add(one, kind, 'the one');
    expect((await batch()).map(({ orgId }) => orgId)).toContain(one.id);
    await forget(kind);
  });

  test('what one has hanging keeps nobody waiting, whatever it weighs', async () => {
    const [hanging, quick] = [await ofPlan('ENTERPRISE'), await ofPlan('FREE')];
    const { begun, finish, run } = stuck();
    const done: string[] = [];
    const kind = givenKind(async (of) => {
      if (of.orgId === hanging.id) await run(of);
      done.push(of.orgId);
    });
    await addMany(kind, hanging, 3000, 1);
    const replica = replicaOf(kind);
    const round = () => replica.round(new AbortController().signal);
    await round();
    await addMany(kind, quick, 40, 0);
    await round();
    await eventually(() => (done.length === 40 ? true : undefined));
    // Of five places nine tenths would be all.
    expect([new Set(done), begun.length]).toEqual([new Set([quick.id]), 4]);
    finish();
    await sql('delete from due_work where kind = $1 and taken_at is null', [kind.name]);
    await replica.close();
    await forget(kind);
  });

  test('who has its share of the places, hanging, waits for whoever has less of them', async () => {
    const [one, two, quick] = [await ofPlan('FREE'), await ofPlan('FREE'), await ofPlan('FREE')];
    const kind = givenKind();
    for (const each of [one, two, quick]) await addMany(kind, each, 50, 1);
    const take = fresh();
    const held = [one, two].map(({ id }) => ({ kind: kind.name, orgId: id, count: 2 }));
    for (let times = 0; times < 10; times += 1) {
      const taken = await take([{ kind: kind.name, free: 1, atOnce: 6 }], held, USUAL_WEIGHTS);
      expect(taken.map(({ orgId }) => orgId)).toEqual([quick.id]);
    }
    await forget(kind);
  });

  test('who was kept from its turns, or had nothing due, has none of them later', async () => {
    const [away, other] = [await ofPlan('ENTERPRISE'), await ofPlan('FREE')];
    const kind = givenKind();
    for (const each of [away, other]) await addMany(kind, each, 300, 1);
    const take = fresh();
    const turn = async (count: number) =>
      (
        await take(
          [{ kind: kind.name, free: 1, atOnce: 5 }],
          [{ kind: kind.name, orgId: away.id, count }],
          USUAL_WEIGHTS,
        )
      )[0]?.orgId;
    for (let times = 0; times < 20; times += 1) expect(await turn(4)).toBe(other.id);
    const then = [];
    for (let times = 0; times < 20; times += 1) then.push(await turn(0));
    expect(then.filter((id) => id === other.id)).toHaveLength(2);
    await forget(kind);
  });
});

/** Of three that have had work due for long, and one whose work is due since just now, none waits for ever. */
async function givesTurns(): Promise<void> {
  const kind = givenKind();
  const old = await Promise.all(Array.from({ length: 3 }, () => givenOrganization(server)));
  await sql(
    `insert into due_work (org_id, id, kind, subject, payload, due_at)
     select org, 'due_' || $2 || org || n, $2, n, '""', current_timestamp - interval '1 hour'
     from unnest($1::text[]) org, generate_series(1, 400) n`,
    [old.map(({ id }) => id), kind.name],
  );
  const young = await givenOrganization(server);
  await add(young, kind, 'young', -1);
  const { take } = openSharedOutWork(server.database.pool);
  const turns: string[] = [];
  for (let turn = 0; turn < 8; turn += 1) {
    for (const { orgId } of await take([{ kind: kind.name, free: 1, atOnce: 1 }], [], USUAL_WEIGHTS)) turns.push(orgId);
  }
  expect(turns.slice(0, 4).toSorted()).toEqual([...old, young].map(({ id }) => id).toSorted());
  for (const { id } of old) expect(turns.filter((turn) => turn === id).length).toBeGreaterThan(1);
  await sql('delete from due_work where kind = $1', [kind.name]);
}

describe('Of a suspended organization', () => {
  const set = ({ id }: GivenOrganization, status: string) =>
    sql('update organization set status = $2 where id = $1', [id, status]);

  test('work waits, keeps nobody else waiting, and goes on when it is active again', async () => {
    const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
    const { begun, finish, run } = stuck();
    finish();
    const kind = givenKind(run);
    const replica = replicaOf(kind);
    await set(acme, 'SUSPENDED');
    await sql(
      `insert into due_work (org_id, id, kind, subject, payload, due_at)
       select $1, 'due_' || $2 || n, $2, n, '""', current_timestamp - interval '1 hour' from generate_series(1, 700) n`,
      [acme.id, kind.name],
    );
    replica.dispatch({ orgId: acme.id, id: await add(acme, kind, 'dispatched', 5000) });
    await add(globex, kind, 'of another');
    await replica.workOff();
    expect(begun).toEqual(['of another']);
    expect(await rowsOf(kind)).toHaveLength(701);
    // What is stopped is not looked at again.
    for (let round = 0; round < 3; round += 1) await replica.workOff();
    expect((await replica.count()).filter(({ state }) => state === 'due')).toEqual([]);
    expect(begun).toHaveLength(1);
    await sql(`delete from due_work where kind = $1 and subject::text > '2'`, [kind.name]);
    const left = (await rowsOf(kind)).length;
    await set(acme, 'ACTIVE');
    for (let round = 0; round < 6; round += 1) await replica.workOff();
    expect(begun).toHaveLength(1 + left);
    expect(await rowsOf(kind)).toEqual([]);
  });

  test('what the deployment owes is done, once, and told in the transaction that does it', async () => {
    const acme = await givenOrganization(server);
    await set(acme, 'SUSPENDED');
    const seen: unknown[] = [];
    const again = inMs(86_400_000);
    const kind: OwedKind = {
      name: unique('owed'),
      run: async ({ subject, settle }) => {
        await dbOf(acme).transaction(async () => seen.push([subject, await settle(again), await settle(null)]));
      },
    };
    const owe = (ms: number) =>
      dbOf(acme).transaction(() => server.database.outside(openOwedWork).owe(kind, acme.id, inMs(ms)));
    const failing = dbOf(acme).transaction(async () => {
      await server.database.outside(openOwedWork).owe(kind, 'never', inMs(-1));
      throw new Error('the reason is gone');
    });
    await expect(failing).rejects.toThrow();
    for (const ms of [-2000, -1000]) await owe(ms);
    const replica = openReplica(server, { owed: [kind] });
    await replica.workOff();
    expect(seen).toEqual([[acme.id, true, false]]);
    expect(await rowsOf(kind, 'owed_work')).toMatchObject([{ subject: acme.id, due_at: again, attempts: 0 }]);
    await sql('delete from owed_work where kind = $1', [kind.name]);
  });

  test('what is owed is tried again where it fails, done again where it was wanted meanwhile, and then over', async () => {
    const acme = await givenOrganization(server);
    const runs: string[] = [];
    const owe = () => dbOf(acme).transaction(() => server.database.outside(openOwedWork).owe(kind, 'it', inMs(-1)));
    const kind: OwedKind = {
      name: unique('owed'),
      run: async ({ subject }) => {
        runs.push(subject);
        if (runs.length === 1) throw new Error('not today');
        if (runs.length !== 2) return;
        await owe();
        await other.round(new AbortController().signal);
        await other.close();
        expect(runs).toHaveLength(2);
      },
    };
    await owe();
    const [replica, other] = [openReplica(server, { owed: [kind] }), openReplica(server, { owed: [kind] })];
    await replica.workOff();
    expect(await rowsOf(kind, 'owed_work')).toMatchObject([{ attempts: 1, taken_at: null }]);
    expect((await replica.count())[0]).toMatchObject({ state: 'failed', count: 1 });
    await sql('update owed_work set due_at = current_timestamp where kind = $1', [kind.name]);
    await replica.workOff();
    expect(runs).toHaveLength(3);
    expect(replica.ended.map(({ outcome }) => outcome)).toEqual(['failed', 'done', 'done']);
    expect(await rowsOf(kind, 'owed_work')).toEqual([]);
  });
});
