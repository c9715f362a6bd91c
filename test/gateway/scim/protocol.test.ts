import { beforeAll, expect, test } from '@jest/globals';
import { newId } from '../../../src/data/id.js';
import { parseFilter } from '../../../src/gateway/scim/filter.js';
import { makeScimToken } from '../../../src/secrets/scim-token.js';
import { givenOrganization, type GivenOrganization, unique } from '../../support/given.js';
import { raw } from '../../support/raw.js';
import { givenDirectory, type ScimClient, withScimToken } from '../../support/scim.js';
import { startServer, useServer } from '../../support/server.js';

const server = useServer();

let acme: GivenOrganization;
let directory: ScimClient;
beforeAll(async () => {
  acme = await givenOrganization(server);
  directory = await givenDirectory(server, acme);
});

const ERROR = 'urn:ietf:params:scim:api:messages:2.0:Error';
const create = async (to: ScimClient = directory, name = unique('jo')) =>
  (await to('POST', '/Users', { userName: `${name}@${to.domain}` })).body as { id: string; userName: string };

test.each<[string, Record<string, string>]>([
  ['application/scim+json', { 'content-type': 'application/scim+json' }],
  ['application/json', { 'content-type': 'application/json; charset=utf-8' }],
  ['application/scim+json and a length of 0', { 'content-type': 'application/scim+json', 'content-length': '0' }],
  ['application/json in no chunks', { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }],
  ['a length of 0', { 'content-length': '0' }],
])('what needs no body may have none under %s', async (_, more) => {
  const authorization = `Bearer ${directory.token}`;
  const send = async (method: string, path: string) => {
    const answer = await raw(`${server.url}/scim/v2${path}`, { method, headers: { authorization, ...more } });
    return [answer.status, answer.text === '' ? '' : JSON.parse(answer.text).scimType];
  };
  const user = await create();
  const { body: group } = await directory('POST', '/Groups', { displayName: unique('group') });
  for (const path of [`/Users/${user.id}`, `/Groups/${group.id}`]) {
    expect((await send('GET', path))[0]).toBe(200);
    expect(await send('DELETE', path)).toEqual([204, '']);
    expect((await send('GET', path))[0]).toBe(404);
    for (const method of ['POST', 'PUT', 'PATCH']) {
      const to = method === 'POST' ? path.replace(/\/[^/]+$/, '') : path;
      expect(await send(method, to)).toEqual([400, 'invalidSyntax']);
    }
  }
});

test('says what it can do, which resources it has and what is kept of them', async () => {
  expect((await directory('GET', '/ServiceProviderConfig')).body).toMatchObject({
    patch: { supported: true },
    bulk: { supported: false },
    filter: { supported: true, maxResults: 200 },
    authenticationSchemes: [{ type: 'oauthbearertoken' }],
  });
  for (const [path, ids] of [
    ['/ResourceTypes', ['User', 'Group']],
    ['/Schemas', ['urn:ietf:params:scim:schemas:core:2.0:User', 'urn:ietf:params:scim:schemas:core:2.0:Group']],
  ] as const) {
    const { body } = await directory('GET', path);
    expect(body).toMatchObject({ totalResults: 2, Resources: ids.map((id) => ({ id })) });
    for (const each of body.Resources) {
      expect((await directory('GET', `${path}/${each.id}`)).body).toEqual(each);
      expect(each.meta.location).toMatch(new RegExp(`/scim/v2${path}/${each.id}$`));
    }
  }
  const { body } = await directory('GET', '/Schemas/urn:ietf:params:scim:schemas:core:2.0:User');
  const names = body.attributes.map(({ name }: { name: string }) => name);
  expect(names).toEqual(['userName', 'externalId', 'displayName', 'name', 'active', 'emails']);
});

