import { describe, expect, test } from '@jest/globals';
import { newId } from '../../../src/data/id.js';
import { byTest } from '../../support/act.js';
import { givenKey } from '../../support/api-key.js';
import {
  claim,
  CLAIM,
  givenExecutor,
  type GivenExecutor,
  type Lease,
  putInPool,
  report,
  returnLost,
  startRun,
  statusOf,
} from '../../support/executors.js';
import {
  givenHeldDomain,
  type GivenOrganization,
  givenOrganization,
  givenTwoOrganizations,
  personId,
  unique,
} from '../../support/given.js';
import { raw } from '../../support/raw.js';
import { type Answer, type Client, codeOf, useServer } from '../../support/server.js';

const server = useServer();
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const argumentOf = (answer: Answer): unknown => answer.errors[0]?.extensions['argument'];
const asClaim = ({ token }: Lease) => server.withToken(token);
const CLAIMED = '{ claimedRun { runId attempt leaseExpiresAt agentId agentName repositoryUrl input } }';

/** An organization whose agent's runs an executor works on. */
async function givenQueue(executor: GivenExecutor, more: object = {}): Promise<GivenOrganization> {
  const acme = await givenOrganization(server);
  await putInPool(acme, executor.pool, more);
  return acme;
}

/** As if so much time had passed since the claim. */
const lapse = ({ runId }: Lease) =>
  sql(
    `update run_claim set expires_at = clock_timestamp() - interval '1 second' where run_id = $1 and ended_at is null`,
    [runId],
  );
const lose = async (lease: Lease) => {
  await lapse(lease);
  await returnLost(server);
};

describe('An executor of the deployment', () => {
  test('claims what waits in its pool, reads what it is, reports on it, and is done once', async () => {
    const executor = await givenExecutor(server);
    const acme = await givenQueue(executor);
    const id = await startRun(acme, { input: { question: 42 } });
    const [lease, ...others] = await claim(executor.client, { max: 5, leaseSeconds: 30 });
    expect(others).toEqual([]);
    expect(lease).toMatchObject({ runId: id, organizationId: acme.id, attempt: 1 });
    expect(lease?.token).toMatch(/^og_run_[0-9a-v]{26}_[0-9a-v]{32}_[0-9a-v]{7}$/);
    expect(await statusOf(acme, id)).toBe('RUNNING');
    expect(await claim(executor.client)).toEqual([]);

    const worker = asClaim(lease as Lease);
    const { data } = await worker(CLAIMED);
    expect(data.claimedRun).toMatchObject({
      runId: id,
      attempt: 1,
      agentId: acme.agentId,
      agentName: acme.agentName,
      repositoryUrl: `https://git.${acme.slug}.example/support-bots.git`,
      input: { question: 42 },
    });
    expect((await report(worker, id, { totalTokens: 7 })).data.recordRunProgress).toMatchObject({ status: 'RUNNING' });
    expect((await report(worker, id, { status: 'SUCCEEDED' })).data.recordRunProgress.status).toBe('SUCCEEDED');
    for (const late of [await report(worker, id, { status: 'FAILED' }), await worker(CLAIMED)]) {
      expect(codeOf(late)).toBe('CONFLICT');
    }
    expect(await statusOf(acme, id)).toBe('SUCCEEDED');

    const log = await acme.owner(
      'query ($id: ID!) { auditLog(filter: { targetId: $id }) { nodes { action actor { kind id name } } } }',
      { id },
    );
    expect(log.data.auditLog.nodes.slice(0, 2)).toEqual([
      { action: 'run.succeeded', actor: { kind: 'EXECUTOR', id: executor.id, name: expect.any(String) } },
      { action: 'run.running', actor: { kind: 'EXECUTOR', id: executor.id, name: expect.any(String) } },
    ]);
  });

  test('claims by priority, then by age; of the agents that it names alone; and never of another pool', async () => {
    const executor = await givenExecutor(server);
    const acme = await givenQueue(executor);
    const late = await startRun(acme);
    const usual = await startRun(acme);
    const urgent = await startRun(acme, { priority: 9 });
    const other = await givenExecutor(server);
    expect(await claim(other.client, { max: 5 })).toEqual([]);
    expect(await claim(executor.client, { agentIds: ['agt_none'] })).toEqual([]);
    const all = await claim(executor.client, { max: 5, agentIds: [acme.agentId] });
    expect(all.map(({ runId }) => runId)).toEqual([urgent, late, usual]);
  });

  test('gets nothing of an organization that has its own, is suspended, or has as many RUNNING as it may', async () => {
    const executor = await givenExecutor(server);
    const [own, suspended, limited] = [
      await givenQueue(executor),
      await givenQueue(executor),
      await givenQueue(executor),
    ];
    const settings = `mutation ($settings: OrganizationSettingsInput!) { updateOrganization(input: { settings: $settings }) { id } }`;
    const set = async ({ owner }: GivenOrganization, agentExecution: object) => {
      expect((await owner(settings, { settings: { agentExecution } })).errors).toEqual([]);
    };
    await set(own, { executors: 'OWN' });
    await set(limited, { maxConcurrentRuns: 1 });
    for (const each of [own, suspended, limited, limited]) await startRun(each);
    await sql(`update organization set status = 'SUSPENDED' where id = $1`, [suspended.id]);
    const first = await claim(executor.client, { max: 10 });
    expect(first.map(({ organizationId }) => organizationId)).toEqual([limited.id]);
    expect(await claim(executor.client, { max: 10 })).toEqual([]);

    // What stood in the way goes, and the next claim has it.
    await set(own, { executors: 'SHARED' });
    await sql(`update organization set status = 'ACTIVE' where id = $1`, [suspended.id]);
    await report(asClaim(first[0] as Lease), first[0]?.runId ?? '', { status: 'FAILED' });
    const then = await claim(executor.client, { max: 10 });
    expect(new Set(then.map(({ organizationId }) => organizationId))).toEqual(
      new Set([own.id, suspended.id, limited.id]),
    );
    expect(then).toHaveLength(3);
  });

  test('is refused what it claimed once the organization is suspended, and goes on once it is served again', async () => {
    const executor = await givenExecutor(server);
    const acme = await givenQueue(executor);
    const id = await startRun(acme);
    const [lease] = await claim(executor.client, { leaseSeconds: 3600 });
    const worker = asClaim(lease as Lease);
    expect((await worker(CLAIMED)).errors).toEqual([]);
    const set = (status: string) => sql('update organization set status = $2 where id = $1', [acme.id, status]);
    await set('SUSPENDED');
    for (const refused of [await report(worker, id, { totalTokens: 7 }), await worker(CLAIMED)]) {
      expect(refused.errors).toMatchObject([
        { message: expect.stringContaining('suspended'), extensions: { code: 'FORBIDDEN' } },
      ]);
    }
    await set('ACTIVE');
    expect((await report(worker, id, { totalTokens: 8 })).errors).toEqual([]);
    expect((await worker(CLAIMED)).data.claimedRun).toMatchObject({ runId: id, attempt: 1 });
  });

  test('that is revoked is out with its next request, its tokens of runs too, and the runs wait again, however often they were tried', async () => {
    const executor = await givenExecutor(server);
    const acme = await givenQueue(executor, { retryPolicy: { maxAttempts: 1, backoffSeconds: 3600 } });
    const id = await startRun(acme);
    const [lease] = await claim(executor.client);
    const { errors } = await executor.administrator('mutation ($id: ID!) { revokeExecutor(id: $id) { id } }', {
      id: executor.id,
    });
    expect(errors).toEqual([]);
    expect(codeOf(await executor.client(CLAIM, { input: {} }))).toBe('UNAUTHENTICATED');
    const worker = asClaim(lease as Lease);
    expect(codeOf(await report(worker, id, { status: 'SUCCEEDED' }))).toBe('CONFLICT');
    expect(codeOf(await worker(CLAIMED))).toBe('CONFLICT');
    await returnLost(server);
    expect(await statusOf(acme, id)).toBe('QUEUED');
    const next = await givenExecutor(server, executor.pool);
    expect(await claim(next.client)).toMatchObject([{ runId: id, attempt: 2 }]);
  });
});

