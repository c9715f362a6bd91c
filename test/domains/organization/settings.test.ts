import { describe, expect, test } from '@jest/globals';
import { KEPT_VERSIONS } from '../../../src/domains/organization/settings/change-settings.js';
import { readSettings } from '../../../src/domains/organization/settings/document.js';
import { SETTING_PATHS, SETTINGS, type SettingPath } from '../../../src/domains/organization/settings/schema.js';
import { FEATURE_NAMES } from '../../../src/permissions/features.js';
import { givenKey } from '../../support/api-key.js';
import { byTest } from '../../support/act.js';
import { type GivenOrganization, givenOrganization, personId } from '../../support/given.js';
import { describeIsolation, fromCursor } from '../../support/isolation.js';
import { type Answer, type Client, codeOf, useServer } from '../../support/server.js';

const server = useServer();

const UPDATE = `mutation ($settings: OrganizationSettingsInput!) { updateOrganization(input: { settings: $settings }) {
  settings { ...all } } } ${'fragment all on OrganizationSettings'} {
    version
    agentExecution { defaultModel defaultProvider maxConcurrentRuns executors }
    security { externalAgentPolicy allowedDomains apiKeyMaxDays membership }
    providerRouting { llmPreference llmFallback imagePreference imageFallback fallbackEnabled costOptimization }
    branding { displayName logoUrl colours { primary onPrimary } supportEmail }
    support { access }
    approval { requireFor { kind costMicros agentId } approvers order autoApproveAfterHours escalationAfterHours escalationTo
      allowSelfApproval }
    featureFlags
  }`;
const READ = `{ currentOrganization { settings { ...all } } } ${UPDATE.slice(UPDATE.indexOf('fragment all'))}`;
const VERSIONS = `{ settingsVersions { totalCount nodes { version at by { kind id name } changes { path before after } } } }`;
const ROLLBACK = `mutation ($version: Int!, $expected: Int!) {
  rollbackSettings(version: $version, expectedVersion: $expected) { settings { version branding { displayName } } } }`;

const change = (client: Client, settings: object) => client(UPDATE, { settings });
const argumentOf = ({ errors }: Answer) => errors[0]?.extensions['argument'];

async function settingsOf({ viewer }: GivenOrganization) {
  const { data, errors } = await viewer(READ);
  expect(errors).toEqual([]);
  return data.currentOrganization.settings;
}

/** Every setting, chosen otherwise than it begins. */
const CHOSEN: { readonly [P in SettingPath]: unknown } = {
  'agentExecution.defaultModel': 'claude',
  'agentExecution.defaultProvider': 'anthropic',
  'agentExecution.maxConcurrentRuns': 3,
  'agentExecution.executors': 'OWN',
  'security.externalAgentPolicy': 'ALLOW',
  'security.allowedDomains': ['agents.example'],
  'security.apiKeyMaxDays': 30,
  'security.membership': 'SET_ONLY',
  'providerRouting.llmPreference': 'claude',
  'providerRouting.llmFallback': ['openai', 'google'],
  'providerRouting.imagePreference': 'openai',
  'providerRouting.imageFallback': ['google'],
  'providerRouting.fallbackEnabled': false,
  'providerRouting.costOptimization': true,
  'branding.displayName': 'Acme Assist',
  'branding.logoUrl': 'https://cdn.acme.example/logo.svg',
  'branding.colours': { primary: '#0a5cd6', onPrimary: '#ffffff' },
  'branding.supportEmail': 'help@acme.example',
  'support.access': 'ON_GRANT',
  'approval.requireFor': [{ kind: 'RUNS_OVER', costMicros: 5, agentId: null }],
  'approval.approvers': ['usr_of-the-test'],
  'approval.order': 'SEQUENTIAL',
  'approval.autoApproveAfterHours': 48,
  'approval.escalationAfterHours': 24,
  'approval.escalationTo': 'usr_of-the-test',
  'approval.allowSelfApproval': true,
  featureFlags: { webhooks: false },
};

