import { describe, expect, test } from '@jest/globals';
import { decideFeature, decideLimit, FEATURE_NAMES, PLANS } from '../../../src/permissions/features.js';
import { canWhereNamed, withFeature } from '../../../src/permissions/rules.js';
import { givenKey } from '../../support/api-key.js';
import { type GivenOrganization, givenOrganization, personId, unique } from '../../support/given.js';
import { never } from '../../support/isolation.js';
import { type Answer, type Client, codeOf, useServer } from '../../support/server.js';

const server = useServer();

const LOOK = `{ currentOrganization {
  features { name enabled decidedBy } limits { name max used decidedBy } subscription { seatLimit }
} }`;
const SET = `mutation ($input: SetEntitlementsInput!) { setEntitlements(input: $input) { id slug } }`;
const SWITCH = `mutation ($flags: JSONObject!) { updateOrganization(input: { settings: { featureFlags: $flags } }) {
  features { name enabled decidedBy } } }`;

async function givenSam(): Promise<Client> {
  const client = await server.as(`${unique('sam')}@orgate.example`);
  await server.database.pool.queryAsLoginRole(`update person set system_role = 'SYSTEM_ADMIN' where id = $1`, [
    await personId(client),
  ]);
  return client;
}

async function look({ viewer }: GivenOrganization) {
  const { data, errors } = await viewer(LOOK);
  expect(errors).toEqual([]);
  const { features, limits, subscription } = data.currentOrganization;
  const byName = (list: { name: string }[]) => Object.fromEntries(list.map(({ name, ...rest }) => [name, rest]));
  return { features: byName(features), limits: byName(limits), subscription };
}

const argumentOf = ({ errors }: Answer) => errors[0]?.extensions['argument'];
const stream = ({ admin, slug }: GivenOrganization) =>
  fetch(`${new URL(server.url).origin}/organizations/${slug}/audit`, {
    headers: { authorization: `Bearer ${admin.token}` },
  });

const STANDING = { plan: 'FREE', entitlements: {}, featureFlags: {} } as const;

test('without own_executors its own machines claim nothing', async () => {
  const acme = await givenOrganization(server);
  const { client } = await givenKey(server, acme.owner, ['run:claim']);
  const CLAIM = 'mutation { claimRuns(input: { max: 1, leaseSeconds: 60 }) { runs { runId } } }';
  expect((await client(CLAIM)).errors).toEqual([]);
  await acme.admin(SWITCH, { flags: { own_executors: false } });
  for (const each of [client, acme.owner]) {
    const { errors } = await each(CLAIM);
    expect(errors[0]?.extensions).toMatchObject({ code: 'FEATURE_DISABLED', feature: 'own_executors' });
  }
});

describe('What an organization has', () => {
  test('is all that its plan holds, which as shipped is everything', async () => {
    const { features, limits, subscription } = await look(await givenOrganization(server));
    expect(Object.keys(features)).toEqual(FEATURE_NAMES);
    for (const each of Object.values(features)) expect(each).toEqual({ enabled: true, decidedBy: 'PLAN' });
    expect(limits).toEqual({
      seats: { max: null, used: 4, decidedBy: 'PLAN' },
      concurrent_runs: { max: 10, used: 0, decidedBy: 'ORGANIZATION' },
      runs_per_day: { max: null, used: 1, decidedBy: 'PLAN' },
      api_calls_per_month: { max: null, used: 0, decidedBy: 'PLAN' },
    });
    expect(subscription).toEqual({ seatLimit: null });
  });

  test('it switches off by itself, and on again, and no more than that', async () => {
    const acme = await givenOrganization(server);
    const { data, errors } = await acme.admin(SWITCH, { flags: { webhooks: false, approvals: true } });
    expect(errors).toEqual([]);
    expect(data.updateOrganization.features).toContainEqual({
      name: 'webhooks',
      enabled: false,
      decidedBy: 'ORGANIZATION',
    });
    const sam = await givenSam();
    const features = [
      { name: 'webhooks', enabled: false },
      { name: 'approvals', enabled: false },
    ];
    await sam(SET, { input: { organizationId: acme.id, features } });
    expect((await look(acme)).features).toMatchObject({
      webhooks: { enabled: false, decidedBy: 'PLATFORM' },
      approvals: { enabled: false, decidedBy: 'PLATFORM' },
      custom_hosts: { enabled: true, decidedBy: 'PLAN' },
    });
    await sam(SET, { input: { organizationId: acme.slug, features: [{ name: 'webhooks', enabled: true }] } });
    expect((await look(acme)).features).toMatchObject({
      webhooks: { enabled: false, decidedBy: 'ORGANIZATION' },
      approvals: { enabled: true, decidedBy: 'PLAN' },
    });
  });

  test.each<[string, object]>([
    ['another word', { swordfish: true }],
    ['another spelling', { webhooks: true, Webhooks: false }],
    ['of old', { 'beta-runs': false }],
    ['of every object', { toString: true }],
  ])('has names, and others are BAD_USER_INPUT: %s', async (_, flags) => {
    const refused = await (await givenOrganization(server)).owner(SWITCH, { flags });
    expect([codeOf(refused), argumentOf(refused)]).toEqual(['BAD_USER_INPUT', 'input.settings.featureFlags']);
    expect(refused.errors[0]?.message).toBe(`There are ${FEATURE_NAMES.join(', ')}.`);
  });

  test('a plan may lack, and then the platform alone gives it', () => {
    const plan = { ...PLANS.FREE.features };
    expect(Object.values(PLANS).every(({ features }) => Object.values(features).every(Boolean))).toBe(true);
    expect(Object.keys(plan)).toEqual(FEATURE_NAMES);
    const lacking = { ...STANDING, entitlements: { features: { webhooks: false } } };
    for (const featureFlags of [{}, { webhooks: true }, { webhooks: false }]) {
      expect(decideFeature({ ...lacking, featureFlags }, 'webhooks')).toEqual({
        enabled: false,
        decidedBy: 'PLATFORM',
      });
    }
  });
});

