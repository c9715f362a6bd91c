/** @alone: what it starts and takes away leaves others little of the machine. */
import { describe, expect, test } from '@jest/globals';
import { expectNoneLeaked, expectSurvived, startLoad, useGateway } from '../support/load.js';
import { isPostgres } from '../support/server.js';

const POOL = 4;
const CHANGE = 'mutation { updateOrganization(input: { description: "changed" }) { id } }';
const READ = '{ viewer { role } repositories { totalCount } }';

/** In the middle of a failover an address leads to a standby for a while, and so do connections opened then, for good. */
(isPostgres ? describe : describe.skip)('a database that takes no writes for a while', () => {
  const { postgres, gateway } = useGateway({ DATABASE_POOL_SIZE: String(POOL) });

  /** What connections opened from now on take; those that are open stay as they are. */
  const takesWrites = (does: boolean) =>
    postgres.query(
      `begin read write; alter database orgate set default_transaction_read_only = ${does ? 'off' : 'on'}; commit`,
    );

  test('reads are answered meanwhile, and no connection that takes no writes is kept', async () => {
    const load = startLoad(gateway);
    await load.served(50);
    await takesWrites(false);
    await postgres.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'orgate'`);
    let refused = 0;
    while (refused < 10) if ((await gateway.ask(CHANGE)).code !== 'OK') refused += 1;
    expect((await gateway.ask(READ)).code).toBe('OK');
    await takesWrites(true);
    await load.served(100);
    const seen = await load.stop();
    for (let left = POOL; (await gateway.ask(CHANGE)).code !== 'OK'; left -= 1) expect(left).toBeGreaterThan(0);
    await expectSurvived('no writes for a while, as in a failover', gateway, postgres, seen);
    await expectNoneLeaked(postgres, POOL);
  });
});
