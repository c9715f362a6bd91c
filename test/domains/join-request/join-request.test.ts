import { describe, expect, test } from '@jest/globals';
import { newId } from '../../../src/data/id.js';
import type { OrganizationDb } from '../../../src/data/organization/organization-db.js';
import type { DomainJoining } from '../../../src/generated/enums.js';
import { openSessions } from '../../../src/identity/sessions.js';
import {
  type GivenOrganization,
  givenHeldDomain,
  givenMember,
  givenOrganization,
  givenTwoOrganizations,
  personId,
  unique,
} from '../../support/given.js';
import { describeIsolation, fromCursor, never, type Target } from '../../support/isolation.js';
import { type Answer, type Client, codeOf, useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

const server = useServer();

const JOINABLE = '{ joinableOrganizations { id name slug joining requestStatus } }';
const REQUEST = 'mutation ($id: ID!) { requestToJoin(organizationId: $id) { slug requestStatus } }';
const SET = `mutation ($id: ID!, $joining: DomainJoining!, $role: OrganizationRole) {
  setDomainJoining(id: $id, joining: $joining, role: $role) { joining joiningRole }
}`;
const REQUESTS = `query ($status: JoinRequestStatus) { joinRequests(status: $status) { totalCount nodes {
  id domain status user { name email } decidedAt decidedBy { email }
} } }`;
const APPROVE = `mutation ($id: ID!, $role: OrganizationRole) {
  approveJoinRequest(id: $id, role: $role) { role status user { email } organization { slug } }
}`;
const DECLINE = 'mutation ($id: ID!) { declineJoinRequest(id: $id) { status decidedBy { email } } }';
const CLEAR = 'mutation ($id: ID!) { clearRemoval(userId: $id) { status } }';
const REMOVE = 'mutation ($id: ID!) { removeMember(userId: $id) { status } }';
const ROLE = '{ viewer { role } }';

interface GivenJoining extends GivenOrganization {
  readonly domain: { readonly id: string; readonly name: string };
}

async function givenJoining(
  joining: DomainJoining,
  joiningRole: 'VIEWER' | 'DEVELOPER' = 'VIEWER',
): Promise<GivenJoining> {
  const acme = await givenOrganization(server);
  return { ...acme, domain: await givenHeldDomain(server, acme, { joining, joiningRole }) };
}
const someoneOf = ({ domain }: GivenJoining, name = 'jane'): Promise<Client> =>
  server.as(`${unique(name)}@${domain.name}`);
const roleOf = async (client: Client, { slug }: { slug: string }): Promise<unknown> => {
  const answer = await client(ROLE, {}, { 'x-organization-id': slug });
  return answer.data?.viewer?.role ?? codeOf(answer);
};
const joinable = async (client: Client): Promise<unknown[]> => (await client(JOINABLE)).data.joinableOrganizations;
const request = (client: Client, { id }: { id: string }): Promise<Answer> => client(REQUEST, { id });
const statusOf = ({ data }: Answer): unknown => data?.requestToJoin?.requestStatus;

async function givenRequest(acme: GivenJoining): Promise<{ jane: Client; id: string }> {
  const jane = await someoneOf(acme);
  expect(statusOf(await request(jane, acme))).toBe('PENDING');
  const { data } = await acme.admin(REQUESTS, { status: 'PENDING' });
  const made = data.joinRequests.nodes.find(({ user }) => user.email === jane.email);
  return { jane, id: made?.id as string };
}

describe('SUGGEST', () => {
  test('shows the organization by its names to who has an e-mail of its domain, and to nobody else', async () => {
    const acme = await givenJoining('SUGGEST');
    expect(await joinable(await someoneOf(acme))).toEqual([
      { id: acme.id, name: 'acme Inc.', slug: acme.slug, joining: 'SUGGEST', requestStatus: null },
    ]);
    for (const email of [
      `jane@sub.${acme.domain.name}`,
      `jane@${acme.domain.name.split('.').slice(1).join('.')}`,
      `${acme.domain.name}@nowhere.example`,
      `jane@${acme.domain.name}/nowhere.example`,
      `jane@${acme.domain.name}#nowhere.example`,
    ]) {
      const stranger = await server.as(email);
      expect(await joinable(stranger)).toEqual([]);
      expect(codeOf(await request(stranger, acme))).toBe('NOT_FOUND');
    }
  });

  test('lets them ask once; an ADMIN approves, in the role of the domain or in another', async () => {
    const acme = await givenJoining('SUGGEST', 'DEVELOPER');
    const { jane, id } = await givenRequest(acme);
    expect(statusOf(await request(jane, acme))).toBe('PENDING');
    expect(await roleOf(jane, acme)).toBe('NOT_FOUND');
    expect(await joinable(jane)).toMatchObject([{ requestStatus: 'PENDING' }]);
    const { data } = await acme.admin(REQUESTS);
    expect(data.joinRequests).toEqual({
      totalCount: 1,
      nodes: [
        {
          id,
          domain: acme.domain.name,
          status: 'PENDING',
          user: { name: jane.email.split('@')[0], email: jane.email },
          decidedAt: null,
          decidedBy: null,
        },
      ],
    });
    expect((await acme.admin(APPROVE, { id })).data.approveJoinRequest).toEqual({
      role: 'DEVELOPER',
      status: 'ACTIVE',
      user: { email: jane.email },
      organization: { slug: acme.slug },
    });
    expect(await roleOf(jane, acme)).toBe('DEVELOPER');
    expect(await joinable(jane)).toEqual([]);
    expect(codeOf(await acme.admin(APPROVE, { id }))).toBe('CONFLICT');
    expect(codeOf(await acme.admin(DECLINE, { id }))).toBe('CONFLICT');
    const { nodes } = (await acme.admin(REQUESTS, { status: 'APPROVED' })).data.joinRequests;
    expect(nodes).toMatchObject([{ id, decidedAt: expect.any(String), decidedBy: { email: acme.admin.email } }]);

    const second = await givenRequest(acme);
    expect((await acme.admin(APPROVE, { id: second.id, role: 'VIEWER' })).data.approveJoinRequest.role).toBe('VIEWER');
  });

  test('OWNERs and ADMINs who may answer are told, once, in their list and by mail; and nobody of who is let in', async () => {
    const acme = await givenJoining('SUGGEST');
    const narrow = await givenMember(server, acme, 'ADMIN', { withheld: ['member:invite'] });
    const muted = await givenMember(server, acme, 'ADMIN');
    await muted(
      `mutation ($input: SetNotificationPreferencesInput!) { setNotificationPreferences(input: $input) { kind } }`,
      {
        input: { preferences: [{ kind: 'INVITATION', ways: ['LIST'] }] },
      },
    );
    const { jane, id } = await givenRequest(acme);
    await request(jane, acme);
    const told = async (client: Client) =>
      (await client('{ notifications { nodes { kind text targetId } } }')).data.notifications.nodes;
    const text = `${jane.email} asks to join acme Inc.`;
    for (const client of [acme.owner, acme.admin, muted])
      expect(await told(client)).toEqual([{ kind: 'INVITATION', text, targetId: id }]);
    for (const client of [narrow, acme.developer, acme.viewer]) expect(await told(client)).toEqual([]);
    const mails = () => server.database.organizationDb(acme.id, byTest).dueWork.count({ kind: 'mail' });
    expect(await mails()).toBe(2);
    // Asked again, since who removed them had that cleared, they are told again.
    await acme.admin(APPROVE, { id });
    await acme.admin(REMOVE, { id: await personId(jane) });
    await acme.admin(CLEAR, { id: await personId(jane) });
    expect(statusOf(await request(jane, acme))).toBe('PENDING');
    expect((await told(acme.owner)).map((each) => each.text)).toEqual([text, text]);
    await acme.admin(SET, { id: acme.domain.id, joining: 'AUTO' });
    expect(await roleOf(await someoneOf(acme), acme)).toBe('VIEWER');
    expect(await told(acme.owner)).toHaveLength(2);
  });

  test('where many ask at once, of those past the tenth the list tells, and no mail', async () => {
    const acme = await givenJoining('SUGGEST');
    await acme.admin(
      'mutation ($input: SetNotificationPreferencesInput!) { setNotificationPreferences(input: $input) { kind } }',
      { input: { preferences: [{ kind: 'INVITATION', ways: [] }] } },
    );
    for (let count = 0; count < 11; count += 1) await givenRequest(acme);
    const { data } = await acme.owner('{ notifications(first: 20) { nodes { kind } } }');
    expect(data.notifications?.nodes).toHaveLength(11);
    expect(await server.database.organizationDb(acme.id, byTest).dueWork.count({ kind: 'mail' })).toBe(10);
  });

  test('who was declined may ask and ask, and is approved when someone thinks better of it', async () => {
    const acme = await givenJoining('SUGGEST');
    const { jane, id } = await givenRequest(acme);
    expect((await acme.admin(DECLINE, { id })).data.declineJoinRequest).toEqual({
      status: 'DECLINED',
      decidedBy: { email: acme.admin.email },
    });
    expect(statusOf(await request(jane, acme))).toBe('DECLINED');
    expect((await acme.admin(REQUESTS, { status: 'PENDING' })).data.joinRequests.totalCount).toBe(0);
    await acme.admin(SET, { id: acme.domain.id, joining: 'AUTO' });
    expect(statusOf(await request(jane, acme))).toBe('DECLINED');
    expect(await roleOf(jane, acme)).toBe('NOT_FOUND');
    expect((await acme.admin(APPROVE, { id })).data.approveJoinRequest.status).toBe('ACTIVE');
  });

  test('nobody approves into more than they hold, and only who may invite decides or looks', async () => {
    const acme = await givenJoining('SUGGEST');
    const { id } = await givenRequest(acme);
    expect(codeOf(await acme.admin(APPROVE, { id, role: 'OWNER' }))).toBe('ROLE_ESCALATION');
    const narrow = await givenMember(server, acme, 'ADMIN', { withheld: ['run:start'] });
    expect(codeOf(await narrow(APPROVE, { id, role: 'DEVELOPER' }))).toBe('ROLE_ESCALATION');
    const withheld = await givenMember(server, acme, 'ADMIN', { withheld: ['member:invite'] });
    for (const client of [acme.developer, acme.viewer, withheld]) {
      for (const query of [APPROVE, DECLINE]) expect(codeOf(await client(query, { id }))).toBe('FORBIDDEN');
      expect(codeOf(await client(REQUESTS))).toBe('FORBIDDEN');
      expect(codeOf(await client('query ($id: ID!) { node(id: $id) { id } }', { id }))).toBe('FORBIDDEN');
    }
  });

  test('an invitation that an OWNER made is not narrowed by an ADMIN’s approval', async () => {
    const acme = await givenJoining('SUGGEST');
    const { jane, id } = await givenRequest(acme);
    await acme.owner('mutation ($input: InviteUserInput!) { inviteUser(input: $input) { role } }', {
      input: { email: jane.email, name: 'Jane', role: 'OWNER' },
    });
    expect(codeOf(await acme.admin(APPROVE, { id }))).toBe('ROLE_ESCALATION');
    expect((await acme.owner(APPROVE, { id, role: 'DEVELOPER' })).data.approveJoinRequest.role).toBe('DEVELOPER');
  });

  test('a full organization approves nobody', async () => {
    const acme = await givenJoining('SUGGEST');
    const { id } = await givenRequest(acme);
    await server.database.pool.queryAsLoginRole('update organization set seat_limit = 4 where id = $1', [acme.id]);
    expect(codeOf(await acme.admin(APPROVE, { id }))).toBe('CONFLICT');
    expect((await acme.admin(REQUESTS, { status: 'PENDING' })).data.joinRequests.totalCount).toBe(1);
  });
});

describe('AUTO', () => {
  test('makes whoever signs in for the first time a member, in the role of the domain', async () => {
    const acme = await givenJoining('AUTO', 'DEVELOPER');
    const jane = await someoneOf(acme);
    const first = await jane('{ viewer { role organizationSource currentOrganization { slug } } }');
    expect(first.data.viewer).toEqual({
      role: 'DEVELOPER',
      organizationSource: 'SOLE_MEMBERSHIP',
      currentOrganization: { slug: acme.slug },
    });
    expect((await acme.admin(REQUESTS)).data.joinRequests.nodes).toMatchObject([
      { status: 'APPROVED', user: { email: jane.email }, decidedBy: null },
    ]);
  });

  test('costs who is known already nothing: they ask, and are let in', async () => {
    const acme = await givenJoining('MANUAL');
    const jane = await someoneOf(acme);
    expect(await joinable(jane)).toEqual([]);
    await acme.admin(SET, { id: acme.domain.id, joining: 'AUTO' });
    server.statements.length = 0;
    await jane(ROLE);
    expect(server.statements).toHaveLength(1);
    expect(await joinable(jane)).toMatchObject([{ slug: acme.slug, joining: 'AUTO' }]);
    expect(statusOf(await request(jane, acme))).toBe('APPROVED');
    expect(await roleOf(jane, acme)).toBe('VIEWER');
  });

  test('lets in who has asked before', async () => {
    const acme = await givenJoining('SUGGEST');
    const { jane } = await givenRequest(acme);
    await acme.admin(SET, { id: acme.domain.id, joining: 'AUTO' });
    expect(statusOf(await request(jane, acme))).toBe('APPROVED');
    expect(await roleOf(jane, acme)).toBe('VIEWER');
  });

  test('leaves a request where no seat is free, and does not say why', async () => {
    const acme = await givenJoining('AUTO');
    await server.database.pool.queryAsLoginRole('update organization set seat_limit = 4 where id = $1', [acme.id]);
    const jane = await someoneOf(acme);
    expect(await roleOf(jane, acme)).toBe('NOT_FOUND');
    expect(await joinable(jane)).toMatchObject([{ requestStatus: 'PENDING' }]);
    expect(statusOf(await request(jane, acme))).toBe('PENDING');
    expect((await acme.admin(REQUESTS, { status: 'PENDING' })).data.joinRequests.totalCount).toBe(1);
  });

  test('an unverified e-mail joins nothing', async () => {
    const acme = await givenJoining('AUTO');
    const email = `${unique('jane')}@${acme.domain.name}`;
    const token = await server.issuer.sign({ sub: email, email, email_verified: false });
    expect(codeOf(await server.withToken(token)(ROLE))).toBe('UNAUTHENTICATED');
    const { rowCount } = await server.database.pool.queryAsLoginRole('select from membership where email = $1', [
      email,
    ]);
    expect(rowCount).toBe(0);
  });

  test('nor does one that was never verified, of a person who is known all the same', async () => {
    const acme = await givenJoining('SUGGEST');
    const jane = await someoneOf(acme);
    expect(await joinable(jane)).toHaveLength(1);
    await server.database.pool.queryAsLoginRole('update person set email_verified_at = null where email = $1', [
      jane.email,
    ]);
    expect(await joinable(jane)).toEqual([]);
    expect(codeOf(await request(jane, acme))).toBe('NOT_FOUND');
  });

  test('who was invited comes in by the invitation, with what it says', async () => {
    const acme = await givenJoining('AUTO');
    const jane = await someoneOf(acme);
    await acme.owner('mutation ($input: InviteUserInput!) { inviteUser(input: $input) { role } }', {
      input: { email: jane.email, name: 'Jane', role: 'ADMIN' },
    });
    expect(await roleOf(jane, acme)).toBe('NOT_FOUND');
    expect(await joinable(jane)).toEqual([]);
  });
});

describe('Who was removed', () => {
  test.each(['AUTO', 'SUGGEST'] as const)(
    'is not captured again by %s until that was cleared, once',
    async (joining) => {
      const acme = await givenJoining(joining);
      const jane = await someoneOf(acme);
      const id = await personId(jane);
      const join = async () => {
        const status = statusOf(await request(jane, acme));
        if (status !== 'PENDING') return status;
        const { nodes } = (await acme.admin(REQUESTS, { status: 'PENDING' })).data.joinRequests;
        await acme.admin(APPROVE, { id: nodes[0].id });
        return 'APPROVED';
      };
      if (joining === 'SUGGEST') expect(await join()).toBe('APPROVED');
      for (let round = 0; round < 2; round += 1) {
        expect(await roleOf(jane, acme)).toBe('VIEWER');
        await acme.admin(REMOVE, { id });
        expect(await joinable(jane)).toEqual([]);
        expect(codeOf(await request(jane, acme))).toBe('NOT_FOUND');
        expect(await roleOf(jane, acme)).toBe('NOT_FOUND');
        expect((await acme.admin(CLEAR, { id })).data.clearRemoval).toEqual({ status: 'REMOVED' });
        expect(await roleOf(jane, acme)).toBe('NOT_FOUND');
        expect(await join()).toBe('APPROVED');
      }
    },
  );

  test.each(['by their own row', 'by an address only'])(
    'and was cleared, and declined since, stays out: %s',
    async (how) => {
      const acme = await givenJoining('SUGGEST');
      const jane = await someoneOf(acme);
      const db = server.database.organizationDb(acme.id, byTest);
      const userId = how === 'by an address only' ? newId('usr') : await personId(jane);
      await db.membership.create({ userId, email: jane.email, name: 'Jane', role: 'VIEWER', status: 'REMOVED' });
      const clear = async () => expect((await acme.admin(CLEAR, { id: userId })).errors).toEqual([]);
      const waiting = async () => (await acme.admin(REQUESTS, { status: 'PENDING' })).data.joinRequests.nodes;
      await clear();
      expect(statusOf(await request(jane, acme))).toBe('PENDING');
      const [{ id }] = await waiting();
      expect((await acme.admin(DECLINE, { id })).data.declineJoinRequest.status).toBe('DECLINED');

      expect(await joinable(jane)).toEqual([]);
      expect(codeOf(await request(jane, acme))).toBe('NOT_FOUND');
      expect(await waiting()).toEqual([]);
      await acme.admin(SET, { id: acme.domain.id, joining: 'AUTO' });
      expect(codeOf(await request(jane, acme))).toBe('NOT_FOUND');
      expect(await roleOf(jane, acme)).toBe('NOT_FOUND');
      await clear();
      expect(statusOf(await request(jane, acme))).toBe('APPROVED');
    },
  );

  test('by an address only, before they ever signed in, stays out as well', async () => {
    const acme = await givenJoining('AUTO');
    const jane = await someoneOf(acme);
    const invited = await acme.owner(
      'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { user { id } } }',
      { input: { email: jane.email, name: 'Jane', role: 'VIEWER' } },
    );
    const { id } = invited.data.inviteUser.user;
    await acme.admin(REMOVE, { id });
    expect(await roleOf(jane, acme)).toBe('NOT_FOUND');
    expect(codeOf(await request(jane, acme))).toBe('NOT_FOUND');
    await acme.admin(CLEAR, { id });
    expect(statusOf(await request(jane, acme))).toBe('APPROVED');
  });

  test('is cleared by who may invite; who was not removed is not', async () => {
    const acme = await givenJoining('AUTO');
    const id = await personId(acme.viewer);
    expect(codeOf(await acme.admin(CLEAR, { id }))).toBe('CONFLICT');
    expect(codeOf(await acme.developer(CLEAR, { id }))).toBe('FORBIDDEN');
    expect(codeOf(await acme.admin(CLEAR, { id: never('usr')() }))).toBe('NOT_FOUND');
  });

  test('who is suspended joins by nothing', async () => {
    const acme = await givenJoining('AUTO');
    const jane = await someoneOf(acme);
    expect(await roleOf(jane, acme)).toBe('VIEWER');
    const db = server.database.organizationDb(acme.id, byTest);
    await db.membership.update({ email: jane.email }, { status: 'SUSPENDED' });
    expect(await joinable(jane)).toEqual([]);
    expect(codeOf(await request(jane, acme))).toBe('NOT_FOUND');
  });
});

describe('The setting of a domain', () => {
  test('is MANUAL until someone with domain:manage says otherwise, and lets nobody in above DEVELOPER', async () => {
    const acme = await givenJoining('MANUAL');
    const { id } = acme.domain;
    expect((await acme.admin(SET, { id, joining: 'AUTO', role: 'DEVELOPER' })).data.setDomainJoining).toEqual({
      joining: 'AUTO',
      joiningRole: 'DEVELOPER',
    });
    expect((await acme.admin(SET, { id, joining: 'SUGGEST' })).data.setDomainJoining).toEqual({
      joining: 'SUGGEST',
      joiningRole: 'DEVELOPER',
    });
    for (const role of ['ADMIN', 'OWNER']) {
      const answer = await acme.owner(SET, { id, joining: 'AUTO', role });
      expect([codeOf(answer), answer.errors[0]?.extensions['argument']]).toEqual(['BAD_USER_INPUT', 'role']);
    }
    const narrow = await givenMember(server, acme, 'ADMIN', { withheld: ['run:start'] });
    expect(codeOf(await narrow(SET, { id, joining: 'AUTO', role: 'DEVELOPER' }))).toBe('ROLE_ESCALATION');
    expect((await narrow(SET, { id, joining: 'MANUAL' })).data.setDomainJoining.joining).toBe('MANUAL');
    expect(codeOf(await narrow(SET, { id, joining: 'SUGGEST' }))).toBe('ROLE_ESCALATION');
    expect(codeOf(await acme.developer(SET, { id, joining: 'AUTO' }))).toBe('FORBIDDEN');
  });

  test('counts while the organization holds the domain and is not suspended', async () => {
    const acme = await givenJoining('AUTO');
    const db = server.database.organizationDb(acme.id, byTest);
    const jane = await someoneOf(acme);
    const { pool } = server.database;
    await pool.queryAsLoginRole(`update organization set status = 'SUSPENDED' where id = $1`, [acme.id]);
    expect(await joinable(jane)).toEqual([]);
    expect(codeOf(await request(jane, acme))).toBe('NOT_FOUND');
    await pool.queryAsLoginRole(`update organization set status = 'ACTIVE' where id = $1`, [acme.id]);
    expect(await joinable(jane)).toHaveLength(1);
    await db.transaction(async (inside) => {
      await inside.organizationDomain.update({ id: acme.domain.id }, { status: 'LAPSED', heldName: null });
      await inside.address.delete({ name: acme.domain.name });
    });
    expect(await joinable(jane)).toEqual([]);
    expect(codeOf(await request(jane, acme))).toBe('NOT_FOUND');
  });

  test('of a claim that is not proved counts for nothing, also beside one who holds the domain', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const { name } = await givenHeldDomain(server, acme, { joining: 'MANUAL' });
    const claim = { id: newId('dom'), name, challenge: 'x', joining: 'AUTO' } as const;
    await server.database.organizationDb(globex.id, byTest).organizationDomain.create(claim);
    const jane = await server.as(`${unique('jane')}@${name}`);
    expect(await joinable(jane)).toEqual([]);
    for (const organization of [acme, globex]) expect(codeOf(await request(jane, organization))).toBe('NOT_FOUND');
  });
});

