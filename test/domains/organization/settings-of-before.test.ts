import { expect, test } from '@jest/globals';
import type { Act } from '../../../src/data/connection/act.js';
import { inFrame } from '../../../src/data/connection/org-connection.js';
import { type GivenOrganization, givenOrganization, personId } from '../../support/given.js';
import { codeOf, useServer } from '../../support/server.js';

/** The release before serves beside this one while they are replaced: it writes columns, and knows neither document nor versions. */
const server = useServer();

const SETTINGS = `{ currentOrganization { settings {
  version agentExecution { defaultModel defaultProvider maxConcurrentRuns } security { externalAgentPolicy apiKeyMaxDays allowedDomains }
} } }`;
const VERSIONS = '{ settingsVersions { nodes { version by { kind id name } changes { path before after } } } }';
const ROLLBACK = `mutation ($version: Int!, $expected: Int!) {
  rollbackSettings(version: $version, expectedVersion: $expected) { settings { version } } }`;
const CHANGE =
  'mutation ($settings: OrganizationSettingsInput!) { updateOrganization(input: { settings: $settings }) { id } }';

const asBefore = (orgId: GivenOrganization['id'], act: Act, columns: string) =>
  inFrame({ role: 'orgate_app', orgId, act }, () =>
    server.database.pool.query({ text: `update organization set ${columns} where id = $1`, values: [orgId] }),
  );

async function given() {
  const acme = await givenOrganization(server);
  const by = { kind: 'PERSON', id: await personId(acme.admin), requestId: 'of-before' } as const;
  return { acme, by };
}

const WRITES = `default_model = 'gpt', external_agent_policy = 'ALLOW', max_concurrent_runs = 3, allowed_domains = '{a.example}',
  api_key_max_days = 30, feature_flags = '{"webhooks": false}'`;

test('what the release before writes this one reads, as a version like any other, and in the record', async () => {
  const { acme, by } = await given();
  await asBefore(acme.id, by, WRITES);
  const { data } = await acme.viewer(SETTINGS);
  expect(data.currentOrganization.settings).toEqual({
    version: 2,
    agentExecution: { defaultModel: 'gpt', defaultProvider: null, maxConcurrentRuns: 3 },
    security: { externalAgentPolicy: 'ALLOW', apiKeyMaxDays: 30, allowedDomains: ['a.example'] },
  });
  expect((await acme.viewer(VERSIONS)).data.settingsVersions.nodes).toEqual([
    {
      version: 2,
      by: { kind: 'PERSON', id: by.id, name: `ADMIN of ${acme.slug}` },
      changes: [
        { path: 'agentExecution.defaultModel', before: null, after: 'gpt' },
        { path: 'agentExecution.maxConcurrentRuns', before: 10, after: 3 },
        { path: 'featureFlags', before: {}, after: { webhooks: false } },
        { path: 'security.allowedDomains', before: [], after: ['a.example'] },
        { path: 'security.apiKeyMaxDays', before: 365, after: 30 },
        { path: 'security.externalAgentPolicy', before: 'DENY', after: 'ALLOW' },
      ],
    },
  ]);
  const { rows } = await server.database.pool.queryAsLoginRole(
    `select changes from audit_entry where org_id = $1 and request_id = 'of-before'`,
    [acme.id],
  );
  expect(rows).toHaveLength(1);
  expect(rows[0]?.changes).toMatchObject({
    settings_version: [1, 2],
    'settings.agentExecution.defaultModel': [null, 'gpt'],
    max_concurrent_runs: [10, 3],
  });
});

test('whoever has seen the version before it is told, and goes back past it', async () => {
  const { acme, by } = await given();
  await asBefore(acme.id, by, WRITES);
  const settings = { expectedVersion: 1, branding: { displayName: 'Acme' } };
  expect(codeOf(await acme.admin(CHANGE, { settings }))).toBe('CONFLICT');
  expect((await acme.admin(ROLLBACK, { version: 1, expected: 2 })).errors).toEqual([]);
  expect((await acme.viewer(SETTINGS)).data.currentOrganization.settings).toEqual({
    version: 3,
    agentExecution: { defaultModel: null, defaultProvider: null, maxConcurrentRuns: 10 },
    security: { externalAgentPolicy: 'DENY', apiKeyMaxDays: 365, allowedDomains: [] },
  });
});

test('what this release writes the one before reads, in one version', async () => {
  const { acme } = await given();
  const settings = {
    agentExecution: { defaultModel: 'claude', defaultProvider: 'anthropic', maxConcurrentRuns: 7 },
    security: { externalAgentPolicy: 'ALLOWED_DOMAINS' },
  };
  const columns = async () => {
    const { rows } = await server.database.pool.queryAsLoginRole(
      `select default_model, default_provider, external_agent_policy, max_concurrent_runs, settings_version
       from organization where id = $1`,
      [acme.id],
    );
    return Object.values(rows[0] ?? {});
  };
  expect((await acme.admin(CHANGE, { settings })).errors).toEqual([]);
  expect(await columns()).toEqual(['claude', 'anthropic', 'ALLOWED_DOMAINS', 7, 2]);
  expect((await acme.viewer(VERSIONS)).data.settingsVersions.nodes).toHaveLength(1);
  await acme.admin(ROLLBACK, { version: 1, expected: 2 });
  expect(await columns()).toEqual([null, null, 'DENY', 10, 3]);
});

test('what is no setting makes no version', async () => {
  const { acme, by } = await given();
  await asBefore(acme.id, by, `name = 'Other', max_concurrent_runs = 10, updated_at = current_timestamp`);
  expect((await acme.viewer(VERSIONS)).data.settingsVersions.nodes).toEqual([]);
});
