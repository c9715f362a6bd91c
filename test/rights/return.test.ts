import { describe, expect, test } from '@jest/globals';
import { CATALOGUE } from '../../src/context/deployment.js';
import { newId } from '../../src/data/id.js';
import { provisionFromProvider, identityIssuer } from '../../src/domains/identity-provider/provision-from-provider.js';
import { takeInvitation } from '../../src/domains/invitation/index.js';
import { createJoinOnSignIn } from '../../src/domains/join-request/join-by-domain.js';
import { createContract } from '../../src/gateway/graphql/schema.js';
import type { DomainJoining } from '../../src/generated/enums.js';
import { OUTBOX } from '../../src/mail/outbox.js';
import { Parts } from '../../src/parts.js';
import type { Role } from '../../src/permissions/catalogue.js';
import { givenKey } from '../support/api-key.js';
import { outbox } from '../support/due-work.js';
import { givenMember, type GivenOrganization, givenOrganization, givenProvider, personId } from '../support/given.js';
import { secretFor } from '../support/mail.js';
import { givenDirectory, type ScimClient } from '../support/scim.js';
import { type Client, codeOf, useServer } from '../support/server.js';
import { givenBrowser } from '../support/sessions.js';
import { byTest } from '../support/act.js';

const server = useServer();
const { use } = new Parts().add(CATALOGUE, createContract().catalogue).add(OUTBOX, outbox);
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

const ROLE = '{ viewer { role permissions } currentOrganization { id } }';
const REMOVE = 'mutation ($id: ID!) { removeMember(userId: $id) { status } }';
const CLEAR = 'mutation ($id: ID!) { clearRemoval(userId: $id) { status } }';
const SUSPEND = 'mutation ($id: ID!) { suspendMember(userId: $id) { status } }';
const REINSTATE = 'mutation ($id: ID!) { reinstateMember(userId: $id) { status } }';

/** Someone whom a directory made, and who became ADMIN by hand, with more than an ADMIN has. */
interface Jo {
  readonly acme: GivenOrganization;
  readonly entra: ScimClient;
  readonly scimId: string;
  readonly email: string;
  readonly id: string;
  /** In the organization. */
  readonly client: Client;
}

async function givenJo(role: Role = 'ADMIN'): Promise<Jo> {
  const acme = await givenOrganization(server);
  const entra = await givenDirectory(server, acme, { defaultRole: 'DEVELOPER' });
  const email = `jo@${entra.domain}`;
  const { body } = await entra('POST', '/Users', { userName: email, displayName: 'Jo' });
  const client = await server.as(email, acme.slug);
  const id = await personId(client);
  await server.database
    .organizationDb(acme.id, byTest)
    .membership.update({ userId: id }, { role, granted: role === 'OWNER' ? [] : ['billing:manage'] });
  return { acme, entra, scimId: body.id as string, email, id, client };
}

const setActive = ({ entra, scimId }: Jo, active: boolean) =>
  entra('PATCH', `/Users/${scimId}`, {
    schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
    Operations: [{ op: 'replace', path: 'active', value: active }],
  });

const setEmail = ({ entra, scimId }: Jo, value: string) =>
  entra('PATCH', `/Users/${scimId}`, {
    schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
    Operations: [{ op: 'replace', path: 'emails', value: [{ value }] }],
  });

/** The domain of the directory's people, as one that lets them join. */
const openDomain = async ({ acme, entra }: Jo, joining: DomainJoining): Promise<void> => {
  const row = { id: newId('dom'), challenge: 'unused', name: entra.domain, heldName: entra.domain, joining };
  await server.database.organizationDb(acme.id, byTest).organizationDomain.create({ ...row, status: 'VERIFIED' });
};
const joiner = ({ id, email }: Jo) => ({ id, email, name: 'Jo' });

