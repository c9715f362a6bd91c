import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { CurrentOrganization } from '../../src/context/context.js';
import { brandOrgId, brandVerifiedOrgId, newId } from '../../src/data/id.js';
import { GLOBAL_MODELS } from '../../src/data/organization/models.js';
import type { LockedDb, RequestDb, TransactionDb } from '../../src/data/organization/organization-db.js';
import { ForbiddenOperationError } from '../../src/data/organization/scope.js';
import { assertRoomForLink } from '../../src/resource/link.js';
import { assertOwnerStays } from '../../src/rights/owners.js';
import { assertSeatFree } from '../../src/rights/seats.js';
import { givenOrganization, type GivenOrganization } from '../support/given.js';
import { startServer, type TestServer } from '../support/server.js';
import { byTest } from '../support/act.js';

let server: TestServer;
let organization: GivenOrganization;
beforeAll(async () => {
  server = await startServer();
  organization = await givenOrganization(server);
});
afterAll(() => server.close());

type Program = (db: RequestDb) => unknown;

/**
 * What nobody shall be able to write. The compiler refuses each (or this file does not compile), and run time refuses
 * it again, before any SQL, for whoever gets past the compiler.
 */
const PROGRAMS: readonly [string, Program][] = [
  // @ts-expect-error another organization is no filter
  ['filter by organization', (db) => db.repository.find({ orgId: 'org_x' })],
  // @ts-expect-error undefined would be dropped, and match every row
  ['filter by undefined', (db) => db.repository.find({ id: undefined })],
  // @ts-expect-error what has no keys filters nothing
  ['a text in the place of a filter', (db) => db.repository.delete('id')],
  // @ts-expect-error relations are not filters
  ['filter by relation', (db) => db.repository.find({ organization: { name: 'x' } })],
  // @ts-expect-error nor is a list of conditions
  ['OR', (db) => db.repository.list({ where: { OR: [{ id: 'a' }] }, orderBy: { id: 'asc' }, take: 1 })],
  // @ts-expect-error nor a negation around them
  ['NOT', (db) => db.repository.count({ NOT: { id: 'a' } })],
  // @ts-expect-error text search is no filter of hot columns
  ['contains', (db) => db.repository.find({ name: { contains: 'x' } })],
  // @ts-expect-error the organization is not searched for
  ['search by organization', (db) => db.repository.count({}, { search: { text: 'org_', in: ['orgId'] } })],
  // @ts-expect-error nor is anything across a relation
  ['search across', (db) => db.agent.count({}, { search: { text: 'x', in: ['repository'] } })],
  // @ts-expect-error nor is a search a condition of another kind
  ['search by more', (db) => db.agent.count({}, { search: { text: 'x', in: ['name'], OR: [{ id: 'x' }] } })],
  // @ts-expect-error rows come without their relations
  ['include', (db) => db.repository.list({ include: { agents: true }, orderBy: { id: 'asc' }, take: 1 })],
  // @ts-expect-error and whole
  ['select', (db) => db.repository.list({ select: { agents: true }, orderBy: { id: 'asc' }, take: 1 })],
  // @ts-expect-error pages are keysets
  ['cursor', (db) => db.repository.list({ cursor: { id: 'x' }, orderBy: { id: 'asc' }, take: 1 })],
  // @ts-expect-error an order is by a column of the row
  ['order by relation', (db) => db.agent.list({ orderBy: { repository: { name: 'asc' } }, take: 1 })],
  // @ts-expect-error the organization is filled in, not chosen
  ['create elsewhere', (db) => db.repository.create({ orgId: 'org_x', id: 'rep_x', name: 'x', gitUrl: 'x' })],
  // @ts-expect-error a row never moves
  ['move', (db) => db.repository.update({ id: 'x' }, { orgId: 'org_x' })],
  // @ts-expect-error connect moves rows between organizations
  ['connect', (db) => db.agent.update({ id: 'x' }, { repository: { connect: { id: 'x' } } })],
  // @ts-expect-error nested writes go around the filter
  ['nested create', (db) => db.repository.update({ id: 'x' }, { agents: { create: { id: 'agt_x', name: 'x' } } })],
  // @ts-expect-error a value, not an operation
  ['set', (db) => db.repository.update({ id: 'x' }, { name: { set: 'x' } })],
  // @ts-expect-error JSON has two nulls
  ['filter by JSON', (db) => db.organization.find({ featureFlags: null })],
  // @ts-expect-error what rows come without is no filter either
  ['filter by what is read apart', (db) => db.run.find({ input: null })],
  // @ts-expect-error it is left out
  ['JSON that is null', (db) => db.run.update({ id: 'x' }, { output: null })],
  // @ts-expect-error a list equals a whole list
  ['list as a value', (db) => db.membership.find({ granted: ['run:read'] })],
  // @ts-expect-error no one field tells its rows apart
  ['load without a key', (db) => db.scimGroupMember.load('x')],
  // @ts-expect-error yes is not more than no
  ['more than no', (db) => db.membership.find({ mayRejoin: { gt: false } })],
];

