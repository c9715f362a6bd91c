import { expect } from '@jest/globals';
import type pg from 'pg';
import { MAX_WAITING } from '../../src/data/connection/turns.js';
import { newId } from '../../src/data/id.js';
import {
  claim,
  CLAIM,
  givenExecutor,
  type Lease,
  putInPool,
  report,
  returnLost,
  startRun,
  statusOf,
} from '../support/executors.js';
import { byTest } from '../support/act.js';
import { givenKey } from '../support/api-key.js';
import { type GivenOrganization, givenOrganization, personId } from '../support/given.js';
import { type Answer, type Client, codeOf, useServer } from '../support/server.js';
import { connectBeside, inOrder, organizationRow, runRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const asClaim = ({ token }: Lease) => server.withToken(token);

/** So many runs of an agent, made straight in the store. */
async function queue({ id, agentId, owner }: GivenOrganization, count: number): Promise<void> {
  const createdById = await personId(owner);
  const rows = Array.from({ length: count }, () => ({ id: newId('run'), agentId, createdById }));
  await server.database.organizationDb(id, byTest).run.createMany(rows);
}

race('50 claims at once, each on a connection of its own, make no more RUNNING than there may be', async () => {
  const executor = await givenExecutor(server);
  const acme = await givenOrganization(server);
  await putInPool(acme, executor.pool);
  await sql('update organization set max_concurrent_runs = 7 where id = $1', [acme.id]);
  await queue(acme, 60);
  const clients = await Promise.all(Array.from({ length: 50 }, connectBeside));
  try {
    const act = JSON.stringify({ kind: 'EXECUTOR', id: executor.id, name: 'test' });
    const claimed = await Promise.all(
      clients.map(async (client) => {
        await client.query('begin');
        await client.query(`select set_config('role', 'orgate_directory', true), set_config('app.act', $1, true)`, [
          act,
        ]);
        const { rows } = await client.query(
          `select claimed_run from claim_runs(null, $1, null, 1, 60, current_timestamp, '{"FREE": {"weight": 1}}', $2, null, null, $3, $4)`,
          [executor.pool, executor.id, [newId('clm')], ['hash']],
        );
        await client.query('commit');
        return rows.map(({ claimed_run: run }) => run as string);
      }),
    );
    const all = claimed.flat();
    expect(all).toHaveLength(7);
    expect(new Set(all).size).toBe(7);
    const { rows } = await sql(`select count(*)::int from run where org_id = $1 and status = 'RUNNING'`, [acme.id]);
    expect(rows).toEqual([{ count: 7 }]);
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
});

race('a single run of another waits for one claim of whoever has thousands; weights 3 and 1 are followed', async () => {
  const executor = await givenExecutor(server);
  const [many, one, team] = [
    await givenOrganization(server),
    await givenOrganization(server),
    await givenOrganization(server),
  ];
  for (const each of [many, one, team]) await putInPool(each, executor.pool);
  await sql('update organization set max_concurrent_runs = 10000 where id = any ($1)', [[many.id, one.id, team.id]]);
  await sql(`update organization set plan = 'TEAM' where id = $1`, [team.id]);
  await queue(many, 2000);
  for (let round = 0; round < 20; round += 1) await claim(executor.client);
  await startRun(one);
  const next = [...(await claim(executor.client)), ...(await claim(executor.client))];
  expect(next.map(({ organizationId }) => organizationId)).toContain(one.id);
  await queue(team, 400);
  const both: Lease[] = [];
  for (let round = 0; round < 8; round += 1) both.push(...(await claim(executor.client, { max: 25 })));
  const share = both.filter(({ organizationId }) => organizationId === team.id).length / both.length;
  expect(share).toBeGreaterThan(0.675);
  expect(share).toBeLessThan(0.825);
});

race('of a report and the loss of its lease the second sees the first, in either order', async () => {
  const executor = await givenExecutor(server);
  const acme = await givenOrganization(server);
  await putInPool(acme, executor.pool, { retryPolicy: { maxAttempts: 5, backoffSeconds: 0 } });
  for (const isReportFirst of [true, false]) {
    const id = await startRun(acme);
    const [lease] = await claim(executor.client, { leaseSeconds: 3600 });
    const done = async () => codeOf(await report(asClaim(lease as Lease), id, { status: 'SUCCEEDED' }));
    const revoke = async () => {
      await sql(
        `update run_claim set expires_at = clock_timestamp() - interval '1 second' where run_id = $1 and ended_at is null`,
        [id],
      );
      await returnLost(server);
      return String((await claim(executor.client)).length);
    };
    if (isReportFirst) {
      // The report holds the run's row, and has renewed the claim when the other comes to it.
      expect(await done()).toEqual([]);
      expect(await revoke()).toBe('0');
      expect(await statusOf(acme, id)).toBe('SUCCEEDED');
    } else {
      const [code] = await inOrder(runRow(id), [done], (client) =>
        client.query(`update run_claim set expires_at = clock_timestamp() - interval '1 second' where run_id = $1`, [
          id,
        ]),
      );
      expect(code).toBe('CONFLICT');
      await returnLost(server);
      const [again] = await claim(executor.client);
      expect(again).toMatchObject({ runId: id, attempt: 2 });
    }
  }
});

race('a run that is cancelled while it is claimed is claimed or cancelled, and never both twice', async () => {
  const executor = await givenExecutor(server);
  const acme = await givenOrganization(server);
  await putInPool(acme, executor.pool);
  for (let round = 0; round < 10; round += 1) {
    const id = await startRun(acme);
    const [leases] = await Promise.all([
      claim(executor.client),
      acme.developer('mutation ($id: ID!) { cancelRun(id: $id) { id } }', { id }),
    ]);
    expect(await statusOf(acme, id)).toBe('CANCELLED');
    expect(leases.length).toBeLessThanOrEqual(1);
    const { rows } = await sql('select from run_queue where run_id = $1', [id]);
    expect(rows).toEqual([]);
  }
});

/** While an organization has as many transactions waiting as may. */
async function whileStuffed<T>({ id }: GivenOrganization, work: () => Promise<T>): Promise<T> {
  const { turns } = server.database.pool;
  const purpose = turns.transactionOf('test');
  const held = await turns.take(id, purpose);
  const others = Array.from({ length: MAX_WAITING }, async () => (await turns.take(id, purpose)).end());
  try {
    return await work();
  } finally {
    held.end();
    await Promise.allSettled(others);
  }
}

race(
  'an organization that is too busy for its lost runs keeps nobody else from claiming, revoking or having theirs back',
  async () => {
    const executor = await givenExecutor(server);
    const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
    for (const each of [acme, globex])
      await putInPool(each, executor.pool, { retryPolicy: { maxAttempts: 5, backoffSeconds: 0 } });
    const theirs = [await startRun(acme), await startRun(acme), await startRun(acme)];
    const lost = await startRun(globex);
    expect(await claim(executor.client, { max: 4, leaseSeconds: 3600 })).toHaveLength(4);
    const next = await startRun(globex);
    const lapse = (ids: string[]) =>
      sql(`update run_claim set expires_at = clock_timestamp() - interval '1 minute' where run_id = any ($1)`, [ids]);
    await lapse(theirs);
    await whileStuffed(acme, async () => {
      expect(await claim(executor.client)).toMatchObject([{ runId: next }]);
      await lapse([lost]);
      await expect(returnLost(server)).rejects.toThrow('lost runs of 1 were not put back');
      expect(await statusOf(globex, lost)).toBe('QUEUED');
      const revoked = await executor.administrator('mutation ($id: ID!) { revokeExecutor(id: $id) { id } }', {
        id: executor.id,
      });
      expect(revoked.errors).toEqual([]);
    });
    await returnLost(server);
    for (const id of theirs) expect(await statusOf(acme, id)).toBe('QUEUED');
  },
);

race('of a cancellation and the opening of a secret the second sees the first', async () => {
  const executor = await givenExecutor(server);
  const acme = await givenOrganization(server);
  await putInPool(acme, executor.pool);
  const made = await acme.admin(
    'mutation ($input: CreateCredentialInput!) { createCredential(input: $input) { id } }',
    {
      input: { kind: 'GIT', name: 'Git', provider: 'github', secret: 'x', sharedExecutors: true },
    },
  );
  const lent = await acme.admin(
    'mutation ($id: ID!, $git: ID) { setRepositoryCredential(id: $id, credentialId: $git) { id } }',
    { id: acme.repositoryId, git: made.data.createCredential.id },
  );
  expect(lent.errors).toEqual([]);
  const id = await startRun(acme);
  const [lease] = await claim(executor.client, { leaseSeconds: 3600 });
  const open = async () => codeOf(await asClaim(lease as Lease)('{ claimedRun { credentials { secret } } }'));
  expect(await open()).toEqual([]);
  // It is RUNNING when its credentials are listed, and cancelled when the secret's turn comes.
  const [code] = await inOrder(runRow(id), [open], (client) =>
    client.query(`update run set status = 'CANCELLED', finished_at = clock_timestamp() where id = $1`, [id]),
  );
  expect(code).toBe('CONFLICT');
});

race(
  'a claim that waited for its organization goes by what holds then: its limit, and whether whoever claims may',
  async () => {
    const acme = await givenOrganization(server);
    const userId = await personId(acme.admin);
    const { rows: queued } = await sql(
      `update run set status = 'CANCELLED' where org_id = $1 and status = 'QUEUED' returning id`,
      [acme.id],
    );
    expect(queued.length).toBeLessThan(10);
    await queue(acme, 8);
    const key = await givenKey(server, acme.admin, ['run:claim']);
    const claimed = async () => {
      const { rows } = await sql('select count(*)::int from run_claim where org_id = $1', [acme.id]);
      return rows[0]?.count as number;
    };
    const waiting = (by: Client, meanwhile: (client: pg.Client) => Promise<unknown>) =>
      inOrder(organizationRow(acme.id), [() => by(CLAIM, { input: { max: 4 } })], meanwhile);

    for (const by of [acme.admin, key.client]) {
      const [demoted] = await waiting(by, (client) =>
        client.query(`update membership set role = 'VIEWER' where org_id = $1 and user_id = $2`, [acme.id, userId]),
      );
      expect(demoted && codeOf(demoted)).toBe('FORBIDDEN');
      await sql(`update membership set role = 'ADMIN' where org_id = $1 and user_id = $2`, [acme.id, userId]);
    }
    const [revoked] = await waiting(key.client, (client) =>
      client.query('update api_key set revoked_at = clock_timestamp() where org_id = $1 and id = $2', [
        acme.id,
        key.id,
      ]),
    );
    expect(revoked && codeOf(revoked)).toBe('UNAUTHENTICATED');
    const [removed] = await waiting(acme.admin, (client) =>
      client.query(`update membership set status = 'SUSPENDED' where org_id = $1 and user_id = $2`, [acme.id, userId]),
    );
    expect(removed && codeOf(removed)).toBe('FORBIDDEN');
    expect(await claimed()).toBe(0);

    const running = await sql(`select count(*)::int from run where org_id = $1 and status = 'RUNNING'`, [acme.id]);
    const most = Number(running.rows[0]?.count) + 1;
    const [limited] = await waiting(acme.owner, (client) =>
      client.query('update organization set max_concurrent_runs = $2 where id = $1', [acme.id, most]),
    );
    expect(limited?.errors).toEqual([]);
    expect(await claimed()).toBe(1);
    const [shut] = await waiting(acme.owner, (client) =>
      client.query(`update organization set status = 'SUSPENDED', max_concurrent_runs = 1000 where id = $1`, [acme.id]),
    );
    expect(shut?.data.claimRuns.runs).toEqual([]);
  },
);

race.each([
  ['its repository', 'repository', 'repositoryUrl'],
  ['its credentials', 'credential', 'credentials { name }'],
])('of a claim that is lost while %s is read nothing is answered', async (_, table, asked) => {
  const executor = await givenExecutor(server);
  const acme = await givenOrganization(server);
  await putInPool(acme, executor.pool);
  await startRun(acme);
  const [lease] = await claim(executor.client, { leaseSeconds: 600 });
  const worker = asClaim(lease as Lease);
  const read = () => worker(`{ claimedRun { runId ${asked} } }`);
  expect((await read()).errors).toEqual([]);
  const lock = { text: `lock table ${table} in access exclusive mode`, values: [] };
  const [answer] = await inOrder(lock, [read], (client) =>
    client.query('update run_claim set ended_at = clock_timestamp() where run_id = $1', [lease?.runId]),
  );
  expect(codeOf(answer as Answer)).toBe('CONFLICT');
  expect(answer?.text).not.toContain('git.');
});
