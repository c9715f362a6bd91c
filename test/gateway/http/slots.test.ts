import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { newId } from '../../../src/data/id.js';
import { MAX_WAITING, type Slot, Slots } from '../../../src/gateway/http/slots.js';
import { makeApiKey } from '../../../src/secrets/api-key-format.js';
import { makeScimToken } from '../../../src/secrets/scim-token.js';
import { givenOrganization } from '../../support/given.js';
import { useServer } from '../../support/server.js';

const stays = () => undefined;
const isThere = (taken: Slot | Promise<Slot>): taken is Slot => !(taken instanceof Promise);
const ask = (slots: Slots, who: string, count: number): (Slot | Promise<Slot>)[] =>
  Array.from({ length: count }, () => {
    const taken = slots.take(who, stays);
    if (!isThere(taken)) taken.catch(stays);
    return taken;
  });

describe('slots', () => {
  test('there is room for as many as are few, and whoever comes then is let in before those who hold slots', async () => {
    const busy = { eventLoopUtilization: () => ({ idle: 0, active: 0, utilization: 0.95 }) };
    const slots = new Slots(undefined, busy);
    const held = ask(slots, 'acme', 100).filter(isThere);
    const others = Array.from({ length: 20 }, (_, each) => ask(slots, `other ${each}`, 1)).flat();
    const inside = others.filter(isThere);
    expect(inside.length).toBeGreaterThan(0);
    expect(inside.length).toBeLessThan(held.length);
    const before = slots.waiting;
    inside[0]?.leave();
    await others[inside.length];
    expect(slots.waiting).toBe(before - 1);
  });

  test('a client that leaves waits no longer, and nothing is remembered of those who are gone', async () => {
    const slots = new Slots();
    const asked = ask(slots, 'acme', 50);
    for (const each of asked) void Promise.resolve(each).then((slot) => slot.leave());
    const left: (() => void)[] = [];
    const few = ask(slots, 'globex', 2).filter(isThere);
    const waiting = slots.take('globex', (then) => left.push(then)) as Promise<Slot>;
    const before = slots.waiting;
    for (const leave of [...left, ...left]) leave();
    expect(slots.waiting).toBe(before - 1);
    await expect(waiting).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    for (const slot of few) slot.leave();
    await Promise.all(asked.map(async (each) => each));
    await new Promise(setImmediate);
    expect([slots.waiting, slots.remembered]).toEqual([0, 0]);
  });

  describe('in time', () => {
    beforeEach(() => void jest.useFakeTimers());
    afterEach(() => void jest.useRealTimers());

    test('an organization that comes has room for a few at once, and stands behind one request of each other with more', async () => {
      const slots = new Slots();
      const held = ask(slots, 'acme', 100).filter(isThere);
      expect(held.length).toBeLessThan(20);
      const globex = ask(slots, 'globex', 3);
      expect(globex.map(isThere)).toEqual([true, true, false]);
      // What it took of the room is made good first, and of the other's no more are let in than it has had itself.
      for (const slot of held.slice(0, 5)) slot.leave();
      await globex[2];
      expect(slots.waiting).toBe(100 - held.length - 2);
    });

    test('whoever was at work for long waits longer for the next time', async () => {
      const slots = new Slots(undefined, { eventLoopUtilization: () => ({ idle: 0, active: 0, utilization: 0.95 }) });
      jest.advanceTimersByTime(25);
      const [long] = ask(slots, 'acme', 1) as Slot[];
      jest.advanceTimersByTime(20);
      void ask(slots, 'initech', 7);
      for (const who of ['umbra', 'hooli', 'soylent', 'stark']) expect(ask(slots, who, 1).map(isThere)).toEqual([true]);
      const served: string[] = [];
      const waiting = ['acme', 'globex'].map(async (who) => {
        const slot = await (ask(slots, who, 1)[0] as Promise<Slot>);
        served.push(who);
        slot.leave();
      });
      long?.leave();
      await Promise.all(waiting);
      expect(served).toEqual(['globex', 'acme']);
    });

    test('who has many waiting is held to one at a time while others come, and fills the thread when they do not', async () => {
      let utilization = 0.9;
      const slots = new Slots(undefined, { eventLoopUtilization: () => ({ idle: 0, active: 0, utilization }) });
      let held = 0;
      const workOn = async (): Promise<void> => {
        const slot = await slots.take('acme', stays);
        held += 1;
        setTimeout(() => {
          held -= 1;
          void workOn();
          slot.leave();
        }, 20);
      };
      /** How many are worked at of acme's at a time, in the end. */
      const mostHeld = async (ms: number, eachTime: () => unknown): Promise<number> => {
        let most = 0;
        for (let passed = 0; passed < ms; passed += 5) {
          await eachTime();
          jest.advanceTimersByTime(5);
          for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
          if (passed > ms / 2) most = Math.max(most, held);
        }
        return most;
      };
      for (let count = 0; count < 60; count += 1) void workOn();
      expect(await mostHeld(500, stays)).toBeGreaterThan(4);
      const globexComes = async (): Promise<void> => (await slots.take('globex', stays)).leave();
      expect(await mostHeld(1000, globexComes)).toBe(1);
      utilization = 0.5;
      expect(await mostHeld(2000, stays)).toBeGreaterThan(4);
    });

    test('too many are refused, the others wait for ten seconds at most', async () => {
      const slots = new Slots();
      const asked = ask(slots, 'acme', MAX_WAITING + 100);
      const waiting = asked.filter((each) => !isThere(each));
      expect(slots.waiting).toBe(MAX_WAITING);
      expect(waiting.length).toBeGreaterThan(MAX_WAITING);
      const refused = Promise.allSettled(waiting.map(async (each) => each));
      // Whoever is at work for long gives up the slot; each of them is at work for ever here.
      jest.advanceTimersByTime(30_000);
      const codes = (await refused).map((each) =>
        each.status === 'rejected' ? (each.reason as { code: string }).code : 'let in',
      );
      expect(new Set(codes)).toEqual(new Set(['SERVICE_UNAVAILABLE', 'let in']));
      expect(slots.waiting).toBe(0);
    });

    test('whoever waits for something else than the thread keeps nobody out', async () => {
      const slots = new Slots();
      const held = ask(slots, 'acme', 50).filter(isThere);
      // The thread has time: who has little under way begins at once, and with more in a moment.
      const globex = ask(slots, 'globex', 3);
      expect(globex.filter(isThere)).toHaveLength(2);
      jest.advanceTimersByTime(2000);
      await expect(globex[2]).resolves.toBeDefined();
      for (const slot of held) slot.leave(); // given up already, or not: no harm
    });

    test('nor whoever came in a busy moment, once it is over', async () => {
      const thread = { eventLoopUtilization: () => ({ idle: 0, active: 0, utilization: 1 }) };
      const slots = new Slots(undefined, thread);
      jest.advanceTimersByTime(25);
      const held = ask(slots, 'acme', 50).filter(isThere).length;
      for (const who of ['umbra', 'hooli', 'soylent', 'stark']) expect(ask(slots, who, 1).map(isThere)).toEqual([true]);
      const [globex, initech] = [ask(slots, 'globex', 3), ask(slots, 'initech', 1)];
      expect([...globex, ...initech].filter(isThere)).toEqual([]);
      thread.eventLoopUtilization = () => ({ idle: 0, active: 0, utilization: 0.1 });
      jest.advanceTimersByTime(25);
      await Promise.all([globex[0], globex[1], initech[0]]);
      expect(slots.waiting).toBe(50 - held + 1);
      // All who have been at work for long need no slot.
      jest.advanceTimersByTime(50);
      await globex[2];
      expect(slots.waiting).toBeLessThan(50 - 2 * held + 2);
    });
  });
});