test('a session of an organization’s own provider sees and asks nothing beyond it', async () => {
  const acme = await givenJoining('SUGGEST');
  const globex = await givenOrganization(server, 'globex');
  const jane = await someoneOf(acme);
  const started = await server.database.outside(openSessions).start({
    personId: await personId(jane),
    provider: 'idp_1',
    boundOrgId: globex.id,
    userAgent: null,
  });
  const ask = (query: string, variables = {}) =>
    server.post(JSON.stringify({ query, variables }), {
      cookie: `__Host-orgate=${started.cookie}`,
      origin: server.url.replace('127.0.0.1', 'localhost'),
    });
  expect((await ask(JOINABLE)).data).toEqual({ joinableOrganizations: [] });
  expect(codeOf(await ask(REQUEST, { id: acme.id }))).toBe('NOT_FOUND');
  expect(await joinable(jane)).toHaveLength(1);
});

async function givenTheirRequest(_acme: Target, db: OrganizationDb): Promise<string> {
  const row = { email: 'jane@acme.example', name: 'Jane', domain: 'acme.example', status: 'PENDING' } as const;
  return (await db.joinRequest.create({ id: newId('jrq'), personId: newId('usr'), ...row })).id;
}
const theirs = { foreign: givenTheirRequest, unknown: never('jrq'), variables: (id: string) => ({ id }) };

