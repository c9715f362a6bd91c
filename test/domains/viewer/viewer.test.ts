import { describe, expect, test } from '@jest/globals';
import { givenMember, givenOrganization, givenTwoOrganizations, personId, unique } from '../../support/given.js';
import { codeOf, useServer } from '../../support/server.js';

const server = useServer();

const VIEWER = `{ viewer {
  user { id name email } systemRole currentOrganization { id slug } role permissions organizationSource
} }`;
const CONTEXT = '{ viewer { currentOrganization { slug } role organizationSource } }';
const nothing = { currentOrganization: null, role: null, organizationSource: null };

/** A person with a membership in each of two organizations. */
async function givenAmbidextrous() {
  const { acme, globex } = await givenTwoOrganizations(server);
  const email = `${unique('both')}@both.example`;
  await givenMember(server, acme, 'DEVELOPER', { email });
  await givenMember(server, globex, 'VIEWER', { email });
  return { acme, globex, email };
}

describe('The viewer', () => {
  test('is a person, in one organization, with a role and what it allows', async () => {
    const acme = await givenOrganization(server);
    const { data } = await acme.viewer(VIEWER);
    expect(data.viewer).toEqual({
      user: {
        id: expect.stringMatching(/^usr_[0-9a-v]{26}$/),
        name: acme.viewer.email.split('@')[0],
        email: acme.viewer.email,
      },
      systemRole: 'USER',
      currentOrganization: { id: acme.id, slug: acme.slug },
      role: 'VIEWER',
      permissions: [
        'agent:read',
        'api-key:read',
        'api-key:revoke',
        'approval:cancel',
        'approval:read',
        'member:read',
        'organization:read',
        'repository:read',
        'run:read',
        'service-account:read',
        'usage:read',
      ],
      organizationSource: 'TOKEN',
    });
  });

  test('may more with every role, and more or less by single permissions', async () => {
    const acme = await givenOrganization(server);
    const permissionsOf = async (client: typeof acme.owner) =>
      (await client(VIEWER)).data.viewer.permissions as string[];
    let before: string[] = [];
    for (const client of [acme.viewer, acme.developer, acme.admin, acme.owner]) {
      const permissions = await permissionsOf(client);
      expect(permissions).toEqual(expect.arrayContaining(before));
      expect(permissions.length).toBeGreaterThan(before.length);
      before = permissions;
    }
    const special = await givenMember(server, acme, 'VIEWER', { granted: ['run:start'], withheld: ['usage:read'] });
    const permissions = await permissionsOf(special);
    expect(permissions).toContain('run:start');
    expect(permissions).not.toContain('usage:read');
    expect(codeOf(await special('{ organizationUsage { totalRuns } }'))).toBe('FORBIDDEN');
    const start = 'mutation ($id: ID!) { startRun(input: { agentId: $id }) { status } }';
    expect((await special(start, { id: acme.agentId })).data.startRun.status).toBe('QUEUED');
  });

  test('without a membership is a person in no organization, and makes one there and then', async () => {
    const stranger = await server.as(`${unique('stranger')}@nowhere.example`);
    const { data } = await stranger(VIEWER);
    expect(data.viewer).toMatchObject({ user: { email: stranger.email }, permissions: [], ...nothing });
    for (const field of ['currentOrganization { id }', 'repositories { totalCount }', 'runs { totalCount }']) {
      expect(codeOf(await stranger(`{ ${field} }`))).toBe('ORG_CONTEXT_REQUIRED');
    }
    expect((await stranger('{ myOrganizations { nodes { id } totalCount } }')).data).toEqual({
      myOrganizations: { nodes: [], totalCount: 0 },
    });
  });

  test('lists active memberships only, by organization, as each organization knows the person', async () => {
    const { acme, globex, email } = await givenAmbidextrous();
    const initech = await givenOrganization(server, 'initech');
    for (const status of ['INVITED', 'SUSPENDED', 'REMOVED'] as const) {
      await givenMember(server, await givenOrganization(server), 'ADMIN', { email, status });
    }
    await givenMember(server, initech, 'OWNER', { email });
    const both = await server.as(email);
    const PAGE = `query ($after: String) { viewer { user { name } memberships(first: 2, after: $after) {
      totalCount nodes { role status permissions joinedAt user { name email } organization { slug viewerRole } }
      edges { cursor node { role } } pageInfo { hasNextPage hasPreviousPage endCursor }
    } } }`;
    const first = (await both(PAGE)).data.viewer.memberships;
    const second = (await both(PAGE, { after: first.pageInfo.endCursor })).data.viewer.memberships;
    expect([first.totalCount, first.pageInfo.hasNextPage, second.pageInfo.hasNextPage]).toEqual([3, true, false]);
    const expected = [
      [acme, 'DEVELOPER'],
      [globex, 'VIEWER'],
      [initech, 'OWNER'],
    ] as const;
    const nodes = [...first.nodes, ...second.nodes];
    expect(nodes).toHaveLength(3);
    for (const [index, [{ slug }, role]] of expected.entries()) {
      expect(nodes[index]).toMatchObject({
        role,
        status: 'ACTIVE',
        user: { name: `${role} of ${slug}`, email },
        organization: { slug, viewerRole: role },
      });
    }
    const elsewhere = await (
      await server.as(`${unique('other')}@both.example`)
    )(PAGE, {
      after: first.pageInfo.endCursor,
    });
    expect([codeOf(elsewhere), elsewhere.errors[0]?.extensions['argument']]).toEqual(['BAD_USER_INPUT', 'after']);
  });
});