/** Every door that makes members, the role that it gives, and whether it takes back who was removed, unasked. */
const DOORS: Record<string, { gives: string; uncleared: boolean; enter: (jo: Jo) => Promise<unknown> }> = {
  'their directory resumes them': { gives: 'DEVELOPER', uncleared: false, enter: (jo) => setActive(jo, true) },
  'their directory makes them anew': {
    gives: 'DEVELOPER',
    uncleared: false,
    enter: async (jo) => {
      await jo.entra('DELETE', `/Users/${jo.scimId}`);
      return jo.entra('POST', '/Users', { userName: jo.email, displayName: 'Jo' });
    },
  },
  'they accept an invitation': {
    gives: 'VIEWER',
    uncleared: true,
    enter: async ({ acme, email, client }) => {
      const invited = await acme.owner(
        'mutation ($email: String!) { inviteUser(input: { email: $email, name: "Jo", role: VIEWER }) { role } }',
        { email },
      );
      if (invited.errors.length > 0) return;
      const secret = await secretFor(server, email);
      await client('mutation ($secret: String!) { acceptInvitation(secret: $secret) { outcome } }', { secret });
    },
  },
  'a request of theirs is approved': {
    gives: 'VIEWER',
    uncleared: true,
    enter: async ({ acme, id: person, email }) => {
      const asked = { personId: person, email, name: 'Jo', domain: 'x.example', status: 'PENDING' } as const;
      const { id } = await server.database
        .organizationDb(acme.id, byTest)
        .joinRequest.create({ id: newId('jrq'), ...asked });
      return acme.owner('mutation ($id: ID!) { approveJoinRequest(id: $id, role: VIEWER) { role } }', { id });
    },
  },
  'they ask to join by their domain': {
    gives: 'VIEWER',
    uncleared: false,
    enter: async (jo) => {
      await openDomain(jo, 'AUTO');
      const client = await server.as(jo.email);
      return client('mutation ($id: ID!) { requestToJoin(organizationId: $id) { slug } }', { id: jo.acme.id });
    },
  },
  'they sign in, and their domain lets them in': {
    gives: 'VIEWER',
    uncleared: false,
    enter: async (jo) => {
      await openDomain(jo, 'AUTO');
      const { outside, organizationDb } = server.database;
      await createJoinOnSignIn({ outside, organizationDb, use }, () => undefined)(joiner(jo));
    },
  },
  "they sign in at the organization's own provider": {
    gives: 'VIEWER',
    uncleared: false,
    enter: async ({ acme, id, email }) => {
      const provider = await givenProvider(server, acme);
      const subject = newId('sub');
      await sql('insert into identity (issuer, subject, person_id) values ($1, $2, $3)', [
        identityIssuer(provider.id),
        subject,
        id,
      ]);
      const { catalogue } = createContract();
      const assertion = { subject, verifiedEmail: email, name: 'Jo' };
      await provisionFromProvider({ ...server.database, catalogue }, provider, assertion, {}).catch(() => undefined);
    },
  },
};

describe.each(Object.entries(DOORS))('Whoever was removed, when %s', (_door, { gives, uncleared, enter }) => {
  test('and that was cleared, comes back as who they are to be now, without what they had', async () => {
    const jo = await givenJo();
    const { acme, id, client, email } = jo;
    const db = server.database.organizationDb(acme.id, byTest);
    const key = await givenKey(server, client, ['run:read', 'repository:read']);
    const browser = await givenBrowser(server, id, { boundOrgId: acme.id });
    const before = await db.membership.get({ userId: id });
    expect((await key.client('{ repositories { totalCount } }')).errors).toEqual([]);
    expect((await browser(ROLE)).data.currentOrganization.id).toBe(acme.id);

    expect((await acme.owner(REMOVE, { id })).errors).toEqual([]);
    // As if whoever ended them had been cut off before the last of it.
    await sql('update session set ended_at = null, end_reason = null where id = $1', [browser.sessionId]);
    const place = {
      userId: newId('usr'),
      email: `left-over@${acme.slug}.example`,
      name: 'Left over',
      role: 'VIEWER',
    } as const;
    await db.membership.create({ ...place, status: 'INVITED', invitedBy: id });
    expect((await acme.owner(CLEAR, { id })).errors).toEqual([]);
    await enter(jo);

    const after = await db.membership.get({ userId: id });
    expect(after).toMatchObject({ status: 'ACTIVE', role: gives, granted: [], withheld: [], mayRejoin: false, email });
    expect(after.joinedAt?.getTime()).toBeGreaterThan(before.joinedAt?.getTime() as number);
    expect((await client(ROLE)).data.viewer.role).toBe(gives);
    expect((await client(ROLE)).data.viewer.permissions).not.toContain('billing:manage');
    expect((await key.client('{ repositories { totalCount } }')).status).toBe(401);
    expect((await db.apiKey.get({ id: key.id })).revokedAt).not.toBeNull();
    expect((await browser(ROLE)).data?.currentOrganization ?? null).toBeNull();
    expect((await db.membership.get({ userId: place.userId })).invitedBy).toBeNull();
    // Whoever signs in now is in.
    const anew = await givenBrowser(server, id, { boundOrgId: acme.id });
    expect((await anew(ROLE)).data.currentOrganization.id).toBe(acme.id);
  });

  test(`${uncleared ? 'is asked back by that' : 'stays out while nobody cleared it'}`, async () => {
    const jo = await givenJo();
    await jo.acme.owner(REMOVE, { id: jo.id });
    await enter(jo);
    const { status } = await server.database.organizationDb(jo.acme.id, byTest).membership.get({ userId: jo.id });
    expect(status).toBe(uncleared ? 'ACTIVE' : 'REMOVED');
  });

  test('and not removed but suspended, stays suspended', async () => {
    const jo = await givenJo();
    const key = await givenKey(server, jo.client, ['repository:read']);
    await jo.acme.owner(SUSPEND, { id: jo.id });
    await enter(jo);
    const { status } = await server.database.organizationDb(jo.acme.id, byTest).membership.get({ userId: jo.id });
    expect(status).toBe('SUSPENDED');
    expect((await key.client('{ repositories { totalCount } }')).status).toBe(401);
  });
});

