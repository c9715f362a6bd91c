import { expect, test } from '@jest/globals';
import { newId } from '../../src/data/id.js';
import { givenMember, givenOrganization, givenTwoOrganizations, personId, unique } from '../support/given.js';
import { raw } from '../support/raw.js';
import { type Answer, type Client, codeOf, useServer } from '../support/server.js';

const server = useServer();

const WHERE = '{ viewer { organizationSource role currentOrganization { id slug } } }';
const where = (client: Client, headers: Record<string, string>) => client(WHERE, {}, headers);

/** All that a client can tell two answers apart by, except what differs between any two. */
function visible({ status, headers, text, errors }: Answer) {
  const kept = [...headers].filter(([name]) => !['date', 'x-request-id'].includes(name));
  return { status, headers: kept, text: text.replaceAll(String(errors[0]?.extensions['requestId']), 'id') };
}

test('X-Organization-Id and X-Tenant-ID take an id or a slug, alone or both for the same organization', async () => {
  const { owner, id, slug } = await givenOrganization(server);
  const anywhere = await server.as(owner.email);
  for (const headers of [
    { 'x-organization-id': id },
    { 'x-organization-id': slug },
    { 'x-tenant-id': id },
    { 'x-tenant-id': slug },
    { 'x-organization-id': id, 'x-tenant-id': slug },
    { 'x-organization-id': slug, 'x-tenant-id': slug },
  ]) {
    expect((await where(anywhere, headers)).data.viewer).toEqual({
      organizationSource: 'HEADER',
      role: 'OWNER',
      currentOrganization: { id, slug },
    });
  }
});

test('a header overrides the claim of the token, for this request only', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  await givenMember(server, globex, 'VIEWER', { email: acme.owner.email });
  expect((await where(acme.owner, { 'x-organization-id': globex.slug })).data.viewer).toEqual({
    organizationSource: 'HEADER',
    role: 'VIEWER',
    currentOrganization: { id: globex.id, slug: globex.slug },
  });
  const { data } = await acme.owner('{ repositories { nodes { id } } }', {}, { 'x-tenant-id': globex.id });
  expect(data.repositories.nodes).toEqual([{ id: globex.repositoryId }]);
  expect((await where(acme.owner, {})).data.viewer).toMatchObject({
    organizationSource: 'TOKEN',
    currentOrganization: { id: acme.id },
  });
});

test('a header serves mutations as well', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  await givenMember(server, globex, 'DEVELOPER', { email: acme.owner.email });
  const { data } = await acme.owner(
    'mutation ($input: CreateRepositoryInput!) { createRepository(input: $input) { organization { id } } }',
    { input: { name: unique('bots'), gitUrl: 'https://git.example/bots' } },
    { 'x-organization-id': globex.slug },
  );
  expect(data.createRepository.organization.id).toBe(globex.id);
});

test('two headers that name two of the viewer’s organizations are ORG_CONTEXT_CONFLICT', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  await givenMember(server, globex, 'VIEWER', { email: acme.owner.email });
  for (const headers of [
    { 'x-organization-id': acme.id, 'x-tenant-id': globex.id },
    { 'x-organization-id': globex.slug, 'x-tenant-id': acme.slug },
  ]) {
    const answer = await where(acme.owner, headers);
    expect(codeOf(answer)).toBe('ORG_CONTEXT_CONFLICT');
    expect(answer.data).toBeNull();
    expect(answer.status).toBe(200);
    const accept = 'application/graphql-response+json';
    expect((await where(acme.owner, { ...headers, accept })).status).toBe(409);
  }
});

test('a header that names no membership refuses the whole request: foreign, unknown and malformed look the same', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  const unknown = await where(acme.owner, { 'x-organization-id': unique('nobody') });
  expect(codeOf(unknown)).toBe('NOT_FOUND');
  expect(unknown.errors[0]?.message).toBe('The organization that the request names is none of yours.');
  expect(unknown.data).toBeNull();
  expect(unknown.text).not.toContain('path');
  for (const name of [
    globex.id,
    globex.slug,
    newId('org'),
    'org_',
    acme.slug.toUpperCase(),
    ` ${acme.slug}.`,
    `${acme.slug},${acme.slug}`,
    acme.repositoryId,
    await personId(acme.owner),
    '',
    '%',
    '*',
    '-',
    'null',
    '../acme',
    "' or '1'='1",
    'é',
    'x'.repeat(65),
    'x'.repeat(4000),
  ]) {
    for (const header of ['x-organization-id', 'x-tenant-id']) {
      const answer = await where(acme.owner, { [header]: name });
      expect({ name, ...visible(answer) }).toEqual({ name, ...visible(unknown) });
    }
    const both = await where(acme.owner, { 'x-organization-id': name, 'x-tenant-id': acme.slug });
    expect({ name, ...visible(both) }).toEqual({ name, ...visible(unknown) });
    const other = await where(acme.owner, { 'x-organization-id': acme.slug, 'x-tenant-id': name });
    expect({ name, ...visible(other) }).toEqual({ name, ...visible(unknown) });
  }
});

test('a refused header refuses mutations before they do anything', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  const slug = unique('never');
  for (const name of [globex.slug, 'no-such-organization']) {
    const answer = await acme.owner(
      'mutation ($input: CreateOrganizationInput!) { createOrganization(input: $input) { id } }',
      { input: { name: 'Never', slug } },
      { 'x-organization-id': name },
    );
    expect(codeOf(answer)).toBe('NOT_FOUND');
  }
  expect(codeOf(await acme.owner(`{ organization(slug: "${slug}") { id } }`))).toBe('NOT_FOUND');
});

test.each(['INVITED', 'SUSPENDED', 'REMOVED'] as const)('a membership that is %s is no membership', async (status) => {
  const { acme, globex } = await givenTwoOrganizations(server);
  await givenMember(server, globex, 'ADMIN', { email: acme.owner.email, status });
  const refused = await where(acme.owner, { 'x-organization-id': globex.slug });
  expect(visible(refused)).toEqual(visible(await where(acme.owner, { 'x-organization-id': unique('nobody') })));
});

test('a SYSTEM_ADMIN is refused like anyone else', async () => {
  const { acme } = await givenTwoOrganizations(server);
  const sam = await server.as(`${unique('sam')}@orgate.example`);
  await server.database.pool.queryAsLoginRole(`update person set system_role = 'SYSTEM_ADMIN' where id = $1`, [
    await personId(sam),
  ]);
  expect((await sam('{ viewer { systemRole } }')).data.viewer.systemRole).toBe('SYSTEM_ADMIN');
  const unknown = await where(sam, { 'x-organization-id': unique('nobody') });
  expect(codeOf(unknown)).toBe('NOT_FOUND');
  for (const name of [acme.id, acme.slug]) {
    expect(visible(await where(sam, { 'x-organization-id': name }))).toEqual(visible(unknown));
  }
  expect(codeOf(await (await server.as(sam.email, acme.slug))('{ repositories { totalCount } }'))).toBe(
    'ORG_CONTEXT_REQUIRED',
  );
});

test('a header sent twice names two organizations at once, and no membership', async () => {
  const { owner, slug } = await givenOrganization(server);
  const send = async (names: string[]) => {
    const headers = {
      'content-type': 'application/json',
      authorization: `Bearer ${owner.token}`,
      'x-organization-id': names,
    };
    return (await raw(`${server.url}/graphql`, { headers, body: '{"query":"{ currentOrganization { slug } }"}' })).text;
  };
  expect(await send([slug])).toContain(slug);
  expect(await send([slug, slug])).toContain('NOT_FOUND');
});
