import { describe, expect, test } from '@jest/globals';
import {
  type GivenOrganization,
  givenAdministrator,
  givenMember,
  givenOrganization,
  personId,
  unique,
} from '../../support/given.js';
import { never } from '../../support/isolation.js';
import { type Answer, type Client, codeOf, useServer, withoutRequestId } from '../../support/server.js';

const server = useServer();

const CREATE =
  'mutation ($name: String!) { createAccount(input: { name: $name }) { id name administrators { email } } }';
const ADD = `mutation ($accountId: ID!, $userId: ID!) {
  addAccountAdministrator(accountId: $accountId, userId: $userId) { administrators { id email } }
}`;
const REMOVE = `mutation ($accountId: ID!, $userId: ID!) {
  removeAccountAdministrator(accountId: $accountId, userId: $userId) { administrators { email } }
}`;
const ACCOUNT = `query ($id: ID!) {
  account(id: $id) {
    name
    organizations { totalCount nodes { id slug status region { tag } environment acceptedAt usage(period: "2026-11") { totalRuns } } }
  }
}`;
const OFFER = 'mutation ($accountId: ID!) { offerOrganization(accountId: $accountId) { account { id acceptedAt } } }';
const ACCEPT = `mutation ($accountId: ID!, $id: ID!) {
  acceptOrganization(accountId: $accountId, organizationId: $id) { slug acceptedAt usage { totalRuns } }
}`;
const WITHDRAW = `mutation ($accountId: ID!, $id: ID) {
  withdrawOrganization(accountId: $accountId, organizationId: $id) { slug }
}`;
const MAKE = 'mutation ($input: CreateOrganizationInput!) { createOrganization(input: $input) { id slug viewerRole } }';
const OWN = '{ currentOrganization { account { id name acceptedAt } } }';

const argumentOf = ({ errors }: Answer) => errors[0]?.extensions['argument'];
const sql = async (text: string, values: unknown[]) =>
  (await server.database.pool.queryAsLoginRole(text, values)).rows as Record<string, unknown>[];
const told = (orgId: string, action: string) =>
  sql(
    'select actor_id, actor_name, action, target_id, changes from audit_entry where org_id = $1 and action like $2 order by number',
    [orgId, action],
  );

/** An account with administrators, by whoever runs the deployment. */
async function givenAccount(administrators = 1) {
  const sam = await givenAdministrator(server);
  const { data } = await sam(CREATE, { name: unique('Agency') });
  const accountId = data.createAccount?.id ?? '';
  const people: Client[] = [];
  for (let index = 0; index < administrators; index += 1) {
    const person = await server.as(`${unique('ann')}@agency.example`);
    await sam(ADD, { accountId, userId: await personId(person) });
    people.push(person);
  }
  const [ann = sam, bob = sam, ...others] = people;
  return { sam, accountId, ann, bob, others };
}

/** An organization that belongs to an account. */
async function givenTaken(accountId: string, ann: Client): Promise<GivenOrganization> {
  const acme = await givenOrganization(server);
  expect((await acme.owner(OFFER, { accountId })).errors).toEqual([]);
  expect((await ann(ACCEPT, { accountId, id: acme.id })).errors).toEqual([]);
  return acme;
}