test('A session of an earlier stay at the own provider reads and ends nothing of this one', async () => {
  const jo = await givenJo();
  const began = await givenBrowser(server, jo.id, { boundOrgId: jo.acme.id });
  await jo.acme.owner(REMOVE, { id: jo.id });
  // Of a sign-in that was under way while they were removed.
  const late = await givenBrowser(server, jo.id, { boundOrgId: jo.acme.id });
  await DOORS['they accept an invitation']?.enter(jo);
  const anew = await givenBrowser(server, jo.id, { boundOrgId: jo.acme.id });
  expect((await began('{ viewer { role } }')).status).toBe(401);

  const seen = await late('{ viewer { role memberships { totalCount nodes { role } } } mySessions { nodes { id } } }');
  expect(seen.data).toEqual({
    viewer: { role: null, memberships: { totalCount: 0, nodes: [] } },
    mySessions: { nodes: [{ id: late.sessionId }] },
  });
  expect(codeOf(await late(`mutation { switchOrganization(organizationId: "${jo.acme.id}") { token } }`))).toBe(
    'NOT_FOUND',
  );
  expect(codeOf(await late(`mutation { revokeSession(id: "${anew.sessionId}") }`))).toBe('NOT_FOUND');
  expect((await late('mutation { signOutEverywhere }')).data).toEqual({ signOutEverywhere: 1 });
  // Theirs of this stay sees and ends all that is left.
  const other = await givenBrowser(server, jo.id, { boundOrgId: jo.acme.id });
  expect((await anew('{ viewer { role } mySessions { totalCount } }')).data).toEqual({
    viewer: { role: 'VIEWER' },
    mySessions: { totalCount: 2 },
  });
  expect((await other('mutation { signOutEverywhere }')).data).toEqual({ signOutEverywhere: 2 });
});

describe('Clearing a removal', () => {
  test('obeys the rule of escalation: what an OWNER ended of an OWNER, no ADMIN opens again', async () => {
    const jo = await givenJo('OWNER');
    expect((await jo.acme.owner(REMOVE, { id: jo.id })).errors).toEqual([]);
    expect(codeOf(await jo.acme.admin(CLEAR, { id: jo.id }))).toBe('ROLE_ESCALATION');
    expect((await setActive(jo, true)).status).toBe(409);
    expect((await jo.acme.owner(CLEAR, { id: jo.id })).errors).toEqual([]);
    expect((await setActive(jo, true)).status).toBe(200);
    expect((await jo.client(ROLE)).data.viewer.role).toBe('DEVELOPER');
  });

  test('is for who holds what the directory gives, which is what counts on return', async () => {
    const jo = await givenJo('VIEWER');
    const group = await jo.entra('POST', '/Groups', { displayName: 'Chiefs', members: [{ value: jo.scimId }] });
    await jo.acme.owner(REMOVE, { id: jo.id });
    const set = 'mutation ($id: ID!) { setScimGroupRole(input: { groupId: $id, role: OWNER }) { role } }';
    expect((await jo.acme.owner(set, { id: group.body.id })).errors).toEqual([]);
    await sql("update membership set role = 'VIEWER', granted = '{}' where user_id = $1", [jo.id]);
    expect(codeOf(await jo.acme.admin(CLEAR, { id: jo.id }))).toBe('ROLE_ESCALATION');
    expect((await jo.acme.owner(CLEAR, { id: jo.id })).errors).toEqual([]);
    await setActive(jo, true);
    expect((await jo.client(ROLE)).data.viewer.role).toBe('OWNER');
  });
});

