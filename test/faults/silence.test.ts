/** @alone: what it starts and takes away leaves others little of the machine. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { expectSurvived, type Gateway, startGateway, startLoad } from '../support/load.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { isPostgres } from '../support/server.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';

(isPostgres ? describe : describe.skip)('connections that the network has lost without a word', () => {
  let postgres: TestPostgres;
  let network: TcpProxy;
  let gateway: Gateway;

  beforeAll(async () => {
    postgres = await startPostgres();
    network = await startTcpProxy(postgres.port);
    const url = new URL(postgres.url);
    url.port = String(network.port);
    // As by default, a lock is waited for no longer than a fifth of a statement's time: a connection that was lost may hold one.
    const times = { DATABASE_STATEMENT_TIMEOUT_MS: '1000', DATABASE_LOCK_TIMEOUT_MS: '200' };
    gateway = await startGateway({ DATABASE_URL: url.href, ...times });
  });
  afterAll(async () => {
    await gateway?.close();
    await network?.close();
    await postgres?.close();
  });

  test('are given up, and others opened', async () => {
    const load = startLoad(gateway, 20);
    await load.served(100);
    network.lose();
    await load.served(100);
    await fetch(`${gateway.url}/readyz`); // its own connection is lost as well, as whoever asks first finds out
    const seen = await load.stop();
    await expectSurvived('lost connections', gateway, postgres, seen);
    expect(seen.codes['SERVICE_UNAVAILABLE']).toBeGreaterThan(0);
  });
});
