import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';

const DOMAINS = path.join(import.meta.dirname, '../../src/domains');

/** Where nobody asks who could be over, or what lets them in is itself read again. */
const OTHERWISE: Readonly<Record<string, string>> = {
  'api-key/create-api-key.ts': 'where the key is made, once it is known whose',
  'approval/jobs.ts': 'due work, which nobody asks for; that it still waits is read again',
  'budget/clear-limit.ts': 'due work, which nobody asks for',
  'dns-domain/check-domain.ts': 'a job, beside verifyDomain',
  'identity-provider/provision-from-provider.ts': 'whoever signs in has no session yet; the provider is read again',
  'join-request/join-by-domain.ts': 'at sign-in, too; the domain is read again',
  'provider/report-health.ts': 'of whoever works for a run the claim is held, of others the permission read again',
  'purge/purge.ts': 'owed work, which nobody asks for; that it is still to be done is read again',
  'webhook/disable.ts': 'due work, which nobody asks for; that it is still ACTIVE is read again',
  'scim-directory/as-directory.ts': 'a directory; its token is read again',
};

/** What is done under it is written there, or named. */
const LOCKED = /\.locked\((?:(?:async )?\((\w+)\) =>\s*(?:\{\s*)?(.*)|(\w+)\))/g;
const named = (name: string): RegExp => new RegExp(`const ${name} = async \\((\\w+): LockedDb\\) => \\{\\s*(.*)`);

/** For each lock that a file takes, what it is called under it, and what is done first. */
const locksIn = (text: string): (readonly [db: string, first: string])[] =>
  [...text.matchAll(LOCKED)].map(([, db, first, name]) => {
    const [, itsDb = '', itsFirst = ''] = (name !== undefined && named(name).exec(text)) || [];
    return [db ?? itsDb, first ?? itsFirst];
  });

test('whoever waits for the lock of an organization MUST be read again under it, before anything else', () => {
  const texts = readdirSync(DOMAINS, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => [file, readFileSync(path.join(DOMAINS, file), 'utf8')] as const);
  const found = texts.flatMap(([file, text]) => locksIn(text).map((each) => [file, ...each] as const));
  const unread = found.filter(([, db, first]) => !first.includes(`assertStillAsking(${db}, context)`));
  expect([...new Set(unread.map(([file]) => file))].toSorted()).toEqual(Object.keys(OTHERWISE).toSorted());
  // Nobody takes it in a way that is not seen here.
  expect(found.length).toBe(texts.reduce((sum, [, text]) => sum + text.split('.locked').length - 1, 0));
  // All else takes it as somebody who holds a permission, and is handed who that is by then.
  expect(texts.reduce((sum, [, text]) => sum + text.split('asActor(').length - 1, 0)).toBeGreaterThan(30);
});
