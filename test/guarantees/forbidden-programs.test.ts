import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ForbiddenOperationError } from '../../src/data/scope.js';
import type { OrganizationDb } from '../../src/data/organization-db.js';
import { GLOBAL_MODELS } from '../../src/data/models.js';
import { givenOrganization, type GivenOrganization } from '../support/given.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
let organization: GivenOrganization;
beforeAll(async () => {
  server = await startServer();
  organization = await givenOrganization(server);
}, 60_000);
afterAll(() => server.close());

type Program = (db: OrganizationDb) => unknown;

/**
 * What nobody shall be able to write. The compiler refuses each (or this file does not compile), and run time refuses
 * it again, before any SQL, for whoever gets past the compiler.
 */
const PROGRAMS: readonly [string, Program][] = [
  // @ts-expect-error another organization is no filter
  ['filter by organization', (db) => db.repository.find({ orgId: 'org_x' })],
  // @ts-expect-error undefined would be dropped, and match every row
  ['filter by undefined', (db) => db.repository.find({ id: undefined })],
  // @ts-expect-error relations are not filters
  ['filter by relation', (db) => db.repository.find({ organization: { name: 'x' } })],
  // @ts-expect-error nor is a list of conditions
  ['OR', (db) => db.repository.list({ where: { OR: [{ id: 'a' }] }, orderBy: { id: 'asc' }, take: 1 })],
  // @ts-expect-error nor a negation around them
  ['NOT', (db) => db.repository.count({ NOT: { id: 'a' } })],
  // @ts-expect-error text search is no filter of hot columns
  ['contains', (db) => db.repository.find({ name: { contains: 'x' } })],
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
];

test.each(PROGRAMS)('MUST neither compile nor run: %s', async (_name, program) => {
  const before = server.statements.length;
  const db = server.database.organizationDb(organization.id);
  await expect(async () => program(db)).rejects.toThrow(ForbiddenOperationError);
  expect(server.statements.length).toBe(before);
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
  const db = server.database.organizationDb(organization.id);
  expect(() => program(db)).toThrow(TypeError);
});

test('objects that only look like values MUST be refused', async () => {
  const db = server.database.organizationDb(organization.id);
  const bare = Object.assign(Object.create(null) as object, { contains: 'x' });
  await expect(async () => db.repository.find({ name: bare as never })).rejects.toThrow(ForbiddenOperationError);
  class Sneaky {
    readonly contains = 'x';
  }
  await expect(async () => db.repository.find({ name: new Sneaky() as never })).rejects.toThrow(
    ForbiddenOperationError,
  );
});

test('an organization that is empty, missing or no id MUST not open a database', () => {
  for (const orgId of ['', undefined, null]) {
    expect(() => server.database.organizationDb(orgId as never)).toThrow('the organization is empty');
  }
});

test('global models MUST each have a reason', () => {
  for (const reason of Object.values(GLOBAL_MODELS)) expect(reason.length).toBeGreaterThan(20);
  expect(Object.keys(GLOBAL_MODELS)).toEqual([
    'Person',
    'Identity',
    'SignInAttempt',
    'SamlAssertionSeen',
    'Session',
    'RefreshToken',
    'SigningKey',
  ]);
});