describe('What a directory ended it resumes, until people decide', () => {
  test('to suspend whom it had suspended: the directory does not resume that', async () => {
    const jo = await givenJo();
    await setActive(jo, false);
    expect((await jo.acme.owner(REINSTATE, { id: jo.id })).errors).toEqual([]);
    expect((await jo.acme.owner(SUSPEND, { id: jo.id })).errors).toEqual([]);
    expect((await setActive(jo, true)).status).toBe(409);
    expect(codeOf(await jo.client(ROLE))).toBe('ORG_CONTEXT_REQUIRED');
  });

  test('to remove whom it had deleted, once they were back by an invitation', async () => {
    const jo = await givenJo();
    await jo.entra('DELETE', `/Users/${jo.scimId}`);
    await DOORS['they accept an invitation']?.enter(jo);
    expect((await jo.client(ROLE)).data.viewer.role).toBe('VIEWER');
    await jo.acme.owner(REMOVE, { id: jo.id });
    expect((await jo.entra('POST', '/Users', { userName: jo.email })).status).toBe(409);
  });

  test('someone who was only suspended resumes as who they were, with their keys', async () => {
    const jo = await givenJo();
    const key = await givenKey(server, jo.client, ['repository:read']);
    await setActive(jo, false);
    expect((await key.client('{ repositories { totalCount } }')).status).toBe(401);
    await setActive(jo, true);
    expect((await jo.client(ROLE)).data.viewer.role).toBe('ADMIN');
    expect((await key.client('{ repositories { totalCount } }')).status).toBe(200);
  });
});

const INVITE = `mutation ($email: String!) {
  inviteUser(input: { email: $email, name: "Jo", role: VIEWER }) { invitation { id } }
}`;
const REVOKE = 'mutation ($id: ID!) { revokeInvitation(id: $id) { status } }';
const DECLINE = 'mutation ($secret: String!) { declineInvitation(secret: $secret) { outcome } }';
const ACCEPT = 'mutation ($secret: String!) { acceptInvitation(secret: $secret) { outcome } }';
const APPROVE = 'mutation ($id: ID!) { approveJoinRequest(id: $id, role: VIEWER) { status } }';

const rowOf = ({ acme, id }: Jo) => server.database.organizationDb(acme.id, byTest).membership.get({ userId: id });
const ask = ({ acme, id: person, email }: Jo) =>
  server.database.organizationDb(acme.id, byTest).joinRequest.create({
    id: newId('jrq'),
    personId: person,
    email,
    name: 'Jo',
    domain: 'x.example',
    status: 'PENDING',
  });
const expireInvitations = ({ acme }: Jo) =>
  sql(`update invitation set expires_at = now() - interval '1 day' where org_id = $1`, [acme.id]);
/** Invited by an OWNER. */
const invite = async ({ acme, email }: Jo): Promise<string> =>
  (await acme.owner(INVITE, { email })).data.inviteUser.invitation.id as string;

const UNASKED = Object.entries(DOORS).filter(([, { uncleared }]) => !uncleared);