describe('An account', () => {
  test('is made by a SYSTEM_ADMIN, as are its administrators, and told in the record of the deployment', async () => {
    const { sam, accountId, ann } = await givenAccount();
    const userId = await personId(ann);
    const again = await sam(ADD, { accountId, userId });
    expect(again.data.addAccountAdministrator?.administrators).toEqual([{ id: userId, email: ann.email }]);
    const by = { actor_id: await personId(sam) };
    expect(await told('', 'account%')).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ ...by, action: 'account.created', target_id: accountId }),
        expect.objectContaining({ ...by, action: 'account_administrator.created', target_id: userId }),
      ]),
    );
    expect((await sam(REMOVE, { accountId, userId })).data.removeAccountAdministrator?.administrators).toEqual([]);
    expect(codeOf(await sam(REMOVE, { accountId, userId }))).toBe('NOT_FOUND');
    const changes = { account_id: [accountId, null] };
    expect(await told('', 'account_administrator.deleted')).toContainEqual(
      expect.objectContaining({ ...by, target_id: userId, changes }),
    );
  });

  test('shows, and invites, nobody who may not sign in any more', async () => {
    const { sam, accountId, ann, bob } = await givenAccount(2);
    await sql(`update person set status = 'DISABLED' where id = $1`, [await personId(bob)]);
    const { data } = await sam('query ($id: ID!) { account(id: $id) { administrators { email } } }', { id: accountId });
    expect(data.account?.administrators).toEqual([{ email: ann.email }]);
    const slug = unique('client');
    await ann(MAKE, { input: { name: 'Client', slug, accountId, inviteAdministrators: true } });
    const inside = await server.as(ann.email, slug);
    expect((await inside('{ invitations { totalCount } }')).data.invitations?.totalCount).toBe(0);
  });

  test.each(['', ' ', 'x'.repeat(101), 'a\nb'])('has a name that people can read, and not %j', async (name) => {
    const refused = await (await givenAdministrator(server))(CREATE, { name });
    expect([codeOf(refused), argumentOf(refused)]).toEqual(['BAD_USER_INPUT', 'input.name']);
  });

  test('has administrators who exist, and 50 at most', async () => {
    const { sam, accountId, ann } = await givenAccount();
    for (const [of, userId] of [
      [accountId, never('usr')()],
      [never('acc')(), await personId(ann)],
    ]) {
      expect(codeOf(await sam(ADD, { accountId: of, userId }))).toBe('NOT_FOUND');
    }
    await sql(
      `with made as (
         insert into person (id, email, name) select 'usr_' || md5(random()::text), md5(random()::text) || '@many.example', 'x'
         from generate_series(1, 49) returning id)
       insert into account_administrator (account_id, person_id) select $1, id from made`,
      [accountId],
    );
    const late = await server.as(`${unique('late')}@agency.example`);
    const full = await sam(ADD, { accountId, userId: await personId(late) });
    expect([codeOf(full), argumentOf(full)]).toEqual(['CONFLICT', 'userId']);
    const kept = await sql('select count(*)::int as count from account_administrator where account_id = $1', [
      accountId,
    ]);
    expect(kept).toEqual([{ count: 50 }]);
    expect((await sam(ADD, { accountId, userId: await personId(ann) })).errors).toEqual([]);
  });

  test('is for its administrators to see, and anyone else finds none, removed ones from their next request on', async () => {
    const { sam, accountId, ann } = await givenAccount();
    const acme = await givenTaken(accountId, ann);
    const stranger = await server.as(`${unique('stranger')}@agency.example`);
    const asked = async (client: Client, id: string) => withoutRequestId(await client(ACCOUNT, { id }));
    const none = await asked(ann, never('acc')());
    expect(none).toContain('NOT_FOUND');
    for (const client of [stranger, acme.owner]) expect(await asked(client, accountId)).toBe(none);
    expect((await ann('{ accounts { totalCount nodes { id } } }')).data.accounts).toEqual({
      totalCount: 1,
      nodes: [{ id: accountId }],
    });
    expect((await stranger('{ accounts { nodes { id } } }')).data.accounts?.nodes).toEqual([]);
    const all = await sam('{ accounts(last: 100) { nodes { id } } }');
    expect(all.data.accounts?.nodes).toContainEqual({ id: accountId });
    await sam(REMOVE, { accountId, userId: await personId(ann) });
    expect(await asked(ann, accountId)).toBe(none);
    const id = acme.id;
    for (const refused of [await ann(ACCEPT, { accountId, id }), await ann(WITHDRAW, { accountId, id })]) {
      expect(codeOf(refused)).toBe('NOT_FOUND');
    }
    const made = await ann(MAKE, { input: { name: 'x', slug: unique('x'), accountId } });
    expect(codeOf(made)).toBe('NOT_FOUND');
  });

  test('is nothing that a key, or a session of one organization, reaches', async () => {
    const { accountId } = await givenAccount();
    const acme = await givenOrganization(server);
    const key = await acme.owner(
      'mutation { createApiKey(input: { name: "k", permissions: ["run:read"] }) { secret } }',
    );
    const client = server.withToken(key.data.createApiKey?.secret ?? '');
    expect(codeOf(await client(ACCOUNT, { id: accountId }))).toBe('FORBIDDEN');
    expect(codeOf(await client('{ accounts { totalCount } }'))).toBe('FORBIDDEN');
  });
});