/** One setting, as a client gives it. */
const at = (path: string, value: unknown): object => {
  const [group = '', field] = path.split('.');
  return field === undefined ? { [group]: value } : { [group]: { [field]: value } };
};
const lookUp = (settings: Answer['data'], path: string): unknown =>
  path.split('.').reduce((found: Record<string, unknown>, key) => found[key] as never, settings as never);

describe('Each setting', () => {
  test('begins as the table says, and as the database fills it in', async () => {
    const acme = await givenOrganization(server);
    const settings = await settingsOf(acme);
    for (const path of SETTING_PATHS) expect([path, lookUp(settings, path)]).toEqual([path, SETTINGS[path].initial]);
    expect(settings.version).toBe(1);
  });

  test('is changed, read, told with its version and in the record by its path, and nothing else is changed', async () => {
    const acme = await givenOrganization(server);
    const owner = await personId(acme.owner);
    const chosen = { ...CHOSEN, 'approval.approvers': [owner], 'approval.escalationTo': owner };
    let expected = await settingsOf(acme);
    for (const [index, path] of SETTING_PATHS.entries()) {
      const value = chosen[path];
      const { data, errors, headers } = await change(acme.owner, at(path, value));
      expect([path, errors]).toEqual([path, []]);
      const before = lookUp(expected, path);
      const [group = '', field] = path.split('.');
      expected = {
        ...expected,
        version: index + 2,
        [group]: field === undefined ? value : { ...expected[group], [field]: value },
      };
      expect(data.updateOrganization.settings).toEqual(expected);
      const { data: told } = await acme.viewer(VERSIONS);
      expect(told.settingsVersions.nodes[0]).toMatchObject({
        version: index + 2,
        by: { kind: 'PERSON', name: expect.any(String) },
        // Whom it named is told to nobody who may merely read it now.
        changes: [
          SETTINGS[path].inRecord === 'masked' ? { path, before: null, after: '***' } : { path, before, after: value },
        ],
      });
      const { rows } = await server.database.pool.queryAsLoginRole(
        'select action, changes from audit_entry where request_id = $1',
        [headers.get('x-request-id')],
      );
      expect(rows).toHaveLength(1);
      const { column, inRecord, initial } = SETTINGS[path];
      const [changes] = rows.map((row) => row.changes as Record<string, unknown>);
      const at_ = column ? column.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : `settings.${path}`;
      const masked = [null, '***'];
      // Of what was never chosen the store knows nothing.
      const values = [column ? initial : null, value];
      expect(changes).toEqual({
        settings_version: [index + 1, index + 2],
        [at_]: inRecord === 'masked' ? masked : values,
      });
    }
    expect((await acme.viewer(VERSIONS)).data.settingsVersions.totalCount).toBe(SETTING_PATHS.length);
    const row = await server.database.organizationDb(acme.id, byTest).organization.get({});
    expect(readSettings(row)).toEqual(chosen);
  });

  test('that the record does not tell is masked there both before and after', async () => {
    const acme = await givenOrganization(server);
    await change(acme.owner, { branding: { supportEmail: 'one@acme.example' } });
    const { headers } = await change(acme.owner, { branding: { supportEmail: 'two@acme.example' } });
    const { rows } = await server.database.pool.queryAsLoginRole(
      'select changes from audit_entry where request_id = $1',
      [headers.get('x-request-id')],
    );
    expect(rows[0]?.changes['settings.branding.supportEmail']).toEqual(['***', '***']);
    const { rows: masked } = await server.database.pool.queryAsLoginRole('select unnest(orgate_masked()) as path');
    const wanted = SETTING_PATHS.filter((path) => SETTINGS[path].inRecord === 'masked' && !SETTINGS[path].column);
    expect(masked.map(({ path }) => path as string)).toEqual(wanted.map((path) => `settings.${path}`));
  });

  test('that names people or hosts, or is for OWNERs, is never promotable', () => {
    expect(SETTING_PATHS.filter((path) => !SETTINGS[path].isPromotable)).toEqual([
      'agentExecution.executors',
      'security.allowedDomains',
      'branding.logoUrl',
      'branding.supportEmail',
      'support.access',
      'approval.requireFor',
      'approval.approvers',
      'approval.order',
      'approval.autoApproveAfterHours',
      'approval.escalationAfterHours',
      'approval.escalationTo',
      'approval.allowSelfApproval',
    ]);
  });
});

