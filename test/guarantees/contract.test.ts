import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { unsaidBreaks } from '../../src/commands/breaking-changes.js';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { sdlOf } from '../../src/gateway/graphql/serve-sdl.js';

const read = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');

test('what breaks clients MUST stand in the changelog', () => {
  expect(unsaidBreaks(read('schema.graphql'), sdlOf(createContract().schema), read('CHANGELOG.md'))).toEqual([]);
});

test('the file that clients take MUST be the contract: `npm run schema` writes it', () => {
  expect(read('schema.graphql')).toBe(sdlOf(createContract().schema));
});

const before = 'type Query { run(id: ID!): Run } type Run { id: ID! name: String }';
const after = 'type Query { run(id: ID!, of: ID!): Run } type Run { id: ID! }';
const CHANGELOG = '# Changelog\n\n## Unreleased\n\n- A line.\n\n## 0.1.0\n\n- Breaking: Run.name was removed.\n';

test.each<[string, string, string, string[]]>([
  ['nothing that clients had', before.replace('name', 'title: String name'), CHANGELOG, []],
  [
    'and the changelog does not say so, or said it of an earlier version',
    after,
    CHANGELOG,
    ['A required arg of on Query.run was added.', 'Run.name was removed.'],
  ],
  [
    'and the changelog says the half of it',
    after,
    CHANGELOG.replace('A line.', 'Breaking: `Run.name`\n  was removed; ask for `id`.'),
    ['A required arg of on Query.run was added.'],
  ],
  [
    'and the changelog says so',
    after,
    CHANGELOG.replace('A line.', 'Breaking: Run.name was removed. A required arg of on Query.run was added.'),
    [],
  ],
  [
    'and the next version is the only one',
    after,
    '## Unreleased\n\n- Run.name was removed.',
    ['A required arg of on Query.run was added.'],
  ],
])('a change MUST be told that breaks %s', (_, changed, changelog, unsaid) => {
  expect(unsaidBreaks(before, changed, changelog).toSorted()).toEqual(unsaid);
});