test('an executor is revoked whole, also by whoever is killed before its claims are ended', async () => {
  const executor = await givenExecutor(server);
  const acme = await givenQueue(executor, { retryPolicy: { maxAttempts: 1, backoffSeconds: 3600 } });
  const id = await startRun(acme);
  await claim(executor.client, { leaseSeconds: 3600 });
  await sql('update executor set revoked_at = clock_timestamp() where id = $1', [executor.id]);
  await returnLost(server);
  expect(await statusOf(acme, id)).toBe('QUEUED');
});

describe('A claim that is lost', () => {
  test('leaves the run to the next one, after a pause, until it was tried often enough', async () => {
    const executor = await givenExecutor(server);
    const acme = await givenQueue(executor, { retryPolicy: { maxAttempts: 2, backoffSeconds: 3600 } });
    const id = await startRun(acme);
    const [first] = await claim(executor.client);
    await lose(first as Lease);
    expect(codeOf(await report(asClaim(first as Lease), id, { totalTokens: 1 }))).toBe('CONFLICT');
    // It waits an hour.
    expect(await claim(executor.client)).toEqual([]);
    expect(await statusOf(acme, id)).toBe('QUEUED');
    await sql(`update run_queue set available_at = clock_timestamp() - interval '1 second' where run_id = $1`, [id]);
    await sql(`update run_turn set look_at = 'epoch' where org_id = $1`, [acme.id]);
    const [second] = await claim(executor.client);
    expect(second).toMatchObject({ runId: id, attempt: 2 });
    expect(codeOf(await report(asClaim(first as Lease), id, { totalTokens: 1 }))).toBe('CONFLICT');
    expect((await report(asClaim(second as Lease), id, { totalTokens: 1 })).errors).toEqual([]);
    await lose(second as Lease);
    expect(await claim(executor.client)).toEqual([]);
    expect(await statusOf(acme, id)).toBe('FAILED');
    const { data } = await acme.viewer('query ($id: ID!) { run(id: $id) { error attempts finishedAt } }', { id });
    expect(data.run).toMatchObject({
      error: expect.stringContaining('2 times'),
      attempts: 2,
      finishedAt: expect.any(String),
    });
  });

  test('is kept by every report', async () => {
    const executor = await givenExecutor(server);
    const acme = await givenQueue(executor);
    const id = await startRun(acme);
    const [lease] = await claim(executor.client, { leaseSeconds: 3600 });
    await sql(`update run_claim set expires_at = clock_timestamp() + interval '20 seconds' where run_id = $1`, [id]);
    expect((await report(asClaim(lease as Lease), id, { totalTokens: 3 })).errors).toEqual([]);
    const { data } = await asClaim(lease as Lease)(CLAIMED);
    expect(Date.parse(data.claimedRun.leaseExpiresAt) - Date.now()).toBeGreaterThan(3_000_000);
  });
});