test.each(PROGRAMS)('MUST neither compile nor run: %s', async (_name, program) => {
  const before = server.statements.length;
  const db = server.database.organizationDb(organization.id, byTest);
  await expect(async () => program(db)).rejects.toThrow(ForbiddenOperationError);
  expect(server.statements.length).toBe(before);
});

/** What the organization's own row answers to: its own id, however it is named. No other stands in for it. */
const OTHER_IDS: readonly [string, Program][] = [
  ['find', (db) => db.organization.find({ id: OTHER })],
  ['load', (db) => db.organization.load(OTHER)],
  ['list', (db) => db.organization.list({ where: { id: { in: [OTHER] } }, orderBy: { id: 'asc' }, take: 1 })],
  ['count', (db) => db.organization.count({ id: { equals: OTHER } })],
  ['count of all others', (db) => db.organization.count({ id: { not: OTHER } })],
  ['group', (db) => db.organization.group('plan', { id: OTHER })],
  ['update', (db) => db.organization.update({ id: OTHER }, { description: 'taken' })],
  ['update by a range', (db) => db.organization.update({ id: { gte: '' } }, { description: 'taken' })],
  ['delete', (db) => db.organization.delete({ id: OTHER })],
  ['delete of none', (db) => db.organization.delete({ id: { in: [] } })],
  ['delete in a transaction', (db) => db.transaction((tx) => tx.organization.delete({ id: OTHER }))],
  [
    'create',
    (db) =>
      db.organization.create({
        id: OTHER,
        name: 'Other',
        slug: 'other',
        supportAccess: 'READ',
        membershipRule: 'OPEN',
      }),
  ],
];
const OTHER = newId('org');

test.each(OTHER_IDS)(
  "MUST refuse another organization's id, and not put its own in the place: %s",
  async (_name, program) => {
    const before = server.statements.length;
    const db = server.database.organizationDb(organization.id, byTest);
    await expect(async () => program(db)).rejects.toThrow(ForbiddenOperationError);
    expect(server.statements.slice(before).filter(({ text }) => /organization/.test(text))).toEqual([]);
  },
);

test('an organization MAY name itself', async () => {
  const { id } = organization;
  const db = server.database.organizationDb(id, byTest);
  for (const found of [await db.organization.find({ id }), await db.organization.load(id)]) expect(found?.id).toBe(id);
  expect(await db.organization.count({ id: { in: [id] } })).toBe(1);
});

