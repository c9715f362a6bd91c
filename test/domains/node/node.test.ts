import { describe, expect, test } from '@jest/globals';
import { givenKey, givenServiceAccount } from '../../support/api-key.js';
import { givenMember, givenOrganization, givenTwoOrganizations, personId, unique } from '../../support/given.js';
import { secretFor } from '../../support/mail.js';
import { codeOf, useServer } from '../../support/server.js';
import { givenBrowser } from '../../support/sessions.js';

const server = useServer();

const NODE = `query ($id: ID!) { node(id: $id) {
  __typename id ... on Organization { slug } ... on AgentRepository { name } ... on Agent { name } ... on Run { status }
} }`;
const NODES = 'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }';

test('an id finds its object, of the type that its prefix names', async () => {
  const { viewer, id, slug, repositoryId, agentId, agentName, runId } = await givenOrganization(server);
  const found = [
    { __typename: 'Organization', id, slug },
    { __typename: 'AgentRepository', id: repositoryId, name: 'support-bots' },
    { __typename: 'Agent', id: agentId, name: agentName },
    { __typename: 'Run', id: runId, status: 'QUEUED' },
  ];
  for (const node of found) expect(await viewer(NODE, { id: node.id })).toMatchObject({ data: { node }, errors: [] });
  const prefixes = found.map((node) => node.id.slice(0, 4));
  expect(prefixes).toEqual(['org_', 'rep_', 'agt_', 'run_']);
});

test('what it does not find is null and no error: foreign, unknown, of another type, or no id at all', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  const userId = await personId(acme.owner);
  const absent = [
    globex.id,
    globex.repositoryId,
    globex.agentId,
    globex.runId,
    `run_${'0'.repeat(26)}`,
    acme.runId.replace('run_', 'agt_'),
    `RUN_${acme.runId.slice(4)}`,
    `${acme.runId} `,
    userId,
    acme.slug,
    'run_',
    '',
  ];
  for (const id of absent) {
    const { data, errors } = await acme.owner(NODE, { id });
    expect({ id, data, errors }).toEqual({ id, data: { node: null }, errors: [] });
  }
  const { data, errors } = await acme.owner(NODES, { ids: absent });
  expect({ data, errors }).toEqual({ data: { nodes: absent.map(() => null) }, errors: [] });
});

test('many ids are answered in the order asked for, twice where asked for twice', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  const ids = [acme.runId, globex.runId, acme.agentId, acme.runId, acme.id];
  const { data } = await acme.viewer(NODES, { ids });
  expect(data.nodes).toEqual([
    { __typename: 'Run', id: acme.runId },
    null,
    { __typename: 'Agent', id: acme.agentId },
    { __typename: 'Run', id: acme.runId },
    { __typename: 'Organization', id: acme.id },
  ]);
  expect((await acme.viewer(NODES, { ids: [] })).data).toEqual({ nodes: [] });
  expect((await acme.viewer(NODES, { ids: Array(100).fill(acme.runId) })).data.nodes).toHaveLength(100);
});

test('a hundred ids of one type cost as many statements as one', async () => {
  const acme = await givenOrganization(server);
  const statementsFor = async (ids: string[]) => {
    const before = server.statements.length;
    await acme.viewer(NODES, { ids });
    return server.statements.length - before;
  };
  await statementsFor([acme.runId]);
  const unknown = Array.from({ length: 99 }, (_, index) => `run_${String(index).padStart(26, '0')}`);
  expect(await statementsFor([acme.runId, ...unknown])).toBe(await statementsFor([acme.runId]));
});

test('whoever may not read a type does not find it by its id either, be it there or not', async () => {
  const acme = await givenOrganization(server);
  const narrowed = await givenMember(server, acme, 'VIEWER', { withheld: ['run:read'] });
  for (const id of [acme.runId, `run_${'0'.repeat(26)}`]) {
    const refused = await narrowed(NODE, { id });
    expect([codeOf(refused), refused.data]).toEqual(['FORBIDDEN', { node: null }]);
    expect(refused.errors[0]?.extensions['requiredPermission']).toBe('run:read');
  }
  expect((await narrowed(NODE, { id: acme.agentId })).data.node).toMatchObject({ id: acme.agentId });
});

