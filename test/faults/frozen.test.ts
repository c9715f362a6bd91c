/** @alone: what it starts and takes away leaves others little of the machine. */
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { expectSurvived, type Gateway, startGateway, startLoad } from '../support/load.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { isPostgres } from '../support/server.js';

const CHANGE = 'mutation { updateOrganization(input: { description: "changed" }) { id } }';
/** Transactions that a gateway has open, and that hold more than their own number: somebody may wait for them. */
const OPEN = `select from pg_stat_activity where application_name = 'orgate' and state = 'idle in transaction'
  and backend_xid is not null`;

/** A machine that was paused, or that the network has lost: to PostgreSQL it is there, and says nothing. */
(isPostgres ? describe : describe.skip)('a gateway that is frozen in the middle of a transaction', () => {
  let postgres: TestPostgres;
  let gateway: Gateway;

  beforeAll(async () => {
    postgres = await startPostgres();
    gateway = await startGateway({ DATABASE_URL: postgres.url });
  });
  afterAll(async () => {
    gateway?.child.kill('SIGCONT');
    await gateway?.close();
    await postgres?.close();
  });

  test('keeps others from what it holds no longer than some seconds, and goes on when it is back', async () => {
    const load = startLoad(gateway);
    await load.served(50);
    for (;;) {
      gateway.child.kill('SIGSTOP');
      await wait(20); // what was on its way has arrived
      if ((await postgres.query(OPEN)).length > 0) break;
      gateway.child.kill('SIGCONT');
      await wait(Math.random() * 50);
    }
    const began = performance.now();
    while ((await postgres.query(OPEN)).length > 0 && performance.now() - began < 40_000) await wait(100);
    const heldMs = Math.round(performance.now() - began);
    gateway.child.kill('SIGCONT');
    await load.served(50);
    const { codes, ...seen } = await load.stop();
    // A head that had come when it froze looks ten seconds late when it is back, before it is read: 408, and nothing was done.
    const others = Object.fromEntries(Object.entries(codes).filter(([code]) => code !== 'BAD_REQUEST'));
    expect(heldMs).toBeLessThan(15_000);
    expect((await gateway.ask(CHANGE)).code).toBe('OK');
    await expectSurvived(
      'a gateway frozen in a transaction',
      gateway,
      postgres,
      { ...seen, codes: others },
      { heldMs },
    );
  });
});
