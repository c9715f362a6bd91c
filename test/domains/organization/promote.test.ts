import { describe, expect, test } from '@jest/globals';
import { SETTING_PATHS, SETTINGS } from '../../../src/domains/organization/settings/schema.js';
import { givenKey } from '../../support/api-key.js';
import { type GivenOrganization, givenMember, givenTwoOrganizations, personId, unique } from '../../support/given.js';
import { givenGrant, givenImpersonation } from '../../support/impersonation.js';
import { describeIsolation, never, type Target } from '../../support/isolation.js';
import { type Answer, type Client, codeOf, unchecked, useServer, withoutRequestId } from '../../support/server.js';
import { givenBrowser } from '../../support/sessions.js';

const server = useServer();

const COMPARE = `query ($a: ID!, $b: ID!) { compareOrganizations(a: $a, b: $b) {
  a { slug viewerRole } b { slug } differences { path a b isPromotable } } }`;
const CREDENTIALS = `query ($a: ID!, $b: ID!) { compareOrganizations(a: $a, b: $b) { credentials { name result } differences { path } } }`;
const PROMOTE = `mutation ($input: PromoteSettingsInput!) { promoteSettings(input: $input) {
  organization { slug } changes { path before after } } }`;
const CHANGE = `mutation ($settings: OrganizationSettingsInput!) { updateOrganization(input: { settings: $settings }) { id } }`;
const SETTINGS_OF = `{ currentOrganization { settings { version branding { displayName supportEmail } agentExecution { maxConcurrentRuns } } } }`;
const ADD = `mutation ($name: String!, $secret: String!, $provider: String!) {
  createCredential(input: { kind: LLM_PROVIDER, name: $name, provider: $provider, secret: $secret }) { id } }`;

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const argumentOf = ({ errors }: Answer) => errors[0]?.extensions['argument'];

interface World {
  readonly source: GivenOrganization;
  readonly target: GivenOrganization;
  readonly email: string;
  readonly inSource: Client;
  readonly inTarget: Client;
  /** What stands in the source's record of settings that were taken. */
  readonly taken: () => Promise<number>;
}

type Standing = { role?: 'OWNER' | 'ADMIN' | 'DEVELOPER' | 'VIEWER'; status?: 'SUSPENDED'; withheld?: string[] };

/** Somebody who is an ADMIN of both, if nothing else is said. */
async function given(there: Standing = {}, here: Standing = {}): Promise<World> {
  const { acme: source, globex: target } = await givenTwoOrganizations(server);
  const email = `${unique('both')}@acme.example`;
  const inSource = await givenMember(server, source, there.role ?? 'ADMIN', { email, ...there });
  const inTarget = await givenMember(server, target, here.role ?? 'ADMIN', { email, ...here });
  await source.admin(CHANGE, {
    settings: {
      branding: { displayName: 'From source', supportEmail: 'help@source.example' },
      agentExecution: { maxConcurrentRuns: 7 },
    },
  });
  const taken = async () =>
    (await sql(`select from audit_entry where org_id = $1 and action = 'organization.settings_promoted'`, [source.id]))
      .rowCount ?? 0;
  return { source, target, email, inSource, inTarget, taken };
}

const promote = (client: Client, { source }: World, more: object = {}) =>
  client(PROMOTE, { input: { from: source.slug, paths: ['branding.displayName'], ...more } });

const organization = { foreign: ({ id }: Target) => id as string, unknown: never('org') };
describeIsolation({
  'Query.compareOrganizations.a': {
    query: COMPARE,
    ...organization,
    variables: (a, own) => ({ a, b: own.id }),
  },
  'Query.compareOrganizations.b': {
    query: COMPARE,
    ...organization,
    variables: (b, own) => ({ a: own.id, b }),
  },
  'Mutation.promoteSettings.input.from': {
    query: PROMOTE,
    ...organization,
    variables: (from) => ({ input: { from, paths: ['branding.displayName'] } }),
  },
});

