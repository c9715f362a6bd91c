import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Database } from '../../../src/data/database.js';
import { openTestDatabase } from '../../support/server.js';

/**
 * The triggers that write the record are made for the columns that a table has when `orgate_record` is called. Where a migration
 * adds one and does not call it again, it stands here as told nowhere, and where it takes one away, every change would fail.
 */
let database: Database;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

/** Told nowhere, or with every entry: when it was made and changed, what it is and whose. */
const OF_ALL = ['created_at', 'updated_at'];

test('whatever a recorded row has is told, but for what is not to be', async () => {
  const { rows } = await database.pool.queryAsLoginRole(`
    select t.tgrelid::regclass::text as table, t.tgname as trigger, p.prosrc as source,
      array(select attname::text from pg_attribute a where a.attrelid = t.tgrelid and a.attnum > 0 and not a.attisdropped) as columns
    from pg_trigger t join pg_proc p on p.oid = t.tgfoid
    where p.proname in ('record_' || t.tgrelid::regclass::text || '_created', 'record_' || t.tgrelid::regclass::text || '_updated',
      'record_' || t.tgrelid::regclass::text || '_deleted')
    order by 1, 2`);
  const untold: Record<string, string[]> = {};
  for (const { table, trigger, source, columns } of rows) {
    const named = new Set([...(source as string).matchAll(/\b(?:new|old)\.(\w+)/g)].map(([, name]) => name as string));
    expect([...named].filter((name) => !columns.includes(name))).toEqual([]);
    const missing = (columns as string[]).filter((name) => !named.has(name) && !OF_ALL.includes(name)).toSorted();
    const before = (untold[table as string] ??= missing);
    expect({ [trigger as string]: missing }).toEqual({ [trigger as string]: before });
  }
  expect(rows).toHaveLength(3 * Object.keys(untold).length);
  expect(Object.fromEntries(Object.entries(untold).filter(([, columns]) => columns.length > 0))).toEqual({
    account_organization: ['accepted_at'], // its action says so
    agent: ['version'], // counted by what changed, which is told
    api_key: ['last_used_at'],
    approval: ['agent_version', 'decided_at', 'input_digest', 'key_made_by', 'told'],
    credential: ['last_used_at'],
    executor: ['last_used_at'],
    impersonation: ['session_id'],
    invitation: ['mail_problem', 'mail_status', 'pending_email'],
    membership: ['left_granted', 'left_joined_at', 'left_role', 'left_withheld'],
    // Of the release before, whose values `settings` has.
    organization: [
      'default_model',
      'default_provider',
      'external_agent_policy',
      'lock_version',
      'membership_rule',
      'purged_to',
      'support_access',
    ],
    organization_domain: ['check_found', 'check_problem', 'checked_at', 'held_name', 'misses', 'serving_found'],
    organization_elsewhere: ['set_id'],
    budget: [
      'changed_at',
      'day',
      'day_settled_micros',
      'month_settled_micros',
      'reserved_micros',
      'run_count',
      'run_day',
    ],
    provider_health: ['detail', 'reported_at', 'retry_at'],
    run: [
      'approved_at',
      'attempts',
      'claim_id',
      'estimated_cost_micros',
      'idempotency_key',
      'input',
      'output',
      'reported_at',
      'runs_per_day',
      'total_cost_micros',
      'total_tokens',
    ],
    scim_directory: ['last_used_at'],
    session: ['last_used_at', 'source_id', 'user_agent'],
    signing_key: ['public_key'],
    webhook: ['handled_to'],
  });
  expect(Object.keys(untold)).toEqual(
    expect.arrayContaining(['repository', 'agent', 'person', 'identity', 'scim_user', 'scim_group']),
  );
});
