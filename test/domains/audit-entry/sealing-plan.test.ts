import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openSealing } from '../../../src/domains/audit-entry/outside.js';
import type { Database } from '../../../src/data/database.js';
import { brandOrgId, newId } from '../../../src/data/id.js';
import { openTestDatabase } from '../../support/server.js';

let database: Database;
const statements: string[] = [];
beforeAll(async () => {
  database = await openTestDatabase({ onStatement: (text) => statements.push(text) });
}, 60_000);
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
  const scans = JSON.stringify(rows).match(/\{[^{}]*"Relation Name":"audit_entry"[^{}]*\}/g) ?? [];
  expect(scans).toHaveLength(1);
  expect(scans[0]).toMatch(/"Index Name":"audit_entry_pkey".*"Actual Rows":1(\.0+)?,"Actual Loops":20[,.}]/);
});