describe.each(UNASKED)('Whoever was removed, when %s', (_door, { enter }) => {
  test('stays out by an invitation that nobody answered in time', async () => {
    const jo = await givenJo();
    await jo.acme.owner(REMOVE, { id: jo.id });
    await invite(jo);
    await expireInvitations(jo);
    const secret = await secretFor(server, jo.email);
    expect((await jo.client(ACCEPT, { secret })).data.acceptInvitation.outcome).toBe('EXPIRED');
    await enter(jo);
    expect((await rowOf(jo)).status).not.toBe('ACTIVE');
    expect(codeOf(await jo.client(ROLE))).toBe('ORG_CONTEXT_REQUIRED');
  });

  test.each(['removed', 'revoked', 'declined'])(
    'and was cleared, invited and %s once more, stays out until that is cleared again',
    async (how) => {
      const jo = await givenJo();
      await jo.acme.owner(REMOVE, { id: jo.id });
      await jo.acme.owner(CLEAR, { id: jo.id });
      const id = await invite(jo);
      if (how === 'removed') await jo.acme.owner(REMOVE, { id: jo.id });
      else if (how === 'revoked') await jo.acme.owner(REVOKE, { id });
      else await jo.client(DECLINE, { secret: await secretFor(server, jo.email) });
      expect(await rowOf(jo)).toMatchObject({ status: 'REMOVED', mayRejoin: false });
      await enter(jo);
      expect((await rowOf(jo)).status).toBe('REMOVED');
    },
  );

  test('and was cleared, stays out once someone takes that back', async () => {
    const jo = await givenJo();
    await jo.acme.owner(REMOVE, { id: jo.id });
    expect(codeOf(await jo.acme.owner(REMOVE, { id: jo.id }))).toBe('NOT_FOUND');
    await jo.acme.owner(CLEAR, { id: jo.id });
    for (const text of [SUSPEND, REINSTATE]) {
      expect(codeOf(await jo.acme.owner(text, { id: jo.id }))).toBe('NOT_FOUND');
    }
    expect((await jo.acme.owner(REMOVE, { id: jo.id })).data.removeMember).toEqual({ status: 'REMOVED' });
    await enter(jo);
    expect((await rowOf(jo)).status).toBe('REMOVED');
  });

  test('stays out by an invitation of someone else, whose address they were given here', async () => {
    const jo = await givenJo();
    const kim = `kim@${jo.entra.domain}`;
    const changed = { userName: jo.email, displayName: 'Jo', emails: [{ value: kim, primary: true }], active: true };
    expect((await jo.entra('PUT', `/Users/${jo.scimId}`, changed)).status).toBe(200);
    await jo.acme.owner(REMOVE, { id: jo.id });
    await jo.acme.owner(INVITE, { email: kim });
    await enter(jo);
    expect((await rowOf(jo)).status).not.toBe('ACTIVE');
    // The row is Jo's: what the organization knows of them is not given to whoever has the address now.
    const client = await server.as(kim);
    const accepted = await client(ACCEPT, { secret: await secretFor(server, kim) });
    expect(codeOf(accepted)).toBe('CONFLICT');
    expect((await rowOf(jo)).status).not.toBe('ACTIVE');
  });
});