describe('compareOrganizations', () => {
  test('tells in what two organizations differ, and nothing else', async () => {
    const { source, target, inTarget } = await given();
    const { data, errors } = await inTarget(COMPARE, { a: source.slug, b: target.id });
    expect(errors).toEqual([]);
    expect(data.compareOrganizations).toEqual({
      a: { slug: source.slug, viewerRole: 'ADMIN' },
      b: { slug: target.slug },
      differences: [
        { path: 'agentExecution.maxConcurrentRuns', a: 7, b: 10, isPromotable: true },
        { path: 'branding.displayName', a: 'From source', b: null, isPromotable: true },
        { path: 'branding.supportEmail', a: 'help@source.example', b: null, isPromotable: false },
        { path: 'limits.concurrent_runs', a: 7, b: 10, isPromotable: false },
      ],
    });
  });

  test('tells of features that are not the same', async () => {
    const { source, target, inTarget } = await given();
    await source.admin(CHANGE, { settings: { featureFlags: { webhooks: false } } });
    const { data } = await inTarget(COMPARE, { a: source.slug, b: target.slug });
    const differences = data.compareOrganizations?.differences ?? [];
    expect(differences).toContainEqual({ path: 'features.webhooks', a: false, b: true, isPromotable: false });
    expect(differences).toContainEqual({ path: 'featureFlags', a: { webhooks: false }, b: {}, isPromotable: true });
  });

  test('of one and the same is BAD_USER_INPUT', async () => {
    const { source, inTarget } = await given();
    expect(argumentOf(await inTarget(COMPARE, { a: source.slug, b: source.id }))).toBe('b');
  });

  test('tells of credentials whether they are the same, and never what they are', async () => {
    const { source, target, inTarget } = await given();
    const add = (client: Client, name: string, secret: string, provider = 'anthropic') =>
      client(ADD, { name, secret, provider });
    await add(source.admin, 'both', 'sk-one-secret-0001');
    await add(target.admin, 'both', 'sk-one-secret-0001');
    await add(source.admin, 'other', 'sk-one-secret-0002');
    await add(target.admin, 'other', 'sk-one-secret-0003');
    await add(source.admin, 'elsewhere', 'sk-one-secret-0004', 'openai');
    await add(target.admin, 'elsewhere', 'sk-one-secret-0004');
    await add(source.admin, 'mine', 'sk-one-secret-0005');
    await add(target.admin, 'yours', 'sk-one-secret-0006');
    const answer = await inTarget(CREDENTIALS, { a: source.slug, b: target.slug });
    expect(answer.data.compareOrganizations?.credentials).toEqual([
      { name: 'both', result: 'SAME' },
      { name: 'elsewhere', result: 'DIFFERENT' },
      { name: 'mine', result: 'ONLY_IN_A' },
      { name: 'other', result: 'DIFFERENT' },
      { name: 'yours', result: 'ONLY_IN_B' },
    ]);
    const { rows } = await sql('select secret from credential where org_id = any ($1)', [[source.id, target.id]]);
    for (const { secret } of rows) expect(answer.text).not.toContain(secret);
    expect(answer.text).not.toContain('sk-one');
  });

  test('tells of credentials only to who manages them in both', async () => {
    const { source, target, inTarget } = await given({ role: 'VIEWER' });
    const { data, errors } = await inTarget(CREDENTIALS, { a: source.slug, b: target.slug });
    expect(errors.map(({ extensions }) => extensions)).toEqual([
      expect.objectContaining({ code: 'FORBIDDEN', requiredPermission: 'credential:manage' }),
    ]);
    expect(data.compareOrganizations).toMatchObject({ credentials: null, differences: expect.any(Array) });
  });
});

