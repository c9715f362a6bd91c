import { createHash } from 'node:crypto';
import { expect, jest, test } from '@jest/globals';
import { createLocalJWKSet, compactVerify } from 'jose';
import type { QueryConfig } from 'pg';
import type { Outside } from '../../../src/data/connection/outside.js';
import { ScopedPool } from '../../../src/data/connection/org-connection.js';
import { DIGESTED } from '../../../src/domains/audit-entry/chain.js';
import { openEntryWriter, openSealing, type RecordOf, type Sealing } from '../../../src/domains/audit-entry/outside.js';
import { createSealRecords } from '../../../src/domains/audit-entry/seal-record.js';
import { brandOrgId, newId, type OrgId } from '../../../src/data/id.js';
import { byTest } from '../../support/act.js';
import { givenKey } from '../../support/api-key.js';
import { givenOrganization, personId, unique } from '../../support/given.js';
import { describeIsolation, fromCursor, never } from '../../support/isolation.js';
import { codeOf, isPostgres, useServer } from '../../support/server.js';

const server = useServer();

const unheard = { sealed: () => undefined };

const LOG = `query ($filter: AuditEntryFilter) { auditLog(first: 50, filter: $filter) { totalCount nodes {
  id sequence at actor { kind id name } onBehalfOf action outcome targetType targetId targetName
  changes { path before after } reason requestId address hash } } }`;
const CREATE = 'mutation ($input: CreateRepositoryInput!) { createRepository(input: $input) { id } }';
const CHAIN =
  'query ($from: SafeInt, $to: SafeInt) { verifyAuditChain(from: $from, to: $to) { ok headSequence headHash checked firstBad problem } }';

const seal = (orgId: OrgId) => server.database.outside(openSealing).seal(orgId, 1000);

test('a change is told with who made it, what it changed and by which request', async () => {
  const { admin, developer } = await givenOrganization(server);
  const name = unique('bots');
  const made = await developer(CREATE, { input: { name, gitUrl: 'https://git.example/bots.git' } });
  const { id } = made.data.createRepository;
  await developer('mutation ($input: UpdateRepositoryInput!) { updateRepository(input: $input) { id } }', {
    input: { id, branch: 'next' },
  });
  await developer('mutation ($id: ID!) { deleteRepository(id: $id) }', { id });
  const { data } = await admin(LOG, { filter: { targetId: id } });
  const person = { kind: 'PERSON', id: await personId(developer), name: expect.any(String) };
  const told = { actor: person, outcome: 'DONE', targetType: 'repository', targetId: id, targetName: name };
  expect(data.auditLog.nodes).toMatchObject([
    { ...told, action: 'repository.deleted' },
    { ...told, action: 'repository.updated', changes: [{ path: 'branch', before: 'main', after: 'next' }] },
    { ...told, action: 'repository.created', requestId: made.headers.get('x-request-id'), address: '127.0.0.1' },
  ]);
});

test('what a key does is told of the key, and in whose name; its secret never', async () => {
  const { owner, admin, developer } = await givenOrganization(server);
  const key = await givenKey(server, developer, ['repository:create']);
  await key.client(CREATE, { input: { name: unique('bots'), gitUrl: 'https://git.example/bots.git' } });
  const { data, text } = await admin(LOG, { filter: { actorId: key.id } });
  expect(data.auditLog.nodes).toMatchObject([
    { actor: { kind: 'API_KEY', id: key.id, name: 'CI' }, onBehalfOf: await personId(developer) },
  ]);
  const made = await owner(LOG, { filter: { action: 'api_key.created', targetId: key.id } });
  expect(made.data.auditLog.nodes[0].changes).toContainEqual({ path: 'secret_hash', before: null, after: '***' });
  expect(text + made.text).not.toContain(key.secret);
});

test('a word that no action has is refused, with those that there are', async () => {
  const { admin } = await givenOrganization(server);
  const told = async (action: string) => {
    const { errors } = await admin(LOG, { filter: { action } });
    return [errors[0]?.extensions['code'], errors[0]?.extensions['argument'], errors[0]?.message];
  };
  const refused = ['BAD_USER_INPUT', 'filter.action'];
  expect(await told('repository.create')).toEqual([
    ...refused,
    'There is no such action. There are repository.created, repository.updated, repository.deleted, repository.read.',
  ]);
  expect(await told('login')).toEqual([...refused, expect.stringMatching(/begins with one of person, identity, /)]);
});

