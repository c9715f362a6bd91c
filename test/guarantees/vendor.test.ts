import { beforeAll, describe, expect, test } from '@jest/globals';
import { getNamedType, type GraphQLInputType, type GraphQLObjectType, isInputObjectType, isObjectType } from 'graphql';
import { SETTINGS } from '../../src/domains/organization/settings/schema.js';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { givenEverything, type GivenEverything } from '../support/given-everything.js';
import { givenOrganization, unique } from '../support/given.js';
import { givenGrant, givenImpersonation } from '../support/impersonation.js';
import { MUTATIONS } from '../support/mutations.js';
import { callOf, literal } from '../support/root-fields.js';
import { type Client, codeOf, useServer } from '../support/server.js';

// What the deployment's own people can never do in an organization, whatever was granted: all that is not marked for them.

const server = useServer();
const { schema, access, catalogue } = createContract();
const mutations = Object.values((schema.getMutationType() as GraphQLObjectType).getFields());
const marked = catalogue.list().flatMap(({ name, vendor }) => (vendor ? [name] : []));

/** The permission that a mutation asks for, where that is marked. */
const markOf = (name: string): string | undefined => {
  const permission = access.get('Mutation')?.get(name)?.permission;
  return marked.find((each) => each === permission);
};

/** What an operation asked the database for; mail that is sent beside is nothing of it. */
const asked = () =>
  server.statements.filter(({ text }) => !/due_work|data_key|clock_timestamp\(\)\)::float8/.test(text));

let acme: GivenEverything;
let acting: Client;
beforeAll(async () => {
  acme = await givenEverything(server, await givenOrganization(server));
  acting = (await givenImpersonation(server, acme)).acting;
});

test('what is marked MUST be this', () => {
  expect(marked).toEqual([
    'agent:create',
    'agent:update',
    'organization:update',
    'repository:create',
    'repository:update',
    'run:cancel',
    'run:start',
  ]);
  expect(Object.entries(SETTINGS).flatMap(([path, { isVendors }]) => (isVendors ? [path] : []))).toEqual([
    'agentExecution.defaultModel',
    'agentExecution.defaultProvider',
    'providerRouting.llmPreference',
    'providerRouting.llmFallback',
    'providerRouting.imagePreference',
    'providerRouting.imageFallback',
    'providerRouting.fallbackEnabled',
    'providerRouting.costOptimization',
    'branding.displayName',
    'branding.colours',
  ]);
});

test('what is read MUST take no secret, since what it is given stands in the record', () => {
  const reading = Object.values(schema.getTypeMap()).filter(
    (type) => isObjectType(type) && type !== schema.getMutationType() && !type.name.startsWith('__'),
  ) as GraphQLObjectType[];
  const opens = /secret|token|password|credential$|key$/i;
  const names = (type: GraphQLInputType): string[] => {
    const named = getNamedType(type);
    return isInputObjectType(named) ? Object.keys(named.getFields()) : [];
  };
  const given = reading.flatMap((type) =>
    Object.values(type.getFields()).flatMap((field) =>
      field.args.flatMap((arg) =>
        [arg.name, ...names(arg.type)].map((name) => [`${type.name}.${field.name}.${arg.name}`, name] as const),
      ),
    ),
  );
  expect(given.length).toBeGreaterThan(100);
  expect(given.filter(([, name]) => opens.test(name))).toEqual([]);
});

/** Whatever comes of later features, by what it is about. */
const NEVER =
  /key|credential|secret|identity|provider|scim|directory|domain|host|slug|member|invit|role|ownership|service-account|billing|plan|limit|approv|webhook|export|delete|remove|grant|support|audit|record/;

test('NEVER is anything marked that is about keys, people, money, hosts, exports, deletion, grants or the record', () => {
  expect(marked.filter((permission) => NEVER.test(permission))).toEqual([]);
  const paths = Object.entries(SETTINGS).filter(([, { isVendors }]) => isVendors);
  expect(paths.filter(([path]) => /^(support|security|approval)\./.test(path))).toEqual([]);
  // Nor those whose permissions are called otherwise.
  const names = mutations.map(({ name }) => name).filter((name) => markOf(name) !== undefined);
  expect(names).toEqual(
    [
      'updateAgent',
      'createAgent',
      'updateOrganization',
      'rollbackSettings',
      'updateRepository',
      'createRepository',
      'startRun',
      'cancelRun',
    ].toSorted((a, b) => mutations.findIndex((m) => m.name === a) - mutations.findIndex((m) => m.name === b)),
  );
});

test('every mutation MUST be READ_ONLY for who only looks, before anything is read of it', async () => {
  expect(mutations.length).toBeGreaterThan(60);
  for (const each of mutations) {
    server.statements.length = 0;
    const answer = await acting(`mutation { ${MUTATIONS[each.name]?.text(acme) ?? callOf(each)} }`);
    expect([each.name, codeOf(answer)]).toEqual([each.name, 'READ_ONLY']);
    // Who it is, and that they asked.
    expect([each.name, asked().length]).toEqual([each.name, 2]);
  }
});

