/** @alone: what it starts and takes away leaves others little of the machine. */
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { expectSurvived, type Gateway, startGateway, startLoad } from '../support/load.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { isPostgres } from '../support/server.js';

(isPostgres ? describe : describe.skip)('a database with fewer connections than DATABASE_POOL_SIZE', () => {
  let postgres: TestPostgres;
  let gateway: Gateway;

  beforeAll(async () => {
    postgres = await startPostgres();
    // Limits do not bind a superuser.
    await postgres.query('create role gateway login connection limit 3');
    const url = new URL(postgres.url);
    url.username = 'gateway';
    gateway = await startGateway({
      DATABASE_URL: url.href,
      MIGRATION_DATABASE_URL: postgres.url,
      DATABASE_POOL_SIZE: '6',
    });
  });
  afterAll(async () => {
    await gateway?.close();
    await postgres?.close();
  });

  const connections = async () => {
    const [found] = await postgres.query<{ count: number }>(
      `select count(*)::int as count from pg_stat_activity where usename = 'gateway' and application_name = 'orgate'`,
    );
    return found?.count ?? 0;
  };

  test('requests wait for the connections that there are; when there are more, they are taken', async () => {
    const load = startLoad(gateway, 30);
    await load.served(300);
    const few = await connections();
    expect(few).toBeLessThanOrEqual(3);
    await postgres.query('alter role gateway connection limit 20');
    for (let attempt = 0; attempt < 300 && (await connections()) <= 3; attempt += 1) await wait(100);
    // One organization holds half of six, and those who only ask who they are have others.
    expect(await connections()).toBeGreaterThan(3);
    await load.served(100);
    const seen = await load.stop();
    await expectSurvived('3 connections of 6', gateway, postgres, seen, { few });
    expect(seen.codes['SERVICE_UNAVAILABLE'] ?? 0).toBe(0);
    const said = gateway.output().match(/the database has fewer connections to give/g);
    expect(said).toHaveLength(1);
  });
});