describe('An ADMIN undoes nothing that an OWNER did to an OWNER', () => {
  const givenRemovedOwner = async (): Promise<Jo> => {
    const jo = await givenJo('OWNER');
    await jo.acme.owner(REMOVE, { id: jo.id });
    return jo;
  };
  const stayedOut = async (jo: Jo): Promise<void> => {
    expect(codeOf(await jo.acme.admin(CLEAR, { id: jo.id }))).toBe('ROLE_ESCALATION');
    expect(await rowOf(jo)).toMatchObject({ status: 'REMOVED', role: 'OWNER', mayRejoin: false });
  };

  test('not by an invitation to less', async () => {
    const jo = await givenRemovedOwner();
    expect(codeOf(await jo.acme.admin(INVITE, { email: jo.email }))).toBe('ROLE_ESCALATION');
    await stayedOut(jo);
  });

  test.each(['revoked by the ADMIN', 'removed by the ADMIN', 'declined'])(
    'not by an invitation of the OWNER that is %s',
    async (how) => {
      const jo = await givenRemovedOwner();
      const id = await invite(jo);
      if (how === 'declined') await jo.client(DECLINE, { secret: await secretFor(server, jo.email) });
      else if (how.startsWith('revoked')) expect((await jo.acme.admin(REVOKE, { id })).errors).toEqual([]);
      else expect((await jo.acme.admin(REMOVE, { id: jo.id })).errors).toEqual([]);
      await stayedOut(jo);
    },
  );

  test('not by taking such an invitation over: sent again, changed, or invited anew', async () => {
    const jo = await givenRemovedOwner();
    const id = await invite(jo);
    const texts = {
      'mutation ($id: ID!) { resendInvitation(id: $id) { id } }': { id },
      'mutation ($id: ID!) { updateMemberRole(userId: $id, role: VIEWER) { role } }': { id: jo.id },
      [INVITE]: { email: jo.email },
    };
    for (const [text, variables] of Object.entries(texts)) {
      expect(codeOf(await jo.acme.admin(text, variables))).toBe('ROLE_ESCALATION');
    }
    expect((await jo.client(ACCEPT, { secret: await secretFor(server, jo.email) })).data.acceptInvitation.outcome).toBe(
      'ACCEPTED',
    );
    expect(await rowOf(jo)).toMatchObject({ status: 'ACTIVE', role: 'VIEWER' });
  });

  test('not by an invitation to the address they have elsewhere', async () => {
    const jo = await givenJo('OWNER');
    const changed = {
      userName: jo.email,
      displayName: 'Jo',
      emails: [{ value: `jo.b@${jo.entra.domain}`, primary: true }],
      active: true,
    };
    expect((await jo.entra('PUT', `/Users/${jo.scimId}`, changed)).status).toBe(200);
    await jo.acme.owner(REMOVE, { id: jo.id });
    expect((await jo.acme.admin(INVITE, { email: jo.email })).errors).toEqual([]);
    const accepted = await jo.client(ACCEPT, { secret: await secretFor(server, jo.email) });
    expect(accepted.data.acceptInvitation.outcome).toBe('REVOKED');
    await stayedOut(jo);
  });

  test('not by an invitation to another address, while one of the OWNER waits or lapsed', async () => {
    const jo = await givenJo('OWNER');
    const other = `jo.b@${jo.entra.domain}`;
    expect((await setEmail(jo, other)).status).toBe(200);
    await jo.acme.owner(REMOVE, { id: jo.id });
    await jo.acme.owner(INVITE, { email: other });
    await expireInvitations(jo);
    expect((await jo.acme.admin(INVITE, { email: jo.email })).errors).toEqual([]);
    const accepted = await jo.client(ACCEPT, { secret: await secretFor(server, jo.email) });
    expect(accepted.data.acceptInvitation.outcome).toBe('REVOKED');
    expect((await jo.acme.admin(INVITE, { email: jo.email })).errors).toEqual([]);
    await DOORS["they sign in at the organization's own provider"]?.enter(jo);
    expect(await rowOf(jo)).toMatchObject({ status: 'INVITED', leftRole: 'OWNER' });
  });

  test('not by an invitation whose person the directory would call by another address meanwhile', async () => {
    const jo = await givenRemovedOwner();
    const id = await invite(jo);
    expect((await setEmail(jo, `jo.b@${jo.entra.domain}`)).status).toBe(409);
    expect(codeOf(await jo.acme.admin(INVITE, { email: jo.email }))).toBe('ROLE_ESCALATION');
    expect((await jo.acme.owner(REVOKE, { id })).errors).toEqual([]);
    await DOORS["they sign in at the organization's own provider"]?.enter(jo);
    await stayedOut(jo);
    expect((await setEmail(jo, `jo.b@${jo.entra.domain}`)).status).toBe(200);
  });

  test('nor does the directory by it, in organizations where it has called them so already', async () => {
    const jo = await givenRemovedOwner();
    await invite(jo);
    const { membership } = server.database.organizationDb(jo.acme.id, byTest);
    await membership.update({ userId: jo.id }, { email: `jo.b@${jo.entra.domain}` });
    expect((await jo.acme.admin(INVITE, { email: jo.email })).errors).toEqual([]);
    const accepted = await jo.client(ACCEPT, { secret: await secretFor(server, jo.email) });
    expect(accepted.data.acceptInvitation.outcome).toBe('REVOKED');
    expect((await rowOf(jo)).status).toBe('INVITED');
  });

  test('not by handing an invitation of theirs over to an OWNER', async () => {
    const jo = await givenJo('OWNER');
    const boss = await personId(jo.acme.owner);
    expect((await setEmail(jo, `jo.b@${jo.entra.domain}`)).status).toBe(200);
    await jo.acme.owner(REMOVE, { id: jo.id });
    const second = await givenMember(server, jo.acme, 'ADMIN');
    const secondId = await personId(second);
    expect((await second(INVITE, { email: jo.email })).errors).toEqual([]);
    const text = 'mutation ($id: ID!, $to: ID) { removeMember(userId: $id, reassignTo: $to) { status } }';
    expect(codeOf(await jo.acme.admin(text, { id: secondId, to: boss }))).toBe('ROLE_ESCALATION');
    expect((await jo.acme.admin(text, { id: secondId, to: await personId(jo.acme.admin) })).errors).toEqual([]);
    const accepted = await jo.client(ACCEPT, { secret: await secretFor(server, jo.email) });
    expect(accepted.data.acceptInvitation.outcome).toBe('REVOKED');
    await stayedOut(jo);
  });

  test('not by approving what they had asked before, nor what they asked since', async () => {
    const jo = await givenJo('OWNER');
    const { id } = await ask(jo);
    await jo.acme.owner(REMOVE, { id: jo.id });
    const requests = server.database.organizationDb(jo.acme.id, byTest).joinRequest;
    expect((await requests.get({ id })).status).toBe('DECLINED');
    expect(codeOf(await jo.acme.admin(APPROVE, { id }))).toBe('ROLE_ESCALATION');
    await requests.update({ id }, { status: 'PENDING' });
    expect(codeOf(await jo.acme.admin(APPROVE, { id }))).toBe('ROLE_ESCALATION');
    await stayedOut(jo);
    // Once an OWNER cleared it, the way by their domain is open, and whoever may approve does.
    await jo.acme.owner(CLEAR, { id: jo.id });
    expect((await jo.acme.admin(APPROVE, { id })).data.approveJoinRequest).toEqual({ status: 'ACTIVE' });
  });

  test('not where the directory would make an OWNER of them again', async () => {
    const jo = await givenJo('VIEWER');
    const group = await jo.entra('POST', '/Groups', { displayName: 'Chiefs', members: [{ value: jo.scimId }] });
    const set = 'mutation ($id: ID!) { setScimGroupRole(input: { groupId: $id, role: OWNER }) { role } }';
    expect((await jo.acme.owner(set, { id: group.body.id })).errors).toEqual([]);
    await jo.acme.owner(REMOVE, { id: jo.id });
    await sql("update membership set role = 'VIEWER', granted = '{}' where user_id = $1", [jo.id]);
    const { id } = await ask(jo);
    expect(codeOf(await jo.acme.admin(INVITE, { email: jo.email }))).toBe('ROLE_ESCALATION');
    expect(codeOf(await jo.acme.admin(APPROVE, { id }))).toBe('ROLE_ESCALATION');
  });

  test('nor the directory: what it says of groups meanwhile leaves what the removed were', async () => {
    const jo = await givenRemovedOwner();
    const group = await jo.entra('POST', '/Groups', { displayName: 'Readers', members: [{ value: jo.scimId }] });
    expect(group.status).toBe(201);
    await stayedOut(jo);
  });
});