test('while many entries are sealed, others have their turn', async () => {
  const { id: orgId } = await givenOrganization(server);
  while ((await seal(orgId)) > 0);
  const members = Array.from({ length: 100 }, () => unique('usr'));
  const entry = { act: byTest, action: 'scim_group.members_added', outcome: 'DONE' } as const;
  const entries = Array.from({ length: 500 }, () => ({ ...entry, changes: { members: [null, members] as const } }));
  await server.database.outside(openEntryWriter)(orgId, entries);

  let turns = 0;
  const between: number[] = [];
  const { pool } = server.database;
  const count = () => {
    turns += 1;
    if (between.length < 2) setImmediate(count);
  };
  const query = jest.spyOn(pool, 'query').mockImplementation((async (statement: QueryConfig) => {
    if (/^\s*with sealed/.test(statement.text)) between.push(turns);
    const result = await ScopedPool.prototype.query.call(pool, statement);
    if (between.length === 0) between.push(turns);
    return result;
  }) as typeof pool.query);
  try {
    setImmediate(count);
    expect(await seal(orgId)).toBe(500);
  } finally {
    query.mockRestore();
  }
  const [read = 0, sealed = 0] = between;
  expect(sealed - read).toBeGreaterThan(1);
});

test('entries are sealed in order, and whoever alters, takes or swaps one is found out', async () => {
  const { id: orgId, admin, developer } = await givenOrganization(server);
  for (const name of ['a', 'b', 'c'])
    await developer(CREATE, { input: { name: unique(name), gitUrl: 'https://git.example/x.git' } });
  await seal(orgId);
  const { data } = await admin(CHAIN);
  const { headSequence } = data.verifyAuditChain;
  expect(data.verifyAuditChain).toMatchObject({ ok: true, checked: headSequence, firstBad: null, problem: null });
  const log = (await admin(LOG)).data.auditLog;
  expect(log.totalCount).toBe(headSequence);
  // No two salts are alike, of whatever entries and fields.
  const { rows: salts } = await server.database.pool.queryAsLoginRole(
    `select count(*)::int as all, count(distinct salt)::int as "unlike" from audit_seal, jsonb_array_elements_text(salts) as salt
     where org_id = $1 and salt is not null`,
    [orgId],
  );
  expect(salts[0]).toEqual({ all: expect.any(Number), unlike: salts[0]?.['all'] });
  expect(log.nodes.map(({ sequence }: { sequence: number }) => sequence)).toEqual(
    Array.from({ length: Math.min(headSequence, 50) }, (_, index) => headSequence - index),
  );
  expect(await damaged(orgId, headSequence - 1, async () => (await admin(CHAIN)).data.verifyAuditChain)).toEqual([
    [false, headSequence - 1, 'ALTERED'],
    [false, headSequence - 1, 'MISSING'],
    [false, headSequence - 1, 'REORDERED'],
  ]);
});

interface Found {
  readonly ok: boolean;
  readonly firstBad: number | null;
  readonly problem: string | null;
}

/** What is found of a place of a chain that is altered, taken and swapped with the next one. */
async function damaged(of: string, place: number, verify: () => Promise<Found>): Promise<unknown[]> {
  const AT = '(select number from audit_seal where org_id = $1 and sequence = $2)';
  const swap = `with two as (select * from audit_seal where org_id = $1 and sequence between $2 and $2 + 1)
    update audit_seal s set number = -t.number, hash = t.hash, salts = t.salts from two t
    where s.org_id = $1 and t.sequence = 2 * $2 + 1 - s.sequence`;
  const swapped = `update audit_seal set number = abs(number) where org_id = $1 and sequence between $2 and $2 + 1`;
  const entry = (set: string, number = AT) => `update audit_entry set ${set} where org_id = $1 and number = ${number}`;
  const ways = [
    [[entry(`action = 'x' || action`)], [entry('action = substr(action, 2)')]],
    [[entry('number = -number')], [entry('number = -number', `- ${AT}`)]],
    [
      [swap, swapped],
      [swap, swapped],
    ],
  ] as const;
  const found: unknown[] = [];
  for (const [damage, mend] of ways) {
    for (const text of damage) await server.database.pool.queryAsLoginRole(text, [of, place]);
    const { ok, firstBad, problem } = await verify();
    for (const text of mend) await server.database.pool.queryAsLoginRole(text, [of, place]);
    expect((await verify()).ok).toBe(true);
    found.push([ok, firstBad, problem]);
  }
  return found;
}

