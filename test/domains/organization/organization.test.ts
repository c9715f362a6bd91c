import { describe, expect, test } from '@jest/globals';
import { givenMember, givenOrganization, givenTwoOrganizations, personId, unique } from '../../support/given.js';
import { codeOf, startServer, useServer } from '../../support/server.js';

const server = useServer();

const CREATE = `mutation ($input: CreateOrganizationInput!) { createOrganization(input: $input) {
  id name slug status viewerRole viewerPermissions
} }`;
const UPDATE = `mutation ($input: UpdateOrganizationInput!) { updateOrganization(input: $input) { ...all } }
fragment all on Organization {
  name slug description updatedAt settings {
    agentExecution { defaultModel defaultProvider maxConcurrentRuns }
    security { externalAgentPolicy allowedDomains }
    featureFlags
  }
}`;
const WHOLE = `{ currentOrganization {
  id name slug description status createdAt updatedAt viewerRole viewerPermissions
  settings {
    agentExecution { defaultModel defaultProvider maxConcurrentRuns }
    security { externalAgentPolicy allowedDomains }
    featureFlags
  }
  subscription { plan status seatLimit }
  members { totalCount } repositories { totalCount } agents { totalCount } runs { totalCount } usage { totalRuns }
} }`;

const makeSystemAdmin = async (id: string) =>
  server.database.pool.queryAsLoginRole(`update person set system_role = 'SYSTEM_ADMIN' where id = $1`, [id]);

describe('Creating an organization', () => {
  test('makes whoever asks its OWNER, in any organization or in none', async () => {
    const someone = await server.as(`${unique('founder')}@acme.example`);
    for (const client of [someone, (await givenOrganization(server)).viewer]) {
      const slug = unique('new');
      const { data } = await client(CREATE, { input: { name: ' New Inc. ', slug, description: 'x' } });
      const { id, viewerPermissions } = data.createOrganization;
      expect(data.createOrganization).toMatchObject({ name: 'New Inc.', slug, status: 'ACTIVE', viewerRole: 'OWNER' });
      expect(id).toMatch(/^org_[0-9a-v]{26}$/);
      expect(viewerPermissions).toEqual(expect.arrayContaining(['billing:manage', 'organization:delete']));
      const inside = await client(
        '{ currentOrganization { description } members { nodes { role status joinedAt user { id name email } } } }',
        {},
        { 'x-organization-id': id },
      );
      expect(inside.data).toEqual({
        currentOrganization: { description: 'x' },
        members: {
          nodes: [
            {
              role: 'OWNER',
              status: 'ACTIVE',
              joinedAt: expect.any(String),
              user: { id: await personId(client), name: client.email.split('@')[0], email: client.email },
            },
          ],
        },
      });
    }
  });

  test('with a slug that is taken is CONFLICT on it, also for someone who cannot see whose it is', async () => {
    const { slug } = await givenOrganization(server);
    const stranger = await server.as(`${unique('stranger')}@nowhere.example`);
    const refused = await stranger(CREATE, { input: { name: 'Mine', slug } });
    expect([codeOf(refused), refused.data]).toEqual(['CONFLICT', { createOrganization: null }]);
    expect(refused.errors[0]?.extensions['argument']).toBe('input.slug');
    expect(refused.text).not.toContain(slug);
    expect((await stranger('{ myOrganizations { totalCount } }')).data.myOrganizations.totalCount).toBe(0);
  });

  test('is for system administrators only, where the deployment says so', async () => {
    const strict = await startServer({ env: { ORGANIZATION_CREATION: 'system-admin' } });
    try {
      const email = `${unique('someone')}@acme.example`;
      const refused = await (await strict.as(email))(CREATE, { input: { name: 'Mine', slug: unique('mine') } });
      expect([codeOf(refused), refused.data]).toEqual(['FORBIDDEN', { createOrganization: null }]);
      expect(refused.errors[0]?.message).toBe('Only a system administrator can do this.');
      await makeSystemAdmin(await personId(await strict.as(email)));
      const allowed = await (await strict.as(email))(CREATE, { input: { name: 'Mine', slug: unique('mine') } });
      expect(allowed.data.createOrganization.viewerRole).toBe('OWNER');
    } finally {
      await strict.close();
    }
  });

  test('is not for someone whose account is disabled: they are nobody at all', async () => {
    const someone = await server.as(`${unique('someone')}@acme.example`);
    const id = await personId(someone);
    await server.database.pool.queryAsLoginRole(`update person set status = 'DISABLED' where id = $1`, [id]);
    const refused = await someone(CREATE, { input: { name: 'Mine', slug: unique('mine') } });
    expect([refused.status, codeOf(refused), refused.data]).toEqual([401, 'UNAUTHENTICATED', null]);
  });
});