describe('A limit', () => {
  const LIMITED = { ...STANDING, seatLimit: null, maxConcurrentRuns: 10 };

  test.each([
    [LIMITED, 'seats', { max: null, decidedBy: 'PLAN' }],
    [{ ...LIMITED, seatLimit: 25 }, 'seats', { max: 25, decidedBy: 'PLATFORM' }],
    [
      { ...LIMITED, seatLimit: 25, entitlements: { limits: { seats: null } } },
      'seats',
      { max: null, decidedBy: 'PLATFORM' },
    ],
    [LIMITED, 'concurrent_runs', { max: 10, decidedBy: 'ORGANIZATION' }],
    [
      { ...LIMITED, entitlements: { limits: { concurrent_runs: 5 } } },
      'concurrent_runs',
      { max: 5, decidedBy: 'PLATFORM' },
    ],
    [
      { ...LIMITED, entitlements: { limits: { concurrent_runs: 50 } } },
      'concurrent_runs',
      { max: 10, decidedBy: 'ORGANIZATION' },
    ],
  ] as const)('is the least of what is allowed and chosen: %j, %s', (organization, name, decided) => {
    expect(decideLimit(organization, name)).toEqual(decided);
  });

  test('of seats holds for invitations, and of runs for those that are to begin', async () => {
    const acme = await givenOrganization(server);
    const limits = [
      { name: 'seats', max: 4 },
      { name: 'concurrent_runs', max: 0 },
    ];
    await (
      await givenSam()
    )(SET, { input: { organizationId: acme.id, limits } });
    expect(await look(acme)).toMatchObject({
      limits: { seats: { max: 4, used: 4, decidedBy: 'PLATFORM' }, concurrent_runs: { max: 0, used: 0 } },
      subscription: { seatLimit: 4 },
    });
    const invited = await acme.admin(
      'mutation { inviteUser(input: { email: "one-more@acme.example", name: "One", role: VIEWER }) { role } }',
    );
    expect(codeOf(invited)).toBe('CONFLICT');
    const begun = await acme.developer(
      'mutation ($id: ID!) { recordRunProgress(id: $id, input: { status: RUNNING }) { id } }',
      { id: acme.runId },
    );
    expect([codeOf(begun), argumentOf(begun)]).toEqual(['CONFLICT', 'input.status']);
  });
});