describe('An organization of an account', () => {
  test('is seen by how it stands and what it used, without a membership, and is told so once a day', async () => {
    const { accountId, ann, bob, sam } = await givenAccount(2);
    const acme = await givenTaken(accountId, ann);
    const { data, errors } = await ann(ACCOUNT, { id: accountId });
    expect(errors).toEqual([]);
    const where = { region: { tag: 'useast' }, environment: null };
    const seen = { id: acme.id, slug: acme.slug, status: 'ACTIVE', ...where, acceptedAt: expect.any(String) };
    expect(data.account?.organizations).toEqual({ totalCount: 1, nodes: [{ ...seen, usage: { totalRuns: 1 } }] });
    await ann(ACCOUNT, { id: accountId });
    await bob(ACCOUNT, { id: accountId });
    const entries = await told(acme.id, 'organization.usage_seen');
    expect(entries.map((entry) => entry['actor_id'])).toEqual([await personId(ann), await personId(bob)]);
    expect(entries[0]).toMatchObject({ target_id: accountId, actor_name: ann.email.split('@')[0] });
    // Nothing else of it is theirs.
    expect(codeOf(await ann('{ repositories { totalCount } }', {}, { 'x-organization-id': acme.id }))).toBe(
      'NOT_FOUND',
    );
    // Whoever runs the deployment sees how it stands, which is told, too, and not what it used.
    const looked = await sam(ACCOUNT, { id: accountId });
    expect([codeOf(looked), looked.data.account?.organizations.nodes[0]?.usage]).toEqual(['FORBIDDEN', null]);
    expect(await told(acme.id, 'organization.seen')).toMatchObject([{ actor_id: await personId(sam) }]);
  });

  test('is offered by an OWNER and taken by an administrator, each told in its own record', async () => {
    const { accountId, ann } = await givenAccount();
    const acme = await givenOrganization(server);
    for (const client of [acme.admin, acme.viewer]) {
      expect(codeOf(await client(OFFER, { accountId }))).toBe('FORBIDDEN');
    }
    const none = await acme.owner(OFFER, { accountId: never('acc')() });
    expect(codeOf(none)).toBe('NOT_FOUND');
    expect(codeOf(await ann(ACCEPT, { accountId, id: acme.id }))).toBe('NOT_FOUND');
    const offered = await acme.owner(OFFER, { accountId });
    expect(offered.data.offerOrganization?.account).toEqual({ id: accountId, acceptedAt: null });
    // Offered, it says how it stands and not what it used.
    const seen = await ann(ACCOUNT, { id: accountId });
    // What is offered to one account is none that another takes.
    const other = await givenAccount();
    expect(codeOf(await other.ann(ACCEPT, { accountId: other.accountId, id: acme.id }))).toBe('NOT_FOUND');
    expect((await acme.owner(OWN)).data.currentOrganization?.account).toMatchObject({ acceptedAt: null });
    expect([seen.errors, seen.data.account?.organizations.nodes]).toMatchObject([
      [],
      [{ acceptedAt: null, usage: null }],
    ]);
    const taken = await ann(ACCEPT, { accountId, id: acme.id });
    expect(taken.data.acceptOrganization).toMatchObject({ slug: acme.slug, usage: { totalRuns: 1 } });
    expect(await ann(ACCEPT, { accountId, id: acme.id })).toMatchObject({ data: taken.data, errors: [] });
    expect((await acme.viewer(OWN)).data.currentOrganization?.account).toMatchObject({ id: accountId });
    const entries = await told(acme.id, 'account_organization.%');
    expect(entries.map(({ action, actor_id: id }) => [action, id])).toEqual([
      ['account_organization.created', await personId(acme.owner)],
      ['account_organization.accepted', await personId(ann)],
    ]);
  });

  test('is told that it is seen by taking it, and by taking it once more, as by looking', async () => {
    const { accountId, ann, bob } = await givenAccount(2);
    const acme = await givenTaken(accountId, ann);
    const seen = async () => (await told(acme.id, 'organization.usage_seen')).map((entry) => entry['actor_id']);
    expect(await seen()).toEqual([await personId(ann)]);
    const again = await bob(ACCEPT, { accountId, id: acme.id });
    expect(again.data.acceptOrganization?.usage).toEqual({ totalRuns: 1 });
    expect(await seen()).toEqual([await personId(ann), await personId(bob)]);
    expect((await told(acme.id, 'organization.usage_seen'))[1]).toMatchObject({ target_id: accountId });
    // Once a day of each, by whichever way.
    await bob(ACCEPT, { accountId, id: acme.id });
    await bob(ACCOUNT, { id: accountId });
    expect(await seen()).toHaveLength(2);
  });

  test('belongs to one account, until either ends it', async () => {
    const { accountId, ann } = await givenAccount();
    const other = await givenAccount();
    const acme = await givenTaken(accountId, ann);
    const twice = await acme.owner(OFFER, { accountId: other.accountId });
    expect([codeOf(twice), argumentOf(twice)]).toEqual(['CONFLICT', 'accountId']);
    for (const refused of [
      await other.ann(WITHDRAW, { accountId, id: acme.id }),
      await other.ann(WITHDRAW, { accountId: other.accountId, id: acme.id }),
      await acme.owner(WITHDRAW, { accountId: other.accountId }),
    ]) {
      expect(codeOf(refused)).toBe('NOT_FOUND');
    }
    expect(codeOf(await acme.admin(WITHDRAW, { accountId }))).toBe('FORBIDDEN');
    expect((await acme.owner(WITHDRAW, { accountId })).data.withdrawOrganization).toEqual({ slug: acme.slug });
    expect((await ann(ACCOUNT, { id: accountId })).data.account?.organizations.totalCount).toBe(0);
    await acme.owner(OFFER, { accountId });
    expect((await ann(WITHDRAW, { accountId, id: acme.id })).data.withdrawOrganization).toEqual({ slug: acme.slug });
    expect((await acme.owner(OWN)).data.currentOrganization?.account).toBeNull();
    const ended = await told(acme.id, 'account_organization.deleted');
    expect(ended.map((entry) => entry['actor_id'])).toEqual([await personId(acme.owner), await personId(ann)]);
  });

  test('that is to be deleted is neither taken nor given back, with the reason, until that is cancelled', async () => {
    const { accountId, ann } = await givenAccount();
    const acme = await givenOrganization(server);
    await acme.owner(OFFER, { accountId });
    const stranger = await givenAccount();
    const leave = (status: string) =>
      sql(
        `update organization set status = $2::text,
           purge_at = case when $2::text = 'PENDING_DELETION' then now() + interval '30 days' end where id = $1`,
        [acme.id, status],
      );
    const states = async () => {
      const rows = await sql('select status from account_organization where org_id = $1', [acme.id]);
      return rows.map(({ status }) => status);
    };
    const refused = ({ errors }: Answer) => [errors[0]?.extensions['code'], errors[0]?.extensions['reason']];
    const doors = [ACCEPT, WITHDRAW] as const;
    for (const before of ['OFFERED', 'ACCEPTED']) {
      if (before === 'ACCEPTED') expect((await ann(ACCEPT, { accountId, id: acme.id })).errors).toEqual([]);
      await leave('PENDING_DELETION');
      for (const door of doors) {
        expect(refused(await ann(door, { accountId, id: acme.id }))).toEqual(['FORBIDDEN', 'PENDING_DELETION']);
        // Whoever has nothing to do with it learns nothing of it.
        for (const named of [accountId, stranger.accountId]) {
          expect(codeOf(await stranger.ann(door, { accountId: named, id: acme.id }))).toBe('NOT_FOUND');
        }
      }
      expect(await states()).toEqual([before]);
      await leave('ACTIVE');
    }
    expect((await ann(WITHDRAW, { accountId, id: acme.id })).data.withdrawOrganization).toEqual({ slug: acme.slug });
    expect(await states()).toEqual([]);
  });

  test('cannot say itself that an account has taken it', async () => {
    const { accountId } = await givenAccount();
    const acme = await givenOrganization(server);
    const db = server.database.organizationDb(acme.id, { kind: 'SYSTEM', id: null, name: 'test' });
    const taken = { accountId, status: 'ACCEPTED', acceptedAt: new Date() } as const;
    await expect(db.accountOrganization.create(taken)).rejects.toThrow();
    await db.accountOrganization.create({ accountId });
    await expect(db.accountOrganization.update({}, { status: 'ACCEPTED', acceptedAt: new Date() })).rejects.toThrow();
  });
});

