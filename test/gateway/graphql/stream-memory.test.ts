import { expect, test } from '@jest/globals';
import { StreamMemory, weighValue } from '../../../src/gateway/graphql/stream-memory.js';

const MIB = 1024 * 1024;

test('what open streams keep is bounded for a person, an organization and all together, until it is given back', () => {
  const memory = new StreamMemory();
  const hold = (orgId: string, person: string, bytes = MIB) => {
    try {
      return memory.hold({ orgId, person }, bytes);
    } catch (error) {
      return error as { code: string; detail: { limit?: string } };
    }
  };
  const first = hold('org_0', 'usr_0');
  expect(hold('org_1', 'usr_0', 1)).toMatchObject({
    code: 'LIMIT_REACHED',
    detail: { limit: 'bytes that streams of one person keep', max: MIB, used: MIB },
  });
  for (let index = 1; index < 8; index += 1) expect(hold('org_0', `usr_${index}`)).toEqual(expect.any(Function));
  expect(hold('org_0', 'usr_new', 1)).toMatchObject({
    code: 'LIMIT_REACHED',
    detail: { limit: 'bytes that streams of the organization keep' },
  });
  for (let index = 8; index < 32; index += 1) {
    expect(hold(`org_${Math.floor(index / 8)}`, `usr_${index}`)).toEqual(expect.any(Function));
  }
  expect(hold('org_4', 'usr_new', 1)).toMatchObject({ code: 'SERVICE_UNAVAILABLE', detail: { retryAfter: 1 } });
  for (let times = 0; times < 2; times += 1) (first as () => void)();
  expect(hold('org_4', 'usr_new', MIB)).toEqual(expect.any(Function));
  expect(hold('org_4', 'usr_newer', 1)).toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
});

test('where all together keep as much as they may, the stream that came first of those who keep most gives way', () => {
  const memory = new StreamMemory();
  const gone: string[] = [];
  const hold = (orgId: string, person: string, bytes = MIB) =>
    memory.hold({ orgId, person }, bytes, () => gone.push(person) > 0);
  for (let index = 0; index < 32; index += 1) hold(`org_${Math.floor(index / 8)}`, `usr_${index}`);
  hold('org_4', 'other_0', 1000);
  expect(gone).toEqual(['usr_0']);
  for (let index = 1; index <= 6; index += 1) hold('org_4', `other_${index}`);
  expect(gone.filter((person) => person.startsWith('usr'))).toHaveLength(7);
  // Nobody gives way to who would keep more than they do.
  expect(() => hold('org_4', 'other_7')).toThrow(expect.objectContaining({ code: 'SERVICE_UNAVAILABLE' }));
  expect(gone).toHaveLength(7);
});

test('of streams there are no more than fit in memory: whoever has most gives way to whoever has few', () => {
  const MIB_OF_STREAMS = 160; // of which a quarter holds 426
  const memory = new StreamMemory(MIB_OF_STREAMS * MIB);
  const gone: string[] = [];
  const hold = (orgId: string, index: number) =>
    memory.hold({ orgId, person: `${orgId} ${index}` }, 100, () => gone.push(orgId) > 0);
  const first = Array.from({ length: 426 }, (_, index) => hold(index < 400 ? 'org_many' : 'org_some', index));
  expect(gone).toEqual([]);
  expect(() => hold('org_many', 1000)).toThrow(expect.objectContaining({ code: 'SERVICE_UNAVAILABLE' }));
  for (let index = 0; index < 10; index += 1) hold('org_new', index);
  expect(gone).toEqual(Array.from({ length: 10 }, () => 'org_many'));
  // What gave way is given back once.
  for (const giveBack of first) giveBack();
  for (let index = 0; index < 416; index += 1) hold('org_many', 2000 + index);
  expect(gone).toHaveLength(10);
});

test('a value weighs what it is made of, not its characters alone', () => {
  const of = (count: number, make: (index: number) => unknown) =>
    weighValue(Array.from({ length: count }, (_, at) => make(at)));
  expect(of(1000, () => 1)).toBeGreaterThan(1000 * 16);
  expect(of(1000, (index) => ({ [`name${index}`]: {} }))).toBeGreaterThan(1000 * 180);
  expect(weighValue('x'.repeat(1000))).toBeGreaterThan(2000);
  expect(weighValue({})).toBeLessThan(100);
});
