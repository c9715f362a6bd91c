import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { newId } from '../../../src/data/id.js';
import { openEmbeddedDatabase } from '../../../src/data/start/embedded.js';
import { migrate } from '../../../src/data/start/migrate.js';
import { type GivenOrganization, givenOrganization, personId } from '../../support/given.js';
import { useServer } from '../../support/server.js';

const server = useServer();
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

const COUNTED = 'sum(queued)::int as queued, sum(running)::int as running, sum(succeeded)::int as succeeded';

describe('What is counted follows every change of the rows', () => {
  let acme: GivenOrganization;
  let createdBy: string;
  beforeAll(async () => {
    acme = await givenOrganization(server);
    createdBy = await personId(acme.owner);
  });

  const countedIn = async (period: string) =>
    (await sql(`select ${COUNTED} from run_usage where org_id = $1 and period = $2`, [acme.id, period])).rows[0];
  const insert = async (createdAt: string, tokens: string) => {
    const id = newId('run');
    await sql(
      `insert into run (org_id, id, created_by, created_at, total_tokens, total_cost_micros) values ($1, $2, $3, $4, $5, 7)`,
      [acme.id, id, createdBy, createdAt, tokens],
    );
    return id;
  };

  test('of a run that is made, moves on, is dated anew and is deleted', async () => {
    const id = await insert('2021-03-31T23:59:59.999Z', '5');
    expect(await countedIn('2021-03')).toEqual({ queued: 1, running: 0, succeeded: 0 });
    await sql(`update run set status = 'RUNNING', total_tokens = 6 where org_id = $1 and id = $2`, [acme.id, id]);
    expect(await countedIn('2021-03')).toEqual({ queued: 0, running: 1, succeeded: 0 });
    await sql(
      `update run set created_at = '2021-04-01T00:00:00Z', status = 'SUCCEEDED' where org_id = $1 and id = $2`,
      [acme.id, id],
    );
    expect(await countedIn('2021-03')).toEqual({ queued: 0, running: 0, succeeded: 0 });
    expect(await countedIn('2021-04')).toEqual({ queued: 0, running: 0, succeeded: 1 });
    await sql(`update run set error = 'none of it counts' where org_id = $1 and id = $2`, [acme.id, id]);
    await sql(`delete from run where org_id = $1 and id = $2`, [acme.id, id]);
    expect(await countedIn('2021-04')).toEqual({ queued: 0, running: 0, succeeded: 0 });
  });

  test('and a report that moves totals only writes none of it, which others would wait for', async () => {
    const id = await insert('2021-05-01T00:00:00Z', '1');
    const versions = async () =>
      (
        await sql(`select slot, xmin::text, ctid::text from run_usage where org_id = $1 and period = '2021-05'`, [
          acme.id,
        ])
      ).rows;
    const before = await versions();
    await sql(`update run set total_tokens = 9, total_cost_micros = 9 where org_id = $1 and id = $2`, [acme.id, id]);
    expect(await versions()).toEqual(before);
  });

  test('of many runs in one statement, in several months', async () => {
    await sql(
      `insert into run (org_id, id, created_by, created_at, total_tokens)
       select $1, 'run_many_' || n, $2, timestamptz '2022-01-31 00:00Z' + n * interval '1 day', n from generate_series(0, 28) as n`,
      [acme.id, createdBy],
    );
    expect(await countedIn('2022-01')).toMatchObject({ queued: 1 });
    expect(await countedIn('2022-02')).toMatchObject({ queued: 28 });
  });

  test('and a sum that no number holds refuses no run', async () => {
    for (let count = 0; count < 3; count += 1) await insert('2023-01-05T00:00:00Z', String(2n ** 62n));
    const { data } = await acme.viewer('{ organizationUsage(period: "2023-01") { totalRuns totalTokens } }');
    expect(data.organizationUsage).toEqual({ totalRuns: 3, totalTokens: Number.MAX_SAFE_INTEGER });
  });

  test('and an organization goes with all of it', async () => {
    const gone = await givenOrganization(server);
    await sql('delete from organization where id = $1', [gone.id]);
    for (const table of ['run', 'run_usage', 'usage_event', 'usage_tail', 'usage_total']) {
      expect((await sql(`select from ${table} where org_id = $1`, [gone.id])).rowCount).toBe(0);
    }
    expect(await countedIn('2022-02')).toMatchObject({ queued: 28 });
  });
});