describe('Setting what one organization has', () => {
  test('replaces the list that is given, and leaves the other', async () => {
    const acme = await givenOrganization(server);
    const sam = await givenSam();
    const set = (more: object) => sam(SET, { input: { organizationId: acme.id, ...more } });
    await set({ features: [{ name: 'webhooks', enabled: false }], limits: [{ name: 'seats', max: 9 }] });
    await set({ limits: [{ name: 'concurrent_runs', max: 2 }] });
    expect(await look(acme)).toMatchObject({
      features: { webhooks: { enabled: false, decidedBy: 'PLATFORM' } },
      limits: { seats: { max: null, decidedBy: 'PLAN' }, concurrent_runs: { max: 2, decidedBy: 'PLATFORM' } },
    });
  });

  test('is told in its own record, with who did it, and gives nothing of it away', async () => {
    const acme = await givenOrganization(server);
    const sam = await givenSam();
    const features = [{ name: 'audit_stream', enabled: false }];
    const { data, headers } = await sam(SET, { input: { organizationId: acme.id, features } });
    expect(data.setEntitlements).toEqual({ id: acme.id, slug: acme.slug });
    const { rows } = await server.database.pool.queryAsLoginRole(
      'select org_id, action, actor_id, actor_name, changes from audit_entry where request_id = $1',
      [headers.get('x-request-id')],
    );
    expect(rows).toEqual([
      {
        org_id: acme.id,
        action: 'organization.updated',
        actor_id: await personId(sam),
        actor_name: expect.stringMatching(/^sam/),
        changes: { entitlements: [{}, { features: { audit_stream: false } }] },
      },
    ]);
    const refused = await sam(
      'mutation ($input: SetEntitlementsInput!) { setEntitlements(input: $input) { settings { version } } }',
      { input: { organizationId: acme.id, features } },
    );
    expect(codeOf(refused)).toBe('ORG_CONTEXT_REQUIRED');
  });

  test('is for system administrators only, whatever they are in the organization', async () => {
    const acme = await givenOrganization(server);
    const features = [{ name: 'webhooks', enabled: true }];
    const { client: key } = await givenKey(server, acme.owner, ['organization:read']);
    for (const client of [acme.owner, acme.admin, acme.viewer, key]) {
      const { errors } = await client(SET, { input: { organizationId: acme.id, features } });
      // No role of theirs is in the way, and none would help: what is lacking is said.
      expect(errors.map(({ message, extensions }) => [extensions['code'], message])).toEqual([
        ['FORBIDDEN', 'Only a system administrator can do this.'],
      ]);
    }
  });

  test.each([
    ['organizationId', 'NOT_FOUND', {}],
    ['features.0.name', 'BAD_USER_INPUT', { features: [{ name: 'swordfish', enabled: true }] }],
    [
      'features',
      'BAD_USER_INPUT',
      {
        features: [
          { name: 'webhooks', enabled: true },
          { name: 'webhooks', enabled: false },
        ],
      },
    ],
    ['limits.0.name', 'BAD_USER_INPUT', { limits: [{ name: 'swordfish', max: 1 }] }],
    ['limits.0.max', 'BAD_USER_INPUT', { limits: [{ name: 'seats', max: -1 }] }],
    ['limits.0.max', 'BAD_USER_INPUT', { limits: [{ name: 'seats', max: 1_000_001 }] }],
    ['limits.0.max', 'BAD_USER_INPUT', { limits: [{ name: 'api_calls_per_month', max: 1e12 + 1 }] }],
  ])('refuses what it does not know: %s is %s', async (path, code, more) => {
    const sam = await givenSam();
    const acme = await givenOrganization(server);
    const organizationId = code === 'NOT_FOUND' ? never('org')() : acme.id;
    const refused = await sam(SET, { input: { organizationId, ...more } });
    expect(codeOf(refused)).toBe(code);
    if (code !== 'NOT_FOUND') expect(argumentOf(refused)).toBe(`input.${path}`);
    expect(refused.text).not.toContain('swordfish');
  });
});

describe('A rule that names a feature', () => {
  test('is the same rule for the same feature', () => {
    const rule = canWhereNamed('audit:read');
    expect(withFeature('audit_stream', rule)).toBe(withFeature('audit_stream', rule));
    expect(withFeature('audit_stream', rule)).not.toBe(withFeature('webhooks', rule));
    expect(withFeature('audit_stream', rule)).toMatchObject({ permission: 'audit:read' });
  });

  test('refuses whoever may, with FEATURE_DISABLED and its name, and whoever may not as before', async () => {
    const acme = await givenOrganization(server);
    expect((await stream(acme)).status).toBe(200);
    await acme.owner(SWITCH, { flags: { audit_stream: false } });
    const refused = await stream(acme);
    const { errors } = (await refused.json()) as { errors: { extensions: object }[] };
    expect([refused.status, errors[0]?.extensions]).toEqual([
      403,
      { code: 'FEATURE_DISABLED', feature: 'audit_stream', requestId: expect.any(String) },
    ]);
    const asViewer = await stream({ ...acme, admin: acme.viewer });
    expect(((await asViewer.json()) as { errors: { extensions: object }[] }).errors[0]?.extensions).toMatchObject({
      code: 'FORBIDDEN',
      requiredPermission: 'audit:read',
    });
    // A link is no stream.
    const link = await acme.admin('mutation { exportAudit(input: { format: NDJSON }) { url } }');
    const { url } = link.data.exportAudit;
    expect((await fetch(url, { headers: { authorization: `Bearer ${acme.admin.token}` } })).status).toBe(200);
  });
});
