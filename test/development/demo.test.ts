import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { OrgId } from '../../src/data/id.js';
import { openSealing } from '../../src/domains/audit-entry/outside.js';
import { readDemoWorld } from '../../src/development/demo-world.js';
import { loadDemo } from '../../src/development/load-demo.js';
import { claim } from '../support/executors.js';
import { raw } from '../support/raw.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
let found: unknown;
beforeAll(async () => {
  server = await startServer({ ownDatabase: true });
  const sql = (text: string) => server.database.pool.queryAsLoginRole(text);
  // Something goes wrong with the last that is loaded.
  await sql(`
    create function go_wrong() returns trigger language plpgsql security definer set search_path = public as $$
      begin insert into address (name, kind, org_id) values ('stray', 'SLUG', new.org_id); return null; end $$`);
  await sql('create trigger go_wrong after insert on webhook for each row execute function go_wrong()');
  found = await loadDemo(server.database, server.config).catch((error: unknown) => error);
  await sql('drop function go_wrong cascade');
  await sql("delete from address where name = 'stray'");
});
afterAll(() => server.close());

test('the demo is examined once all of it is there, and whoever loads it is told what is wrong with it then', () => {
  expect(found).toMatchObject({
    message: expect.stringMatching(/^The doctor finds the database unsound:[^]*two share one: stray$/m),
  });
});

test('the demo has two months of record, in order, of those who did it, and it is sealed', async () => {
  const { rows } = await server.database.pool.queryAsLoginRole(`select id from organization where slug = 'acme'`);
  const sealing = server.database.outside(openSealing);
  while ((await sealing.seal(rows[0].id as OrgId, 1000)) > 0);
  const ann = await server.as('ann@acme.example', 'acme');
  const { data } = await ann(`{
    all: auditLog(first: 1) { totalCount }
    auditLog(first: 100) { nodes { sequence at action actor { kind name } } }
    first: auditLog(last: 1) { nodes { at action } }
    verifyAuditChain { ok checked headSequence }
  }`);
  const { nodes } = data.auditLog;
  const days = (Date.parse(nodes[0].at) - Date.parse(data.first.nodes[0].at)) / 86_400_000;
  expect(days).toBeGreaterThan(58);
  expect(data.verifyAuditChain).toEqual({ ok: true, checked: data.all.totalCount, headSequence: data.all.totalCount });
  expect(data.all.totalCount).toBeGreaterThan(500);
  const places = nodes.map(({ sequence }: { sequence: number }) => sequence);
  expect(places).toEqual(places.toSorted((a: number, b: number) => b - a));
  const told = new Set(
    nodes.map(({ actor, action }: { actor: { name: string }; action: string }) => `${actor.name} ${action}`),
  );
  for (const each of ['Ann Archer run.created', 'Ann Archer run.succeeded']) expect(told).toContain(each);
  const others = nodes.filter(({ actor }: { actor: { kind: string } }) => actor.kind !== 'PERSON');
  // The webhook, and what its secret is sealed with.
  expect(others.map(({ action }: { action: string }) => action)).toEqual(['webhook.created', 'data_key.created']);
});

test('somebody of the deployment looked at acme yesterday, and acme sees why, and at what', async () => {
  const ann = await server.as('ann@acme.example', 'acme');
  const { data } = await ann(`{
    supportAccessLog { nodes { id reason scope startedAt endedAt by { name } onBehalfOf { name } } }
  }`);
  const [access, ...others] = data.supportAccessLog.nodes;
  expect(others).toEqual([]);
  expect(access).toMatchObject({ by: { name: 'Sam Summers' }, onBehalfOf: { name: 'Dev Dasgupta' }, scope: 'READ' });
  expect(Date.now() - Date.parse(access.startedAt)).toBeGreaterThanOrEqual(86_400_000);
  const { data: told } = await ann(
    `query ($id: ID!) { auditLog(filter: { targetId: $id }) { nodes { at action reason onBehalfOf actor { name } } } }`,
    { id: access.id },
  );
  expect(told.auditLog.nodes.map(({ action }: { action: string }) => action)).toEqual([
    'impersonation.ended',
    'impersonation.query',
    'impersonation.created',
  ]);
  expect(told.auditLog.nodes.at(-1)?.at).toBe(access.startedAt);
  expect(told.auditLog.nodes.every(({ reason }: { reason: string }) => reason === access.reason)).toBe(true);
});

test('a run of acme was told to call another provider, since the preferred one did not answer', async () => {
  const ann = await server.as('ann@acme.example', 'acme');
  const { data } = await ann(`{
    providerHealth { provider healthy }
    runs(first: 10) { nodes { status attempts providers { attempt name reason passedOver { provider reason } } } }
  }`);
  expect(data.providerHealth).toEqual([{ provider: 'anthropic', healthy: false }]);
  const told = data.runs.nodes.filter(({ providers }: { providers: object[] }) => providers.length > 0);
  expect(told).toEqual([
    {
      status: 'RUNNING',
      attempts: 1,
      providers: [
        { attempt: 1, name: 'anthropic', reason: 'PREFERRED', passedOver: [] },
        {
          attempt: 1,
          name: 'openai',
          reason: 'FALLBACK',
          passedOver: [{ provider: 'anthropic', reason: 'UNHEALTHY' }],
        },
      ],
    },
  ]);
});

