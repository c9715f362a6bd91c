import { beforeAll, describe, expect, test } from '@jest/globals';
import { type GivenOrganization, givenOrganization } from '../support/given.js';
import { codeOf, unchecked, useServer } from '../support/server.js';

const server = useServer();
let acme: GivenOrganization;
beforeAll(async () => {
  acme = await givenOrganization(server);
});

const CANARY = 'swordfish';
const long = (length: number): string => CANARY.repeat(length / CANARY.length + 1).slice(0, length);
const levels = (count: number): unknown => (count === 0 ? CANARY : [levels(count - 1)]);
const many = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);
const flags = (count: number) => Object.fromEntries(many(count, true).map((on, index) => [`flag${index}`, on]));

type Case = [at: string, ...inputs: object[]];
/** The same input again and again, each time with another value in one field. */
const each = (field: string, others: object, ...values: unknown[]): Case => [
  field,
  ...values.map((value) => ({ ...others, [field]: value })),
];
const organization = { name: 'Acme', slug: 'fine-slug' };
const jane = { email: 'jane@acme.example', name: 'Jane', role: 'VIEWER' };
const repository = { name: 'bots', gitUrl: 'https://git.example/bots' };
const settings = (group: string, field: string, ...values: unknown[]): Case => [
  `settings.${group}.${field}`,
  ...values.map((value) => ({ settings: { [group]: { [field]: value } } })),
];

/** By mutation: under `input`, the path at fault, and inputs that are refused there. */
const MUTATIONS: Record<string, Case[]> = {
  createOrganization: [
    each('name', organization, ' ', long(101), `${CANARY}\nx`, `${CANARY}\u2028x`),
    each('slug', organization, '', 'ab', long(64), 'Swordfish', 'sword_fish', 'sword.fish', 'swordfish\u00e9'),
    each('slug', organization, '-swordfish', 'swordfish-', 'xn--swordfish', 'ab--swordfish'),
    each('slug', organization, 'www', 'api', 'auth', 'graphql', 'admin'),
    each('description', organization, long(2001)),
    ['inviteAdministrators', { ...organization, inviteAdministrators: true }],
  ],
  updateOrganization: [
    each('name', {}, null, ' ', long(101)),
    each('slug', {}, null, 'ab', 'Swordfish', 'www'),
    each('description', {}, long(2001)),
    settings('agentExecution', 'defaultModel', ' ', long(101)),
    settings('agentExecution', 'defaultProvider', ' ', long(101)),
    settings('agentExecution', 'maxConcurrentRuns', null, 0, -1, 10_001),
    settings('security', 'externalAgentPolicy', null),
    settings('security', 'allowedDomains', null, many(101, 'a.example')),
    [
      'settings.security.allowedDomains.1',
      ...[CANARY, 'sword fish.example', 'https://swordfish.example', '*.swordfish.example', '127.0.0.1'].map(
        (domain) => ({ settings: { security: { allowedDomains: ['a.example', domain] } } }),
      ),
    ],
    [
      'settings.featureFlags',
      ...[null, { [CANARY]: 'yes' }, { [long(101)]: true }, { '': true }, flags(101)].map((featureFlags) => ({
        settings: { featureFlags },
      })),
    ],
  ],
  inviteUser: [
    each('email', jane, '', CANARY, `${CANARY}@`, `@${CANARY}.example`, `${CANARY}@example`, `${CANARY}@a b.example`),
    each('email', jane, `${CANARY}@${CANARY}@a.example`, `${long(65)}@a.example`, `${CANARY}@${long(250)}.example`),
    each('name', jane, ' ', long(101), `${CANARY}\tx`),
    ['permissions.1', { ...jane, permissions: ['run:start', CANARY] }],
    ['withheldPermissions.1', { ...jane, withheldPermissions: ['run:start', CANARY] }],
    each('permissions', jane, many(101, 'run:start')),
    each('withheldPermissions', jane, many(101, 'run:start')),
    ['withheldPermissions', { ...jane, role: 'OWNER', withheldPermissions: ['run:start'] }],
  ],
  createRepository: [
    each('name', repository, ' ', long(101)),
    each('gitUrl', repository, long(501), `https://${CANARY}@git.example/x`, `git@git.example:`, ' '),
    each('gitUrl', repository, `ssh://-oProxyCommand=${CANARY}/x`, `-o${CANARY}@git.example:x`, `git@-o${CANARY}:x`),
    each('gitUrl', repository, `ssh://-o${CANARY}@git.example/x`),
    each('branch', repository, ' ', long(201), 'sword fish', 'sword~fish', `--upload-pack=${CANARY}`),
    each('description', repository, long(2001)),
  ],
  updateRepository: [
    each('name', { id: 'x' }, null, ' ', long(101)),
    each('gitUrl', { id: 'x' }, null, CANARY),
    each('branch', { id: 'x' }, null, ' ', 'sword fish'),
    each('description', { id: 'x' }, long(2001)),
  ],
  createAgent: [
    each('name', { repositoryId: 'x' }, ' ', long(101), `${CANARY}\nx`),
    each('description', { repositoryId: 'x', name: 'Agent' }, long(2001)),
  ],
  updateAgent: [
    each('name', { id: 'x' }, null, ' ', long(101)),
    each('repositoryId', { id: 'x' }, null),
    each('description', { id: 'x' }, long(2001)),
  ],
  startRun: [
    each('idempotencyKey', { agentId: 'x' }, '', long(101)),
    each('input', { agentId: 'x' }, { a: long(66_000) }, many(10_000, CANARY), levels(101), { a: `${CANARY}\0` }),
  ],
  recordRunProgress: [
    each('totalTokens', {}, -1),
    each('totalCost', {}, -0.5, 9.1e9),
    each('totalCostMicros', {}, -1),
    ['totalCost', { totalCost: 1, totalCostMicros: 1_000_000 }],
    each('error', {}, long(10_001)),
    each('output', {}, { a: long(66_000) }, levels(101)),
  ],
};