test('Whoever was invited and never came was nothing yet: what they were offered holds nobody back', async () => {
  const acme = await givenOrganization(server);
  const email = `never@${acme.slug}.example`;
  const offer = `mutation ($email: String!) {
    inviteUser(input: { email: $email, name: "N", role: OWNER }) { invitation { id } }
  }`;
  const offered = async (): Promise<string> => (await acme.owner(offer, { email })).data.inviteUser.invitation.id;
  const id = await offered();
  expect(codeOf(await acme.admin(INVITE, { email }))).toBe('ROLE_ESCALATION');
  await acme.owner(REVOKE, { id });
  expect((await acme.admin(INVITE, { email })).errors).toEqual([]);
  await acme.owner(REVOKE, { id: await offered() });
  expect((await acme.admin(INVITE, { email })).errors).toEqual([]);
  const { catalogue } = createContract();
  const taken = server.database
    .organizationDb(acme.id, byTest)
    .locked((db) => takeInvitation(db, { id: newId('usr'), email }, catalogue));
  expect(await taken).toMatchObject({ role: 'VIEWER', leftRole: null });
});

test('A directory makes anew whom it called by another address, also where an invitation waits at the first', async () => {
  const jo = await givenJo('DEVELOPER');
  await setEmail(jo, `jo.b@${jo.entra.domain}`);
  await jo.entra('DELETE', `/Users/${jo.scimId}`);
  await invite(jo);
  const { status, body } = await jo.entra('POST', '/Users', { userName: jo.email, displayName: 'Jo' });
  expect([status, body.emails]).toEqual([201, [{ value: jo.email, type: 'work', primary: true }]]);
  expect(await rowOf(jo)).toMatchObject({ status: 'ACTIVE', email: jo.email });
  expect((await jo.acme.owner('{ invitations(status: PENDING) { totalCount } }')).data.invitations.totalCount).toBe(0);
  expect(codeOf(await jo.acme.owner(INVITE, { email: jo.email }))).toBe('CONFLICT');
  expect((await jo.acme.owner(INVITE, { email: `jo.b@${jo.entra.domain}` })).errors).toEqual([]);
});

