import { describe, expect, test } from '@jest/globals';
import { getNamedType, type GraphQLObjectType, isLeafType } from 'graphql';
import { createContract } from '../../../src/gateway/graphql/schema.js';
import { givenMember, givenTwoOrganizations, personId, unique } from '../../support/given.js';
import { type Answer, codeOf, useServer } from '../../support/server.js';

const server = useServer();

const CARD = ['id', 'name', 'slug', 'status', 'viewerRole', 'viewerPermissions'];
/** Where it is among others: what its name says, too. */
const PLACE = ['set', 'base', 'project', 'region', 'environment'];
const type = createContract().schema.getType('Organization') as GraphQLObjectType;
/** Every other field of an organization, with a selection where it needs one. */
const BEYOND = Object.values(type.getFields())
  .filter(({ name }) => !CARD.includes(name) && !PLACE.includes(name))
  .map((field) => (isLeafType(getNamedType(field.type)) ? field.name : `${field.name} { __typename }`));

async function givenBoth() {
  const { acme, globex } = await givenTwoOrganizations(server);
  const email = `${unique('both')}@both.example`;
  await givenMember(server, acme, 'ADMIN', { email });
  await givenMember(server, globex, 'VIEWER', { email, granted: ['run:start'] });
  return { acme, globex, client: await server.as(email, acme.slug) };
}

async function givenSystemAdmin(organization?: string) {
  const email = `${unique('sam')}@orgate.example`;
  const client = await server.as(email, organization);
  await server.database.pool.queryAsLoginRole(`update person set system_role = 'SYSTEM_ADMIN' where id = $1`, [
    await personId(client),
  ]);
  return client;
}

const withoutRequestId = ({ text }: Answer): string => text.replaceAll(/"requestId":"[^"]+"/g, '');

describe("Of an organization other than the request's own", () => {
  test('six fields answer, wherever it is reached, and where it is among others', async () => {
    const { globex, client } = await givenBoth();
    const card = { id: globex.id, name: 'globex Inc.', slug: globex.slug, status: 'ACTIVE', viewerRole: 'VIEWER' };
    const paths: [string, (data: Answer['data']) => { id: string }[]][] = [
      [`organization(slug: "${globex.slug}") { ...card }`, ({ organization }) => [organization]],
      [`organization(id: "${globex.id}") { ...card }`, ({ organization }) => [organization]],
      ['myOrganizations { nodes { ...card } }', ({ myOrganizations }) => myOrganizations.nodes],
      [
        'viewer { memberships { nodes { organization { ...card } } } }',
        ({ viewer }) => viewer.memberships.nodes.map(({ organization }: Answer['data']) => organization),
      ],
    ];
    for (const [path, pick] of paths) {
      const place = 'set { name } base project region { tag } environment';
      const { data, errors } = await client(`{ ${path} } fragment card on Organization { ${CARD.join(' ')} ${place} }`);
      expect([path, errors]).toEqual([path, []]);
      const found = pick(data).find(({ id }) => id === globex.id);
      expect(found).toMatchObject(card);
      expect(found).toMatchObject({ viewerPermissions: expect.arrayContaining(['run:start', 'run:read']) });
      expect(found).toMatchObject({ viewerPermissions: expect.not.arrayContaining(['run:cancel']) });
    }
  });

  test.each(BEYOND)('%s is ORG_CONTEXT_REQUIRED, wherever it is reached, and answers inside its own', async (field) => {
    const { acme, globex, client } = await givenBoth();
    for (const query of [
      `{ organization(slug: "${globex.slug}") { id ${field} } }`,
      `{ myOrganizations { nodes { id ${field} } } }`,
      `{ viewer { memberships { nodes { organization { id ${field} } } } } }`,
      `mutation { switchOrganization(organizationId: "${globex.slug}") { currentOrganization { id ${field} } } }`,
      `mutation { createOrganization(input: { name: "x", slug: "${unique('x')}" }) { id ${field} } }`,
    ]) {
      const refused = await client(query);
      expect([query, codeOf(refused)]).toEqual([query, 'ORG_CONTEXT_REQUIRED']);
      expect(refused.text).not.toContain(`canary of ${globex.slug}`);
    }
    const bare = await server.as(client.email);
    const refused = await bare(`{ organization(slug: "${globex.slug}") { id ${field} } }`);
    expect(codeOf(refused)).toBe('ORG_CONTEXT_REQUIRED');
    for (const query of [
      `{ currentOrganization { ${field} } }`,
      `{ organization(slug: "${acme.slug}") { ${field} } }`,
      `{ organization(id: "${acme.id}") { ${field} } }`,
    ]) {
      expect([query, (await client(query)).errors]).toEqual([query, []]);
    }
  });

  test('asked for by what the person is no active member of, or by the wrong kind of name, there is nothing', async () => {
    const { acme, globex, client } = await givenBoth();
    const closed = await givenTwoOrganizations(server);
    await givenMember(server, closed.acme, 'OWNER', { email: client.email, status: 'INVITED' });
    await givenMember(server, closed.globex, 'OWNER', { email: client.email, status: 'REMOVED' });
    const bySlug = [
      closed.acme.slug,
      closed.globex.slug,
      'no-such-organization',
      acme.id,
      globex.slug.toUpperCase(),
      '',
    ];
    const byId = [closed.acme.id, closed.globex.id, `org_${'0'.repeat(26)}`, acme.slug, ''];
    const answers = new Set<string>();
    for (const slug of bySlug)
      answers.add(
        withoutRequestId(
          await client('query ($slug: String, $id: ID) { organization(slug: $slug, id: $id) { id } }', { slug }),
        ),
      );
    for (const id of byId)
      answers.add(
        withoutRequestId(
          await client('query ($slug: String, $id: ID) { organization(slug: $slug, id: $id) { id } }', { id }),
        ),
      );
    expect([...answers]).toEqual([expect.stringContaining('"code":"NOT_FOUND"')]);
    expect([...answers][0]).toContain('"data":{"organization":null}');
  });
});