describe('at the door', () => {
  const server = useServer();

  test('hundreds of requests of one organization leave another its turn, and are all answered', async () => {
    const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
    const READ = '{ repositories { totalCount } }';
    await globex.viewer(READ); // it has been here
    let answered = 0;
    const flood = Array.from({ length: 400 }, async () => {
      const answer = await acme.viewer(READ);
      answered += 1;
      return answer;
    });
    expect((await globex.viewer(READ)).errors).toEqual([]);
    expect(answered).toBeLessThan(400);
    for (const { errors } of await Promise.all(flood)) expect(errors).toEqual([]);
  });

  const json = { 'content-type': 'application/json' };
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const large = JSON.stringify({ query: '{ __typename }', variables: { filler: 'x'.repeat(20_000) } });
  test.each<[string, () => [path: string, sent: RequestInit]]>([
    ['a directory’s token', () => ['/scim/v2/Users', { headers: bearer(makeScimToken(newId('scm')).token) }]],
    ['an invitation', () => ['/invitations/x', {}]],
    [
      'a key and a large body',
      () => [
        '/graphql',
        { method: 'POST', headers: { ...json, ...bearer(makeApiKey('test', Date.now()).key) }, body: large },
      ],
    ],
  ])('hundreds of requests of a stranger with %s of nobody leave others their turn', async (_, make) => {
    const { viewer } = await givenOrganization(server);
    const READ = '{ viewer { role } }';
    await viewer(READ); // it has been here
    let answered = 0;
    const flood = Array.from({ length: 400 }, async () => {
      const [path, sent] = make();
      await (await fetch(`${server.url}${path}`, sent)).text();
      answered += 1;
    });
    expect((await viewer(READ)).errors).toEqual([]);
    expect(answered).toBeLessThan(300);
    await Promise.all(flood);
  });
});
