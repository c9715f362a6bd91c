import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { createRateLimits, RATE_LIMITS, type RateLimit } from '../../../src/gateway/http/rate-limits.js';
import { unique } from '../../support/given.js';
import { startRedis, type TestRedis } from '../../support/redis.js';
import { type Client, startServer, type TestServer } from '../../support/server.js';
import { startTcpProxy } from '../../support/tcp-proxy.js';

const WHO = '{ viewer { user { id } } }';

let redis: TestRedis;
/** Two replicas: one database, one Redis. */
let replicas: [TestServer, TestServer];

beforeAll(async () => {
  redis = await startRedis();
  const env = { REDIS_URL: redis.url, RATE_LIMIT_PERSON: '10' };
  replicas = [await startServer({ env }), await startServer({ env })];
  await until(() => answered('back to start'));
});
afterAll(async () => {
  redis.thaw();
  for (const replica of replicas) await replica.close();
  await redis.kill();
});

/** Someone new, at each replica. */
async function someone(): Promise<[Client, Client]> {
  const email = `${unique('ann')}@acme.example`;
  return [await replicas[0].as(email), await replicas[1].as(email)];
}

/** How often each replica answers, of `times` requests to each. */
async function answersOf(clients: readonly Client[], times = 12): Promise<number[]> {
  const counts = clients.map(() => 0);
  for (let each = 0; each < times; each += 1) {
    for (const [index, client] of clients.entries()) {
      const { status } = await client(WHO);
      expect([200, 429]).toContain(status);
      if (status === 200) counts[index] = (counts[index] ?? 0) + 1;
    }
  }
  return counts;
}

const sum = (counts: readonly number[]): number => counts.reduce((total, each) => total + each, 0);
const answered = async (_why: string): Promise<boolean> => sum(await answersOf(await someone())) === 10;
const until = async (holds: () => Promise<boolean>): Promise<void> => {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 100));
};
const logged = (text: string): boolean => replicas.every(({ logs }) => logs.some((line) => line.includes(text)));

const isUp = (): Promise<unknown[]> =>
  Promise.all(replicas.map(async ({ metrics }) => (await metrics.redisUp.get()).values[0]?.value));

test('replicas count together', async () => {
  expect(sum(await answersOf(await someone()))).toBe(10);
});

test('while Redis is gone each replica counts on its own, and goes on answering', async () => {
  await redis.kill();
  expect(await answersOf(await someone())).toEqual([10, 10]);
  await until(async () => logged('Redis is out of reach'));
  expect(await isUp()).toEqual([0, 0]);
  await redis.start();
  await until(() => answered('together again'));
  expect(logged('Redis is back')).toBe(true);
  expect(await isUp()).toEqual([1, 1]);
});

test('a Redis that hangs holds up nobody', async () => {
  redis.freeze();
  const clients = await someone();
  for (const client of clients) await client(WHO); // whoever comes first finds out
  await new Promise((resolve) => setTimeout(resolve, 600));
  const began = performance.now();
  expect(await answersOf(clients)).toEqual([9, 9]);
  expect(performance.now() - began).toBeLessThan(2000);
  redis.thaw();
  await until(() => answered('together again'));
});

describe('A Redis that is there and does not work is left alone, told of once, and tried again', () => {
  /** One that counts on this Redis, and what it was told of it. */
  async function givenLimits(url: string) {
    const told: string[] = [];
    const limits = createRateLimits({
      perMinute: Object.fromEntries(RATE_LIMITS.map((limit) => [limit, 1_000_000])) as Record<RateLimit, number>,
      redisUrl: url,
      onRefused: () => undefined,
      onRedis: (state) => void told.push(state),
    });
    const subject = unique('person');
    const admin = new Redis(redis.url);
    const shared = async () => Number((await admin.get(`orgate:limit:person:${subject}`)) ?? 0);
    const count = () => limits.count('person', subject);
    await until(async () => {
      await count();
      return (await shared()) > 0;
    });
    told.length = 0;
    const close = () => (limits.close(), admin.disconnect());
    return { told, count, shared, admin, close };
  }

  test('when it is slow', async () => {
    const proxy = await startTcpProxy(Number(new URL(redis.url).port));
    const { told, count, shared, close } = await givenLimits(`redis://127.0.0.1:${proxy.port}`);
    const before = await shared();
    proxy.delay(200);
    for (let each = 0; each < 40; each += 1) expect((await count())?.remaining).toBeLessThan(1_000_000);
    expect(told).toEqual(['gone']);
    // Three, and one now and again that tries.
    expect((await shared()) - before).toBeLessThan(10);
    proxy.delay(0);
    await until(async () => (await count(), told.length > 1));
    expect(told).toEqual(['gone', 'back']);
    close();
    await proxy.close();
  });

  test.each([
    ['is full', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
    ['became a replica', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']],
  ])('when it %s', async (_, [breaks = '', ...how], [mends = '', ...again]) => {
    const { told, count, shared, admin, close } = await givenLimits(redis.url);
    await admin.call(breaks, how);
    for (let each = 0; each < 40; each += 1) await count();
    expect(told).toEqual(['gone']);
    await admin.call(mends, again);
    const before = await shared();
    await until(async () => (await count(), told.length > 1));
    expect(told).toEqual(['gone', 'back']);
    expect(await shared()).toBeGreaterThan(before);
    close();
  });
});

test('a gateway starts without its Redis', async () => {
  await redis.kill();
  const server = await startServer({ env: { REDIS_URL: redis.url, RATE_LIMIT_PERSON: '10' } });
  const ann = await server.as(`${unique('ann')}@acme.example`);
  expect(await answersOf([ann])).toEqual([10]);
  await server.close();
  await redis.start();
});