test('pages count from 1, are bounded, and come in one order', async () => {
  const own = await givenDirectory(server, acme);
  const ids: string[] = [];
  for (let index = 0; index < 5; index += 1) ids.push((await create(own)).id);
  const page = async (query: string) => {
    const { body } = await own('GET', `/Users?${query}`);
    expect(body.itemsPerPage).toBe(body.Resources.length);
    return [body.totalResults, body.startIndex, body.Resources.map(({ id }: { id: string }) => id)];
  };
  expect(await page('')).toEqual([5, 1, ids]);
  expect(await page('startIndex=1&count=2')).toEqual([5, 1, ids.slice(0, 2)]);
  expect(await page('startIndex=4&count=100')).toEqual([5, 4, ids.slice(3)]);
  expect(await page('startIndex=0&count=100000')).toEqual([5, 1, ids]);
  expect(await page('startIndex=99&count=2')).toEqual([5, 99, []]);
  expect(await page('count=0')).toEqual([5, 1, []]);
  expect(await page('count=-1')).toEqual([5, 1, []]);
  expect(await page('startIndex=x&count=y')).toEqual([5, 1, ids]);
  const { body } = await own('GET', '/Users?attributes=userName,emails.value&count=1');
  expect(Object.keys(body.Resources[0]).toSorted()).toEqual(['emails', 'id', 'schemas', 'userName']);
});

test.each<[string, Record<string, string>]>([
  ['userName eq "a"', { username: 'a' }],
  ['USERNAME EQ "a\\"b\\\\c\\u0041"', { username: 'a"b\\cA' }],
  ['urn:ietf:params:scim:schemas:core:2.0:User:userName eq "a"', { username: 'a' }],
  ['emails[type eq "work"].value eq "a"', { 'emails.value': 'a' }],
  ['emails[type eq "work" ].value   eq   "a]"', { 'emails.value': 'a]' }],
  ['id eq "1" and members eq "2"', { id: '1', members: '2' }],
  ['externalId eq "and x eq 1"', { externalid: 'and x eq 1' }],
  ['active eq True', { active: 'true' }],
  ['', {}],
])('reads the filter %s', (filter, expected) => expect(Object.fromEntries(parseFilter(filter))).toEqual(expected));

test.each([
  'userName',
  'userName eq',
  'userName eq a',
  'userName eq "a',
  'userName co "a"',
  'userName eq "a" or userName eq "b"',
  'not (userName eq "a")',
  'userName eq "a" and',
  'userName eq "a" userName eq "b"',
  'userName eq "a" and userName eq "b"',
  'userName eq "\\x"',
  '"a" eq userName',
  `userName eq "${'a'.repeat(5000)}"`,
  'displayName eq "a"',
  'active eq true',
  'password eq "a"',
])('refuses the filter %s, in the words of SCIM', async (filter) => {
  const { status, body } = await directory('GET', `/Users?filter=${encodeURIComponent(filter)}`);
  expect([status, body]).toEqual([
    400,
    { schemas: [ERROR], status: '400', scimType: 'invalidFilter', detail: expect.any(String) },
  ]);
});