describe('A run that was claimed', () => {
  test('is reported on by its claim alone, one that was not by whoever may', async () => {
    const executor = await givenExecutor(server);
    const acme = await givenQueue(executor);
    const [claimed, free] = [await startRun(acme), await startRun(acme)];
    const [lease] = await claim(executor.client);
    for (const input of [{ totalTokens: 5 }, { status: 'SUCCEEDED' }, { status: 'RUNNING' }]) {
      expect(codeOf(await report(acme.developer, claimed, input))).toBe('CONFLICT');
    }
    expect((await report(acme.developer, free, { status: 'RUNNING' })).errors).toEqual([]);
    expect(await claim(executor.client)).toEqual([]);
    const worker = asClaim(lease as Lease);
    expect(codeOf(await report(worker, free, { totalTokens: 5 }))).toBe('NOT_FOUND');
    expect(codeOf(await report(worker, 'run_none', { totalTokens: 5 }))).toBe('NOT_FOUND');
    // What it spent before it was cancelled still counts.
    await acme.developer('mutation ($id: ID!) { cancelRun(id: $id) { id } }', { id: claimed });
    expect((await report(worker, claimed, { totalTokens: 9 })).data.recordRunProgress).toMatchObject({
      status: 'CANCELLED',
    });
  });

  test('that is cancelled takes what it spent for a lease more, however often it reports', async () => {
    const executor = await givenExecutor(server);
    const acme = await givenQueue(executor);
    const id = await startRun(acme);
    const [lease] = await claim(executor.client, { leaseSeconds: 600 });
    const worker = asClaim(lease as Lease);
    await acme.developer('mutation ($id: ID!) { cancelRun(id: $id) { id } }', { id });
    expect((await report(worker, id, { totalTokens: 1 })).errors).toEqual([]);
    const { rows } = await sql(
      `select c.expires_at = r.finished_at + interval '600 seconds' as "isOneLease"
       from run_claim c join run r on r.org_id = c.org_id and r.id = c.run_id where r.id = $1`,
      [id],
    );
    expect(rows).toEqual([{ isOneLease: true }]);
    // As if it had reported all the time until then.
    await sql(`update run set finished_at = finished_at - interval '600 seconds' where id = $1`, [id]);
    expect(codeOf(await report(worker, id, { totalTokens: 2 }))).toBe('CONFLICT');
  });

  test('is cancelled, or reported on, before it is claimed, and waits no more', async () => {
    const executor = await givenExecutor(server);
    const acme = await givenQueue(executor);
    const id = await startRun(acme);
    await acme.developer('mutation ($id: ID!) { cancelRun(id: $id) { id } }', { id });
    expect(await claim(executor.client)).toEqual([]);
    const { rows } = await sql('select from run_queue where run_id = $1', [id]);
    expect(rows).toEqual([]);
  });

  test('its token shows nothing else, of that organization or another', async () => {
    const executor = await givenExecutor(server);
    const { acme, globex } = await givenTwoOrganizations(server);
    await putInPool(acme, executor.pool);
    const id = await startRun(acme);
    const [lease] = await claim(executor.client);
    const worker = asClaim(lease as Lease);
    for (const text of [
      '{ viewer { role } }',
      '{ currentOrganization { name } }',
      '{ runs { nodes { id } } }',
      '{ credentials { nodes { id } } }',
      `{ run(id: "${id}") { id } }`,
      `{ node(id: "${acme.agentId}") { id } }`,
      '{ claimedRun { runId } rateLimit { remaining } }',
      `mutation { recordRunProgress(id: "${id}", input: {}) { createdBy { email } } }`,
      `mutation { recordRunProgress(id: "${id}", input: {}) { organization { name } } }`,
      `mutation { recordRunProgress(id: "${id}", input: {}) { ...F } } fragment F on Run { agent { name } }`,
      `mutation { startRun(input: { agentId: "${acme.agentId}" }) { id } }`,
      `mutation { cancelRun(id: "${id}") { id } }`,
      'mutation { claimRuns(input: {}) { runs { runId } } }',
    ]) {
      expect([text, codeOf(await worker(text))]).toEqual([text, 'FORBIDDEN']);
    }
    expect(codeOf(await report(worker, globex.runId, { totalTokens: 1 }))).toBe('NOT_FOUND');
    for (const [name, code] of [
      [globex.slug, 'ORG_CONTEXT_CONFLICT'],
      ['none-such', 'ORG_CONTEXT_CONFLICT'],
      [acme.slug, undefined],
    ]) {
      const elsewhere = server.withToken((lease as Lease).token, '', { 'x-organization-id': name as string });
      const answer = await elsewhere(CLAIMED);
      expect([name, answer.errors[0] && codeOf(answer)]).toEqual([name, code]);
    }
    expect(server.logs.join('\n')).not.toContain((lease as Lease).token.slice(20, 60));
  });

  test('works at every host of its organization, and at no other', async () => {
    const executor = await givenExecutor(server);
    const { acme, globex } = await givenTwoOrganizations(server);
    await putInPool(acme, executor.pool);
    await startRun(acme);
    const [lease] = await claim(executor.client);
    const serving = async ({ id }: GivenOrganization) => {
      const domain = await givenHeldDomain(server, { id, slug: 'serving' });
      await server.database.organizationDb(id, byTest).organizationDomain.update({ id: domain.id }, { serving: true });
      return domain.name;
    };
    const at = async (host: string) => {
      const headers = { host, authorization: `Bearer ${lease?.token}`, 'content-type': 'application/json' };
      const { text } = await raw(`${server.url}/graphql`, { headers, body: JSON.stringify({ query: CLAIMED }) });
      return JSON.parse(text).errors?.[0].extensions.code;
    };
    for (const host of [`${acme.slug}.localhost`, await serving(acme)])
      expect([host, await at(host)]).toEqual([host, undefined]);
    for (const host of [`${globex.slug}.localhost`, await serving(globex), 'nobody.example']) {
      expect([host, await at(host)]).toEqual([host, 'ORG_CONTEXT_CONFLICT']);
    }
  });
});

