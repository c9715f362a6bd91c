import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openEntryWriter, openSealing } from '../../../src/domains/audit-entry/outside.js';
import { inFrame } from '../../../src/data/connection/org-connection.js';
import type { Database } from '../../../src/data/database.js';
import { brandOrgId, newId } from '../../../src/data/id.js';
import { byTest } from '../../support/act.js';
import { openTestDatabase } from '../../support/server.js';

let database: Database;
const statements: string[] = [];
beforeAll(async () => {
  database = await openTestDatabase({ onStatement: (text) => statements.push(text) });
});
afterAll(() => database.close());

test('what sealing takes grows with what waits, and not with what there is', async () => {
  const orgId = brandOrgId(newId('org'));
  const query = (text: string) => database.pool.queryAsLoginRole(text);
  await query(`insert into audit_entry (org_id, actor_kind, action)
    select '${orgId}', 'SYSTEM', 'repository.created' from generate_series(1, 3000)`);
  await query(`insert into audit_unsealed select org_id, number from audit_entry where org_id = '${orgId}' limit 20`);
  expect(await database.outside(openSealing).seal(orgId, 1000)).toBe(20);
  await query(`insert into audit_unsealed select org_id, number from audit_entry e where org_id = '${orgId}'
    and not exists (select from audit_seal s where s.org_id = e.org_id and s.number = e.number) limit 20`);
  const text = statements.find((each) => /\baudit_entry\b/.test(each)) ?? '';
  const { rows } = await query(
    `explain (analyze, format json) ${text.replaceAll('$1', `'${orgId}'`).replaceAll('$2', '1000')}`,
  );
  // By its index or by a bitmap of it, as the statistics of the moment have it: what counts is what was read.
  const [read, ...more] = entriesRead(rows);
  expect(more).toEqual([]);
  expect(read).toBeGreaterThanOrEqual(20);
  expect(read).toBeLessThan(60);
});

test('nor does what telling once takes, behind the walls', async () => {
  const orgId = brandOrgId(newId('org'));
  const query = (text: string) => database.pool.queryAsLoginRole(text);
  const slug = orgId.replace('_', '-');
  await query(`with named as (insert into address (name, kind, org_id) values ('${slug}', 'SLUG', '${orgId}'))
    insert into organization (id, name, slug) values ('${orgId}', 'x', '${slug}')`);
  await query(`insert into audit_entry (org_id, actor_kind, action)
    select '${orgId}', 'SYSTEM', 'repository.created' from generate_series(1, 3000)`);
  const entry = { act: byTest, action: 'organization.seen', outcome: 'DONE', onceIn: '1 day' } as const;
  statements.length = 0;
  await database.outside(openEntryWriter)(orgId, [entry]);
  const text = `explain (analyze, format json) ${statements.find((each) => /\baudit_entry\b/.test(each)) ?? ''}`;
  const { rows } = await inFrame({ role: 'orgate_app', orgId }, () =>
    database.pool.query({ text, values: [orgId, JSON.stringify([entry])] }),
  );
  expect(Math.max(...entriesRead(rows))).toBeLessThan(60);
});

/** How many entries each scan of a plan read. */
const entriesRead = (rows: unknown[]): number[] =>
  nodesOf((rows[0] as { 'QUERY PLAN': [{ Plan: PlanNode }] })['QUERY PLAN'][0].Plan)
    .filter((node) => node['Relation Name'] === 'audit_entry' && node['Node Type'] !== 'ModifyTable')
    .map((node) => (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops']);

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

const nodesOf = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];