test('an entry that is taken before it was sealed is found out, and what follows is sealed', async () => {
  const { id: orgId, admin, developer } = await givenOrganization(server);
  await seal(orgId);
  const { headSequence } = (await admin(CHAIN)).data.verifyAuditChain;
  for (const name of ['a', 'b', 'c'])
    await developer(CREATE, { input: { name: unique(name), gitUrl: 'https://git.example/x.git' } });
  await server.database.pool.queryAsLoginRole(
    `delete from audit_entry where org_id = $1 and number = (
       select number from audit_unsealed where org_id = $1 order by number offset 1 limit 1)`,
    [orgId],
  );
  await seal(orgId);
  expect((await admin(CHAIN)).data.verifyAuditChain).toMatchObject({
    ok: false,
    headSequence: headSequence + 3,
    firstBad: headSequence + 2,
    problem: 'MISSING',
  });
  expect((await admin(CHAIN, { from: headSequence + 3 })).data.verifyAuditChain).toMatchObject({
    ok: true,
    checked: 1,
  });
  // Its place has a hash of its own, which what follows hangs on.
  const { rows: hashes } = await server.database.pool.queryAsLoginRole(
    'select distinct hash from audit_seal where org_id = $1 and sequence > $2',
    [orgId, headSequence],
  );
  expect(hashes).toHaveLength(3);
  const waiting = 'select from audit_unsealed where org_id = $1';
  expect((await server.database.pool.queryAsLoginRole(waiting, [orgId])).rowCount).toBe(0);
});

test('a checkpoint says by signature how long the record was', async () => {
  const { id: orgId, admin } = await givenOrganization(server);
  await seal(orgId);
  const { auditCheckpoint } = (await admin('{ auditCheckpoint }')).data;
  const jwks = await (await fetch(`${server.url}/.well-known/jwks.json`)).json();
  const { payload } = await compactVerify(auditCheckpoint, createLocalJWKSet(jwks as { keys: [] }));
  const { headSequence, headHash } = (await admin(CHAIN)).data.verifyAuditChain;
  expect(JSON.parse(new TextDecoder().decode(payload))).toEqual({
    organizationId: orgId,
    sequence: headSequence,
    hash: headHash,
    at: expect.any(String),
  });
});

test('whoever has several organizations names the one whose record they read: a stored default is not enough', async () => {
  const acme = await givenOrganization(server);
  await acme.admin(`mutation { createOrganization(input: { name: "Other", slug: "${unique('other')}" }) { id } }`);
  await acme.admin('mutation ($id: ID!) { setDefaultOrganization(organizationId: $id) { user { id } } }', {
    id: acme.id,
  });
  const unnamed = await server.as(acme.admin.email);
  for (const query of ['{ auditLog { totalCount } }', '{ verifyAuditChain { ok } }', '{ auditCheckpoint }']) {
    expect(codeOf(await unnamed(query))).toBe('ORG_CONTEXT_REQUIRED');
    expect((await unnamed(query, {}, { 'x-organization-id': acme.slug })).errors).toEqual([]);
  }
  expect(codeOf(await unnamed('mutation { exportAudit(input: { format: CSV }) { url } }'))).toBe(
    'ORG_CONTEXT_REQUIRED',
  );
});

test('a DEVELOPER reads none of it', async () => {
  const { developer } = await givenOrganization(server);
  for (const query of ['{ auditLog { totalCount } }', '{ verifyAuditChain { ok } }', '{ auditCheckpoint }'])
    expect(codeOf(await developer(query))).toBe('FORBIDDEN');
});