describeIsolation({
  'Mutation.requestToJoin.organizationId': {
    query: REQUEST,
    foreign: async (acme) => {
      await givenHeldDomain(server, acme, { joining: 'AUTO' });
      return acme.id;
    },
    unknown: never('org'),
    variables: (id) => ({ id }),
    uncontrolled: 'its OWNER belongs to it already, and may no more ask than anyone without an address of its domain',
  },
  'Mutation.setDomainJoining.id': {
    query: 'mutation ($id: ID!) { setDomainJoining(id: $id, joining: AUTO) { joining } }',
    foreign: async (acme) => (await givenHeldDomain(server, acme)).id,
    unknown: never('dom'),
    variables: (id) => ({ id }),
  },
  'Mutation.approveJoinRequest.id': { query: APPROVE, ...theirs },
  'Mutation.declineJoinRequest.id': { query: DECLINE, ...theirs },
  'Mutation.clearRemoval.userId': {
    query: CLEAR,
    foreign: async (_acme, db) => {
      const row = {
        userId: newId('usr'),
        email: `${newId('usr')}@acme.example`,
        name: 'Gone',
        role: 'VIEWER',
      } as const;
      return (await db.membership.create({ ...row, status: 'REMOVED' })).userId;
    },
    unknown: never('usr'),
    variables: (id) => ({ id }),
  },
  'Query.joinRequests.after': fromCursor('after', 'joinRequests', 'joinRequests CREATED_AT ASC', 'a'),
  'Query.joinRequests.before': fromCursor('before', 'joinRequests', 'joinRequests CREATED_AT ASC', 'a'),
});
