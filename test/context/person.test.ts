import { expect, test } from '@jest/globals';
import type { JWTPayload } from 'jose';
import { givenMember, givenOrganization, personId, unique } from '../support/given.js';
import { type Client, codeOf, isPostgres, useServer } from '../support/server.js';
import { byTest } from '../support/act.js';

const server = useServer();

const email = (name = 'ann') => `${unique(name)}@acme.example`;
const withClaims = async (claims: JWTPayload): Promise<Client> => server.withToken(await server.issuer.sign(claims));
const people = async (address: string): Promise<number> => {
  const { rows } = await server.database.pool.queryAsLoginRole('select 1 from person where email = $1', [address]);
  return rows.length;
};
const WHO = '{ viewer { user { id name email } systemRole memberships { totalCount } } }';

test('a verified e-mail makes the person on the first request, and finds them on every other', async () => {
  const ann = email();
  const client = await withClaims({ sub: unique('sub'), email: ann, email_verified: true, name: '  Ann Archer ' });
  const first = await client(WHO);
  expect(first.data.viewer).toEqual({
    user: { id: expect.stringMatching(/^usr_[0-9a-v]{26}$/), name: 'Ann Archer', email: ann },
    systemRole: 'USER',
    memberships: { totalCount: 0 },
  });
  expect((await client(WHO)).data).toEqual(first.data);
  expect(await people(ann)).toBe(1);
});

test('a name is kept as text on one line, whatever stands in a token', async () => {
  const name = `\u0000 Ann\u001b[2J\n${'é'.repeat(100)}`;
  const { data } = await (await withClaims({ sub: unique('sub'), email: email(), email_verified: true, name }))(WHO);
  expect(data.viewer.user.name).toBe(`Ann [2J ${'é'.repeat(92)}`);
});

test('the same verified e-mail at another sign-in is the same person, however it is written', async () => {
  const ann = email();
  const [one, other] = [
    await withClaims({ sub: unique('google'), email: ann, email_verified: true }),
    await withClaims({ sub: unique('corporate'), email: ann.toUpperCase(), email_verified: true }),
  ];
  expect(await personId(other)).toBe(await personId(one));
  expect(await people(ann)).toBe(1);
});

test('a sign-in is tied to its person once: an e-mail that changes later moves nobody', async () => {
  const [sub, ann, bob] = [unique('sub'), email('ann'), email('bob')];
  const before = await personId(await withClaims({ sub, email: ann, email_verified: true }));
  const bobsId = await personId(await withClaims({ sub: unique('sub'), email: bob, email_verified: true }));
  const after = await withClaims({ sub, email: bob, email_verified: true });
  expect(await personId(after)).toBe(before);
  expect(before).not.toBe(bobsId);
});

test.each<[string, JWTPayload]>([
  ['the issuer says is not verified', { email_verified: false }],
  ['the issuer says nothing about', {}],
  ['is verified in words only', { email_verified: 'true' }],
  ['is verified by a number', { email_verified: 1 }],
])('an e-mail that %s signs in nobody new, and is not made into a person', async (_, more) => {
  const ann = email();
  const refused = await (await withClaims({ sub: unique('sub'), email: ann, ...more }))(WHO);
  expect(refused.status).toBe(401);
  expect(refused.headers.get('www-authenticate')).toContain('Bearer');
  expect(codeOf(refused)).toBe('UNAUTHENTICATED');
  expect(await people(ann)).toBe(0);
});

test.each([
  ['ann'],
  ['ann@'],
  ['@acme.example'],
  ['ann@@acme.example'],
  ['a b@acme.example'],
  [`${'x'.repeat(65)}@a.example`],
  [7],
])('%s is no e-mail to sign in with', async (address) => {
  const refused = await (await withClaims({ sub: unique('sub'), email: address, email_verified: true }))(WHO);
  expect(refused.status).toBe(401);
});

test('an unverified e-mail of someone who exists opens nothing of theirs', async () => {
  const { owner, slug } = await givenOrganization(server);
  const taken = await withClaims({ sub: unique('mallory'), email: owner.email, email_verified: false, org: slug });
  expect((await taken(WHO)).status).toBe(401);
});

test('who is known by their sign-in needs no verified e-mail any more', async () => {
  const sub = unique('sub');
  const before = await personId(await withClaims({ sub, email: email(), email_verified: true }));
  expect(await personId(await withClaims({ sub }))).toBe(before);
});

test('many first requests at the same moment make one person', async () => {
  const ann = email();
  const clients = await Promise.all(
    Array.from({ length: isPostgres ? 12 : 4 }, (_, index) =>
      withClaims({ sub: `${ann} ${index % 3}`, email: ann, email_verified: true }),
    ),
  );
  const ids = await Promise.all(clients.map((client) => personId(client)));
  expect(new Set(ids).size).toBe(1);
  expect(await people(ann)).toBe(1);
});

test('a disabled person is nobody from the next request on, whatever their token says', async () => {
  const client = await withClaims({ sub: unique('sub'), email: email(), email_verified: true });
  const id = await personId(client);
  const set = (status: string) =>
    server.database.pool.queryAsLoginRole('update person set status = $1 where id = $2', [status, id]);
  await set('DISABLED');
  const refused = await client(WHO);
  expect(refused.status).toBe(401);
  expect(codeOf(refused)).toBe('UNAUTHENTICATED');
  await set('ACTIVE');
  expect(await personId(client)).toBe(id);
});

test('a role taken away, or a membership, counts on the next request', async () => {
  const organization = await givenOrganization(server);
  const ben = await givenMember(server, organization, 'DEVELOPER');
  const change = (data: object) =>
    server.database.organizationDb(organization.id, byTest).membership.update({ email: ben.email }, data);
  const start = () =>
    ben('mutation ($agent: ID!) { startRun(input: { agentId: $agent }) { id } }', { agent: organization.agentId });
  expect((await start()).errors).toEqual([]);

  await change({ role: 'VIEWER' });
  expect((await start()).errors[0]?.extensions).toMatchObject({ code: 'FORBIDDEN', requiredPermission: 'run:start' });
  await change({ role: 'DEVELOPER', withheld: ['run:start'] });
  expect(codeOf(await start())).toBe('FORBIDDEN');
  await change({ withheld: [] });
  expect((await start()).errors).toEqual([]);

  for (const status of ['SUSPENDED', 'INVITED', 'REMOVED']) {
    await change({ status, ...(status === 'INVITED' && { joinedAt: null }) });
    expect(codeOf(await start())).toBe('ORG_CONTEXT_REQUIRED');
    expect(codeOf(await ben('{ viewer { role } }', {}, { 'x-organization-id': organization.slug }))).toBe('NOT_FOUND');
  }
});

test('what nobody knows a token for is not counted as a person: a failed sign-in leaves no row behind', async () => {
  const sub = unique('sub');
  await (
    await withClaims({ sub, email: email(), email_verified: false })
  )(WHO);
  const { rows } = await server.database.pool.queryAsLoginRole('select 1 from identity where subject = $1', [sub]);
  expect(rows).toEqual([]);
});