const MISSING: readonly [string, Program][] = [
  // @ts-expect-error unique lookups of several requests are merged into one statement
  ['findUnique', (db) => db.repository.findUnique({ where: { id: 'x' } })],
  // @ts-expect-error raw SQL
  ['$queryRaw', (db) => db.$queryRaw`select 1`],
  // @ts-expect-error raw SQL
  ['$executeRawUnsafe', (db) => db.$executeRawUnsafe('select 1')],
  // @ts-expect-error the way around an extension
  ['$parent', (db) => db.$parent.repository.findMany()],
  // @ts-expect-error another extension over this one
  ['$extends', (db) => db.$extends({})],
  // @ts-expect-error an array of operations is merged
  ['$transaction', (db) => db.$transaction([])],
  // @ts-expect-error global models have no place in an organization
  ['person', (db) => db.person.find({})],
  // @ts-expect-error global models have no place in an organization
  ['identity', (db) => db.identity.find({})],
];

test.each(MISSING)('MUST not exist: %s', (_name, program) => {
  const db = server.database.organizationDb(organization.id, byTest);
  expect(() => program(db)).toThrow(TypeError);
});

type ProgramInside = (tx: TransactionDb) => Promise<unknown>;

const ONLY_OUTSIDE: readonly [string, ProgramInside][] = [
  // @ts-expect-error pages of many parents
  ['listFor', (tx) => tx.run.listFor('agentId', 'x', { column: 'id', direction: 'asc', take: 1 })],
  // @ts-expect-error what rows come without
  ['loadApart', (tx) => tx.run.loadApart('x', 'input')],
  // @ts-expect-error a page past a row
  ['past', (tx) => tx.run.list({ orderBy: { id: 'asc' }, take: 1, past: 'x' })],
];

test.each(ONLY_OUTSIDE)('MUST neither compile nor run inside a transaction: %s', async (_name, program) => {
  const db = server.database.organizationDb(organization.id, byTest);
  await expect(db.transaction(program)).rejects.toThrow(/for reading/);
});

const UNDER_THE_LOCK: readonly ((db: RequestDb) => unknown)[] = [
  // @ts-expect-error seats are counted by one at a time
  (db) => assertSeatFree(db),
  // @ts-expect-error so are owners
  (db) => assertOwnerStays(db, OWNER, { ...OWNER, status: 'REMOVED' }),
  // @ts-expect-error so are links of whoever asks for one more
  (db) => assertRoomForLink(db, db.auditExport, MAKER),
  // @ts-expect-error a transaction alone orders nobody
  (db) => db.transaction((tx) => assertSeatFree(tx)),
];
const OWNER = { role: 'OWNER', status: 'ACTIVE' } as const;
const MAKER = { makerKind: 'PERSON', makerId: 'x' } as const;

test('what rests on the lock of the organization MUST not compile without it', async () => {
  expect(UNDER_THE_LOCK).toHaveLength(4);
  const db = server.database.organizationDb(organization.id, byTest);
  const under = (work: (locked: LockedDb) => Promise<unknown>) => db.locked(work);
  await expect(under((locked) => assertSeatFree(locked))).resolves.toBeUndefined();
  await expect(under((locked) => assertRoomForLink(locked, locked.auditExport, MAKER))).resolves.toBeUndefined();
  const last = under((locked) => assertOwnerStays(locked, OWNER, { ...OWNER, status: 'REMOVED' }));
  await expect(last).rejects.toMatchObject({ code: 'LAST_OWNER' });
});

const NO_OTHER: readonly ((db: LockedDb) => unknown)[] = [
  // @ts-expect-error it is held already
  (db) => db.locked((inside) => assertSeatFree(inside)),
  // @ts-expect-error nothing of what it orders fails alone
  (db) => db.transaction((tx) => tx.organization.get({})),
];

test('whoever holds the lock of the organization MUST find no other to take', async () => {
  const db = server.database.organizationDb(organization.id, byTest);
  await db.locked(async (held) => {
    for (const program of NO_OTHER) expect(() => program(held)).toThrow(TypeError);
  });
});

