import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';

const DOMAINS = path.join(import.meta.dirname, '../../src/domains');

/** Where nobody asks who could be over, or what lets them in is itself read again. */
const OTHERWISE: Readonly<Record<string, string>> = {
  'api-key/create-api-key.ts': 'where the key is made, once it is known whose',
  'budget/clear-limit.ts': 'due work, which nobody asks for',
  'dns-domain/check-domain.ts': 'a job, beside verifyDomain',
  'identity-provider/provision-from-provider.ts': 'whoever signs in has no session yet; the provider is read again',
  'join-request/join-by-domain.ts': 'at sign-in, too; the domain is read again',
  'purge/purge.ts': 'owed work, which nobody asks for; that it is still to be done is read again',
  'webhook/disable.ts': 'due work, which nobody asks for; that it is still ACTIVE is read again',
  'scim-directory/as-directory.ts': 'a directory; its token is read again',
};

const LOCKED = /\.locked\(async \((\w+)\) => \{\s*(.*)/g;

test('whoever waits for the lock of an organization MUST be read again under it, before anything else', () => {
  const found = readdirSync(DOMAINS, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) =>
      [...readFileSync(path.join(DOMAINS, file), 'utf8').matchAll(LOCKED)].map(
        ([, db = '', first = '']) => [file, db, first] as const,
      ),
    );
  const unread = found.filter(
    ([, db, first]) =>
      !first.includes(`readActor(${db}, context, `) && !first.includes(`assertStillAsking(${db}, context)`),
  );
  expect([...new Set(unread.map(([file]) => file))].toSorted()).toEqual(Object.keys(OTHERWISE).toSorted());
  expect(found.length).toBeGreaterThan(20);
});