/** Of each setting as much as it takes. */
const text = (length: number, each: number | string): string => String(each).padEnd(length, 'x');
const ten = Array.from({ length: 10 }, (_, each) => text(100, each));
const LARGEST: { readonly [P in SettingPath]: unknown } = {
  ...CHOSEN,
  'agentExecution.defaultModel': text(100, ''),
  'agentExecution.defaultProvider': text(100, ''),
  'security.allowedDomains': Array.from({ length: 100 }, (_, each) => `${text(32, each)}.example`),
  'providerRouting.llmPreference': text(100, ''),
  'providerRouting.llmFallback': ten,
  'providerRouting.imagePreference': text(100, ''),
  'providerRouting.imageFallback': ten,
  'branding.displayName': text(100, ''),
  'branding.logoUrl': text(2000, 'https://acme.example/'),
  'branding.supportEmail': text(254, 'help@acme.example'),
  'approval.requireFor': Array.from({ length: 10 }, () => ({
    kind: 'AGENT',
    costMicros: null,
    agentId: text(40, 'agt_'),
  })),
  'approval.approvers': Array.from({ length: 20 }, (_, each) => text(40, each)),
  'approval.escalationTo': text(40, 'usr_'),
  featureFlags: Object.fromEntries(FEATURE_NAMES.map((name) => [name, false])),
};

describe('Settings at their largest', () => {
  test.each(SETTING_PATHS)('%s is taken, again and again, and nothing larger', (path) => {
    const { check } = SETTINGS[path];
    const kept = check.safeParse(LARGEST[path]);
    expect([kept.error?.message, kept.data]).toEqual([undefined, LARGEST[path]]);
    const value = LARGEST[path];
    const larger =
      typeof value === 'string' ? `${value}x` : Array.isArray(value) ? [...value, 'x.example'] : { x: value };
    expect(check.safeParse(larger).success).toBe(false);
    if (Array.isArray(value) && path === 'security.allowedDomains') {
      expect(check.safeParse([`x${value[0]}`, ...value.slice(1)]).success).toBe(false);
    }
  });

  test('make versions that can all be read at once', () => {
    const changes = SETTING_PATHS.map((path) => [path, [LARGEST[path], LARGEST[path]]]);
    expect(JSON.stringify(Object.fromEntries(changes)).length * KEPT_VERSIONS).toBeLessThan(5_000_000);
  });
});