test('what waits is sealed of every organization, however many wait before it', async () => {
  const { id, admin } = await givenOrganization(server);
  const seal = createSealRecords();
  const signal = new AbortController().signal;
  const isSealed = async () => ((await admin(CHAIN)).data.verifyAuditChain.headSequence as number) > 0;
  for (let rounds = 0; rounds < 100 && !(await isSealed()); rounds += 1)
    await seal(server.database.outside, unheard, signal);
  expect(await isSealed()).toBe(true);
  const { rows } = await server.database.pool.queryAsLoginRole('select from audit_unsealed where org_id = $1', [id]);
  expect(rows).toEqual([]);
});

test('a round that is cut short leaves what it did not come to to the next', async () => {
  const records = Array.from({ length: 200 }, () => brandOrgId(newId('org'))).toSorted();
  const sealed: RecordOf[] = [];
  const stopping = new AbortController();
  const sealing: Sealing = {
    listWaiting: async (behind, most) => records.filter((id) => behind === null || id > behind).slice(0, most),
    seal: async (of) => {
      sealed.push(of);
      if (sealed.length === 2) stopping.abort();
      return 0;
    },
  };
  const outside = (() => sealing) as unknown as Outside;
  const seal = createSealRecords();
  await seal(outside, unheard, stopping.signal);
  expect(sealed).toEqual(records.slice(0, 2));
  await seal(outside, unheard, new AbortController().signal);
  expect(new Set(sealed)).toEqual(new Set(records));
});

test('of several that seal at once each place is taken once', async () => {
  const { id, admin, developer } = await givenOrganization(server);
  for (let times = 0; times < 20; times += 1)
    await developer(CREATE, { input: { name: unique('r'), gitUrl: 'https://git.example/x.git' } });
  await Promise.all(Array.from({ length: 4 }, () => seal(id)));
  await seal(id);
  const { ok, headSequence, checked } = (await admin(CHAIN)).data.verifyAuditChain;
  expect([ok, checked]).toEqual([true, headSequence]);
  expect(headSequence).toBeGreaterThan(20);
});

test('what belongs to no organization is read by a SYSTEM_ADMIN, sealed, and by nobody else', async () => {
  const { owner } = await givenOrganization(server);
  const id = await personId(owner);
  await owner('mutation ($id: ID) { setDefaultOrganization(organizationId: $id) { role } }', { id: null });
  const sam = await server.as(`${unique('sam')}@orgate.example`);
  const LOG_OF_ALL = `query ($filter: AuditEntryFilter, $after: String) { deploymentLog(first: 1, after: $after, filter: $filter) {
    totalCount pageInfo { endCursor } nodes { id sequence hash action actor { kind id name } targetId changes { path before after } } } }`;
  expect(codeOf(await owner(LOG_OF_ALL))).toBe('FORBIDDEN');
  expect(codeOf(await sam(LOG_OF_ALL))).toBe('FORBIDDEN');
  await server.database.pool.queryAsLoginRole(`update person set system_role = 'SYSTEM_ADMIN' where id = $1`, [
    await personId(sam),
  ]);
  const sealing = server.database.outside(openSealing);
  while ((await sealing.seal('', 1000)) > 0);
  const filter = { targetId: id };
  const { data } = await sam(LOG_OF_ALL, { filter });
  const [made] = data.deploymentLog.nodes;
  expect([made.action, made.targetId, typeof made.sequence, typeof made.hash]).toEqual([
    'person.created',
    id,
    'number',
    'string',
  ]);
  expect(
    (await sam(LOG_OF_ALL, { filter: { ...filter, action: 'person.updated' } })).data.deploymentLog.totalCount,
  ).toBe(0);
  expect((await sam(LOG_OF_ALL, { filter: { action: 'person.update' } })).errors[0]?.extensions['argument']).toBe(
    'filter.action',
  );
  const all = await sam(LOG_OF_ALL);
  const { endCursor: after } = all.data.deploymentLog.pageInfo;
  const next = await sam(LOG_OF_ALL, { after });
  expect(next.data.deploymentLog.nodes[0].id).not.toBe(all.data.deploymentLog.nodes[0].id);
  const { rows } = await server.database.pool.queryAsLoginRole(
    `select count(*)::int as n from audit_entry where org_id <> '' and (target_type in ('person', 'identity', 'signing_key')
       or action like 'system_admin.%')`,
  );
  expect(rows).toEqual([{ n: 0 }]);
});