test('without an organization there is no node to find', async () => {
  const acme = await givenOrganization(server);
  const stranger = await server.as('stranger@nowhere.example');
  for (const query of [NODE, NODES]) {
    expect(codeOf(await stranger(query, { id: acme.id, ids: [acme.id] }))).toBe('ORG_CONTEXT_REQUIRED');
  }
});

test.each(['organization', 'repository', 'agent', 'run'])(
  'asked for by its own field, %s that is not there is null with one NOT_FOUND, foreign and unknown alike',
  async (field) => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const pick = (of: typeof acme) =>
      ({ organization: of.id, repository: of.repositoryId, agent: of.agentId, run: of.runId })[field] as string;
    const QUERY = `query ($id: ID!) { ${field}(id: $id) { __typename id } }`;
    expect((await acme.viewer(QUERY, { id: pick(acme) })).data[field].id).toBe(pick(acme));
    const answers = new Set<string>();
    for (const id of [pick(globex), pick(acme).replace(/[^_]*$/, '0'.repeat(26)), pick(acme).toUpperCase(), '']) {
      const answer = await acme.viewer(QUERY, { id });
      expect([codeOf(answer), answer.data]).toEqual(['NOT_FOUND', { [field]: null }]);
      answers.add(answer.text.replaceAll(/"requestId":"[^"]+"/g, ''));
    }
    expect(answers.size).toBe(1);
  },
);

const MEMBERSHIP = 'id role status user { id }';

describe('A membership', () => {
  test('has one id, whatever answers it: lists, the viewer, mutations and node', async () => {
    const acme = await givenOrganization(server);
    const userId = await personId(acme.viewer);
    const own = async () => (await acme.viewer(`{ viewer { memberships { nodes { ${MEMBERSHIP} } } } }`)).data;
    const [membership] = (await own()).viewer.memberships.nodes;
    expect(membership).toEqual({
      id: expect.stringMatching(/^mem_[0-9a-v]{26}$/),
      role: 'VIEWER',
      status: 'ACTIVE',
      user: { id: userId },
    });
    const { data } = await acme.admin(`{ members { nodes { ${MEMBERSHIP} } } }`);
    expect(data.members.nodes).toContainEqual(membership);
    const byId = `query ($id: ID!) { node(id: $id) { __typename ... on Membership { ${MEMBERSHIP} organization { slug } } } }`;
    const found = await acme.developer(byId, { id: membership.id });
    expect(found.data.node).toEqual({ __typename: 'Membership', ...membership, organization: { slug: acme.slug } });
    for (const mutation of [
      'updateMemberRole(userId: $id, role: DEVELOPER)',
      'updateMemberPermissions(userId: $id, permissions: [], withheldPermissions: [])',
      'suspendMember(userId: $id)',
      'reinstateMember(userId: $id)',
      'transferOwnership(userId: $id)',
      'removeMember(userId: $id)',
    ]) {
      const changed = await acme.owner(`mutation ($id: ID!) { changed: ${mutation} { id } }`, { id: userId });
      if (mutation.startsWith('removeMember')) expect(codeOf(changed)).toBe('ROLE_ESCALATION');
      else expect([mutation, changed.data.changed]).toEqual([mutation, { id: membership.id }]);
    }
  });

  test('keeps its id when whoever was invited joins as themselves', async () => {
    const { admin } = await givenOrganization(server);
    const email = `${unique('jane')}@new.example`;
    const invited = await admin(
      'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { invitation { membership { id user { id } } } } }',
      { input: { email, name: 'Jane', role: 'VIEWER' } },
    );
    const place = invited.data.inviteUser.invitation.membership;
    const jane = await server.as(email);
    const { data } = await jane(
      'mutation ($secret: String!) { acceptInvitation(secret: $secret) { membership { id user { id } } } }',
      {
        secret: await secretFor(server, email),
      },
    );
    expect(data.acceptInvitation.membership).toEqual({ id: place.id, user: { id: await personId(jane) } });
    expect(place.user.id).not.toBe(await personId(jane));
  });

  test('has another id in each organization of a person, and is found in its own', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    await givenMember(server, globex, 'VIEWER', { email: acme.owner.email });
    const { data } = await acme.owner('{ viewer { memberships { nodes { id organization { id } } } } }');
    const ids = new Map<string, string>(
      data.viewer.memberships.nodes.map((each: { id: string; organization: { id: string } }) => [
        each.organization.id,
        each.id,
      ]),
    );
    expect(new Set(ids.values()).size).toBe(2);
    const [here, there] = [ids.get(acme.id), ids.get(globex.id)];
    expect((await acme.owner(NODE, { id: here })).data.node).toMatchObject({ __typename: 'Membership', id: here });
    const unknown = await acme.owner(NODE, { id: `mem_${'0'.repeat(26)}` });
    expect((await acme.owner(NODE, { id: there })).text).toBe(unknown.text);
    expect(unknown.text).toBe('{"data":{"node":null}}');
    expect((await acme.owner(NODES, { ids: [here, there, here] })).data.nodes).toEqual([
      { __typename: 'Membership', id: here },
      null,
      { __typename: 'Membership', id: here },
    ]);
  });

  test('of a machine is found by its own keys alone', async () => {
    const acme = await givenOrganization(server);
    const serviceAccountId = await givenServiceAccount(acme.owner, 'VIEWER');
    const { client: key } = await givenKey(server, acme.owner, ['organization:read', 'member:read'], {
      serviceAccountId,
    });
    const [own] = (await key('{ viewer { memberships { nodes { id } } } }')).data.viewer.memberships.nodes;
    expect((await key(NODE, { id: own.id })).data.node).toMatchObject({ __typename: 'Membership', id: own.id });
    expect((await acme.owner(NODE, { id: own.id })).data).toEqual({ node: null });
  });
});