test('my organizations come page by page, by id, and counted only when that is asked for', async () => {
  const { acme, globex, client } = await givenBoth();
  const PAGE = `query ($after: String) { myOrganizations(first: 1, after: $after) {
    nodes { id } edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount
  } }`;
  const first = (await client(PAGE)).data.myOrganizations;
  expect(first).toMatchObject({ nodes: [{ id: acme.id }], edges: [{ node: { id: acme.id } }], totalCount: 2 });
  expect(first.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false, endCursor: first.edges[0].cursor });
  const second = (await client(PAGE, { after: first.pageInfo.endCursor })).data.myOrganizations;
  expect(second.nodes).toEqual([{ id: globex.id }]);
  expect(second.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
  const someoneElse = await acme.owner(PAGE, { after: first.pageInfo.endCursor });
  expect([codeOf(someoneElse), someoneElse.errors[0]?.extensions['argument']]).toEqual(['BAD_USER_INPUT', 'after']);
});

describe('All organizations', () => {
  const FIELDS = 'id name slug status createdAt';

  test('are listed to a SYSTEM_ADMIN, page by page, with five fields and nothing of what is in them', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const sam = await givenSystemAdmin();
    const seen: { id: string }[] = [];
    let after: string | null = null;
    do {
      const { data, errors }: Answer = await sam(
        `query ($after: String) { organizations(first: 100, after: $after) {
          totalCount nodes { ${FIELDS} viewerRole viewerPermissions } pageInfo { hasNextPage endCursor }
        } }`,
        { after },
      );
      expect(errors).toEqual([]);
      seen.push(...data.organizations.nodes);
      after = data.organizations.pageInfo.hasNextPage ? data.organizations.pageInfo.endCursor : null;
    } while (after);
    for (const { id, slug } of [acme, globex]) {
      expect(seen.find((each) => each.id === id)).toMatchObject({ slug, viewerRole: null, viewerPermissions: [] });
    }
    expect(seen.map(({ id }) => id)).toEqual(seen.map(({ id }) => id).sort());
    for (const field of BEYOND.filter((name) => name !== 'createdAt' && !name.startsWith('usage'))) {
      const refused = await sam(`{ organizations(first: 1) { nodes { id ${field} } } }`);
      expect([field, codeOf(refused)]).toEqual([field, 'ORG_CONTEXT_REQUIRED']);
    }
  });

  test('are FORBIDDEN to everyone else, an OWNER too, and UNAUTHENTICATED without a credential', async () => {
    const { acme } = await givenTwoOrganizations(server);
    const refused = await acme.owner(`{ organizations { nodes { ${FIELDS} } totalCount } }`);
    expect([codeOf(refused), refused.data]).toEqual(['FORBIDDEN', { organizations: null }]);
    const anonymous = await server.post(JSON.stringify({ query: '{ organizations { totalCount } }' }));
    expect(codeOf(anonymous)).toBe('UNAUTHENTICATED');
  });

  test('stay closed to a SYSTEM_ADMIN in every other way: the system role is no role in any of them', async () => {
    const { acme } = await givenTwoOrganizations(server);
    const sam = await givenSystemAdmin(acme.slug);
    expect((await sam('{ viewer { systemRole role currentOrganization { id } } }')).data.viewer).toEqual({
      systemRole: 'SYSTEM_ADMIN',
      role: null,
      currentOrganization: null,
    });
    expect(codeOf(await sam('{ repositories { totalCount } }'))).toBe('ORG_CONTEXT_REQUIRED');
    expect(codeOf(await sam(`{ organization(id: "${acme.id}") { id } }`))).toBe('NOT_FOUND');
    const switched = await sam(`mutation { switchOrganization(organizationId: "${acme.id}") { token } }`);
    expect(codeOf(switched)).toBe('NOT_FOUND');
  });
});