describe('A setting that does not fit is BAD_USER_INPUT at its path, and its value is not repeated', () => {
  const CANARY = 'swordfish';
  test.each<[string, ...unknown[]]>([
    ['providerRouting.llmFallback', ['a', 'a'], null, Array.from({ length: 11 }, (_, index) => `p${index}`)],
    ['providerRouting.fallbackEnabled', null],
    ['branding.displayName', '', ' ', 'x'.repeat(101), 'two\nlines'],
    [
      'branding.logoUrl',
      CANARY,
      `http://${CANARY}.example/`,
      `https://user:${CANARY}@acme.example/`,
      `https://${CANARY}@acme.example/`,
      `https://acme.example/#${CANARY}`,
      'https://localhost/',
      'https://localhost./',
      'javascript:alert(1)',
      'data:image/png;base64,AAAA',
      `https://acme.example/${'x'.repeat(2000)}`,
      // Written out, it is three times as long.
      `https://acme.example/${'é'.repeat(700)}`,
    ],
    ['branding.colours', { primary: '#777777', onPrimary: '#888888' }, { primary: '#ffffff', onPrimary: '#ffff00' }],
    ['branding.colours.primary', { primary: CANARY, onPrimary: '#ffffff' }, { primary: '#12345', onPrimary: '#fff' }],
    ['branding.colours.onPrimary', { primary: '#000', onPrimary: 'red' }],
    ['branding.supportEmail', CANARY, `a@${CANARY}`, 'a b@acme.example'],
    ['support.access', null],
    ['approval.order', null],
    ['approval.autoApproveAfterHours', 0, 721],
    ['approval.escalationAfterHours', 0, 720],
    ['approval.allowSelfApproval', null],
    ['approval.approvers', null, [CANARY], ['a', 'a'], Array.from({ length: 21 }, (_, index) => `usr_${index}`)],
    ['approval.escalationTo', CANARY, ''],
    ['approval.requireFor', null, [{ kind: 'AGENT', agentId: CANARY }]],
    [
      'approval.requireFor.0.costMicros',
      [{ kind: 'RUNS_OVER' }],
      [{ kind: 'EVERY_RUN', costMicros: 1 }],
      [{ kind: 'RUNS_OVER', costMicros: -1 }],
    ],
    ['approval.requireFor.0.agentId', [{ kind: 'AGENT' }], [{ kind: 'EVERY_RUN', agentId: CANARY }]],
  ])('%s', async (path, ...values) => {
    const { owner } = await givenOrganization(server);
    const setting = SETTING_PATHS.find((each) => path.startsWith(each)) ?? path;
    for (const value of values) {
      const refused = await change(owner, at(setting, value));
      expect([value, codeOf(refused), argumentOf(refused)]).toEqual([
        value,
        'BAD_USER_INPUT',
        `input.settings.${path}`,
      ]);
      expect(refused.text).not.toContain(CANARY);
    }
  });

  test('short colours, and spaces around, are kept in one way', async () => {
    const { owner } = await givenOrganization(server);
    const branding = { colours: { primary: ' #05C', onPrimary: '#FFF ' }, logoUrl: ' HTTPS://CDN.acme.example/a ' };
    const { data } = await change(owner, { branding });
    expect(data.updateOrganization.settings.branding).toMatchObject({
      colours: { primary: '#0055cc', onPrimary: '#ffffff' },
      logoUrl: 'https://cdn.acme.example/a',
    });
  });
});

describe('`support` is changed by OWNERs only', () => {
  const DENY = { support: { access: 'DENIED' } };

  test('not by an ADMIN, nor by the key of an OWNER, whatever stands beside it', async () => {
    const acme = await givenOrganization(server);
    const { client: key } = await givenKey(server, acme.owner, ['organization:update', 'organization:read']);
    for (const client of [acme.admin, key]) {
      const refused = await change(client, { ...DENY, branding: { displayName: 'Sneaked in' } });
      expect([codeOf(refused), argumentOf(refused)]).toEqual(['FORBIDDEN', 'input.settings.support.access']);
    }
    expect(await settingsOf(acme)).toMatchObject({
      version: 1,
      support: { access: 'READ' },
      branding: { displayName: null },
    });
    expect((await change(acme.owner, DENY)).errors).toEqual([]);
  });

  test('nor by going back to a version in which it was another', async () => {
    const acme = await givenOrganization(server);
    await change(acme.owner, DENY);
    await change(acme.admin, { branding: { displayName: 'Acme' } });
    const refused = await acme.admin(ROLLBACK, { version: 1, expected: 3 });
    expect([codeOf(refused), argumentOf(refused)]).toEqual(['FORBIDDEN', 'version']);
    expect(refused.errors[0]?.message).toContain('support.access');
    // Back to where it was the same, they may.
    expect((await acme.admin(ROLLBACK, { version: 2, expected: 3 })).errors).toEqual([]);
    expect((await acme.owner(ROLLBACK, { version: 1, expected: 4 })).errors).toEqual([]);
    expect(await settingsOf(acme)).toMatchObject({ version: 5, support: { access: 'READ' } });
  });

  test('and what an ADMIN sends along unchanged does not stand in the way', async () => {
    const acme = await givenOrganization(server);
    const { errors } = await change(acme.admin, { support: { access: 'READ' }, branding: { displayName: 'Acme' } });
    expect(errors).toEqual([]);
  });
});

describeIsolation({
  'Query.settingsVersions.after': fromCursor('after', 'settingsVersions', 'settingsVersions VERSION DESC', 2),
  'Query.settingsVersions.before': fromCursor('before', 'settingsVersions', 'settingsVersions VERSION DESC', 2),
});

