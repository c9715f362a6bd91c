/** @alone: what it starts and takes away leaves others little of the machine. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { expectSurvived, type Gateway, startGateway, startLoad } from '../support/load.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { isPostgres } from '../support/server.js';

(isPostgres ? describe : describe.skip)('a Redis that is frozen, killed and back', () => {
  let postgres: TestPostgres;
  let redis: TestRedis;
  let gateway: Gateway;

  beforeAll(async () => {
    postgres = await startPostgres();
    redis = await startRedis();
    gateway = await startGateway({
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
      RATE_LIMIT_ADDRESS: '1000000',
      RATE_LIMIT_PERSON: '1000000',
    });
  });
  afterAll(async () => {
    await gateway?.close();
    redis?.thaw();
    await redis?.kill();
    await postgres?.close();
  });

  test.each([
    ['frozen', async () => redis.freeze(), async () => redis.thaw()],
    ['killed', () => redis.kill(), () => redis.start()],
  ])('%s: requests are counted in memory, and none is refused', async (what, takeAway, giveBack) => {
    const load = startLoad(gateway);
    await load.served(30);
    await takeAway();
    await load.served(100);
    await giveBack();
    await load.served(100);
    const seen = await load.stop();
    await expectSurvived(`Redis ${what}`, gateway, postgres, seen);
    expect(seen.codes).toEqual({ OK: expect.any(Number) });
  });
});