/** A database of its own, whose owner is bound by the policies of its tables, as no superuser is. */
async function givenDatabase(): Promise<{ connection: pg.ClientConfig; close: () => Promise<void> }> {
  const url = process.env['ORGATE_TEST_URL'];
  if (!url) {
    const { socketDirectory, close } = await openEmbeddedDatabase(null);
    return { connection: { host: socketDirectory, user: 'postgres', database: 'postgres' }, close };
  }
  const name = `orgate_usage_${randomUUID().slice(0, 8)}`;
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  await admin.query(`create role ${name} login nosuperuser nobypassrls password 'unused'`);
  await admin.query(`create database ${name} owner ${name}`);
  const own = new URL(url);
  Object.assign(own, { pathname: name, username: name, password: 'unused' });
  const close = async () => {
    await admin.query(`drop database ${name} with (force)`);
    await admin.query(`drop role ${name}`);
    await admin.end();
  };
  return { connection: { connectionString: own.href }, close };
}

/** The embedded database has one connection. */
async function withClient<T>(connection: pg.ClientConfig, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

describe('A database that has runs already', () => {
  let database: Awaited<ReturnType<typeof givenDatabase>>;
  beforeAll(async () => {
    database = await givenDatabase();
  });
  afterAll(() => database.close());

  test('is counted when it is migrated, also by an owner whom the policies bind', async () => {
    const all = path.join(import.meta.dirname, '../../../prisma/migrations');
    const directory = await mkdtemp(path.join(tmpdir(), 'orgate-migrations-'));
    const names = (await readdir(all)).filter((name) => /^\d/.test(name)).sort();
    const before = names.filter((name) => name < '20261121300000');
    expect(before.length).toBeLessThan(names.length);
    for (const name of before) await cp(path.join(all, name), path.join(directory, name), { recursive: true });
    await migrate(database.connection, directory);
    await withClient(database.connection, async (client) => {
      for (const table of ['organization', 'address', 'membership', 'run']) {
        await client.query(`alter table ${table} no force row level security`);
      }
      await client.query(`begin`);
      await client.query(
        `insert into organization (id, name, slug) select 'org_' || n, 'n', 's' || n from generate_series(1, 2) n`,
      );
      await client.query(
        `insert into address (name, kind, org_id) select 's' || n, 'SLUG', 'org_' || n from generate_series(1, 2) n`,
      );
      await client.query(`insert into membership (org_id, user_id, email, name, role, status)
        select 'org_' || n, 'usr_1', 'a@b.example', 'n', 'OWNER', 'ACTIVE' from generate_series(1, 2) n`);
      await client.query(`insert into run (org_id, id, created_by, created_at, status, total_tokens, total_cost_micros)
        select 'org_' || 1 + n % 2, 'run_' || n, 'usr_1', timestamptz '2025-12-31 12:00Z' + n * interval '1 hour',
          case n % 3 when 0 then 'RUNNING' else 'SUCCEEDED' end, n, 2 * n from generate_series(1, 24) n`);
      await client.query('commit');
      for (const table of ['organization', 'address', 'membership', 'run']) {
        await client.query(`alter table ${table} force row level security`);
      }
    });
    expect(await migrate(database.connection, all)).toEqual(names.filter((name) => !before.includes(name)));
    await withClient(database.connection, async (client) => {
      await client.query('alter table run_usage no force row level security');
      const { rows } = await client.query(
        `select org_id, period, ${COUNTED} from run_usage group by 1, 2 order by 1, 2`,
      );
      const numbersOf = (index: number, period: string) =>
        Array.from({ length: 24 }, (_, n) => n + 1).filter((n) => n % 2 === index && n < 12 === (period === '2025-12'));
      const parts = ['org_1', 'org_2'].flatMap((org, index) =>
        ['2025-12', '2026-01'].map((period) => ({ org, period, numbers: numbersOf(index, period) })),
      );
      const expected = parts.map(({ org, period, numbers }) => {
        const running = numbers.filter((n) => n % 3 === 0).length;
        return {
          org_id: org,
          period,
          queued: 0,
          running,
          succeeded: numbers.length - running,
        };
      });
      expect(rows).toEqual(expected);
      // Into the ledger once: an event for each run, and its day.
      for (const table of ['usage_event', 'usage_total']) {
        await client.query(`alter table ${table} no force row level security`);
      }
      const ledger = await client.query(
        `select org_id, left(day, 7) as period, sum(quantity)::int as tokens, sum(cost_micros)::int as micros from usage_sum
         group by 1, 2 order by 1, 2`,
      );
      expect(ledger.rows).toEqual(
        parts.map(({ org, period, numbers }) => {
          const tokens = numbers.reduce((sum, n) => sum + n, 0);
          return { org_id: org, period, tokens, micros: 2 * tokens };
        }),
      );
      const events = await client.query(
        `select count(*)::int as count, sum(quantity)::int as tokens, bool_and(reported) as reported from usage_event`,
      );
      expect(events.rows).toEqual([{ count: 24, tokens: 300, reported: true }]);
      const forced = await client.query(
        `select relname, relforcerowsecurity as forced from pg_class where relname in ('run', 'run_usage') order by 1`,
      );
      expect(forced.rows).toEqual([
        { relname: 'run', forced: true },
        { relname: 'run_usage', forced: false }, // by this test itself
      ]);
    });
  });
});