describe('An organization’s own executors', () => {
  test('claim with a key that may, in their organization alone, whoever else works for it', async () => {
    const executor = await givenExecutor(server);
    const { acme, globex } = await givenTwoOrganizations(server);
    await putInPool(acme, executor.pool);
    await putInPool(globex, executor.pool);
    const [mine] = [await startRun(acme), await startRun(globex)];
    const key = await givenKey(server, acme.admin, ['run:claim']);
    const leases = await claim(key.client, { max: 10 });
    // What it was given waits, too.
    expect(new Set(leases.map(({ organizationId }) => organizationId))).toEqual(new Set([acme.id]));
    const lease = leases.find(({ runId }) => runId === mine) as Lease;
    expect((await report(asClaim(lease), mine, { status: 'SUCCEEDED' })).errors).toEqual([]);
    const log = await acme.owner(
      'query ($id: ID!) { auditLog(filter: { targetId: $id }) { nodes { action actor { kind id } } } }',
      {
        id: mine,
      },
    );
    expect(log.data.auditLog.nodes[0]).toEqual({ action: 'run.succeeded', actor: { kind: 'API_KEY', id: key.id } });
  });

  test('have lost runs of their organization put back by what they claim themselves', async () => {
    const acme = await givenOrganization(server);
    await putInPool(acme, unique('pool'), { retryPolicy: { maxAttempts: 5, backoffSeconds: 0 } });
    const id = await startRun(acme);
    const mine = async () => (await claim(acme.admin, { max: 10 })).find(({ runId }) => runId === id);
    await lapse((await mine()) as Lease);
    expect(await mine()).toMatchObject({ runId: id, attempt: 2 });
  });

  test('need the permission; with the key goes what it claimed', async () => {
    const acme = await givenOrganization(server);
    const id = await startRun(acme);
    expect(codeOf(await acme.developer(CLAIM, { input: {} }))).toBe('FORBIDDEN');
    const without = await givenKey(server, acme.admin, ['run:record']);
    expect(codeOf(await without.client(CLAIM, { input: {} }))).toBe('FORBIDDEN');
    const key = await givenKey(server, acme.admin, ['run:claim']);
    const lease = (await claim(key.client, { max: 10, agentIds: [acme.agentId] })).find(
      ({ runId }) => runId === id,
    ) as Lease;
    expect((await report(asClaim(lease), id, { totalTokens: 1 })).errors).toEqual([]);
    await acme.admin('mutation ($id: ID!) { revokeApiKey(id: $id) { id } }', { id: key.id });
    expect(codeOf(await report(asClaim(lease), id, { totalTokens: 2 }))).toBe('CONFLICT');
    // It waits again, however long the lease.
    const again = await claim(acme.admin, { max: 10 });
    expect(again.find(({ runId }) => runId === id)).toMatchObject({ attempt: 2 });
  });

  test('that are removed, or whose key is revoked, leave what they claimed to others at once, and it does not count', async () => {
    const acme = await givenOrganization(server);
    await putInPool(acme, unique('pool'), { retryPolicy: { maxAttempts: 1, backoffSeconds: 3600 } });
    const id = await startRun(acme);
    const key = await givenKey(server, acme.admin, ['run:claim']);
    const mine = async (by: Client) =>
      (await claim(by, { max: 10, leaseSeconds: 3600 })).find(({ runId }) => runId === id) as Lease;
    await mine(key.client);
    await acme.admin('mutation ($id: ID!) { revokeApiKey(id: $id) { id } }', { id: key.id });
    await returnLost(server);
    expect(await statusOf(acme, id)).toBe('QUEUED');
    expect(await mine(acme.admin)).toMatchObject({ attempt: 2 });
    const values = [acme.id, await personId(acme.admin)];
    await sql(`update membership set status = 'SUSPENDED' where org_id = $1 and user_id = $2`, values);
    await returnLost(server);
    expect(await statusOf(acme, id)).toBe('QUEUED');
    expect(await mine(acme.owner)).toMatchObject({ attempt: 3 });
  });

  test.each([
    ['demoted', `role = 'DEVELOPER'`],
    ['whose permission is withheld', `withheld = '{run:claim}'`],
  ])('who are %s leave what they claimed to others at once, with a key or without', async (_, change) => {
    const acme = await givenOrganization(server);
    await putInPool(acme, unique('pool'), { retryPolicy: { maxAttempts: 1, backoffSeconds: 3600 } });
    const id = await startRun(acme);
    const key = await givenKey(server, acme.admin, ['run:claim', 'run:read']);
    const values = [acme.id, await personId(acme.admin)];
    const set = (to: string) => sql(`update membership set ${to} where org_id = $1 and user_id = $2`, values);
    for (const by of [acme.admin, key.client]) {
      const leases = await claim(by, { max: 10, leaseSeconds: 3600 });
      const lease = leases.find(({ runId }) => runId === id) as Lease;
      await returnLost(server);
      expect(await statusOf(acme, id)).toBe('RUNNING');
      await set(change);
      expect(codeOf(await report(asClaim(lease), id, { totalTokens: 1 }))).toBe('CONFLICT');
      await returnLost(server);
      expect(await statusOf(acme, id)).toBe('QUEUED');
      await set(`role = 'ADMIN', withheld = '{}'`);
    }
  });

  test.each([
    ['suspended and reinstated', `suspendMember(userId: $id) { status }`, `reinstateMember(userId: $id) { status }`],
    [
      'demoted and promoted',
      `updateMemberRole(userId: $id, role: VIEWER) { role }`,
      `updateMemberRole(userId: $id, role: ADMIN) { role }`,
    ],
    [
      'withheld it and given it back',
      `updateMemberPermissions(userId: $id, permissions: [], withheldPermissions: ["run:claim"]) { role }`,
      `updateMemberPermissions(userId: $id, permissions: [], withheldPermissions: []) { role }`,
    ],
  ])('who are %s at once have nothing of what they claimed before, and it does not count', async (_, off, on) => {
    const acme = await givenOrganization(server);
    await putInPool(acme, unique('pool'), { retryPolicy: { maxAttempts: 1, backoffSeconds: 3600 } });
    await startRun(acme);
    const others = await claim(acme.owner, { max: 10, leaseSeconds: 3600 });
    const id = await startRun(acme);
    const key = await givenKey(server, acme.admin, ['run:claim']);
    const variables = { id: await personId(acme.admin) };
    for (const by of [acme.admin, key.client]) {
      const lease = (await claim(by, { max: 10, leaseSeconds: 3600 })).find(({ runId }) => runId === id) as Lease;
      expect((await asClaim(lease)(CLAIMED)).errors).toEqual([]);
      for (const change of [off, on]) {
        expect((await acme.owner(`mutation ($id: ID!) { ${change} }`, variables)).errors).toEqual([]);
      }
      for (const late of [await asClaim(lease)(CLAIMED), await report(asClaim(lease), id, { status: 'SUCCEEDED' })]) {
        expect(codeOf(late)).toBe('CONFLICT');
      }
      await returnLost(server);
      expect(await statusOf(acme, id)).toBe('QUEUED');
    }
    // Nobody else is meant.
    expect(others).not.toEqual([]);
    for (const each of others) expect((await asClaim(each)(CLAIMED)).errors).toEqual([]);
  });

  test('answer nobody else, also once the run is over and nothing is said of it', async () => {
    const acme = await givenOrganization(server);
    const id = await startRun(acme);
    const lease = (await claim(acme.admin, { max: 10 })).find(({ runId }) => runId === id) as Lease;
    expect((await report(asClaim(lease), id, { status: 'SUCCEEDED' })).errors).toEqual([]);
    expect(codeOf(await report(acme.admin, id, {}))).toBe('CONFLICT');
  });

  test('whose person the deployment disables have nothing of it once that is undone', async () => {
    const acme = await givenOrganization(server);
    const id = await startRun(acme);
    const lease = (await claim(acme.admin, { max: 10, leaseSeconds: 3600 })).find(({ runId }) => runId === id) as Lease;
    const person = await personId(acme.admin);
    const set = (status: string) => sql('update person set status = $2 where id = $1', [person, status]);
    await set('DISABLED');
    await set('ACTIVE');
    expect(codeOf(await asClaim(lease)(CLAIMED))).toBe('CONFLICT');
    await returnLost(server);
    expect(await statusOf(acme, id)).toBe('QUEUED');
  });

  test('to whom it was granted keep what they claimed, also once they are demoted', async () => {
    const acme = await givenOrganization(server);
    const id = await startRun(acme);
    await claim(acme.admin, { max: 10, leaseSeconds: 3600 });
    await sql(`update membership set role = 'VIEWER', granted = '{run:claim}' where org_id = $1 and user_id = $2`, [
      acme.id,
      await personId(acme.admin),
    ]);
    await returnLost(server);
    expect(await statusOf(acme, id)).toBe('RUNNING');
  });

  test('are found among thousands whom a directory changes at once, however many of them claimed', async () => {
    const acme = await givenOrganization(server);
    const [seed, createdById] = [unique('u'), await personId(acme.owner)];
    const numbers = Array.from({ length: 4000 }, (_, index) => `${seed}-${index}`);
    const db = server.database.organizationDb(acme.id, byTest);
    await db.membership.createMany(
      numbers.map((n) => ({ userId: `usr_${n}`, email: `${n}@x.example`, name: n, role: 'ADMIN', status: 'ACTIVE' })),
    );
    await db.run.createMany(numbers.slice(0, 400).map((n) => ({ id: `run_${n}`, agentId: acme.agentId, createdById })));
    await sql(
      `insert into run_claim (org_id, id, run_id, attempt, token_hash, claimed_by, lease_seconds, claimed_at, expires_at)
       select org_id, 'clm_' || id, id, 1, '', 'usr_' || substr(id, 5), 60, current_timestamp, current_timestamp + interval '1 hour'
       from run where org_id = $1 and id like 'run_' || $2 || '-%'`,
      [acme.id, seed],
    );
    /** What share of the time of a change its looking for claims takes. */
    const change = async (role: string, which: string): Promise<number> => {
      const text = `update membership set role = $2 where org_id = $1 and user_id like $3`;
      const { rows } = await sql(`explain (analyze, format json) ${text}`, [acme.id, role, which]);
      const [{ 'QUERY PLAN': plan }] = rows as [{ 'QUERY PLAN': string | object }];
      const [{ Triggers: triggers, 'Execution Time': ms }] = (typeof plan === 'string' ? JSON.parse(plan) : plan) as [
        { Triggers: { 'Trigger Name': string; Time: number }[]; 'Execution Time': number },
      ];
      return (triggers.find(({ 'Trigger Name': name }) => name === 'claims_are_lost')?.Time ?? Infinity) / ms;
    };
    await change('ADMIN', `usr_${seed}-3999`); // as nearly always, one
    // Each of them compared with each takes many times what all else of it does.
    expect(await change('VIEWER', `usr_${seed}-%`)).toBeLessThan(0.5);
    const lost = `select count(*)::int from run_claim where org_id = $1 and expires_at = 'epoch'`;
    expect((await sql(lost, [acme.id])).rows).toEqual([{ count: 400 }]);
  });

  test('who are removed and come back have nothing of what they claimed before', async () => {
    const acme = await givenOrganization(server);
    const id = await startRun(acme);
    const leases = await claim(acme.admin, { max: 10, leaseSeconds: 3600 });
    const lease = leases.find(({ runId }) => runId === id) as Lease;
    expect((await report(asClaim(lease), id, { totalTokens: 1 })).errors).toEqual([]);
    await sql(`update membership set joined_at = clock_timestamp() where org_id = $1 and user_id = $2`, [
      acme.id,
      await personId(acme.admin),
    ]);
    expect(codeOf(await report(asClaim(lease), id, { totalTokens: 2 }))).toBe('CONFLICT');
    expect(codeOf(await asClaim(lease)(CLAIMED))).toBe('CONFLICT');
    await returnLost(server);
    expect(await statusOf(acme, id)).toBe('QUEUED');
  });
});

