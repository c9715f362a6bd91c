import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';

const PROJECT = path.join(import.meta.dirname, '../..');

/** The names in a folder, without what they end with; where none is given, those of folders. */
const namesIn = (folder: string, end?: string): string[] =>
  readdirSync(path.join(PROJECT, folder), { withFileTypes: true })
    .filter((entry) => (end === undefined ? entry.isDirectory() : entry.name.endsWith(end)))
    .map(({ name }) => name.slice(0, name.length - (end?.length ?? 0)));

const domains = namesIn('src/domains');
const schemas = namesIn('schema', '.graphql');
const models = namesIn('prisma/models', '.prisma');
const tests = namesIn('test/domains');

type Reasons = Readonly<Record<string, string>>;

/** What is no domain of its own, and why. */
const SCHEMAS: Reasons = {
  base: 'scalars, paging, `node` and what holds of every mutation: of all domains',
  feature: 'what an organization has or has not; `organization` answers it',
  'organization-comparison': 'how two organizations differ; `organization` answers it',
  settings: 'what an organization decided for itself; `organization` answers and changes it',
  subscription: 'what was agreed with an organization; `organization` answers and changes it',
};

const MODELS: Reasons = {
  address: 'the names an organization is found by before anyone is in it: identity reads it',
  'audit-export': 'a link to the record; `audit-entry` makes and serves it',
  'data-key': 'what an organization is sealed under: secrets make and open it',
  'due-work': 'what every domain has done later: jobs keep it',
  person: 'who is known outside any one organization: identity',
  'run-claim': 'who works for a run; `run` gives and takes it',
  'settings-version': 'what settings were before; `organization` writes it',
  'sign-in': 'somebody on their way in: identity, and the door for it',
  'signing-key': 'what tokens are signed with: identity',
};

/** What only answers, or only works by itself, keeps nothing of its own and says nothing of its own in the contract. */
const WITHOUT_SCHEMA: Reasons = {
  node: '`node` and `nodes` stand in base.graphql, beside the interface',
  purge: 'nobody asks for it: it does what a deletion promised',
};

const WITHOUT_TESTS: Reasons = {
  'rate-limit': 'what a request costs is counted at the doors, and tested there: test/gateway/graphql/points',
};

const without = (names: readonly string[], others: readonly string[]): string[] =>
  names.filter((name) => !others.includes(name)).toSorted();
const namesOf = (reasons: Reasons): string[] => Object.keys(reasons).toSorted();

test('what the contract has a file for MUST be a domain of that name, or say why it is none', () => {
  expect(without(schemas, domains)).toEqual(namesOf(SCHEMAS));
  expect(without(domains, schemas)).toEqual(namesOf(WITHOUT_SCHEMA));
});

test('what the store has a file for MUST be a domain of that name, or say why it is none', () => {
  expect(without(models, domains)).toEqual(namesOf(MODELS));
});

test('every domain MUST have tests under its name, or say where they are', () => {
  expect(without(domains, tests)).toEqual(namesOf(WITHOUT_TESTS));
  expect(without(tests, domains)).toEqual([]);
});

// A domain without it would be left out of a run that is green.
test('every domain MUST be tested on the embedded database, by the file of its name', () => {
  const [, expression] = /'(test\/domains\/[^']+)'/.exec(readFileSync(path.join(PROJECT, '.ci/run'), 'utf8')) ?? [];
  expect(expression).toBeDefined();
  const isRun = new RegExp(String(expression));
  const files = (name: string) => readdirSync(path.join(PROJECT, 'test/domains', name));
  const isLeftOut = (name: string) => !files(name).some((file) => isRun.test(`test/domains/${name}/${file}`));
  expect(tests.filter(isLeftOut)).toEqual([]);
});
