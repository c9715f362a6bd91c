import { expect, test } from '@jest/globals';
import { givenOrganization } from '../../support/given.js';
import { type Answer, unchecked, useServer } from '../../support/server.js';

// What a client sends may be a secret, and answers end up in logs and on screens: no error repeats an argument's value.
const server = useServer();
const acme = givenOnce();

function givenOnce() {
  let made: ReturnType<typeof givenOrganization> | undefined;
  return () => (made ??= givenOrganization(server));
}

const CANARY = 'c4n4ry';
const NUMBER = '31337133713';

function expectNoEcho(answer: Answer): void {
  expect(answer.errors).not.toEqual([]);
  for (const { message, extensions } of answer.errors) {
    const said = JSON.stringify({ message, extensions: { ...extensions, requestId: '' } });
    expect(said).not.toContain(CANARY);
    expect(said).not.toContain(NUMBER);
    expect(message).not.toMatch(/undefined|\[object|^\s*$/);
  }
}

const START = 'mutation ($input: StartRunInput!) { startRun(input: $input) { id } }';
const CREATE = 'mutation ($input: CreateRepositoryInput!) { createRepository(input: $input) { id } }';
const SETTINGS = 'mutation ($input: UpdateOrganizationInput!) { updateOrganization(input: $input) { id } }';
const INVITE = 'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { role } }';
const RUNS =
  'query ($first: Int, $after: String, $filter: RunFilter, $order: RunOrder) { runs(first: $first, after: $after, filter: $filter, order: $order) { totalCount } }';
const PROGRESS = 'mutation ($id: ID!, $input: RunProgressInput!) { recordRunProgress(id: $id, input: $input) { id } }';

test.each<[string, string, Record<string, unknown>]>([
  ['an Int that is text', RUNS, { first: CANARY }],
  ['an Int that is a list', RUNS, { first: [CANARY] }],
  ['an Int that overflows', RUNS, { first: Number(NUMBER) }],
  ['an Int in two parts', RUNS, { first: `a; ${CANARY}` }],
  [
    'an Int that looks like a message',
    RUNS,
    { first: `x" at "filter.${CANARY}"; Int cannot represent ${CANARY}: ${CANARY}` },
  ],
  ['an Int that is an object', RUNS, { first: { [`${CANARY}; ${CANARY}`]: CANARY } }],
  ['an enum', RUNS, { order: CANARY }],
  ['an enum in two parts', RUNS, { order: `a; ${CANARY}` }],
  ['an enum that is a number', RUNS, { order: Number(NUMBER) }],
  ['an enum in a list', RUNS, { filter: { status: ['QUEUED', CANARY] } }],
  ['a time', RUNS, { filter: { createdFrom: CANARY } }],
  ['a time in two parts', RUNS, { filter: { createdFrom: `2026-11-20; ${CANARY}` } }],
  ['a time that is an object', RUNS, { filter: { createdFrom: { at: CANARY } } }],
  ['a time that is a number', RUNS, { filter: { createdFrom: Number(NUMBER) * 1e6 } }],
  ['an id that is an object', RUNS, { filter: { agentId: { id: CANARY } } }],
  ['an id that is a fraction', RUNS, { filter: { agentId: Number(`0.${NUMBER}`) } }],
  ['text in place of an object', RUNS, { filter: CANARY }],
  ['a field that does not exist', RUNS, { filter: { agentId: CANARY, nope: CANARY } }],
  ['a cursor', RUNS, { after: CANARY }],
  ['a cursor that decodes', RUNS, { after: Buffer.from(JSON.stringify([CANARY, CANARY])).toString('base64url') }],
  ['a number in place of text', CREATE, { input: { name: Number(NUMBER), gitUrl: CANARY } }],
  ['a field that is missing', CREATE, { input: { name: CANARY } }],
  ['a null that must not be', CREATE, { input: { name: CANARY, gitUrl: null } }],
  ['all of it missing', CREATE, { inptu: { name: CANARY } }],
  ['a URL', CREATE, { input: { name: 'bots', gitUrl: `https://${CANARY}:${CANARY}@git.example/x` } }],
  ['a name with a control character', CREATE, { input: { name: `${CANARY}\u0007`, gitUrl: 'https://git.example/x' } }],
  ['a name that is too long', CREATE, { input: { name: CANARY.repeat(50), gitUrl: 'https://git.example/x' } }],
  ['text that no database holds', CREATE, { input: { name: `${CANARY}\u0000`, gitUrl: 'https://git.example/x' } }],
  ['half a character', CREATE, { input: { name: `${CANARY}\ud800`, gitUrl: 'https://git.example/x' } }],
  ['an agent of nobody', START, { input: { agentId: CANARY } }],
  ['a key that is too long', START, { input: { agentId: 'x', idempotencyKey: CANARY.repeat(50) } }],
  ['JSON that is too large', START, { input: { agentId: 'x', input: { it: CANARY.repeat(12_000) } } }],
  ['a safe integer that is none', PROGRESS, { id: 'x', input: { totalTokens: `1${CANARY}` } }],
  ['a safe integer that is not safe', PROGRESS, { id: 'x', input: { totalTokens: Number(NUMBER) * 1e9 } }],
  ['a total below zero', PROGRESS, { id: 'x', input: { totalTokens: -Number(NUMBER) } }],
  ['a cost beyond all', PROGRESS, { id: 'x', input: { totalCost: Number(NUMBER) } }],
  ['a JSON object that is text', SETTINGS, { input: { settings: { featureFlags: CANARY } } }],
  ['a flag that is text', SETTINGS, { input: { settings: { featureFlags: { beta: CANARY } } } }],
  ['a slug', SETTINGS, { input: { slug: `${CANARY}_` } }],
  ['a domain', SETTINGS, { input: { settings: { security: { allowedDomains: [`${CANARY}!`] } } } }],
  ['a permission', INVITE, { input: { email: 'a@b.example', name: 'A', role: 'VIEWER', permissions: [CANARY] } }],
  ['an e-mail', INVITE, { input: { email: CANARY, name: 'A', role: 'VIEWER' } }],
  ['a month', 'query ($p: String) { organizationUsage(period: $p) { totalRuns } }', { p: CANARY }],
  ['an id', 'query ($id: ID!) { run(id: $id) { id } }', { id: CANARY }],
  ['a name', 'query ($name: String) { agent(name: $name) { id } }', { name: CANARY }],
])('as a variable: %s', async (_, query, variables) => {
  const { owner } = await acme();
  expectNoEcho(await owner(query, variables));
});

test.each<[string, string]>([
  ['an Int that is text', `{ runs(first: "${CANARY}") { totalCount } }`],
  ['an Int that overflows', `{ runs(first: ${NUMBER}) { totalCount } }`],
  ['an Int that is an object', `{ runs(first: {a: "${CANARY}"}) { totalCount } }`],
  ['an enum', `{ runs(order: ${CANARY}) { totalCount } }`],
  ['an enum that is text', `{ runs(order: "${CANARY}") { totalCount } }`],
  ['a boolean', `{ viewer @include(if: "${CANARY}") { role } }`],
  ['text that is a number', `{ runs(after: ${NUMBER}) { totalCount } }`],
  ['a time', `{ runs(filter: {createdFrom: "${CANARY}"}) { totalCount } }`],
  ['a time that is a list', `{ runs(filter: {createdFrom: ["${CANARY}"]}) { totalCount } }`],
  ['an id that is a list', `{ run(id: ["${CANARY}"]) { id } }`],
  ['a list in place of an object', `{ runs(filter: ["${CANARY}"]) { totalCount } }`],
  ['a safe integer', `mutation { recordRunProgress(id: "x", input: {totalTokens: "${CANARY}"}) { id } }`],
  [
    'a safe integer that is not safe',
    `mutation { recordRunProgress(id: "x", input: {totalTokens: ${NUMBER}${NUMBER}}) { id } }`,
  ],
  ['a JSON object', `mutation { updateOrganization(input: {settings: {featureFlags: "${CANARY}"}}) { id } }`],
  ['a field that is missing', `mutation { createRepository(input: {name: "${CANARY}"}) { id } }`],
  ['a default of a variable', `query ($n: Int = "${CANARY}") { runs(first: $n) { totalCount } }`],
  ['two values for one field', `{ a: run(id: "${CANARY}") { id } a: run(id: "${CANARY}2") { id } }`],
  ['text without end', `{ run(id: "${CANARY}`],
  ['text where a name belongs', `{ run(id: "x") "${CANARY}" { id } }`],
  ['a block of text', `{ run(id: """${CANARY}`],
  ['a bad escape', `{ run(id: "\\q${CANARY}") { id } }`],
  ['a bad code point', `{ run(id: "\\u{${CANARY}}") { id } }`],
  ['a number that is none', `{ runs(first: 1${CANARY}) { totalCount } }`],
  ['a number with two points', `{ runs(first: 1.${NUMBER}.${NUMBER}) { totalCount } }`],
  ['two quotes in one', `{ run(id: '${CANARY}') { id } }`],
  ['text before anything', `"${CANARY}" { viewer { role } }`],
  [
    'a variable that nobody knows, in an object',
    `query ($x: Int) { runs(filter: {agentId: $x, createdById: "${CANARY}"}) { totalCount } }`,
  ],
])('in the document: %s', async (_, query) => {
  const { owner } = await acme();
  expectNoEcho(await owner(unchecked(query)));
});

test('the argument at fault is named all the same, by its path', async () => {
  const { owner } = await acme();
  const at = async (query: string, variables: Record<string, unknown>) =>
    (await owner(query, variables)).errors[0]?.extensions['argument'];
  expect(await at(RUNS, { first: CANARY })).toBe('first');
  expect(await at(RUNS, { filter: { status: ['QUEUED', CANARY] } })).toBe('filter.status.1');
  expect(await at(RUNS, { filter: { createdFrom: CANARY } })).toBe('filter.createdFrom');
  expect(await at(CREATE, { input: { name: 'x' } })).toBe('input.gitUrl');
  expect(await at(CREATE, { input: { name: '', gitUrl: 'https://git.example/x' } })).toBe('input.name');
  expect(await at(SETTINGS, { input: { settings: { agentExecution: { maxConcurrentRuns: CANARY } } } })).toBe(
    'input.settings.agentExecution.maxConcurrentRuns',
  );
});

test('what is wrong is said in words that help', async () => {
  const { owner } = await acme();
  const said = async (query: string, variables: Record<string, unknown> = {}) =>
    (await owner(unchecked(query), variables)).errors[0]?.message;
  expect(await said(RUNS, { first: CANARY })).toBe('Variable "$first" is not valid: The value does not fit its type.');
  expect(await said(RUNS, { filter: { status: [CANARY] } })).toMatch(
    /^Variable "\$filter" is not valid at "filter.status\[0\]": /,
  );
  expect(await said(CREATE, { input: { name: 'x' } })).toBe(
    'Variable "$input" is not valid: Field "gitUrl" of required type "String!" was not provided.',
  );
  expect(await said(CREATE)).toBe('Variable "$input" of required type "CreateRepositoryInput!" was not provided.');
  expect(await said(`{ runs(first: "${CANARY}") { totalCount } }`)).toBe('Int cannot represent this value.');
  expect(await said('{ viewer { roel } }')).toBe('Cannot query field "roel" on type "Viewer". Did you mean "role"?');
  expect(await said('{ viewer ')).toMatch(/^Syntax Error: Expected Name/);
});