const inputType = (mutation: string): string =>
  mutation === 'recordRunProgress' ? 'RunProgressInput' : `${mutation[0]?.toUpperCase()}${mutation.slice(1)}Input`;

describe('What an input must not hold MUST be BAD_USER_INPUT with its path, and MUST NOT come back', () => {
  const cases = Object.entries(MUTATIONS).flatMap(([mutation, list]) =>
    list.map(([at, ...inputs]) => ({ mutation, at, inputs })),
  );
  test.each(cases)('$mutation: input.$at', async ({ mutation, at, inputs }) => {
    const id = mutation === 'recordRunProgress' ? `id: "${acme.runId}", ` : '';
    for (const input of inputs) {
      const refused = await acme.owner(
        `mutation ($input: ${inputType(mutation)}!) { ${mutation}(${id}input: $input) { __typename } }`,
        { input },
      );
      expect([input, codeOf(refused)]).toEqual([input, 'BAD_USER_INPUT']);
      expect(refused.data).toEqual({ [mutation]: null });
      expect(refused.errors[0]?.extensions['argument']).toBe(`input.${at}`);
      expect(refused.text.toLowerCase()).not.toContain(CANARY);
    }
  });
});

test.each([
  ['first', ['runs(first: -1)', 'runs(first: 101)', 'members(first: 101)', 'myOrganizations(first: 101)']],
  ['after', ['runs(after: "swordfish")', 'agents(after: "")', 'myOrganizations(after: "WyJ4IiwieCIsIngiXQ")']],
  ['period', ['"2026-13"', '"2026-1"', '"26-01"', '"swordfish"', '""', '"2026-11-31"'].map(usage)],
  ['ids', [`nodes(ids: ${JSON.stringify(many(101, CANARY))})`]],
  ['slug', ['organization', 'organization(slug: "swordfish", id: "swordfish")']],
  ['id', ['agent', 'agent(id: "swordfish", name: "swordfish")']],
])('what the argument %s of a query must not be is BAD_USER_INPUT', async (argument, fields) => {
  for (const field of fields) {
    const refused = await acme.viewer(`{ ${field} { __typename } }`);
    expect([field, codeOf(refused)]).toEqual([field, 'BAD_USER_INPUT']);
    expect(refused.errors[0]?.extensions['argument']).toBe(argument);
    expect(refused.text).not.toContain(CANARY);
  }
});

function usage(period: string): string {
  return `organizationUsage(period: ${period})`;
}

test('values written into the document do not come back either', async () => {
  for (const field of [
    'inviteUser(input: { email: "a@b.example", name: "x", role: SWORDFISH })',
    'inviteUser(input: { email: "a@b.example", name: "x", role: "SWORDFISH" })',
    'updateAgent(input: { id: "x", expectedUpdatedAt: "swordfish" })',
    'updateAgent(input: { id: "x", name: { swordfish: 1 } })',
    'recordRunProgress(id: "x", input: { totalTokens: "swordfish" })',
    'recordRunProgress(id: "x", input: { totalTokens: 1.5 })',
    'updateOrganization(input: { settings: { featureFlags: "swordfish" } })',
  ]) {
    const refused = await acme.owner(unchecked(`mutation { ${field} { __typename } }`));
    expect([field, codeOf(refused)]).toEqual([field, 'GRAPHQL_VALIDATION_FAILED']);
    expect(refused.text.toLowerCase()).not.toContain(CANARY);
  }
});

test('the name __proto__ stands nowhere in a document, as in no body', async () => {
  const poisoned = '{ a: [{ __proto__: { swordfish: 1 } }] }';
  for (const document of [
    `mutation { startRun(input: { agentId: "${acme.agentId}", input: ${poisoned} }) { id } }`,
    'mutation { updateOrganization(input: { settings: { featureFlags: { __proto__: true } } }) { id } }',
    `mutation { createCredential(input: { kind: GIT, name: "x", provider: "x", secret: "x", config: ${poisoned} }) { id } }`,
    '{ __proto__: viewer { role } }',
    'query ($__proto__: ID!) { run(id: $__proto__) { id } }',
  ]) {
    const refused = await acme.owner(unchecked(document));
    expect([document, codeOf(refused)]).toEqual([document, 'GRAPHQL_VALIDATION_FAILED']);
    expect(refused.errors[0]?.message).toBe('The document has the name __proto__.');
    expect(refused.text).not.toContain(CANARY);
  }
});

test('JSON may hold texts of any length, and 100 levels', async () => {
  const START = 'mutation ($input: StartRunInput!) { startRun(input: $input) { input } }';
  for (const input of [{ prompt: long(60_000) }, long(60_000), many(1500, 1), levels(100), false, 0, null]) {
    const { data } = await acme.developer(START, { input: { agentId: acme.agentId, input } });
    expect(data.startRun).toEqual({ input });
  }
});
