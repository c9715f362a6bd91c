import { describe, expect, test } from '@jest/globals';
import { PlanTurns, STEP } from '../../src/jobs/plan-turns.js';

/** One that weighs `weight` has its turn. */
const turn = (orgId: string, start: number, weight = 1) => ({ orgId, start, next: start + STEP / weight });

describe('Turns by what plans weigh', () => {
  test('remember whose next one is later than now, and nobody else', () => {
    const turns = new PlanTurns();
    turns.note(2, [turn('a', 0), turn('b', 0, 4)], null);
    expect([turns.now, ...turns.later]).toEqual([0, ['a', STEP], ['b', STEP / 4]]);
    turns.note(2, [turn('b', STEP / 4, 4), turn('b', STEP / 2, 4)], null);
    expect([turns.now, ...turns.later]).toEqual([STEP / 2, ['a', STEP], ['b', (STEP * 3) / 4]]);
    turns.note(1, [turn('b', STEP, 4)], null);
    expect([turns.now, ...turns.later]).toEqual([STEP, ['b', (STEP * 5) / 4]]);
  });

  test('remember no more than one statement looks at, the latest', () => {
    const turns = new PlanTurns();
    for (let n = 0; n < 3000; n += 1) turns.note(1, [turn(`org_${n}`, 0)], null);
    expect([turns.later.size, [...turns.later.keys()].at(-1)]).toEqual([2000, 'org_2999']);
  });

  test('go on to other organizations once each had as many as it weighs, or nothing of theirs is left', () => {
    const turns = new PlanTurns();
    turns.note(1, [turn('a', 0, 2)], 'k');
    turns.note(1, [turn('b', 0)], 'k');
    turns.note(1, [turn('a', STEP / 2, 2)], 'k');
    expect(turns.behind).toBe('');
    turns.note(1, [turn('a', STEP, 2)], 'k');
    expect(turns.behind).toBe('k');
    turns.note(1, [turn('a', STEP + STEP / 2, 2)], 'p');
    expect(turns.behind).toBe('k');
    turns.note(1, [turn('a', 2 * STEP, 2)], 'p');
    expect(turns.behind).toBe('p');
    turns.note(2, [turn('q', turns.now)], 't');
    expect(turns.behind).toBe('t');
    turns.note(1, [], '');
    expect(turns.behind).toBe('');
  });

  test('begin with whoever is looked at when there are too many, however long there were not', () => {
    const turns = new PlanTurns();
    turns.note(1, [turn('a', 5 * STEP)], null);
    turns.note(1, [turn('b', 5 * STEP)], 'k');
    expect(turns.behind).toBe('');
  });

  test('leave out nobody for those whose work is the oldest, which is looked at as well', () => {
    const turns = new PlanTurns();
    const [first, last, oldest] = [
      ['h1', 'h2', 'i'],
      ['x', 'y'],
      ['h1', 'h2'],
    ];
    const served = new Set<string>();
    for (let n = 0; n < 100; n += 1) {
      const start = (id: string) => Math.max(turns.now, turns.later.get(id) ?? 0);
      const there = new Set([...oldest, ...(turns.behind === '' ? first : last)]);
      const [next = ''] = [...there].toSorted((a, b) => start(a) - start(b));
      served.add(next);
      turns.note(1, [turn(next, start(next))], turns.behind === '' ? 'k' : '');
    }
    expect(served).toEqual(new Set([...first, ...last]));
  });
});
