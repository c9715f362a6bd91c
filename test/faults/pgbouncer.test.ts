/** @alone: what it starts and takes away leaves others little of the machine. */
import { afterAll, beforeAll, describe, test } from '@jest/globals';
import { expectSurvived, type Gateway, startGateway, startLoad } from '../support/load.js';
import { startPgBouncer, type TestPgBouncer } from '../support/pgbouncer.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { isPostgres } from '../support/server.js';

(isPostgres ? describe : describe.skip)('a pooler that is restarted', () => {
  let postgres: TestPostgres;
  let bouncer: TestPgBouncer;
  let gateway: Gateway;

  beforeAll(async () => {
    postgres = await startPostgres();
    bouncer = await startPgBouncer(new URL(postgres.url), { default_pool_size: 4 });
    gateway = await startGateway({
      DATABASE_URL: bouncer.url,
      MIGRATION_DATABASE_URL: postgres.url,
      DATABASE_PREPARED_STATEMENTS: 'false',
      DATABASE_POOL_SIZE: '6',
    });
  });
  afterAll(async () => {
    await gateway?.close();
    await bouncer?.close();
    await postgres?.close();
  });

  test('PgBouncer is killed and started again under load, five times', async () => {
    const load = startLoad(gateway);
    let back = 0;
    for (let round = 0; round < 5; round += 1) {
      await load.served(30);
      await bouncer.kill();
      await bouncer.start();
      back = performance.now();
    }
    await load.served(30);
    const seen = await load.stop();
    const firstAnswerMs = seen.firstAnswerAfter(back);
    await expectSurvived('PgBouncer restarted, 5 times', gateway, postgres, seen, { firstAnswerMs });
  });
});