test.each([
  ['max', { max: 0 }],
  ['max', { max: 101 }],
  ['leaseSeconds', { leaseSeconds: 0 }],
  ['leaseSeconds', { leaseSeconds: 3601 }],
  ['agentIds', { agentIds: [] }],
])('%s is refused as %j', async (field, input) => {
  const { client } = await givenExecutor(server);
  const refused = await client(CLAIM, { input });
  expect([codeOf(refused), argumentOf(refused)]).toEqual(['BAD_USER_INPUT', `input.${field}`]);
});

test('a token of a run that never was one is UNAUTHENTICATED', async () => {
  const executor = await givenExecutor(server);
  const acme = await givenQueue(executor);
  await startRun(acme);
  const [lease] = await claim(executor.client);
  const { token } = lease as Lease;
  for (const wrong of [
    `${token.slice(0, -1)}${token.endsWith('0') ? '1' : '0'}`,
    token.replace('_run_', '_exec_'),
    'og_run_x',
  ]) {
    const answer = await server.withToken(wrong)(CLAIMED);
    expect([codeOf(answer), answer.errors[0]?.message]).toEqual(['UNAUTHENTICATED', 'Send a valid token.']);
  }
});

describe('The secrets of a claimed run', () => {
  const CREATE = 'mutation ($input: CreateCredentialInput!) { createCredential(input: $input) { id } }';
  const SECRETS = '{ claimedRun { provider credentials { id kind name provider config secret } } }';
  const give = async (
    { admin }: GivenOrganization,
    kind: string,
    provider: string,
    more: object = {},
  ): Promise<string> => {
    const name = `${kind} ${provider} ${Math.random()}`;
    const { data, text } = await admin(CREATE, {
      input: { kind, name, provider, secret: `secret of ${name}`, ...more },
    });
    if (!data?.createCredential) throw new Error(text);
    return data.createCredential.id as string;
  };
  const set = async ({ admin }: GivenOrganization, settings: object) => {
    const { errors } = await admin(
      'mutation ($settings: OrganizationSettingsInput!) { updateOrganization(input: { settings: $settings }) { id } }',
      { settings },
    );
    expect(errors).toEqual([]);
  };
  const lend = async ({ admin, agentId, repositoryId }: GivenOrganization, git: string, credentialIds: string[]) => {
    const { errors } = await admin(
      `mutation ($agent: ID!, $repository: ID!, $git: ID, $ids: [ID!]!) {
        setRepositoryCredential(id: $repository, credentialId: $git) { id }
        setAgentCredentials(id: $agent, credentialIds: $ids) { credentials { id } }
      }`,
      { agent: agentId, repository: repositoryId, git, ids: credentialIds },
    );
    expect(errors).toEqual([]);
  };
  const idsOf = (answer: Answer): string[] => answer.data.claimedRun.credentials.map(({ id }: { id: string }) => id);

  test('are those that it needs and no others, for its own executors; each that is read is told', async () => {
    const acme = await givenOrganization(server);
    const shared = { sharedExecutors: true };
    const [git, model, , , mail] = [
      await give(acme, 'GIT', 'github', { config: { user: 'bot' } }),
      await give(acme, 'LLM_PROVIDER', 'anthropic'),
      await give(acme, 'LLM_PROVIDER', 'openai', shared),
      await give(acme, 'GIT', 'gitlab', shared),
      await give(acme, 'INTEGRATION', 'mail', shared),
      await give(acme, 'INTEGRATION', 'blog', shared),
    ];
    await lend(acme, git, [mail as string]);
    await set(acme, { providerRouting: { llmPreference: 'anthropic' }, agentExecution: { defaultProvider: 'openai' } });
    const id = await startRun(acme);
    const key = await givenKey(server, acme.admin, ['run:claim']);
    const lease = (await claim(key.client, { max: 10 })).find(({ runId }) => runId === id) as Lease;
    const answer = await asClaim(lease)(SECRETS);
    expect(answer.data.claimedRun.provider).toBe('anthropic');
    expect(idsOf(answer)).toEqual([model, git, mail]);
    for (const { name, secret } of answer.data.claimedRun.credentials) expect(secret).toBe(`secret of ${name}`);
    expect(answer.data.claimedRun.credentials[1].config).toEqual({ user: 'bot' });

    const log = await acme.owner(
      `query ($id: ID!) { auditLog(filter: { targetId: $id, action: "credential.opened" }) { nodes { actor { kind id } changes { path after } } } }`,
      { id: git },
    );
    expect(log.data.auditLog.nodes).toEqual([
      { actor: { kind: 'API_KEY', id: key.id }, changes: expect.arrayContaining([{ path: 'run_id', after: id }]) },
    ]);
    const used = await acme.admin('query ($id: ID!) { credential(id: $id) { lastUsedAt } }', { id: git });
    expect(used.data.credential.lastUsedAt).not.toBeNull();
    const told = log.text + server.logs.join('\n');
    for (const { secret } of answer.data.claimedRun.credentials) expect(told).not.toContain(secret);
    // Without the token of the claim nobody has them.
    for (const by of [acme.owner, key.client]) expect(codeOf(await by(SECRETS))).toBe('FORBIDDEN');
  });

  test('are for executors of the deployment those that say so, and enabled, and not taken back meanwhile', async () => {
    const executor = await givenExecutor(server);
    const acme = await givenQueue(executor);
    const shared = { sharedExecutors: true };
    const git = await give(acme, 'GIT', 'github');
    const other = await give(acme, 'INTEGRATION', 'mail', shared);
    const off = await give(acme, 'INTEGRATION', 'blog', { ...shared, enabled: false });
    await give(acme, 'LLM_PROVIDER', 'anthropic');
    await lend(acme, git, [other, off]);
    await set(acme, { agentExecution: { defaultProvider: 'anthropic' } });
    await startRun(acme);
    const [lease] = await claim(executor.client);
    expect(idsOf(await asClaim(lease as Lease)(SECRETS))).toEqual([other]);
    await acme.admin('mutation ($id: ID!) { updateCredential(input: { id: $id, sharedExecutors: true }) { id } }', {
      id: git,
    });
    expect(idsOf(await asClaim(lease as Lease)(SECRETS))).toEqual([git, other]);
  });

  test('are for executors of the deployment no more once the organization has its own work alone, nor when it changes its mind', async () => {
    const executor = await givenExecutor(server);
    const acme = await givenQueue(executor, { retryPolicy: { maxAttempts: 1, backoffSeconds: 3600 } });
    await lend(acme, await give(acme, 'GIT', 'github', { sharedExecutors: true }), []);
    const own = (await claim(acme.admin, { max: 10, leaseSeconds: 3600 }))[0] as Lease;
    const id = await startRun(acme);
    const lease = (await claim(executor.client, { leaseSeconds: 3600 }))[0] as Lease;
    const worker = asClaim(lease);
    expect((await worker(SECRETS)).data.claimedRun.credentials).toHaveLength(1);
    await set(acme, { agentExecution: { executors: 'OWN' } });
    const refused = async () => [await worker(SECRETS), await report(worker, id, { totalTokens: 1 })].map(codeOf);
    expect(await refused()).toEqual(['CONFLICT', 'CONFLICT']);
    await set(acme, { agentExecution: { executors: 'SHARED' } });
    expect(await refused()).toEqual(['CONFLICT', 'CONFLICT']);
    await returnLost(server);
    expect(await statusOf(acme, id)).toBe('QUEUED');
    expect((await asClaim(own)(CLAIMED)).errors).toEqual([]);
    // As of one that was claimed before an upgrade, where nobody had taken it back.
    const [again] = await claim(executor.client, { leaseSeconds: 3600 });
    await sql('alter table organization disable trigger claims_are_lost', []);
    try {
      await set(acme, { agentExecution: { executors: 'OWN' } });
    } finally {
      await sql('alter table organization enable trigger claims_are_lost', []);
    }
    expect(codeOf(await asClaim(again as Lease)(SECRETS))).toBe('CONFLICT');
    await returnLost(server);
    expect(await statusOf(acme, id)).toBe('QUEUED');
  });

  test('are gone once it is cancelled', async () => {
    const executor = await givenExecutor(server);
    const acme = await givenQueue(executor);
    const git = await give(acme, 'GIT', 'github', { sharedExecutors: true });
    await lend(acme, git, []);
    const id = await startRun(acme);
    const worker = asClaim((await claim(executor.client))[0] as Lease);
    expect(idsOf(await worker(SECRETS))).toEqual([git]);
    await acme.developer('mutation ($id: ID!) { cancelRun(id: $id) { id } }', { id });
    for (const late of [SECRETS, '{ claimedRun { credentials { id } } }'])
      expect(codeOf(await worker(late))).toBe('CONFLICT');
    expect((await worker(CLAIMED)).errors).toEqual([]);
    expect((await report(worker, id, { totalTokens: 5 })).errors).toEqual([]);
  });

  test('are lent to a place: whoever moves the agent, or its repository, takes them away, and a deleted one is named no more', async () => {
    const acme = await givenOrganization(server);
    const [one, two] = [await give(acme, 'INTEGRATION', 'mail'), await give(acme, 'INTEGRATION', 'blog')];
    const git = await give(acme, 'GIT', 'github');
    const named = async () =>
      (
        await acme.admin('query ($id: ID!) { agent(id: $id) { credentials { id } } }', { id: acme.agentId })
      ).data.agent.credentials.map(({ id }: { id: string }) => id);
    await lend(acme, git, [one, two]);
    expect(await named()).toEqual([one, two]);
    await acme.admin('mutation ($id: ID!) { deleteCredential(id: $id) }', { id: one });
    expect(await named()).toEqual([two]);
    await acme.developer('mutation ($input: UpdateRepositoryInput!) { updateRepository(input: $input) { id } }', {
      input: { id: acme.repositoryId, gitUrl: 'https://git.example/elsewhere.git' },
    });
    expect(await named()).toEqual([]);
  });
});