test('acme’s OWNER was told of what happened there', async () => {
  const { data } = await (await server.as('ann@acme.example', 'acme'))('{ notifications { nodes { kind readAt } } }');
  // Of this month's limit, too, but at its begin.
  const kinds = new Set(data.notifications.nodes.map(({ kind }) => kind));
  expect([...kinds].toSorted()).toEqual(['ALERT', 'APPROVAL', 'ENDING_KEY', 'INVITATION', 'VENDOR_ACCESS']);
});

test('whoever is to allow the run of acme that waits was told, and it was not them who started it', async () => {
  const [adam, dev] = [await server.as('adam@acme.example', 'acme'), await server.as('dev@acme.example', 'acme')];
  const { data } = await adam(`{
    approvals(filter: { status: PENDING }) { nodes { id createdAt waitsFor { email } } }
    notifications { nodes { kind text at readAt targetId } }
  }`);
  const [approval] = data.approvals.nodes;
  expect(data.notifications.nodes).toEqual([
    {
      kind: 'APPROVAL',
      text: 'A run in Acme Corporation waits for you',
      at: approval?.createdAt,
      readAt: null,
      targetId: approval?.id,
    },
  ]);
  const { data: devs } = await dev('{ notifications { nodes { kind } } }');
  expect(devs.notifications.nodes).toEqual([]);
});

test('acme has spent 84 percent of its limit, day by day, and was told at 80', async () => {
  const ann = await server.as('ann@acme.example', 'acme');
  const { data } = await ann(
    '{ organizationUsage { percentUsed budget { monthly { settledMicros } } } usageAlerts { threshold } }',
  );
  // At the begin of a month there may be next to nothing.
  if (data.organizationUsage.budget.monthly.settledMicros > 1_000_000) {
    expect(Math.round(data.organizationUsage.percentUsed)).toBe(84);
    expect(data.usageAlerts).toEqual([{ threshold: 80 }]);
  }
  const { rows } = await server.database.pool.queryAsLoginRole(
    `select count(distinct day)::int as days, count(*) filter (where r.id is null)::int as astray
     from usage_event e left join run r on r.org_id = e.org_id and r.id = e.run_id
       and e.day = utc_day(coalesce(r.finished_at, r.started_at))`,
  );
  expect(rows[0]).toEqual({ days: expect.any(Number), astray: 0 });
  expect(rows[0].days).toBeGreaterThan(50);
});

test('a machine is registered, and has runs to claim once somebody gave it a token', async () => {
  const sam = await server.as('sam@orgate.example');
  const { data } = await sam('{ executors { id name pool lastUsedAt } }');
  expect(data.executors).toMatchObject([{ name: 'worker-1', pool: 'default', lastUsedAt: null }]);
  const { data: given } = await sam('mutation ($id: ID!) { rotateExecutorToken(id: $id) { token } }', {
    id: data.executors[0].id,
  });
  const leases = await claim(server.withToken(given.rotateExecutorToken.token as string), { max: 100 });
  expect(new Set(leases.map(({ organizationId }) => organizationId)).size).toBeGreaterThan(1);
});

test('acme is found by its former slug and at its host', async () => {
  const ann = await server.as('ann@acme.example');
  const { data } = await ann('{ currentOrganization { slug } }', {}, { 'x-organization-id': 'acme-inc' });
  expect(data).toEqual({ currentOrganization: { slug: 'acme' } });
  const headers = {
    host: 'acme.localhost',
    'content-type': 'application/json',
    authorization: `Bearer ${ann.token}`,
  };
  const body = JSON.stringify({ query: '{ viewer { organizationSource } currentOrganization { slug } }' });
  expect(JSON.parse((await raw(`${server.url}/graphql`, { headers, body })).text)).toEqual({
    data: { viewer: { organizationSource: 'HOST' }, currentOrganization: { slug: 'acme' } },
  });
});

test('acme and its staging were made together, and an account has acme and another', async () => {
  const world = await readDemoWorld();
  const ann = await server.as('ann@acme.example', 'acme');
  const { data } = await ann(`{
    currentOrganization { environment siblings { slug environment } set { name } }
    accounts { nodes { name administrators { email } organizations { nodes { slug } } } }
  }`);
  expect(data.currentOrganization).toEqual({
    environment: 'PROD',
    siblings: [{ slug: 'acme-staging', environment: 'STAGING' }],
    set: { name: world.set.name },
  });
  const accounts = data.accounts.nodes.map(({ name, administrators, organizations }) => ({
    name,
    administrators: administrators.map(({ email }) => email),
    organizations: organizations.nodes.map(({ slug }) => slug).toSorted(),
  }));
  expect(accounts).toEqual(world.accounts);
});