test('entries of one moment come in the order in which they were made, once each, while others come in and all are sealed', async () => {
  const { id: orgId, admin, developer } = await givenOrganization(server);
  const sql = (text: string) => server.database.pool.queryAsLoginRole(text, [orgId]);
  await sql(
    `with act as materialized (select set_config('app.act', '{"kind":"SYSTEM","name":"test"}', true))
     insert into repository (org_id, id, name, git_url)
     select $1, 'rep_' || gen_random_uuid(), 'r' || i, 'https://git.example/x' from act, generate_series(1, 250) i`,
  );
  // The embedded database knows milliseconds only: of one, there, the order is any, and stays.
  const order = isPostgres ? 'number desc' : 'at desc, id desc';
  const { rows } = await sql(`select id from audit_entry where org_id = $1 order by ${order}`);
  const PAGE = `query ($after: String) { auditLog(first: 30, after: $after) { nodes { id } pageInfo { endCursor hasNextPage } } }`;
  const page = (behind: string | null) => admin(PAGE, { after: behind });
  const read: string[] = [];
  const cursors: (string | null)[] = [null];
  for (const after of cursors) {
    const { nodes, pageInfo } = (await page(after)).data.auditLog;
    read.push(...nodes.map(({ id }: { id: string }) => id));
    if (pageInfo.hasNextPage) cursors.push(pageInfo.endCursor);
    await developer(CREATE, { input: { name: unique('later'), gitUrl: 'https://git.example/x.git' } });
    await seal(orgId);
  }
  expect(read).toEqual(rows.map(({ id }: { id: string }) => id));
});

test('the record of the deployment is verified and signed like any other, for a SYSTEM_ADMIN and nobody else', async () => {
  const { owner } = await givenOrganization(server);
  const sam = await server.as(`${unique('sam')}@orgate.example`);
  const VERIFY = `query ($from: SafeInt, $to: SafeInt) {
    verifyDeploymentChain(from: $from, to: $to) { ok headSequence headHash checked firstBad problem } }`;
  for (const query of [VERIFY, '{ deploymentCheckpoint }'])
    expect([codeOf(await owner(query)), codeOf(await sam(query))]).toEqual(['FORBIDDEN', 'FORBIDDEN']);
  await server.database.pool.queryAsLoginRole(`update person set system_role = 'SYSTEM_ADMIN' where id = $1`, [
    await personId(sam),
  ]);
  const sealing = server.database.outside(openSealing);
  while ((await sealing.seal('', 1000)) > 0);
  const verify = async (from = 1, to: number | null = null) =>
    (await sam(VERIFY, { from, to })).data.verifyDeploymentChain;
  const { headSequence } = await verify();
  expect(headSequence).toBeGreaterThan(2);
  const from = Math.max(headSequence - 20, 1);
  expect(await verify(from, headSequence)).toMatchObject({ ok: true, checked: headSequence - from + 1, problem: null });
  expect(await damaged('', headSequence - 1, () => verify(from, headSequence))).toEqual([
    [false, headSequence - 1, 'ALTERED'],
    [false, headSequence - 1, 'MISSING'],
    [false, headSequence - 1, 'REORDERED'],
  ]);
  const { deploymentCheckpoint } = (await sam('{ deploymentCheckpoint }')).data;
  const jwks = await (await fetch(`${server.url}/.well-known/jwks.json`)).json();
  const { payload } = await compactVerify(deploymentCheckpoint, createLocalJWKSet(jwks as { keys: [] }));
  const said = JSON.parse(new TextDecoder().decode(payload)) as { sequence: number; hash: string };
  expect(said).toEqual({
    organizationId: null,
    sequence: expect.any(Number),
    hash: expect.any(String),
    at: expect.any(String),
  });
  const { data } = await sam('{ deploymentLog(first: 100) { nodes { sequence hash } } }');
  expect(data.deploymentLog.nodes).toContainEqual({ sequence: said.sequence, hash: said.hash });
});

const FOR_ADMINISTRATORS = 'only system administrators may ask, who are no members of anything by that';
const ofDeployment = (field: string) =>
  `query ($value: ID) { deploymentLog(first: 20, filter: { ${field}: $value }) { totalCount nodes { action targetName } } }`;

const FILTERED = (field: string) =>
  `query ($value: ID) { auditLog(first: 20, filter: { ${field}: $value }) { totalCount nodes { action targetName } } }`;