describe('Versions', () => {
  test('are made by what changes something, one for each request, and tell who it was', async () => {
    const acme = await givenOrganization(server);
    const { client: key } = await givenKey(server, acme.admin, ['organization:update', 'organization:read']);
    const { id: keyId, name: keyName } = (await acme.admin('{ apiKeys { nodes { id name } } }')).data.apiKeys.nodes[0]!;
    await change(acme.admin, { branding: { displayName: 'One' }, providerRouting: { costOptimization: true } });
    await change(acme.admin, { branding: { displayName: 'One' } });
    await acme.admin('mutation { updateOrganization(input: { description: "another" }) { id } }');
    await change(key, { branding: { displayName: 'Two' } });
    const { nodes } = (await acme.viewer(VERSIONS)).data.settingsVersions;
    expect(nodes).toMatchObject([
      { version: 3, by: { kind: 'API_KEY', id: keyId, name: keyName } },
      {
        version: 2,
        by: { kind: 'PERSON', name: `ADMIN of ${acme.slug}` },
        changes: [
          { path: 'branding.displayName', before: null, after: 'One' },
          { path: 'providerRouting.costOptimization', before: false, after: true },
        ],
      },
    ]);
    expect(nodes[0].changes).toEqual([{ path: 'branding.displayName', before: 'One', after: 'Two' }]);
  });

  test('come page by page, either way round', async () => {
    const acme = await givenOrganization(server);
    for (const displayName of ['One', 'Two', 'Three']) await change(acme.admin, { branding: { displayName } });
    const PAGE = `query ($after: String, $orderBy: SettingsVersionOrderBy) {
      settingsVersions(first: 2, after: $after, orderBy: $orderBy) { nodes { version } pageInfo { hasNextPage endCursor } } }`;
    for (const [direction, versions] of [
      ['DESC', [4, 3, 2]],
      ['ASC', [2, 3, 4]],
    ] as const) {
      const orderBy = { field: 'VERSION', direction };
      const { nodes, pageInfo } = (await acme.viewer(PAGE, { orderBy })).data.settingsVersions;
      const next = (await acme.viewer(PAGE, { orderBy, after: pageInfo.endCursor })).data.settingsVersions;
      expect([...nodes, ...next.nodes].map(({ version }) => version as number)).toEqual(versions);
      expect(next.pageInfo.hasNextPage).toBe(false);
      const [scope, name] = JSON.parse(Buffer.from(pageInfo.endCursor as string, 'base64url').toString()) as string[];
      for (const place of ['3', 2 ** 31, 1.5, null]) {
        const after = Buffer.from(JSON.stringify([scope, name, place])).toString('base64url');
        expect(argumentOf(await acme.viewer(PAGE, { orderBy, after }))).toBe('after');
      }
    }
  });

  test('`expectedVersion` that is not the stored one is CONFLICT, and changes nothing', async () => {
    const acme = await givenOrganization(server);
    const expecting = (expectedVersion: number | null, displayName: string) =>
      change(acme.admin, { expectedVersion, branding: { displayName } });
    expect((await expecting(1, 'One')).errors).toEqual([]);
    const refused = await expecting(1, 'Two');
    expect([codeOf(refused), argumentOf(refused)]).toEqual(['CONFLICT', 'input.settings.expectedVersion']);
    const back = await acme.admin(ROLLBACK, { version: 1, expected: 1 });
    expect([codeOf(back), argumentOf(back)]).toEqual(['CONFLICT', 'expectedVersion']);
    expect((await expecting(null, 'Three')).errors).toEqual([]);
    expect(await settingsOf(acme)).toMatchObject({ version: 3, branding: { displayName: 'Three' } });
  });

  test('are gone back to: all settings are what they were, by a new version', async () => {
    const acme = await givenOrganization(server);
    const first = await settingsOf(acme);
    await change(acme.owner, { branding: { displayName: 'One' }, agentExecution: { maxConcurrentRuns: 3 } });
    const second = await settingsOf(acme);
    await change(acme.owner, { branding: { displayName: 'Two' }, featureFlags: { webhooks: false } });
    await change(acme.owner, { branding: { displayName: null }, security: { allowedDomains: ['a.example'] } });
    for (const [version, settings] of [
      [2, second],
      [1, first],
      [2, second],
    ] as const) {
      const { version: expected } = await settingsOf(acme);
      const { errors, data } = await acme.admin(ROLLBACK, { version, expected });
      expect(errors).toEqual([]);
      expect(data.rollbackSettings.settings.version).toBe(expected + 1);
      expect(await settingsOf(acme)).toEqual({ ...settings, version: expected + 1 });
    }
    // Going back to what is changes nothing.
    const { version } = await settingsOf(acme);
    await acme.admin(ROLLBACK, { version, expected: version });
    expect((await settingsOf(acme)).version).toBe(version);
  });

  test('that there never were, or are kept no more, are NOT_FOUND', async () => {
    const acme = await givenOrganization(server);
    await change(acme.admin, { branding: { displayName: 'One' } });
    for (const version of [0, -1, 3]) {
      expect([version, codeOf(await acme.admin(ROLLBACK, { version, expected: 2 }))]).toEqual([version, 'NOT_FOUND']);
    }
    const count = 'update organization set settings_version = 1500 where id = $1';
    await server.database.pool.queryAsLoginRole(count, [acme.id]);
    await change(acme.admin, { branding: { displayName: 'Two' } });
    expect((await acme.admin(VERSIONS)).data.settingsVersions.nodes).toMatchObject([{ version: 1501 }]);
    expect(codeOf(await acme.admin(ROLLBACK, { version: 2, expected: 1501 }))).toBe('NOT_FOUND');
  });

  test('are kept up to their number, and the farthest can be gone back to; a setting that there is no more is left out', async () => {
    const acme = await givenOrganization(server);
    const last = KEPT_VERSIONS + 1;
    await server.database.pool.queryAsLoginRole(
      `insert into settings_version (org_id, version, at, by_kind, changes)
       select $1, version, now(), 'SYSTEM', '{"branding.gone": ["a", "b"], "branding.displayName": ["Before", "x"]}'
       from generate_series(2, $2) version`,
      [acme.id, last],
    );
    await server.database.pool.queryAsLoginRole('update organization set settings_version = $2 where id = $1', [
      acme.id,
      last,
    ]);
    const { updatedAt } = (await acme.admin('{ currentOrganization { updatedAt } }')).data.currentOrganization;
    const { data, errors } = await acme.admin(ROLLBACK, { version: 1, expected: last });
    expect(errors).toEqual([]);
    expect(data.rollbackSettings.settings).toEqual({ version: last + 1, branding: { displayName: 'Before' } });
    const after = (await acme.admin('{ currentOrganization { updatedAt } }')).data.currentOrganization;
    expect(after.updatedAt > updatedAt).toBe(true);
    const { rows } = await server.database.pool.queryAsLoginRole(
      'select min(version) as first, count(*)::int as count from settings_version where org_id = $1',
      [acme.id],
    );
    expect(rows).toEqual([{ first: 3, count: KEPT_VERSIONS }]);
    expect(codeOf(await acme.admin(ROLLBACK, { version: 1, expected: last + 1 }))).toBe('NOT_FOUND');
  });

  test('in which a setting was what it can no longer be are BAD_USER_INPUT, naming it', async () => {
    const acme = await givenOrganization(server);
    await change(acme.admin, { branding: { logoUrl: 'https://acme.example/a' } });
    await server.database.pool.queryAsLoginRole(
      `update settings_version set changes = '{"branding.logoUrl": ["http://acme.example/old", null]}' where org_id = $1`,
      [acme.id],
    );
    const refused = await acme.admin(ROLLBACK, { version: 1, expected: 2 });
    expect([codeOf(refused), argumentOf(refused)]).toEqual(['BAD_USER_INPUT', 'version']);
    expect(refused.errors[0]?.message).toContain('branding.logoUrl');
  });
});