test.each<[string, object | string, string]>([
  ['no JSON', '{"userName": "canary', 'invalidSyntax'],
  ['a list', '[]', 'invalidSyntax'],
  ['nothing', '', 'invalidSyntax'],
  ['a poisoned prototype', '{"userName":"a","__proto__":{"canary":1}}', 'invalidSyntax'],
  ['no user name', {}, 'invalidValue'],
  ['a user name that is no text', { userName: { canary: 1 } }, 'invalidValue'],
  ['a user name without an address', { userName: 'canary' }, 'invalidValue'],
  ['an address that is none', { userName: 'canary', emails: [{ value: 'canary' }] }, 'invalidValue'],
  ['a NUL', { userName: 'canary\0@acme.example' }, 'invalidValue'],
  ['something else than true or false', { userName: 'canary@acme.example', active: 'canary' }, 'invalidValue'],
])('refuses a user that is %s, and repeats nothing of it', async (_, body, scimType) => {
  const answer = await raw(`${server.url}/scim/v2/Users`, {
    method: 'POST',
    headers: { authorization: `Bearer ${directory.token}`, 'content-type': 'application/scim+json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  expect([answer.status, JSON.parse(answer.text)]).toEqual([
    400,
    { schemas: [ERROR], status: '400', scimType, detail: expect.any(String) },
  ]);
  expect(answer.headers['content-type']).toMatch(/^application\/scim\+json/);
  expect(answer.text).not.toContain('canary');
});

test.each<[string, object]>([
  ['no operations', {}],
  ['none', { Operations: [] }],
  ['an unknown one', { Operations: [{ op: 'move', path: 'active', value: 'canary' }] }],
  ['a removal of nothing', { Operations: [{ op: 'remove' }] }],
  ['a value without a path that is no object', { Operations: [{ op: 'add', value: 'canary' }] }],
  ['more than anyone sends', { Operations: Array.from({ length: 1001 }, () => ({ op: 'remove', path: 'x' })) }],
])('refuses a change with %s', async (_, body) => {
  const { id } = await create();
  const { status, body: answer } = await directory('PATCH', `/Users/${id}`, body);
  expect([status, answer.schemas]).toEqual([400, [ERROR]]);
  expect(JSON.stringify(answer)).not.toContain('canary');
});

test('a path cannot reach past the attributes', async () => {
  const { id } = await create();
  const Operations = ['__proto__.polluted', 'constructor.prototype.polluted', 'name.__proto__.polluted'].map(
    (path) => ({
      op: 'add',
      path,
      value: 'canary',
    }),
  );
  expect((await directory('PATCH', `/Users/${id}`, { Operations })).status).toBe(200);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

test('whoever has no token of a directory is refused alike; what has not the form of one, without a statement', async () => {
  const refusals = [];
  const neverMade = makeScimToken('scm_00000000000000000000000000').token;
  const wrongSecret = makeScimToken(directory.id).token;
  const before = server.statements.length;
  for (const token of ['', 'x', acme.owner.token, `${directory.token.slice(0, -1)}x`, 'og_live_x']) {
    refusals.push(await withScimToken(server, token)('GET', '/Users'));
  }
  expect(server.statements).toHaveLength(before);
  const perToken = [];
  for (const token of [neverMade, wrongSecret]) {
    const start = server.statements.length;
    refusals.push(await withScimToken(server, token)('GET', '/Users'));
    perToken.push(server.statements.slice(start).map(({ text }) => text));
  }
  expect(perToken[0]).toEqual(perToken[1]);
  for (const { status, headers, body } of refusals) {
    expect([status, body]).toEqual([401, refusals[0]?.body]);
    expect(headers.get('www-authenticate')).toContain('Bearer');
  }
  expect((await withScimToken(server, neverMade)('GET', '/Nothing')).status).toBe(401);
});

const off = { Operations: [{ op: 'replace', path: 'active', value: false }] };
test.each<[string, string, (id: string) => object | undefined]>([
  ['GET', '/Users/{user}', () => undefined],
  ['PUT', '/Users/{user}', () => ({ userName: 'stolen@acme.example' })],
  ['PATCH', '/Users/{user}', () => off],
  ['DELETE', '/Users/{user}', () => undefined],
  ['GET', '/Users?filter=id+eq+"{user}"', () => undefined],
  ['GET', '/Users?filter=userName+eq+"{userName}"', () => undefined],
  ['GET', '/Groups/{group}', () => undefined],
  ['PUT', '/Groups/{group}', () => ({ displayName: 'Stolen' })],
  ['PATCH', '/Groups/{group}', () => ({ Operations: [{ op: 'remove', path: 'members' }] })],
  ['DELETE', '/Groups/{group}', () => undefined],
  ['GET', '/Groups?filter=id+eq+"{group}"', () => undefined],
  ['GET', '/Groups?filter=members+eq+"{user}"', () => undefined],
  ['POST', '/Groups', (value) => ({ displayName: 'Theirs', members: [{ value }] })],
])('what is another organization’s is like what never was: %s %s', async (method, path, bodyOf) => {
  const globex = await givenOrganization(server, 'globex');
  const attacker = await givenDirectory(server, globex);
  const { id, userName } = await create();
  const group = (await directory('POST', '/Groups', { displayName: 'Ours', members: [{ value: id }] })).body
    .id as string;
  const look = async () => [
    (await directory('GET', `/Users/${id}`)).body,
    (await directory('GET', `/Groups/${group}`)).body,
  ];
  const before = await look();
  const ask = async (names: Record<string, string>) => {
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => names[name] as string);
    const { status, body } = await attacker(method, filled, bodyOf(names['user'] as string));
    return [status, body];
  };
  const foreign = await ask({ user: id, group, userName });
  expect(foreign).toEqual(await ask({ user: newId('scu'), group: newId('scg'), userName: `${unique('x')}@x.example` }));
  expect(await look()).toEqual(before);
});

test('a token of a directory opens nothing but SCIM', async () => {
  const answer = await server.withToken(directory.token)('{ viewer { role } }');
  expect([answer.status, answer.errors[0]?.extensions['code']]).toEqual([401, 'UNAUTHENTICATED']);
});

test('a directory whose token is not right is not told to sign in', async () => {
  const refusal = { status: '401', detail: 'Send the token of a directory as bearer token.' };
  for (const authorization of ['', 'Bearer og_scim_cut', `Bearer ${directory.token.slice(0, -1)}x`]) {
    const answer = await raw(`${server.url}/scim/v2/Users`, { headers: { authorization } });
    expect(JSON.parse(answer.text)).toMatchObject(refusal);
  }
});

test('no such path, in the words of SCIM', async () => {
  for (const path of ['/Nothing', '/Bulk', '/Me']) {
    const { status, body } = await directory('GET', path);
    expect([status, body.schemas]).toEqual([404, [ERROR]]);
  }
  expect((await directory('PATCH', '/Users', {})).status).toBe(404);
});

test('while the organization is suspended a directory reads, and changes nothing', async () => {
  const globex = await givenOrganization(server, 'globex');
  const theirs = await givenDirectory(server, globex);
  const { id } = await create(theirs);
  await server.database.pool.queryAsLoginRole(`update organization set status = 'SUSPENDED' where id = $1`, [
    globex.id,
  ]);
  expect((await theirs('GET', `/Users/${id}`)).status).toBe(200);
  expect((await theirs('DELETE', `/Users/${id}`)).status).toBe(403);
});

test('a directory that asks too often is told when to come back', async () => {
  const slow = await startServer({ env: { RATE_LIMIT_KEY: '3' } });
  try {
    const own = await givenDirectory(slow, await givenOrganization(slow));
    for (let each = 0; each < 3; each += 1) expect((await own('GET', '/Users')).status).toBe(200);
    const { status, headers, body } = await own('GET', '/Users');
    expect([status, body.status]).toEqual([429, '429']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  } finally {
    await slow.close();
  }
});

test('the log has a line for each request, with nothing of anyone in it', async () => {
  const { userName } = await create();
  await directory('GET', `/Users?filter=${encodeURIComponent(`userName eq "${userName}"`)}`);
  const lines = server.logs.filter((line) => line.includes('"msg":"scim"'));
  expect(lines.at(-1)).toMatch(
    new RegExp(`"method":"GET","route":"/scim/v2/Users","directory":"${directory.id}","status":200`),
  );
  expect(server.logs.join('')).not.toContain(userName);
  expect(server.logs.join('')).not.toContain(directory.token);
  expect(server.logs.filter((line) => line.includes('"level":50'))).toEqual([]);
});