test('an organization is all there to its members', async () => {
  const { viewer, id, slug } = await givenOrganization(server);
  const { data, errors } = await viewer(WHOLE);
  expect(errors).toEqual([]);
  expect(data.currentOrganization).toEqual({
    id,
    name: 'acme Inc.',
    slug,
    description: `canary of ${slug}`,
    status: 'ACTIVE',
    createdAt: expect.stringMatching(/Z$/),
    updatedAt: data.currentOrganization.createdAt,
    viewerRole: 'VIEWER',
    viewerPermissions: expect.arrayContaining(['run:read']),
    settings: {
      agentExecution: { defaultModel: null, defaultProvider: null, maxConcurrentRuns: 10 },
      security: { externalAgentPolicy: 'DENY', allowedDomains: [] },
      featureFlags: {},
    },
    subscription: { plan: 'FREE', status: 'ACTIVE', seatLimit: null },
    members: { totalCount: 4 },
    repositories: { totalCount: 1 },
    agents: { totalCount: 1 },
    runs: { totalCount: 1 },
    usage: { totalRuns: 1 },
  });
});

describe('Updating an organization', () => {
  test('changes what is given, group by group, and leaves the rest', async () => {
    const { admin } = await givenOrganization(server);
    const update = async (input: object) => (await admin(UPDATE, { input })).data.updateOrganization;
    const settings = {
      agentExecution: { defaultModel: 'model-x', defaultProvider: 'provider-y', maxConcurrentRuns: 3 },
      security: { externalAgentPolicy: 'ALLOWED_DOMAINS', allowedDomains: ['agents.example', 'b.example'] },
      featureFlags: { webhooks: true, custom_hosts: false },
    };
    const all = await update({ name: ' Acme ', description: 'x', settings });
    expect(all).toMatchObject({ name: 'Acme', description: 'x', settings });
    expect(await update({ settings: { agentExecution: { defaultModel: null } } })).toMatchObject({
      name: 'Acme',
      settings: { ...settings, agentExecution: { ...settings.agentExecution, defaultModel: null } },
    });
    const flags = await update({
      description: null,
      settings: { featureFlags: { own_executors: false }, security: null },
    });
    expect(flags).toMatchObject({
      name: 'Acme',
      description: '',
      settings: { featureFlags: { own_executors: false } },
    });
    expect(flags.settings.security).toEqual(settings.security);
    const domains = await update({ settings: { security: { allowedDomains: [' AGENTS.example '] } } });
    expect(domains.settings.security.allowedDomains).toEqual(['agents.example']);
  });

  test('is refused when it is based on what has changed since', async () => {
    const { admin, owner } = await givenOrganization(server);
    const { updatedAt } = (await admin(WHOLE)).data.currentOrganization;
    const first = await admin(UPDATE, { input: { description: 'first', expectedUpdatedAt: updatedAt } });
    expect(first.data.updateOrganization.description).toBe('first');
    const late = await owner(UPDATE, {
      input: { description: 'late', slug: unique('late'), expectedUpdatedAt: updatedAt },
    });
    expect([codeOf(late), late.errors[0]?.extensions['argument']]).toEqual(['CONFLICT', 'input.expectedUpdatedAt']);
    expect((await owner(WHOLE)).data.currentOrganization.description).toBe('first');
    const { updatedAt: now } = first.data.updateOrganization;
    expect((await owner(UPDATE, { input: { description: 'next', expectedUpdatedAt: now } })).errors).toEqual([]);
  });

  test('twice in one request answers each time what is then there', async () => {
    const { admin } = await givenOrganization(server);
    const { data } = await admin(`mutation {
      a: updateOrganization(input: { description: "one", name: "One" }) { name description }
      b: updateOrganization(input: { description: "two", name: "Two" }) { name description }
    }`);
    expect(data).toEqual({ a: { name: 'One', description: 'one' }, b: { name: 'Two', description: 'two' } });
  });

  test('moves its slug: the new one names it, and so does the old one, which nobody else takes', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const taken = await acme.admin(UPDATE, { input: { slug: globex.slug, name: 'Globex' } });
    expect([codeOf(taken), taken.errors[0]?.extensions['argument']]).toEqual(['CONFLICT', 'input.slug']);
    expect((await acme.viewer(WHOLE)).data.currentOrganization).toMatchObject({ name: 'acme Inc.', slug: acme.slug });

    const slug = unique('moved');
    expect((await acme.admin(UPDATE, { input: { slug } })).data.updateOrganization.slug).toBe(slug);
    const named = (name: string) =>
      acme.owner('{ currentOrganization { id slug } }', {}, { 'x-organization-id': name });
    for (const name of [slug, acme.id, acme.slug]) {
      expect((await named(name)).data.currentOrganization).toEqual({ id: acme.id, slug });
    }
    expect(codeOf(await globex.owner(CREATE, { input: { name: 'Other', slug: acme.slug } }))).toBe('CONFLICT');
    expect((await globex.owner('{ currentOrganization { id } }')).data.currentOrganization.id).toBe(globex.id);
  });
});

test('an ADMIN narrowed, or removed, does not update it any more', async () => {
  const acme = await givenOrganization(server);
  const narrowed = await givenMember(server, acme, 'ADMIN', { withheld: ['organization:update'] });
  expect(codeOf(await narrowed(UPDATE, { input: { name: 'x' } }))).toBe('FORBIDDEN');
  await acme.owner('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id: await personId(acme.admin) });
  expect(codeOf(await acme.admin(UPDATE, { input: { name: 'x' } }))).toBe('ORG_CONTEXT_REQUIRED');
});