describe('A session', () => {
  test('is found by whose it is, in whatever organization they act; anyone else’s is like none', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    await givenMember(server, globex, 'VIEWER', { email: acme.owner.email });
    const id = await personId(acme.owner);
    const [one, two, over] = [
      await givenBrowser(server, id),
      await givenBrowser(server, id),
      await givenBrowser(server, id),
    ];
    await over('mutation { signOut }');
    const theirs = await givenBrowser(server, await personId(globex.owner));
    const ask = (session: string, slug: string) =>
      one(`{ node(id: "${session}") { __typename id ... on Session { isCurrent } } }`, { 'x-organization-id': slug });
    for (const { slug } of [acme, globex]) {
      for (const each of [one, two]) {
        expect((await ask(each.sessionId, slug)).data.node).toEqual({
          __typename: 'Session',
          id: each.sessionId,
          isCurrent: each === one,
        });
      }
      const unknown = (await ask(`ses_${'0'.repeat(26)}`, slug)).text;
      expect(unknown).toBe('{"data":{"node":null}}');
      for (const each of [theirs, over]) expect((await ask(each.sessionId, slug)).text).toBe(unknown);
    }
  });

  test('that an organization bound is found by sessions bound to the same alone', async () => {
    const acme = await givenOrganization(server);
    const id = await personId(acme.developer);
    const [bound, alike, free] = [
      await givenBrowser(server, id, { boundOrgId: acme.id }),
      await givenBrowser(server, id, { boundOrgId: acme.id }),
      await givenBrowser(server, id),
    ];
    const find = async (browser: typeof bound, { sessionId }: typeof bound) =>
      (await browser(`{ node(id: "${sessionId}") { id } }`, { 'x-organization-id': acme.slug })).data.node;
    expect(await find(bound, alike)).toEqual({ id: alike.sessionId });
    expect(await find(bound, free)).toBeNull();
    expect(await find(free, bound)).toEqual({ id: bound.sessionId });
  });

  test('is for persons: a key is refused, whether there is one or not; and many cost one statement', async () => {
    const acme = await givenOrganization(server);
    const id = await personId(acme.developer);
    const ids = [(await givenBrowser(server, id)).sessionId, (await givenBrowser(server, id)).sessionId];
    const { client: key } = await givenKey(server, acme.developer, ['organization:read']);
    for (const each of [ids[0], `ses_${'0'.repeat(26)}`])
      expect(codeOf(await key(NODE, { id: each }))).toBe('FORBIDDEN');
    const before = server.statements.length;
    expect((await acme.developer(NODES, { ids })).data.nodes).toEqual(
      ids.map((each) => ({ __typename: 'Session', id: each })),
    );
    // Who asks, and their sessions.
    expect(server.statements.length - before).toBe(2);
  });
});
