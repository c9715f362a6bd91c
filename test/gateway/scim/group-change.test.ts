import { expect, test } from '@jest/globals';
import type { Ids } from '../../../src/data/organization/ids.js';
import type { GroupChange } from '../../../src/domains/scim-directory/provision-group.js';
import { fold, readGroupChange } from '../../../src/gateway/scim/group-change.js';
import type { Operation } from '../../../src/gateway/scim/operations.js';

const listed = (ids: Ids): string[] => [...ids.parts(1000)].flat();

const IDS = ['a', 'b', 'c', 'd', 'e', 'f'];

/** What one operation makes of members that are known, in the words of RFC 7644. */
function apply(before: ReadonlySet<string>, { kind, selected, value }: Operation): Set<string> {
  const named = selected === null ? ((value ?? []) as { value: string }[]).map((each) => each.value) : [selected];
  if (kind === 'add') return new Set([...before, ...named]);
  if (kind === 'replace') return new Set(named);
  return new Set(selected === null && value == null ? [] : [...before].filter((id) => !named.includes(id)));
}

function carryOut({ keeps, add, remove }: GroupChange, before: ReadonlySet<string>): Set<string> {
  const removed = listed(remove);
  return new Set([...(keeps ? [...before].filter((id) => !removed.includes(id)) : []), ...listed(add)]);
}

/** The same numbers in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}

test('a change does to any group what its operations do one after the other', () => {
  const below = numbers(7);
  const some = () => IDS.filter(() => below(2) === 0);
  const operation = (): Operation => {
    const kind = (['add', 'replace', 'remove'] as const)[below(3)] ?? 'add';
    const selected = below(4) === 0 ? (IDS[below(IDS.length)] ?? null) : null;
    const value = below(6) === 0 ? undefined : some().map((id) => ({ value: id }));
    return { kind, name: 'members', selected, value: selected === null ? value : undefined };
  };
  for (let round = 0; round < 5000; round += 1) {
    const operations = Array.from({ length: 1 + below(6) }, operation);
    const change = fold(operations);
    const before = new Set(some());
    const after = operations.reduce<ReadonlySet<string>>(apply, before);
    expect([operations, carryOut(change, before)]).toEqual([operations, after]);
    // Nobody twice, and nobody in both: the database is told once what becomes of each.
    const told = [...listed(change.add), ...listed(change.remove)];
    expect([told.length, change.add.size + change.remove.size]).toEqual([new Set(told).size, told.length]);
  }
});

test('a whole resource says what it leaves out, but for who is in the group', () => {
  const silent = readGroupChange({ displayName: 'x' }, 'PUT');
  expect([silent.displayName, silent.externalId, silent.keeps]).toEqual(['x', null, true]);
  expect(readGroupChange({ members: [] }, 'PUT')).toMatchObject({ displayName: '', keeps: false });
});

test('a PATCH says nothing of what it does not name', () => {
  const change = readGroupChange({ Operations: [{ op: 'remove', path: 'externalId' }] }, 'PATCH');
  expect([change.displayName, change.externalId, change.keeps]).toEqual([undefined, null, true]);
});
