/** @alone: what it starts and takes away leaves others little of the machine. */
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { expectNoneLeaked, expectSurvived, startLoad, useGateway } from '../support/load.js';
import { isPostgres } from '../support/server.js';

const POOL = 6;
const BACKENDS = `from pg_stat_activity where application_name = 'orgate'`;

(isPostgres ? describe : describe.skip)('a database whose connections and server are taken away', () => {
  const { postgres, gateway } = useGateway({ DATABASE_POOL_SIZE: String(POOL) });

  const readiness = async () => (await fetch(`${gateway.url}/readyz`)).status;
  async function untilReadiness(status: number): Promise<void> {
    for (let attempt = 0; attempt < 400 && (await readiness()) !== status; attempt += 1) await wait(25);
    expect(await readiness()).toBe(status);
  }

  test('one backend after the other is terminated under load', async () => {
    const load = startLoad(gateway);
    for (let round = 0; round < 30; round += 1) {
      await load.served(5);
      // One that holds a transaction, where there is one.
      await postgres.query(
        `select pg_terminate_backend(pid) ${BACKENDS} order by state = 'idle in transaction' desc, random() limit 1`,
      );
    }
    await load.served(20);
    await expectSurvived('one backend terminated, 30 times', gateway, postgres, await load.stop());
    await expectNoneLeaked(postgres, POOL);
  });

  test('all backends are terminated at once under load', async () => {
    const load = startLoad(gateway);
    for (let round = 0; round < 10; round += 1) {
      await load.served(20);
      await postgres.query(`select pg_terminate_backend(pid) ${BACKENDS}`);
    }
    await load.served(20);
    await expectSurvived('all backends terminated, 10 times', gateway, postgres, await load.stop());
    await expectNoneLeaked(postgres, POOL);
  });

  test('the server crashes and recovers under load', async () => {
    const load = startLoad(gateway);
    await load.served(50);
    await postgres.stop('immediate');
    await postgres.start();
    const back = performance.now();
    await load.served(50);
    const seen = await load.stop();
    await expectSurvived('restart after a crash', gateway, postgres, seen, {
      firstAnswerMs: seen.firstAnswerAfter(back),
    });
    await expectNoneLeaked(postgres, POOL);
  });

  test('the server is away for 20 s: unready and SERVICE_UNAVAILABLE meanwhile, and back by itself', async () => {
    const load = startLoad(gateway);
    await load.served(50);
    await postgres.stop();
    await untilReadiness(503);
    expect((await fetch(`${gateway.url}/livez`)).status).toBe(200);
    await wait(20_000);
    expect((await gateway.ask('{ viewer { role } }')).code).toBe('SERVICE_UNAVAILABLE');
    await postgres.start();
    const back = performance.now();
    await untilReadiness(200);
    await load.served(50);
    const seen = await load.stop();
    await expectSurvived('stopped for 20 s', gateway, postgres, seen, { firstAnswerMs: seen.firstAnswerAfter(back) });
    await expectNoneLeaked(postgres, POOL);
  });
});
