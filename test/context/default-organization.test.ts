import { expect, test } from '@jest/globals';
import type { MembershipStatus } from '../../src/generated/enums.js';
import { givenMember, givenOrganization, unique } from '../support/given.js';
import { type Client, codeOf, useServer } from '../support/server.js';
import { byTest } from '../support/act.js';

const server = useServer();

const WHERE = '{ viewer { organizationSource role currentOrganization { id } } repositories { totalCount } }';
const SET = 'mutation ($to: ID) { setDefaultOrganization(organizationId: $to) { organizationSource } }';
const START = 'mutation ($agent: ID!) { startRun(input: { agentId: $agent }) { id } }';
const standing = async (client: Client) => (await client(WHERE)).data.viewer;

/** Somebody who is OWNER of acme and DEVELOPER of globex, and whose token names neither. */
async function givenAnnInTwo() {
  const [acme, globex] = [await givenOrganization(server), await givenOrganization(server, 'globex')];
  await givenMember(server, globex, 'DEVELOPER', { email: acme.owner.email });
  return { acme, globex, ann: await server.as(acme.owner.email) };
}

test('a sole membership is the organization, for queries and mutations', async () => {
  const { id, owner, agentId } = await givenOrganization(server);
  const anywhere = await server.as(owner.email);
  expect(await standing(anywhere)).toEqual({
    organizationSource: 'SOLE_MEMBERSHIP',
    role: 'OWNER',
    currentOrganization: { id },
  });
  expect((await anywhere(START, { agent: agentId })).errors).toEqual([]);
});

test('several memberships and no default are no organization: nothing is guessed', async () => {
  const { ann, acme } = await givenAnnInTwo();
  const answer = await ann(WHERE);
  expect(answer.data.viewer).toEqual({ organizationSource: null, role: null, currentOrganization: null });
  expect(codeOf(answer)).toBe('ORG_CONTEXT_REQUIRED');
  expect(codeOf(await ann(START, { agent: acme.agentId }))).toBe('ORG_CONTEXT_REQUIRED');
});

test('a default among several serves queries, and refuses mutations on what an organization owns', async () => {
  const { ann, acme, globex } = await givenAnnInTwo();
  for (const to of [globex.slug, acme.id]) {
    const set = await ann(SET, { to });
    expect(set.errors).toEqual([]);
    expect(await standing(ann)).toMatchObject({
      organizationSource: 'DEFAULT',
      currentOrganization: { id: to === acme.id ? acme.id : globex.id },
    });
  }
  for (const [query, variables] of [
    [START, { agent: acme.agentId }],
    ['mutation ($id: ID!) { cancelRun(id: $id) { id } }', { id: acme.runId }],
    ['mutation { updateOrganization(input: { description: "x" }) { id } }', {}],
    ['mutation ($id: ID!) { deleteRepository(id: $id) }', { id: acme.repositoryId }],
    ['mutation { inviteUser(input: { email: "a@b.example", name: "A", role: VIEWER }) { role } }', {}],
  ] as const) {
    expect(codeOf(await ann(query, variables))).toBe('ORG_CONTEXT_REQUIRED');
  }
  // Named, the same mutation is fine; and what no organization owns needs none.
  expect((await ann(START, { agent: acme.agentId }, { 'x-organization-id': acme.slug })).errors).toEqual([]);
  expect((await ann(SET, { to: globex.id })).errors).toEqual([]);
  const made = await ann('mutation ($input: CreateOrganizationInput!) { createOrganization(input: $input) { id } }', {
    input: { name: 'Third', slug: unique('third') },
  });
  expect(made.errors).toEqual([]);
});

test('a default that is the sole membership serves both', async () => {
  const { id, owner, agentId } = await givenOrganization(server);
  const anywhere = await server.as(owner.email);
  await anywhere(SET, { to: id });
  expect(await standing(anywhere)).toMatchObject({ organizationSource: 'DEFAULT', currentOrganization: { id } });
  expect((await anywhere(START, { agent: agentId })).errors).toEqual([]);
});

test('a header and a claim override the default', async () => {
  const { ann, acme, globex } = await givenAnnInTwo();
  await ann(SET, { to: acme.id });
  expect((await ann(WHERE, {}, { 'x-tenant-id': globex.id })).data.viewer).toMatchObject({
    organizationSource: 'HEADER',
    currentOrganization: { id: globex.id },
  });
  expect(await standing(await server.as(ann.email, globex.slug))).toMatchObject({
    organizationSource: 'TOKEN',
    currentOrganization: { id: globex.id },
  });
  // A claim that is no longer held does not fall back on it.
  expect(await standing(await server.as(ann.email, unique('nobody')))).toMatchObject({ currentOrganization: null });
});

test('a default no longer held is none, and one membership that is left serves by itself', async () => {
  const { ann, acme, globex } = await givenAnnInTwo();
  await ann(SET, { to: globex.id });
  const change = (status: MembershipStatus) =>
    server.database.organizationDb(globex.id, byTest).membership.update({ email: ann.email }, { status });
  await change('SUSPENDED');
  expect(await standing(ann)).toMatchObject({
    organizationSource: 'SOLE_MEMBERSHIP',
    currentOrganization: { id: acme.id },
  });
  await givenMember(server, await givenOrganization(server), 'VIEWER', { email: ann.email });
  expect(await standing(ann)).toMatchObject({ organizationSource: null, currentOrganization: null });
  await change('ACTIVE');
  expect(await standing(ann)).toMatchObject({ organizationSource: 'DEFAULT', currentOrganization: { id: globex.id } });
});

test('an invitation is no membership, and does not end that another is the only one', async () => {
  const [acme, globex] = [await givenOrganization(server), await givenOrganization(server)];
  await givenMember(server, globex, 'DEVELOPER', { email: acme.owner.email, status: 'INVITED' });
  const ann = await server.as(acme.owner.email);
  expect(await standing(ann)).toMatchObject({
    organizationSource: 'SOLE_MEMBERSHIP',
    currentOrganization: { id: acme.id },
  });
  expect((await ann(START, { agent: acme.agentId })).errors).toEqual([]);
});

test('the default can be cleared, and never names what is no membership', async () => {
  const { ann, acme } = await givenAnnInTwo();
  const foreign = await givenOrganization(server);
  await ann(SET, { to: acme.id });
  for (const to of [foreign.id, foreign.slug, unique('nobody'), '']) {
    expect(codeOf(await ann(SET, { to }))).toBe('NOT_FOUND');
  }
  expect(await standing(ann)).toMatchObject({ organizationSource: 'DEFAULT', currentOrganization: { id: acme.id } });
  expect((await ann(SET, { to: null })).errors).toEqual([]);
  expect(await standing(ann)).toMatchObject({ organizationSource: null });
});