describe('Where a limit is used up', () => {
  const LIMIT =
    'mutation ($input: SetCostLimitsInput!) { setCostLimits(input: $input) { monthly { limitMicros settledMicros } } }';
  const limit = async ({ owner }: GivenOrganization, monthlyLimitMicros: number | null) =>
    expect((await owner(LIMIT, { input: { monthlyLimitMicros } })).errors).toEqual([]);
  const spend = async ({ developer }: GivenOrganization, costMicros: number) => {
    const input = { idempotencyKey: unique('spent'), metric: 'images', quantity: 1, costMicros };
    expect(
      (await developer('mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { duplicate } }', { input }))
        .errors,
    ).toEqual([]);
  };
  const turnOf = async ({ id }: GivenOrganization, { pool }: GivenExecutor) =>
    (
      await sql('select state, look_at > clock_timestamp() as later from run_turn where org_id = $1 and pool = $2', [
        id,
        pool,
      ])
    ).rows;

  test('what is reserved begins, behind however many that are not, and in its order', async () => {
    const executor = await givenExecutor(server);
    const acme = await givenQueue(executor);
    await limit(acme, 3_000_000);
    for (let free = 0; free < 12; free += 1) await startRun(acme, { priority: 9 });
    const reserved = await startRun(acme, { estimatedCostMicros: 100 });
    const urgent = await startRun(acme, { estimatedCostMicros: 100, priority: 5 });
    const used = await startRun(acme, { estimatedCostMicros: 100, priority: 8 });
    // What was held for it, it spent while it waited.
    expect((await report(acme.developer, used, { totalCostMicros: 100 })).errors).toEqual([]);
    await spend(acme, 500_000);
    const key = await givenKey(server, acme.admin, ['run:claim']);
    expect((await claim(key.client, { max: 1, agentIds: [acme.agentId] })).map(({ runId }) => runId)).toEqual([urgent]);
    expect((await claim(executor.client, { max: 5 })).map(({ runId }) => runId)).toEqual([reserved]);
    expect(await claim(key.client, { max: 5 })).toEqual([]);
  });

  test('it is not looked at again until there is room, or something is reserved that waits', async () => {
    const executor = await givenExecutor(server);
    const [acme, globex] = [await givenQueue(executor), await givenQueue(executor)];
    await limit(acme, 3_000_000);
    const id = await startRun(acme);
    await spend(acme, 500_000);
    await startRun(globex);
    expect(await claim(executor.client)).toMatchObject([{ organizationId: globex.id }]);
    expect(await claim(executor.client)).toEqual([]);
    expect(await turnOf(acme, executor)).toEqual([{ state: 'SPENT', later: true }]);
    await limit(acme, 4_000_000);
    expect(await claim(executor.client)).toMatchObject([{ runId: id }]);

    const held = await startRun(acme, { estimatedCostMicros: 10 });
    const [lease] = await claim(executor.client);
    await startRun(acme);
    await spend(acme, 1_000_000);
    expect(await claim(executor.client)).toEqual([]);
    expect(await turnOf(acme, executor)).toEqual([{ state: 'SPENT', later: true }]);
    await sql(`update agent set retry_policy = '{"maxAttempts": 3, "backoffSeconds": 0}' where org_id = $1`, [acme.id]);
    await lose(lease as Lease);
    expect(await claim(executor.client)).toMatchObject([{ runId: held, attempt: 2 }]);
  });

  test('one that is reserved is found without reading through the others, however many wait', async () => {
    const acme = await givenOrganization(server);
    const createdById = await personId(acme.owner);
    const run = { agentId: acme.agentId, createdById, priority: 9 };
    const many = Array.from({ length: 3000 }, () => ({ id: newId('run'), ...run }));
    await server.database.organizationDb(acme.id, byTest).run.createMany(many);
    const id = newId('run');
    await server.database.organizationDb(acme.id, byTest).run.create({ ...run, id, estimatedCostMicros: 5n });
    for (const [pool, agents] of [
      ['default', null],
      [null, null],
      [null, [acme.agentId]],
    ]) {
      const read = async (isHeldOnly: boolean) => {
        const claimable = 'claimable_runs($1, $2, $3, 1, $4)';
        const values = [acme.id, pool, agents, isHeldOnly];
        const { rows: found } = await sql(`select run_id from ${claimable}`, values);
        const { rows } = await sql(`explain (analyze, buffers, format json) select run_id from ${claimable}`, values);
        const [
          {
            'QUERY PLAN': [{ Plan: plan }],
          },
        ] = rows as [{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }];
        const blocks = (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0);
        return { found, blocks };
      };
      const [held, any] = [await read(true), await read(false)];
      expect(held.found).toEqual([{ run_id: id }]);
      expect(any.found).toEqual([{ run_id: many[0]?.id }]);
      // With what it takes to plan them; of each of three thousand rows it would be several.
      for (const { blocks } of [held, any]) expect(blocks).toBeLessThan(1000);
    }
  });
});
