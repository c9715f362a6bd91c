import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { OrgId } from '../../src/data/id.js';
import { openSealing } from '../../src/domains/audit-entry/outside.js';
import { loadDemo } from '../../src/development/demo.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ ownDatabase: true });
  await loadDemo(server.database);
}, 60_000);
afterAll(() => server.close());

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
  expect(nodes.every(({ actor }: { actor: { kind: string } }) => actor.kind === 'PERSON')).toBe(true);
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