describe('promoteSettings', () => {
  test('takes over what is named, and says so in the record of both', async () => {
    const world = await given();
    const { source, target, inTarget, taken } = world;
    const answer = await promote(inTarget, world, {
      paths: ['branding.displayName', 'agentExecution.maxConcurrentRuns'],
    });
    expect(answer.errors).toEqual([]);
    expect(answer.data.promoteSettings).toEqual({
      organization: { slug: target.slug },
      changes: [
        { path: 'agentExecution.maxConcurrentRuns', before: 10, after: 7 },
        { path: 'branding.displayName', before: null, after: 'From source' },
      ],
    });
    const { data } = await target.viewer(SETTINGS_OF);
    expect(data.currentOrganization?.settings).toEqual({
      version: 2,
      branding: { displayName: 'From source', supportEmail: null },
      agentExecution: { maxConcurrentRuns: 7 },
    });
    expect(await taken()).toBe(1);
    const { rows } = await sql(
      `select org_id, action, actor_kind, actor_name, changes::text from audit_entry
       where org_id = any ($1) and action in ('organization.settings_promoted', 'organization.updated') and actor_id = $2 order by number`,
      [[source.id, target.id], await personId(inTarget)],
    );
    expect(rows.map(({ org_id, action }) => [org_id, action])).toEqual([
      [source.id, 'organization.settings_promoted'],
      [target.id, 'organization.updated'],
    ]);
    expect(rows[0]).toMatchObject({ actor_kind: 'PERSON', actor_name: `ADMIN of ${source.slug}` });
    // Where they went is not for everybody who reads that record.
    expect(rows[0]?.changes).not.toContain(target.slug);
    expect(rows[0]?.changes).not.toContain(target.id);
  });

  test('tried dry, tells what would change, and changes nothing anywhere', async () => {
    const world = await given();
    const { target, inTarget, taken } = world;
    const { data } = await promote(inTarget, world, { dryRun: true });
    expect(data.promoteSettings?.changes).toEqual([
      { path: 'branding.displayName', before: null, after: 'From source' },
    ]);
    expect((await target.viewer(SETTINGS_OF)).data.currentOrganization?.settings).toMatchObject({ version: 1 });
    expect(await taken()).toBe(0);
    expect(argumentOf(await promote(inTarget, world, { dryRun: true, expectedVersion: 9 }))).toBe(
      'input.expectedVersion',
    );
  });

  test('tried dry, is refused as it is when it is done, and passes where that does', async () => {
    const paths = ['branding.displayName', 'security.membership'];
    const worlds = [
      await given(),
      await given({}, { role: 'OWNER' }),
      await given({}, { withheld: ['organization:update'] }),
    ];
    for (const { source, target, inTarget } of worlds) {
      // Of one set, so that the one does not keep them out, which is for people of its set alone.
      const id = unique('set');
      await sql(`insert into organization_set (id, name, base, project, made_by) values ($1, $1, $1, 'p', $2)`, [
        id,
        await personId(inTarget),
      ]);
      for (const [each, environment] of [
        [source, 'PROD'],
        [target, 'STAGING'],
      ] as const)
        await sql(`update organization set set_id = $2, base = 'b', project = 'p', environment = $3 where id = $1`, [
          each.id,
          id,
          environment,
        ]);
      await sql(`update organization set settings = settings || '{"security.membership": "SET_ONLY"}' where id = $1`, [
        source.id,
      ]);
      const { acme: outside } = await givenTwoOrganizations(server);
      await givenMember(server, target, 'VIEWER', { email: outside.viewer.email });
    }
    const asIs = ({ errors, data }: Answer) => [
      errors.map(({ extensions: { requestId: _id, ...rest } }) => rest),
      data,
    ];
    const codes: unknown[] = [];
    for (const world of worlds) {
      const { inTarget, taken, target } = world;
      for (const more of [{ paths }, { paths: ['branding.displayName'], expectedVersion: 1 }]) {
        const entries = await taken();
        const dry = await promote(inTarget, world, { ...more, dryRun: true });
        const version = (await target.viewer(SETTINGS_OF)).data.currentOrganization?.settings?.version;
        expect([version, await taken()]).toEqual([1, entries]);
        expect(asIs(await promote(inTarget, world, more))).toEqual(asIs(dry));
        codes.push(dry.errors.length === 0 ? 'done' : [codeOf(dry), argumentOf(dry)]);
      }
    }
    expect(codes).toEqual([
      ['FORBIDDEN', 'input.paths.1'],
      'done',
      // For an OWNER, but a member belongs outside.
      ['CONFLICT', 'input.paths.1'],
      'done',
      ['FORBIDDEN', 'input.paths.1'],
      ['FORBIDDEN', 'input.paths.0'],
    ]);
  });

  const KEPT = SETTING_PATHS.filter((path) => !SETTINGS[path].isPromotable);
  test('those that name people, agents, hosts or credentials, and what OWNERs decide, are these', () => {
    expect(KEPT).toEqual([
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

  test.each(KEPT)('never takes over %s, and names the path', async (path) => {
    const world = await given({ role: 'OWNER' }, { role: 'OWNER' });
    const { inTarget, taken } = world;
    const refused = await promote(inTarget, world, { paths: ['branding.displayName', path] });
    expect([codeOf(refused), argumentOf(refused)]).toEqual(['BAD_USER_INPUT', 'input.paths.1']);
    expect(refused.errors[0]?.message).toContain(path);
    expect(await taken()).toBe(0);
  });

  test('refuses what it does not understand', async () => {
    const world = await given();
    const { inTarget, target } = world;
    const at = async (more: object) => argumentOf(await promote(inTarget, world, more));
    expect(await at({ paths: [] })).toBe('input.paths');
    expect(await at({ paths: ['nothing'] })).toBe('input.paths.0');
    expect(await at({ paths: ['__proto__'] })).toBe('input.paths.0');
    const [wholeGroup] = (await promote(inTarget, world, { paths: ['branding'] })).errors;
    expect(wholeGroup?.message).toMatch(/^Name each setting of it, such as branding\.\w+\.$/);
    expect(await at({ paths: ['branding.displayName', 'branding.displayName'] })).toBe('input.paths');
    expect(await at({ from: target.id })).toBe('input.from');
  });

  test('holds what was seen: CONFLICT where the settings changed meanwhile, with the entry in the source alone', async () => {
    const world = await given();
    const { inTarget, target, taken } = world;
    await target.admin(CHANGE, { settings: { branding: { displayName: 'Own' } } });
    const refused = await promote(inTarget, world, { expectedVersion: 1 });
    expect([codeOf(refused), argumentOf(refused)]).toEqual(['CONFLICT', 'input.expectedVersion']);
    expect(await taken()).toBe(1);
    expect((await promote(inTarget, world, { expectedVersion: 2 })).errors).toEqual([]);
  });

  test('asks of each path what updateOrganization asks: what is for OWNERs is for OWNERs', async () => {
    const world = await given({ role: 'OWNER' });
    const { source, inTarget } = world;
    const set = await source.owner(CHANGE, { settings: { security: { membership: 'SET_ONLY' } } });
    // The one who is in both stands in the way.
    expect(codeOf(set)).toBe('CONFLICT');
    await sql(`update organization set settings = settings || '{"security.membership": "SET_ONLY"}' where id = $1`, [
      source.id,
    ]);
    const refused = await promote(inTarget, world, { paths: ['security.membership'] });
    expect(codeOf(refused)).toBe('FORBIDDEN');
  });
});

describe('A second organization is entered, never reached:', () => {
  const both = (client: Client, world: World) => [
    client(COMPARE, { a: world.source.slug, b: world.target.slug }),
    client(COMPARE, { a: world.target.slug, b: world.source.slug }),
    promote(client, world),
    promote(client, world, { dryRun: true }),
  ];
  const codesOf = async (client: Client, world: World) => (await Promise.all(both(client, world))).map(codeOf);

  test('who is in the target only is told what a name that nobody has is told', async () => {
    const world = await given();
    const { target, source, taken } = world;
    for (const client of [target.owner, target.admin]) {
      const unknown = { ...world, source: { ...source, slug: unique('never') } };
      const [foreign, never] = [await Promise.all(both(client, world)), await Promise.all(both(client, unknown))];
      expect(foreign.map(codeOf)).toEqual(Array(4).fill('NOT_FOUND'));
      expect(foreign.map(withoutRequestId)).toEqual(never.map(withoutRequestId));
    }
    expect(await taken()).toBe(0);
  });

  test('who is in the source only cannot write elsewhere', async () => {
    const world = await given();
    expect(
      codeOf(
        await world.source.owner(PROMOTE, { input: { from: world.target.slug, paths: ['branding.displayName'] } }),
      ),
    ).toBe('NOT_FOUND');
    expect(codeOf(await world.source.owner(COMPARE, { a: world.source.slug, b: world.target.slug }))).toBe('NOT_FOUND');
  });

  test.each(['SUSPENDED', 'REMOVED'])('who is %s there is told the same', async (status) => {
    const world = await given();
    await sql('update membership set status = $1 where org_id = $2 and user_id = $3', [
      status,
      world.source.id,
      await personId(world.inTarget),
    ]);
    expect(await codesOf(world.inTarget, world)).toEqual(Array(4).fill('NOT_FOUND'));
    expect(await world.taken()).toBe(0);
  });

  test('a VIEWER of the source compares, and takes nothing over', async () => {
    const world = await given({ role: 'VIEWER' });
    expect((await Promise.all(both(world.inTarget, world))).map(({ errors }) => errors[0]?.extensions['code'])).toEqual(
      [undefined, undefined, 'FORBIDDEN', 'FORBIDDEN'],
    );
    expect(await world.taken()).toBe(0);
  });

  test('a DEVELOPER of the target takes nothing over', async () => {
    const world = await given({}, { role: 'DEVELOPER' });
    expect(codeOf(await promote(world.inTarget, world))).toBe('FORBIDDEN');
    expect(await world.taken()).toBe(0);
  });

  test('where organization:read is withheld, nothing is compared', async () => {
    const world = await given({ role: 'VIEWER', withheld: ['organization:read'] });
    const answer = await world.inTarget(COMPARE, { a: world.source.slug, b: world.target.slug });
    expect([codeOf(answer), answer.data]).toEqual(['FORBIDDEN', { compareOrganizations: null }]);
  });

  test('keys of either reach neither', async () => {
    const world = await given({ role: 'OWNER' }, { role: 'OWNER' });
    for (const side of [world.inSource, world.inTarget]) {
      const { client } = await givenKey(server, side, ['organization:read', 'organization:update']);
      expect(await codesOf(client, world)).toEqual(Array(4).fill('FORBIDDEN'));
    }
    expect(await world.taken()).toBe(0);
  });

  test.each(['source', 'target'] as const)(
    'a session that the %s’s own provider opened reaches neither',
    async (which) => {
      const world = await given();
      const { source, target } = world;
      const bound = await givenBrowser(server, await personId(world.inTarget), { boundOrgId: world[which].id });
      const compared = await bound(
        unchecked(`{ compareOrganizations(a: "${source.slug}", b: "${target.slug}") { a { id } } }`),
      );
      expect(codeOf(compared)).toBe('FORBIDDEN');
      const promoted = await bound(
        unchecked(
          `mutation { promoteSettings(input: { from: "${source.slug}", paths: ["branding.displayName"] }) { changes { path } } }`,
        ),
      );
      expect(codeOf(promoted)).toBe('FORBIDDEN');
      expect(await world.taken()).toBe(0);
    },
  );

  test('whoever of the deployment acts as such a member reaches neither, a grant or not', async () => {
    const world = await given();
    await givenMember(server, world.source, 'ADMIN', { email: world.target.owner.email });
    await givenGrant(world.target, 'WRITE');
    const { acting } = await givenImpersonation(server, world.target, { as: 'owner' });
    expect(await codesOf(acting, world)).toEqual(Array(4).fill('FORBIDDEN'));
    expect(await world.taken()).toBe(0);
  });

  test('a suspended source gives nothing away, as it takes no change', async () => {
    const world = await given();
    await sql(`update organization set status = 'SUSPENDED' where id = $1`, [world.source.id]);
    expect(codeOf(await promote(world.inTarget, world))).toBe('FORBIDDEN');
    expect(await world.taken()).toBe(0);
  });
});