test('a personal detail goes with its salt, the chain still verifies, and nothing is put in its place', async () => {
  const { id: orgId, admin } = await givenOrganization(server);
  await seal(orgId);
  const sql = (text: string, ...values: unknown[]) => server.database.pool.queryAsLoginRole(text, [orgId, ...values]);
  const of = `e.org_id = $1 and s.org_id = $1 and e.number = s.number and s.sequence = 1`;
  const { rows } = await sql(`select e.actor_name as name, s.salts from audit_entry e, audit_seal s where ${of}`);
  const [{ name, salts }] = rows as [{ name: string; salts: string[] }];
  const place = DIGESTED.indexOf('actorName');
  const digest = createHash('sha256')
    .update(`${salts[place]}${JSON.stringify(name)}`)
    .digest('base64url');
  await sql(`update audit_seal s set salts = jsonb_set(salts, array[$2], $3) from audit_entry e where ${of}`, place, {
    digest,
  });
  const verify = async () => (await admin(CHAIN)).data.verifyAuditChain;
  expect(await verify()).toMatchObject({ ok: false, firstBad: 1, problem: 'ALTERED' });
  await sql(`update audit_entry e set actor_name = null from audit_seal s where ${of}`);
  expect(await verify()).toMatchObject({ ok: true });
  await sql(`update audit_entry e set actor_name = 'Mallory' from audit_seal s where ${of}`);
  expect(await verify()).toMatchObject({ ok: false, firstBad: 1, problem: 'ALTERED' });
});

const EXPORTED = (field: string) =>
  `mutation ($value: ID) { exportAudit(input: { format: CSV, filter: { ${field}: $value } }) { __typename } }`;

describeIsolation({
  'Mutation.exportAudit.input.filter.actorId': {
    query: EXPORTED('actorId'),
    foreign: ({ ownerId }) => ownerId,
    unknown: never('usr'),
    variables: (value) => ({ value }),
    uncontrolled: 'a link is made whatever it leads to; what it leads to is tried in its own test',
  },
  'Mutation.exportAudit.input.filter.targetId': {
    query: EXPORTED('targetId'),
    foreign: ({ repositoryId }) => repositoryId,
    unknown: never('rep'),
    variables: (value) => ({ value }),
    uncontrolled: 'a link is made whatever it leads to; what it leads to is tried in its own test',
  },
  'Query.auditLog.after': fromCursor('after', 'auditLog', 'auditLog AT DESC', '2100-01-01T00:00:00.000Z', 'aud_z'),
  'Query.auditLog.before': fromCursor('before', 'auditLog', 'auditLog AT DESC', '2000-01-01T00:00:00.000Z', 'aud_'),
  'Query.auditLog.filter.actorId': {
    query: FILTERED('actorId'),
    foreign: ({ ownerId }) => ownerId,
    unknown: never('usr'),
    variables: (value) => ({ value }),
  },
  'Query.auditLog.filter.targetId': {
    query: FILTERED('targetId'),
    foreign: ({ repositoryId }) => repositoryId,
    unknown: never('rep'),
    variables: (value) => ({ value }),
  },
  'Query.deploymentLog.after': {
    ...fromCursor('after', 'deploymentLog', 'deploymentLog AT DESC', '2100-01-01T00:00:00.000Z', 'aud_z'),
    uncontrolled: FOR_ADMINISTRATORS,
  },
  'Query.deploymentLog.before': {
    ...fromCursor('before', 'deploymentLog', 'deploymentLog AT DESC', '2000-01-01T00:00:00.000Z', 'aud_'),
    uncontrolled: FOR_ADMINISTRATORS,
  },
  'Query.deploymentLog.filter.actorId': {
    query: ofDeployment('actorId'),
    foreign: ({ ownerId }) => ownerId,
    unknown: never('usr'),
    variables: (value) => ({ value }),
    uncontrolled: FOR_ADMINISTRATORS,
  },
  'Query.deploymentLog.filter.targetId': {
    query: ofDeployment('targetId'),
    foreign: ({ ownerId }) => ownerId,
    unknown: never('usr'),
    variables: (value) => ({ value }),
    uncontrolled: FOR_ADMINISTRATORS,
  },
});