test('Whoever comes in by one of two invitations leaves none that takes a seat', async () => {
  const jo = await givenJo('VIEWER');
  const other = `jo.b@${jo.entra.domain}`;
  await setEmail(jo, other);
  await jo.acme.owner(REMOVE, { id: jo.id });
  for (const email of [other, jo.email]) expect((await jo.acme.owner(INVITE, { email })).errors).toEqual([]);
  const accepted = await jo.client(ACCEPT, { secret: await secretFor(server, jo.email) });
  expect(accepted.data.acceptInvitation.outcome).toBe('ACCEPTED');
  expect((await jo.acme.owner('{ invitations(status: PENDING) { totalCount } }')).data.invitations.totalCount).toBe(0);
});

describe('What ended stays ended', () => {
  test('a key that was revoked or ran out, an invitation that was revoked, a service account that was removed', async () => {
    const acme = await givenOrganization(server);
    const key = await givenKey(server, acme.admin, ['repository:read']);
    await acme.admin('mutation ($id: ID!) { revokeApiKey(id: $id) { id } }', { id: key.id });
    expect(codeOf(await acme.admin('mutation ($id: ID!) { rotateApiKey(id: $id) { secret } }', { id: key.id }))).toBe(
      'CONFLICT',
    );
    const old = await givenKey(server, acme.admin, ['repository:read']);
    await sql(`update api_key set expires_at = now() - interval '1 second' where id = $1`, [old.id]);
    await acme.admin('mutation ($id: ID!) { rotateApiKey(id: $id) { secret } }', { id: old.id });
    for (const { client } of [key, old]) expect((await client('{ repositories { totalCount } }')).status).toBe(401);

    const email = `guest@${acme.slug}.example`;
    const invite =
      'mutation ($email: String!) { inviteUser(input: { email: $email, name: "G", role: VIEWER }) { invitation { id } } }';
    const { id } = (await acme.admin(invite, { email })).data.inviteUser.invitation;
    const secret = await secretFor(server, email);
    await acme.admin('mutation ($id: ID!) { revokeInvitation(id: $id) { id } }', { id });
    expect(codeOf(await acme.admin('mutation ($id: ID!) { resendInvitation(id: $id) { id } }', { id }))).toBe(
      'CONFLICT',
    );
    await acme.admin(invite, { email });
    const guest = await server.as(email);
    const accept = 'mutation ($secret: String!) { acceptInvitation(secret: $secret) { outcome } }';
    expect((await guest(accept, { secret })).data.acceptInvitation.outcome).toBe('REVOKED');

    const service = await acme.owner('mutation { createServiceAccount(input: { name: "S", role: VIEWER }) { id } }');
    const { id: serviceId } = service.data.createServiceAccount;
    await acme.owner('mutation ($id: ID!) { removeServiceAccount(id: $id) { id } }', { id: serviceId });
    for (const text of [CLEAR, REINSTATE]) {
      expect(codeOf(await acme.owner(text, { id: serviceId }))).toBe('NOT_FOUND');
    }
    const itsAddress = { email: `${serviceId}@service-account.invalid` };
    expect(codeOf(await acme.admin(invite, itsAddress))).toBe('CONFLICT');
    const { membership } = server.database.organizationDb(acme.id, byTest);
    expect((await membership.get({ userId: serviceId })).status).toBe('REMOVED');
  });
});