describe('What an administrator makes', () => {
  test('belongs to the account from the beginning, with the settings given, and the others invited as ADMIN', async () => {
    const { accountId, ann, bob } = await givenAccount(2);
    const slug = unique('client');
    const settings = { agentExecution: { maxConcurrentRuns: 3 } };
    const input = { name: 'Client', slug, accountId, inviteAdministrators: true, settings };
    const made = await ann(MAKE, { input });
    expect([made.errors, made.data.createOrganization]).toMatchObject([[], { slug, viewerRole: 'OWNER' }]);
    const inside = await server.as(ann.email, slug);
    const { data } = await inside(`{ currentOrganization {
      account { id }
      settings { version agentExecution { maxConcurrentRuns } }
      members { nodes { user { email } role status } }
    } }`);
    expect(data.currentOrganization).toMatchObject({
      account: { id: accountId },
      settings: { version: 2, agentExecution: { maxConcurrentRuns: 3 } },
    });
    expect(data.currentOrganization?.members.nodes).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ user: { email: ann.email }, role: 'OWNER', status: 'ACTIVE' }),
        expect.objectContaining({ user: { email: bob.email }, role: 'ADMIN', status: 'INVITED' }),
      ]),
    );
    // Invited, they are a member of nothing; and whoever is OWNER ends it.
    expect(codeOf(await bob('{ repositories { totalCount } }', {}, { 'x-organization-id': slug }))).toBe('NOT_FOUND');
    const id = (await inside('{ invitations { nodes { id } } }')).data.invitations?.nodes[0]?.id;
    expect((await inside('mutation ($id: ID!) { revokeInvitation(id: $id) { status } }', { id })).errors).toEqual([]);
  });

  test('is made whole or not at all', async () => {
    const { accountId, ann } = await givenAccount(2);
    const other = await givenAccount();
    const slug = unique('client');
    const refused = async (more: object) => {
      const answer = await ann(MAKE, { input: { name: 'Client', slug, ...more } });
      return [codeOf(answer), argumentOf(answer)];
    };
    expect(await refused({ accountId: other.accountId })).toEqual(['NOT_FOUND', undefined]);
    expect(await refused({ accountId: never('acc')() })).toEqual(['NOT_FOUND', undefined]);
    expect(await refused({ inviteAdministrators: true })).toEqual(['BAD_USER_INPUT', 'input.inviteAdministrators']);
    const settings = { expectedVersion: 7, agentExecution: { maxConcurrentRuns: 3 } };
    expect(await refused({ accountId, inviteAdministrators: true, settings })).toEqual([
      'CONFLICT',
      'input.settings.expectedVersion',
    ]);
    expect(await refused({ settings: { agentExecution: { maxConcurrentRuns: 0 } } })).toEqual([
      'BAD_USER_INPUT',
      'input.settings.agentExecution.maxConcurrentRuns',
    ]);
    expect(await sql('select from organization where slug = $1', [slug])).toEqual([]);
    expect(await sql('select from address where name = $1', [slug])).toEqual([]);
    expect(await refused({ accountId })).toEqual([[], undefined]);
    expect(await refused({ accountId })).toEqual(['CONFLICT', 'input.slug']);
  });

  test('is theirs to leave as they are: who is no administrator any more stays the member that they are', async () => {
    const { sam, accountId, ann } = await givenAccount();
    const slug = unique('client');
    await ann(MAKE, { input: { name: 'Client', slug, accountId } });
    await sam(REMOVE, { accountId, userId: await personId(ann) });
    const inside = await server.as(ann.email, slug);
    expect((await inside('{ currentOrganization { viewerRole } }')).data.currentOrganization?.viewerRole).toBe('OWNER');
  });
});

test('who acts as a member does not see the accounts that the member administers', async () => {
  const { sam, accountId, ann } = await givenAccount();
  const acme = await givenOrganization(server);
  await givenMember(server, acme, 'VIEWER', { email: ann.email });
  const started = await sam(
    `mutation ($input: StartImpersonationInput!) { startImpersonation(input: $input) { token } }`,
    { input: { organizationId: acme.id, userId: await personId(ann), reason: 'looking into a ticket' } },
  );
  const client = server.withToken(started.data.startImpersonation?.token ?? '');
  expect((await client('{ currentOrganization { slug } }')).data.currentOrganization?.slug).toBe(acme.slug);
  expect(codeOf(await client(ACCOUNT, { id: accountId }))).toBe('FORBIDDEN');
});