describe('The organization of a request', () => {
  test('is the one in the header, else in the token, each by id or slug; and the header overrides the token', async () => {
    const { acme, globex, email } = await givenAmbidextrous();
    const bare = await server.as(email);
    for (const name of [acme.id, acme.slug]) {
      for (const header of ['X-Organization-Id', 'x-tenant-id']) {
        const { data } = await bare(CONTEXT, {}, { [header]: name });
        expect(data.viewer).toEqual({
          currentOrganization: { slug: acme.slug },
          role: 'DEVELOPER',
          organizationSource: 'HEADER',
        });
      }
      const bound = await server.as(email, name);
      expect((await bound(CONTEXT)).data.viewer).toMatchObject({ role: 'DEVELOPER', organizationSource: 'TOKEN' });
      const { data } = await bound(CONTEXT, {}, { 'x-organization-id': globex.id, 'x-tenant-id': globex.slug });
      expect(data.viewer).toEqual({
        currentOrganization: { slug: globex.slug },
        role: 'VIEWER',
        organizationSource: 'HEADER',
      });
    }
    const torn = await bare(CONTEXT, {}, { 'x-organization-id': acme.id, 'x-tenant-id': globex.id });
    expect([codeOf(torn), torn.data]).toEqual(['ORG_CONTEXT_CONFLICT', null]);
  });

  test('is none when nothing names one and there are several, or when the token names one that is not held', async () => {
    const { acme, email } = await givenAmbidextrous();
    const initech = await givenOrganization(server, 'initech');
    for (const claim of [undefined, initech.id, initech.slug, 'no-such-organization']) {
      const client = await server.as(email, claim);
      expect((await client(CONTEXT)).data.viewer).toEqual(nothing);
      expect((await client('{ myOrganizations { totalCount } }')).data.myOrganizations.totalCount).toBe(2);
      const switched = await client(
        'mutation ($id: ID!) { switchOrganization(organizationId: $id) { currentOrganization { slug } } }',
        { id: acme.slug },
      );
      expect(switched.data.switchOrganization.currentOrganization).toEqual({ slug: acme.slug });
      expect(codeOf(await client('{ repositories { totalCount } }'))).toBe('ORG_CONTEXT_REQUIRED');
    }
  });

  test('named in a header must be one of the person: otherwise the whole request is NOT_FOUND, word for word', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const admin = await server.as(`${unique('sam')}@orgate.example`);
    await server.database.pool.queryAsLoginRole('update person set system_role = $1 where id = $2', [
      'SYSTEM_ADMIN',
      await personId(admin),
    ]);
    for (const client of [acme.owner, admin]) {
      const answers = new Set<string>();
      for (const name of [globex.id, globex.slug, `org_${'0'.repeat(26)}`, 'no-such-organization', '', '%', '../etc']) {
        const answer = await client('{ viewer { user { id } } }', {}, { 'x-organization-id': name });
        expect([answer.status, codeOf(answer), answer.data]).toEqual([200, 'NOT_FOUND', null]);
        answers.add(answer.text.replaceAll(/"requestId":"[^"]+"/g, ''));
      }
      expect(answers.size).toBe(1);
    }
  });

  test('is the sole membership where nothing names another, and it serves queries and mutations', async () => {
    const acme = await givenOrganization(server);
    const bare = await server.as(acme.developer.email);
    expect((await bare(CONTEXT)).data.viewer).toMatchObject({ organizationSource: 'SOLE_MEMBERSHIP' });
    const started = await bare('mutation ($id: ID!) { startRun(input: { agentId: $id }) { status } }', {
      id: acme.agentId,
    });
    expect(started.data.startRun.status).toBe('QUEUED');
  });

  test('and what told it stand in the log line of the request', async () => {
    const acme = await givenOrganization(server);
    const id = await personId(acme.viewer);
    const lineOf = async (headers: Record<string, string>) => {
      const requestId = unique('request');
      await acme.viewer('query Who { viewer { role } }', {}, { ...headers, 'x-request-id': requestId });
      const find = () => server.logs.find((each) => each.includes(requestId) && each.includes('"msg":"graphql"'));
      while (!find()) await new Promise(setImmediate);
      return JSON.parse(find() as string) as object;
    };
    const line = { operationName: 'Who', organization: acme.id, viewer: id };
    expect(await lineOf({})).toMatchObject({ ...line, organizationSource: 'TOKEN' });
    expect(await lineOf({ 'x-tenant-id': acme.slug })).toMatchObject({ ...line, organizationSource: 'HEADER' });
  });
});
