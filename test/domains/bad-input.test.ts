import { beforeAll, describe, expect, test } from '@jest/globals';
import { type GivenOrganization, givenOrganization } from '../support/given.js';
import { codeOf, useServer } from '../support/server.js';

const server = useServer();
let acme: GivenOrganization;
beforeAll(async () => {
  acme = await givenOrganization(server);
});

const CANARY = 'swordfish';
const long = (length: number): string => CANARY.repeat(length / CANARY.length + 1).slice(0, length);
const levels = (count: number): unknown => (count === 0 ? CANARY : [levels(count - 1)]);
const flags = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`flag${index}`, true]));
const git = (url: string) => ({ name: 'bots', gitUrl: url });

/** Each with the path under `input` at fault. */
const CASES: Record<string, [at: string, input: () => Record<string, unknown>][]> = {
  'createOrganization CreateOrganizationInput': [
    ...[' ', long(101), `${CANARY}\nx`, `${CANARY}\u2028x`].map((name) => at('name', { name, slug: 'fine-slug' })),
    ...['', 'ab', long(64), 'Swordfish', 'sword_fish', 'sword.fish', '-swordfish', 'swordfish-', 'swordfish\u00e9'].map(
      (slug) => at('slug', { name: 'Acme', slug }),
    ),
    ...['www', 'api', 'auth', 'graphql', 'admin', 'xn--swordfish', 'ab--swordfish'].map((slug) =>
      at('slug', { name: 'Acme', slug }),
    ),
    at('description', { name: 'Acme', slug: 'fine-slug', description: long(2001) }),
  ],
  'updateOrganization UpdateOrganizationInput': [
    ...[null, ' ', long(101)].map((name) => at('name', { name })),
    ...[null, 'ab', 'Swordfish', 'www'].map((slug) => at('slug', { slug })),
    at('description', { description: long(2001) }),
    ...[' ', long(101)].map((model) => execution('defaultModel', model)),
    ...[' ', long(101)].map((provider) => execution('defaultProvider', provider)),
    ...[null, 0, -1, 10_001].map((limit) => execution('maxConcurrentRuns', limit)),
    security('externalAgentPolicy', null),
    security('allowedDomains', null),
    security('allowedDomains', Array.from({ length: 101 }, () => 'a.example')),
    ...['swordfish', 'sword fish.example', 'https://swordfish.example', '*.swordfish.example', '127.0.0.1'].map((domain) =>
      security('allowedDomains', ['a.example', domain], '.1'),
    ),
    ...[null, { [CANARY]: 'yes' }, { [long(101)]: true }, { '': true }, flags(101)].map((featureFlags) =>
      at('settings.featureFlags', { settings: { featureFlags } }),
    ),
  ],
  'inviteUser InviteUserInput': [
    ...['', CANARY, `${CANARY}@`, `@${CANARY}.example`, `${CANARY}@example`, `${CANARY}@a b.example`].map((email) =>
      at('email', { email, name: 'Jane', role: 'VIEWER' }),
    ),
    ...[`${CANARY}@${CANARY}@a.example`, `${long(65)}@a.example`, `${CANARY}@${long(250)}.example`].map((email) =>
      at('email', { email, name: 'Jane', role: 'VIEWER' }),
    ),
    ...[' ', long(101)].map((name) => at('name', { email: 'a@b.example', name, role: 'VIEWER' })),
    ...['permissions', 'withheldPermissions'].flatMap((field) => [
      at(`${field}.1`, { email: 'a@b.example', name: 'Jane', role: 'VIEWER', [field]: ['run:start', CANARY] }),
      at(field, { email: 'a@b.example', name: 'Jane', role: 'VIEWER', [field]: Array(101).fill('run:start') }),
    ]),
    at('withheldPermissions', { email: 'a@b.example', name: 'Jane', role: 'OWNER', withheldPermissions: ['run:start'] }),
  ],
  'createRepository CreateRepositoryInput': [
    ...[' ', long(101)].map((name) => at('name', { ...git('https://git.example/x'), name })),
    ...[long(501), `https://${CANARY}@git.example/x`, 'ssh://-oProxyCommand=swordfish/x', '-oX=swordfish@git.example:x'].map(
      (url) => at('gitUrl', git(url)),
    ),
    ...[' ', long(201), 'sword fish', 'sword~fish', '--upload-pack=swordfish'].map((branch) =>
      at('branch', { ...git('https://git.example/x'), branch }),
    ),
    at('description', { ...git('https://git.example/x'), description: long(2001) }),
  ],
  'updateRepository UpdateRepositoryInput': [
    ...[null, ' ', long(101)].map((name) => at('name', { id: acme.repositoryId, name })),
    ...[null, CANARY].map((gitUrl) => at('gitUrl', { id: acme.repositoryId, gitUrl })),
  ],
};