describe('while an OWNER lets them write', () => {
  beforeAll(async () => void (await givenGrant(acme, 'WRITE')));

  test('every mutation that is not marked MUST be refused to them, whatever the member may', async () => {
    for (const each of mutations.filter(({ name }) => markOf(name) === undefined)) {
      server.statements.length = 0;
      const answer = await acting(`mutation { ${MUTATIONS[each.name]?.text(acme) ?? callOf(each)} }`);
      expect([each.name, codeOf(answer)]).toEqual([each.name, 'FORBIDDEN']);
      expect(answer.errors[0]?.message).toBe('Nobody does this for somebody else, whatever was granted.');
      expect([each.name, asked().length]).toEqual([each.name, 2]);
    }
  });

  test('what is marked is done, and nothing beyond the member’s own rights', async () => {
    const { acting: asViewer } = await givenImpersonation(server, acme, { as: 'viewer' });
    for (const each of mutations.filter(({ name }) => markOf(name) !== undefined)) {
      const text = MUTATIONS[each.name]?.text(acme) ?? '';
      const refused = await asViewer(`mutation { ${text} }`);
      expect(refused.errors[0]?.extensions).toMatchObject({ code: 'FORBIDDEN', requiredPermission: markOf(each.name) });
      const answer = await acting(`mutation { ${text} }`);
      expect([each.name, answer.errors]).toEqual([each.name, []]);
    }
  });

  test('what is said in their inputs MUST be this, and all else is refused on its argument: what comes later begins shut', async () => {
    /** What each has to be given, and what of its fields takes a value that is like it. */
    const needed = (): Record<string, Record<string, string>> => ({
      createAgent: { repositoryId: `"${acme.repositoryId}"`, name: `"${unique('a')}"` },
      updateAgent: { id: `"${acme.agentId}"` },
      createRepository: { name: `"${unique('r')}"`, gitUrl: '"https://git.example/r"' },
      updateRepository: { id: `"${acme.repositoryId}"` },
      startRun: { agentId: `"${acme.agentId}"` },
      updateOrganization: {},
    });
    const values: Record<string, string> = { slug: `"${unique('other')}"`, gitUrl: '"https://git.example/other"' };
    const said: Record<string, string[]> = {};
    for (const { name, args } of mutations.filter((each) => markOf(each.name) !== undefined)) {
      const type = getNamedType(args.find((arg) => arg.name === 'input')?.type);
      if (!isInputObjectType(type)) continue;
      said[name] = [];
      for (const field of Object.values(type.getFields())) {
        const given = { [field.name]: values[field.name] ?? literal(field.type), ...needed()[name] };
        const input = Object.entries(given).map(([key, value]) => `${key}: ${value}`);
        const answer = await acting(`mutation { ${name}(input: { ${input.join(', ')} }) { id } }` as string);
        if (codeOf(answer) !== 'FORBIDDEN') said[name].push(field.name);
        else expect(answer.errors[0]?.extensions).toMatchObject({ argument: `input.${field.name}` });
      }
      said[name].sort();
    }
    expect(said).toEqual({
      createAgent: ['description', 'name', 'pool', 'repositoryId', 'retryPolicy'],
      updateAgent: ['description', 'expectedUpdatedAt', 'id', 'name', 'pool', 'retryPolicy'],
      createRepository: ['branch', 'description', 'gitUrl', 'name'],
      updateRepository: ['branch', 'description', 'expectedUpdatedAt', 'id', 'name'],
      startRun: ['agentId', 'idempotencyKey', 'input', 'priority'],
      updateOrganization: ['description', 'expectedUpdatedAt', 'name', 'settings'],
    });
  });

  test.each([
    ['support: { access: READ }', 'input.settings.support.access'],
    ['security: { externalAgentPolicy: ALLOW }', 'input.settings.security.externalAgentPolicy'],
    ['security: { allowedDomains: ["evil.example"] }', 'input.settings.security.allowedDomains'],
    ['security: { apiKeyMaxDays: 3650 }', 'input.settings.security.apiKeyMaxDays'],
    ['agentExecution: { maxConcurrentRuns: 1 }', 'input.settings.agentExecution.maxConcurrentRuns'],
    ['branding: { logoUrl: "https://evil.example/logo.svg" }', 'input.settings.branding.logoUrl'],
    ['branding: { supportEmail: "evil@evil.example" }', 'input.settings.branding.supportEmail'],
    ['featureFlags: { audit_stream: false }', 'input.settings.featureFlags'],
  ])('settings that are not marked MUST be refused: %s', async (settings, argument) => {
    // As an OWNER whose organization has chosen otherwise: what stays as it is changes nothing.
    await acme.owner('mutation { updateOrganization(input: { settings: { support: { access: ON_GRANT } } }) { id } }');
    const answer = await acting(`mutation { updateOrganization(input: { settings: { ${settings} } }) { id } }`);
    expect(answer.errors[0]?.extensions).toMatchObject({ code: 'FORBIDDEN', argument });
  });

  test('nor is the name changed by which others find the organization, nor is gone back past what is not theirs', async () => {
    const renamed = await acting('mutation { updateOrganization(input: { slug: "another-name" }) { slug } }');
    expect(renamed.errors[0]?.extensions).toMatchObject({ code: 'FORBIDDEN', argument: 'input.slug' });
    const { data } = await acme.owner('{ currentOrganization { settings { version } } }');
    const { version } = data.currentOrganization.settings;
    const back = await acting(`mutation { rollbackSettings(version: 1, expectedVersion: ${version}) { id } }`);
    expect(back.errors[0]?.extensions).toMatchObject({ code: 'FORBIDDEN', argument: 'version' });
    const branded =
      'mutation { updateOrganization(input: { settings: { branding: { displayName: "Helped" } } }) { id } }';
    expect((await acting(branded)).errors).toEqual([]);
    const { data: told } = await acme.owner(
      '{ settingsVersions(first: 1) { nodes { by { kind name } changes { path } } } viewer { user { name } } }',
    );
    expect(told.settingsVersions.nodes[0].by.name).toMatch(/^sam-/);
  });
});
