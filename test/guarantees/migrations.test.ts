import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';

const ROOT = path.join(import.meta.dirname, '../..');
const MIGRATIONS = path.join(ROOT, 'prisma/migrations');
/** The last one of the first release. */
const FIRST_RELEASE = '20261122000000_system_admins';

/** What a release that is still serving reads or writes may be gone after it. */
const TAKES_AWAY =
  /\bdrop\s+(?:table|view|type|domain|sequence|column)\b|\balter\s+table\b[^;]*\b(?:rename|drop\s+(?!constraint|default|identity|not\s)\w+)|\balter\s+column\s+\w+\s+(?:set\s+data\s+)?type\b|\balter\s+column\s+\w+\s+set\s+not\s+null\b/i;

const takesAway = (sql: string): boolean => TAKES_AWAY.test(sql.replaceAll(/--.*$/gm, ''));

test('a migration MUST only add, or docs/operations.md names it among the upgrades that need a stop', () => {
  const newer = readdirSync(MIGRATIONS).filter((name) => /^\d{14}_/.test(name) && name > FIRST_RELEASE);
  const taking = newer.filter((name) => takesAway(readFileSync(path.join(MIGRATIONS, name, 'migration.sql'), 'utf8')));
  const [, listed = ''] =
    /^### With a stop$([\s\S]*?)^##/m.exec(readFileSync(path.join(ROOT, 'docs/operations.md'), 'utf8')) ?? [];
  expect(taking.filter((name) => !listed.includes(`\`${name}\``))).toEqual([]);
  const named = [...listed.matchAll(/`(\d{14}_\w+)`/g)].map(([, name]) => name);
  expect(named.filter((name) => !newer.includes(name as string))).toEqual([]);
  expect(taking.length).toBeGreaterThan(0);
});

test.each([
  ['drop table run', true],
  ['alter table run drop column status', true],
  ['alter table run drop status', true],
  ['alter table run rename column status to state', true],
  ['alter table run rename to job', true],
  ['alter table run alter column status type integer', true],
  ['alter table run alter column status set not null', true],
  ['alter table run add column state text', false],
  ['alter table run alter column status drop not null', false],
  ['alter table run drop constraint run_status_check, add constraint b check (true)', false],
  ['-- drop table run', false],
  ['drop index run_idx; drop policy p on run', false],
  ['alter procedure orgate_isolate(text, text) rename to orgate_wall', false],
])('%s takes away: %s', (sql, isSo) => expect(takesAway(sql)).toBe(isSo));
