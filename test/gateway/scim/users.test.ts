import { beforeAll, describe, expect, test } from '@jest/globals';
import { givenMember, givenOrganization, type GivenOrganization, personId, unique } from '../../support/given.js';
import { givenDirectory, type ScimClient } from '../../support/scim.js';
import { codeOf, useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

const server = useServer();

let acme: GivenOrganization;
let entra: ScimClient;
beforeAll(async () => {
  acme = await givenOrganization(server);
  entra = await givenDirectory(server, acme, { defaultRole: 'DEVELOPER' });
});

const USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
const patch = (...Operations: object[]) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations,
});
const newUser = (directory: ScimClient = entra, name = unique('jo')) => ({
  schemas: [USER, 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'],
  externalId: unique('ext'),
  userName: `${name}@${directory.domain}`,
  active: true,
  displayName: 'Jo Doe',
  name: { givenName: 'Jo', familyName: 'Doe', formatted: 'Jo Doe' },
  emails: [{ primary: true, type: 'work', value: `${name}@${directory.domain}` }],
  title: 'Engineer',
  'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User': { department: 'R&D' },
  meta: { resourceType: 'User' },
});
const create = async (directory: ScimClient = entra) => {
  const sent = newUser(directory);
  const { status, body } = await directory('POST', '/Users', sent);
  expect([status, body.detail]).toEqual([201, undefined]);
  return { ...sent, id: body.id as string, email: sent.userName };
};
const signedIn = (email: string) => server.as(email, acme.slug);
const WHO = '{ viewer { role user { name email } } currentOrganization { id } }';
/** What someone meets here: their role, or the code of the refusal. */
async function standing(email: string): Promise<unknown> {
  const answer = await (await signedIn(email))(WHO, {}, { 'x-organization-id': acme.id });
  return answer.data?.viewer?.role ?? codeOf(answer);
}
const rowOf = (email: string) => server.database.organizationDb(acme.id, byTest).membership.get({ email });

describe('as Entra ID sends it', () => {
  test('someone is created, found, and is a member at once', async () => {
    expect((await entra('GET', `/Users?filter=userName+eq+"${unique('nobody')}"`)).body).toEqual({
      schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
      totalResults: 0,
      startIndex: 1,
      itemsPerPage: 0,
      Resources: [],
    });
    const sent = newUser();
    const created = await entra('POST', '/Users', sent);
    const { id } = created.body;
    expect(created.status).toBe(201);
    expect(created.headers.get('location')).toBe(`${server.url.replace('127.0.0.1', 'localhost')}/scim/v2/Users/${id}`);
    expect(created.headers.get('content-type')).toMatch(/^application\/scim\+json/);
    expect(created.body).toEqual({
      schemas: [USER],
      id: expect.stringMatching(/^scu_/),
      externalId: sent.externalId,
      userName: sent.userName,
      displayName: 'Jo Doe',
      name: sent.name,
      active: true,
      emails: sent.emails,
      meta: {
        resourceType: 'User',
        created: expect.any(String),
        lastModified: expect.any(String),
        location: created.headers.get('location'),
      },
    });
    for (const filter of [
      `userName eq "${sent.userName.toUpperCase()}"`,
      `externalId eq "${sent.externalId}"`,
      `emails[type eq "work"].value eq "${sent.userName}"`,
      `id eq "${id}" and userName eq "${sent.userName}"`,
    ]) {
      const { body } = await entra('GET', `/Users?filter=${encodeURIComponent(filter)}`);
      expect([filter, body.Resources]).toEqual([filter, [created.body]]);
    }
    expect(await standing(sent.userName)).toBe('DEVELOPER');
    const { data } = await (await signedIn(sent.userName))(WHO);
    expect(data.viewer.user.email).toBe(sent.userName);
    expect(await rowOf(sent.userName)).toMatchObject({ name: 'Jo Doe', status: 'ACTIVE', role: 'DEVELOPER' });
  });

  test.each<[string, object, string, unknown]>([
    [
      'an op with a capital and a path',
      { op: 'Replace', path: 'displayName', value: 'Joanna' },
      'displayName',
      'Joanna',
    ],
    ['a sub-attribute', { op: 'Add', path: 'name.familyName', value: 'Roe' }, 'name.familyName', 'Roe'],
    ['no path, and names with dots', { op: 'replace', value: { 'name.givenName': 'Ann' } }, 'name.givenName', 'Ann'],
    ['no path, and an object', { op: 'add', value: { name: { givenName: 'Eve' } } }, 'name.givenName', 'Eve'],
    ['the name of a schema', { op: 'replace', path: `${USER}:externalId`, value: 'x-1' }, 'externalId', 'x-1'],
    ['something to remove', { op: 'remove', path: 'externalId' }, 'externalId', undefined],
    ['a truth value as text', { op: 'Replace', path: 'active', value: 'False' }, 'active', false],
    ['a truth value', { op: 'replace', value: { active: false } }, 'active', false],
    [
      'another kind of address',
      { op: 'Add', path: 'emails[type eq "home"].value', value: 'jo@home.example' },
      'active',
      true,
    ],
    ['what has no meaning here', { op: 'Add', path: 'title', value: 'Boss' }, 'title', undefined],
  ])('a change is understood: %s', async (_, operation, path, expected) => {
    const { id, userName } = await create();
    const { status, body } = await entra('PATCH', `/Users/${id}`, patch(operation));
    expect([status, body.userName]).toEqual([200, userName]);
    const read = (await entra('GET', `/Users/${id}`)).body;
    expect(body).toEqual(read);
    expect(path.split('.').reduce((at, key) => at?.[key], read)).toEqual(expected);
    expect(read.emails[0].value).toBe(userName);
  });

  test('an address changes for the organization, and the person stays who they are', async () => {
    const { id, email } = await create();
    const before = await personId(await server.as(email));
    const renamed = `${unique('renamed')}@${entra.domain}`;
    const changed = await entra(
      'PATCH',
      `/Users/${id}`,
      patch(
        { op: 'Replace', path: 'emails[type eq "work"].value', value: renamed },
        { op: 'Replace', path: 'userName', value: renamed },
      ),
    );
    expect(changed.body).toMatchObject({ userName: renamed, emails: [{ value: renamed }] });
    expect(await rowOf(renamed)).toMatchObject({ userId: before });
    expect(await standing(email)).toBe('DEVELOPER');
    const { rows } = await server.database.pool.queryAsLoginRole('select email, name from person where id = $1', [
      before,
    ]);
    expect(rows).toEqual([{ email, name: email.split('@')[0] }]);
  });
});

describe('as Okta sends it', () => {
  test('a life: looked for, created, replaced, deactivated, reactivated', async () => {
    const okta = entra;
    const sent = newUser();
    const found = await okta('GET', `/Users?filter=userName%20eq%20%22${sent.userName}%22&startIndex=1&count=100`);
    expect(found.body.totalResults).toBe(0);
    const { id } = (await okta('POST', '/Users', sent)).body;
    const replaced = await okta('PUT', `/Users/${id}`, {
      schemas: [USER],
      id,
      userName: sent.userName,
      name: { givenName: 'Joanna', familyName: 'Doe' },
      emails: sent.emails,
      active: true,
      groups: [],
      meta: { resourceType: 'User' },
    });
    expect(replaced.body).toMatchObject({ name: { givenName: 'Joanna', familyName: 'Doe' }, active: true });
    expect(replaced.body).not.toHaveProperty('displayName');
    expect(await rowOf(sent.userName)).toMatchObject({ name: 'Joanna Doe' });
    await okta('PATCH', `/Users/${id}`, patch({ op: 'replace', value: { active: false } }));
    expect(await standing(sent.userName)).toBe('NOT_FOUND');
    // A replacement that says nothing of it lets nobody in again.
    const silent = await okta('PUT', `/Users/${id}`, { schemas: [USER], userName: sent.userName });
    expect(silent.body.active).toBe(false);
    await okta('PUT', `/Users/${id}`, { schemas: [USER], userName: sent.userName, active: true });
    expect(await standing(sent.userName)).toBe('DEVELOPER');
  });
});

describe('the loss of rights', () => {
  test('counts on the next request, and sessions and tokens that were there before do not help', async () => {
    const { id, email } = await create();
    const client = await signedIn(email);
    expect((await client(WHO)).data.currentOrganization.id).toBe(acme.id);
    await entra('PATCH', `/Users/${id}`, patch({ op: 'Replace', path: 'active', value: false }));
    expect((await client(WHO)).data?.currentOrganization ?? null).toBeNull();
    await entra('PATCH', `/Users/${id}`, patch({ op: 'Replace', path: 'active', value: true }));
    expect((await client(WHO)).data.currentOrganization.id).toBe(acme.id);
    expect((await entra('DELETE', `/Users/${id}`)).status).toBe(204);
    expect((await client(WHO)).data?.currentOrganization ?? null).toBeNull();
    expect(await rowOf(email)).toMatchObject({ status: 'REMOVED', name: 'Jo Doe' });
    for (const method of ['GET', 'DELETE'] as const) expect((await entra(method, `/Users/${id}`)).status).toBe(404);
  });

  test('whom the directory deleted it may bring back; what it had said of them is gone meanwhile', async () => {
    const { id, email, externalId } = await create();
    await entra('DELETE', `/Users/${id}`);
    const { rows } = await server.database.pool.queryAsLoginRole('select * from scim_user where id = $1', [id]);
    expect(JSON.stringify(rows)).not.toMatch(new RegExp(`Jo Doe|${email}|${externalId}`));
    const again = await entra('POST', '/Users', { userName: email, displayName: 'Jo Again' });
    expect([again.status, again.body.id]).toEqual([201, id]);
    expect(await standing(email)).toBe('DEVELOPER');
  });

  test.each(['SUSPENDED', 'REMOVED'] as const)(
    'whom people of the organization left %s the directory does not bring back',
    async (status) => {
      const { id, email } = await create();
      await server.database.organizationDb(acme.id, byTest).membership.update({ email }, { status });
      expect((await entra('GET', `/Users/${id}`)).body.active).toBe(false);
      const resumed = await entra('PATCH', `/Users/${id}`, patch({ op: 'replace', path: 'active', value: true }));
      expect([resumed.status, resumed.body.detail]).toEqual([409, expect.stringContaining('only they can resume it')]);
      await entra('PATCH', `/Users/${id}`, patch({ op: 'replace', path: 'active', value: false }));
      expect((await entra('PATCH', `/Users/${id}`, patch({ op: 'replace', path: 'active', value: true }))).status).toBe(
        409,
      );
      await entra('DELETE', `/Users/${id}`);
      expect((await entra('POST', '/Users', { userName: email })).status).toBe(409);
      expect(await standing(email)).toBe('NOT_FOUND');
    },
  );
});

test('whom one directory deleted another does not bring back, until that is cleared', async () => {
  const { id, email } = await create();
  const userId = await personId(await server.as(email));
  const other = await givenDirectory(server, acme);
  await entra('DELETE', `/Users/${id}`);
  expect((await other('POST', '/Users', { userName: email })).status).toBe(409);
  expect(await standing(email)).toBe('NOT_FOUND');
  const cleared = await acme.admin('mutation ($id: ID!) { clearRemoval(userId: $id) { status } }', { id: userId });
  expect(cleared.errors).toEqual([]);
  expect((await other('POST', '/Users', { userName: email })).status).toBe(201);
  expect(await standing(email)).toBe('VIEWER');
});

test('whoever was removed comes back by their directory once an ADMIN cleared it, if a seat is free', async () => {
  const { id, email } = await create();
  const userId = await personId(await server.as(email));
  await acme.admin('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id: userId });
  const resume = () => entra('PATCH', `/Users/${id}`, patch({ op: 'replace', path: 'active', value: true }));
  expect((await resume()).status).toBe(409);
  const cleared = await acme.admin('mutation ($id: ID!) { clearRemoval(userId: $id) { status } }', { id: userId });
  expect(cleared.errors).toEqual([]);
  await server.database.pool.queryAsLoginRole('update organization set seat_limit = 1 where id = $1', [acme.id]);
  const full = await resume();
  expect([full.status, full.body.detail]).toEqual([409, expect.stringContaining('seat')]);
  await server.database.pool.queryAsLoginRole('update organization set seat_limit = null where id = $1', [acme.id]);
  expect((await resume()).body.active).toBe(true);
  expect(await standing(email)).toBe('DEVELOPER');
  // It was cleared for this once.
  await acme.admin('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id: userId });
  expect((await resume()).status).toBe(409);
});

test('whoever is deleted leaves no invitation behind that could be accepted', async () => {
  const { id, email } = await create();
  const admin = await server.database.organizationDb(acme.id, byTest).membership.update({ email }, { role: 'ADMIN' });
  const input = { email: `${unique('guest')}@x.example`, name: 'Guest', role: 'VIEWER' };
  const invite = 'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { role } }';
  expect((await (await signedIn(email))(invite, { input })).errors).toEqual([]);
  await entra('DELETE', `/Users/${id}`);
  const { status } = await server.database.organizationDb(acme.id, byTest).invitation.get({ email: input.email });
  expect([admin.status, status]).toEqual(['ACTIVE', 'REVOKED']);
});

describe('a directory', () => {
  test('reaches e-mail domains that the organization holds, and no others; what it made it can always end', async () => {
    for (const email of [`jo@${unique('else')}.example`, `jo@sub.${entra.domain}`, 'jo@gmail.com']) {
      const refused = await entra('POST', '/Users', { userName: email });
      expect([refused.status, refused.body.scimType]).toEqual([400, 'invalidValue']);
    }
    const { id, email } = await create();
    const moved = await entra(
      'PATCH',
      `/Users/${id}`,
      patch({ op: 'replace', path: 'emails', value: [{ value: 'jo@gmail.com' }] }),
    );
    expect(moved.status).toBe(400);
    const globex = await givenOrganization(server, 'globex');
    const theirs = await givenDirectory(server, globex);
    expect((await theirs('POST', '/Users', { userName: email })).status).toBe(400);
    await server.database.pool.queryAsLoginRole('delete from address where name = $1', [entra.domain]);
    try {
      const off = await entra('PATCH', `/Users/${id}`, patch({ op: 'replace', path: 'active', value: false }));
      expect([off.status, off.body.active]).toEqual([200, false]);
      const on = await entra('PATCH', `/Users/${id}`, patch({ op: 'replace', path: 'active', value: true }));
      expect(on.status).toBe(400);
    } finally {
      await server.database.pool.queryAsLoginRole(
        `insert into address (name, kind, org_id) values ($1, 'DOMAIN', $2)`,
        [entra.domain, acme.id],
      );
    }
  });

  test('leaves alone whom it did not make: members by hand, and those of another directory', async () => {
    const email = `${unique('hand')}@${entra.domain}`;
    await givenMember(server, acme, 'ADMIN', { email });
    const refused = await entra('POST', '/Users', newUser(entra, email.split('@')[0]));
    expect([refused.status, refused.body.scimType]).toEqual([409, 'uniqueness']);
    expect(await standing(email)).toBe('ADMIN');
    const { body } = await entra('GET', `/Users?filter=${encodeURIComponent(`userName eq "${email}"`)}`);
    expect(body.totalResults).toBe(0);
    const other = await givenDirectory(server, acme);
    const { id, userName } = await create(other);
    expect((await entra('GET', `/Users/${id}`)).status).toBe(404);
    expect((await entra('PATCH', `/Users/${id}`, patch({ op: 'replace', path: 'active', value: false }))).status).toBe(
      404,
    );
    expect((await entra('DELETE', `/Users/${id}`)).status).toBe(404);
    expect((await entra('POST', '/Users', { userName })).status).toBe(409);
    expect(await standing(userName)).toBe('VIEWER');
  });

  test('takes over an invitation that waits for the same address', async () => {
    const email = `${unique('invited')}@${entra.domain}`;
    const input = { email, name: 'Typed Name', role: 'VIEWER' };
    await acme.owner('mutation ($input: InviteUserInput!) { inviteUser(input: $input) { role } }', { input });
    expect((await entra('POST', '/Users', newUser(entra, email.split('@')[0]))).status).toBe(201);
    expect(await standing(email)).toBe('DEVELOPER');
  });

  test('the same user name twice is refused, whatever the case', async () => {
    const { userName } = await create();
    for (const name of [userName, userName.toUpperCase()]) {
      const { status, body } = await entra('POST', '/Users', { userName: name });
      expect([status, body.scimType]).toEqual([409, 'uniqueness']);
    }
    const { id } = await create();
    const taken = await entra('PATCH', `/Users/${id}`, patch({ op: 'replace', path: 'userName', value: userName }));
    expect([taken.status, taken.body.scimType]).toEqual([409, 'uniqueness']);
  });

  test('stays within the seats', async () => {
    const full = await givenOrganization(server, 'full');
    const directory = await givenDirectory(server, full);
    await server.database.pool.queryAsLoginRole('update organization set seat_limit = 5 where id = $1', [full.id]);
    const answers = await Promise.all(Array.from({ length: 4 }, () => directory('POST', '/Users', newUser(directory))));
    expect(answers.map(({ status }) => String(status)).toSorted()).toEqual(['201', '409', '409', '409']);
    const taken = await server.database.organizationDb(full.id, byTest).membership.count({ status: 'ACTIVE' });
    expect(taken).toBe(5);
  });

  test('someone who is created inactive waits, and is let in when they become active', async () => {
    const sent = { ...newUser(), active: false };
    const { status, body } = await entra('POST', '/Users', sent);
    expect([status, body.active]).toEqual([201, false]);
    expect(await standing(sent.userName)).toBe('NOT_FOUND');
    await entra('PATCH', `/Users/${body.id}`, patch({ op: 'replace', path: 'active', value: true }));
    expect(await standing(sent.userName)).toBe('DEVELOPER');
  });

  test('whether someone has an account elsewhere makes no difference: same answer, same statements', async () => {
    const known = newUser();
    await server.as(known.userName).then((client) => client(WHO));
    const unknown = newUser();
    const statements = async (sent: object) => {
      const before = server.statements.length;
      const { status, body } = await entra('POST', '/Users', sent);
      expect(status).toBe(201);
      return [Object.keys(body), server.statements.slice(before).map(({ text }) => text)];
    };
    await entra('POST', '/Users', newUser());
    expect(await statements(known)).toEqual(await statements(unknown));
  });
});