test('objects that only look like values MUST be refused', async () => {
  const db = server.database.organizationDb(organization.id, byTest);
  const bare = Object.assign(Object.create(null) as object, { contains: 'x' });
  await expect(async () => db.repository.find({ name: bare as never })).rejects.toThrow(ForbiddenOperationError);
  class Sneaky {
    readonly contains = 'x';
  }
  await expect(async () => db.repository.find({ name: new Sneaky() as never })).rejects.toThrow(
    ForbiddenOperationError,
  );
});

test.each<[string, object]>([
  ['in no field', { text: 'x', in: [] }],
  ['in whatever there is', { text: 'x' }],
  ['in the organization', { text: 'x', in: ['name'], lowered: ['orgId'] }],
  ['for nothing', { text: '', in: ['name'] }],
  ['for something else', { text: { contains: 'x' }, in: ['name'] }],
  ['in what is no text', { text: 'x', in: ['name', 'createdAt'] }],
  ['in a field that is none', { text: 'x', in: ["name' or true --"] }],
])('a search %s MUST be refused, alone, for parents, grouped and in a transaction', async (_name, search) => {
  const before = server.statements.length;
  const db = server.database.organizationDb(organization.id, byTest);
  const query = { orderBy: { id: 'asc' }, take: 1, search: search as never } as const;
  const refused: Program[] = [
    () => db.repository.list(query),
    () => db.repository.count({}, query),
    () => db.agent.listFor('repositoryId', 'rep_x', query),
    () => db.agent.countFor('repositoryId', 'rep_x', query),
    () => db.agent.group('repositoryId', {}, [], query.search),
  ];
  for (const each of refused) await expect(async () => each(db)).rejects.toThrow(ForbiddenOperationError);
  expect(server.statements.length).toBe(before);
  const held: ((tx: TransactionDb) => Promise<unknown>)[] = [
    (tx) => tx.repository.list(query),
    (tx) => tx.repository.count({}, query),
    (tx) => tx.repository.count({ id: { in: MANY } }, query),
  ];
  for (const each of held) await expect(db.transaction(each)).rejects.toThrow(ForbiddenOperationError);
});

const MANY = Array.from({ length: 200 }, String);

test('a filter for the children of parents MUST be checked as any other', async () => {
  const db = server.database.organizationDb(organization.id, byTest);
  const page = { orderBy: { id: 'asc' }, take: 1 } as const;
  for (const where of [{ orgId: OTHER }, { OR: [{ id: 'x' }] }, { name: { contains: 'x' } }, { id: undefined }]) {
    await expect(db.agent.listFor('repositoryId', 'rep_x', { ...page, where })).rejects.toThrow(
      ForbiddenOperationError,
    );
  }
  const sideways = db.agent.listFor('repositoryId', 'rep_x', { ...page, orderBy: { 'id; --': 'asc' } });
  await expect(sideways).rejects.toThrow(ForbiddenOperationError);
});

test('an organization that is empty, missing or no id MUST not open a database', () => {
  for (const orgId of ['', undefined, null]) {
    expect(() => server.database.organizationDb(orgId as never, byTest)).toThrow('the organization is empty');
  }
});

test('work that needs no membership MUST not pass for the organization of a request', () => {
  // @ts-expect-error only where a membership was read is an id verified
  const orgId: CurrentOrganization['orgId'] = brandOrgId(newId('org'));
  expect(orgId).toMatch(/^org_/);
  expect(() => brandOrgId('org_x')).toThrow(TypeError);
  expect(() => brandVerifiedOrgId('')).toThrow(TypeError);
});

test('global models MUST each have a reason', () => {
  for (const reason of Object.values(GLOBAL_MODELS)) expect(reason.length).toBeGreaterThan(20);
  expect(Object.keys(GLOBAL_MODELS)).toEqual([
    'Person',
    'Identity',
    'SignInAttempt',
    'SamlAssertionSeen',
    'KnownHost',
    'Session',
    'RefreshToken',
    'SigningKey',
    'Executor',
    'Account',
    'AccountAdministrator',
    'OrganizationSet',
    'OrganizationElsewhere',
    'OwedWork',
  ]);
});
