import { beforeAll, describe, expect, test } from '@jest/globals';
import { inFrame, UnscopedStatementError } from '../../../src/data/connection/org-connection.js';
import { brandVerifiedOrgId, newId } from '../../../src/data/id.js';
import { createSets } from '../../../src/data/organization/change-sets.js';
import { Ids } from '../../../src/data/organization/ids.js';
import { insertRow } from '../../../src/data/organization/insert-row.js';
import { type Model, readModels } from '../../../src/data/organization/models.js';
import type { RequestDb } from '../../../src/data/organization/organization-db.js';
import { countRows, readRows, type RowQuery } from '../../../src/data/organization/read-rows.js';
import { createPrisma } from '../../../src/data/organization/scope.js';
import type { Table } from '../../../src/data/organization/table.js';
import type { AnyRow } from '../../../src/data/organization/models.js';
import { openRegistry } from '../../../src/identity/registry.js';
import { givenEverything } from '../../support/given-everything.js';
import { givenOrganization, type GivenOrganization, unique } from '../../support/given.js';
import { openTestDatabase, useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

/**
 * Outside a transaction rows are read and made by statements of our own, inside by Prisma: which of them it was, nobody
 * can tell by what comes of it.
 */
const server = useServer();

let organization: GivenOrganization;
let db: RequestDb;
const tables = (of: object) => of as unknown as Record<string, Table<AnyRow, AnyRow>>;

type Ask = (table: Table<AnyRow, AnyRow>) => Promise<unknown>;
/** What a call answers outside and inside a transaction. */
async function bothWays(model: string, ask: Ask): Promise<[unknown, unknown]> {
  const own = await ask(tables(db)[model] as Table<AnyRow, AnyRow>);
  const prisma = await db.transaction((tx) => ask(tables(tx)[model] as Table<AnyRow, AnyRow>));
  return [own, prisma];
}

beforeAll(async () => {
  organization = await givenOrganization(server);
  await givenEverything(server, organization);
  db = server.database.organizationDb(organization.id, byTest);
  const run = { agentId: organization.agentId, repositoryId: organization.repositoryId };
  const createdById = (await db.membership.list({ orderBy: { userId: 'asc' }, take: 1 }))[0]?.userId as string;
  for (const [index, status] of ['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'QUEUED'].entries()) {
    await db.run.create({
      ...run,
      id: newId('run'),
      createdById,
      status,
      input: [null, { prompt: 'Ünïcode "quoted" \\ {}' }, [1, [2]], 'text', 7][index] ?? undefined,
      error: index === 3 ? 'it failed' : null,
      totalTokens: 2n ** 40n * BigInt(index),
      startedAt: index === 0 ? null : new Date(Date.UTC(2026, 10, index, 1, 2, 3, index * 111)),
    } as never);
  }
  await db.organization.update(
    {},
    { featureFlags: { beta: [true, null, 1.5] }, allowedDomains: ['a.example', 'b"c\\d'] },
  );
});

test('rows of every model are read alike', async () => {
  const models = Object.keys(Object.getPrototypeOf(db) as object);
  expect(models.length).toBeGreaterThan(12);
  let rows = 0;
  for (const model of models) {
    const [own, prisma] = await bothWays(model, (table) => table.list({ orderBy: {}, take: 100 }));
    expect([model, own]).toEqual([model, expect.arrayContaining(prisma as unknown[])]);
    expect(own).toHaveLength((prisma as unknown[]).length);
    rows += (prisma as unknown[]).length;
  }
  expect(rows).toBeGreaterThan(20);
});

describe('lists', () => {
  const oldest = { id: 'asc' } as const;
  const at = (day: number) => new Date(Date.UTC(2026, 10, day, 1, 2, 3, day * 111));
  test.each<[string, object]>([
    ['everything', { where: {} }],
    ['by a value', { where: { status: 'QUEUED' } }],
    ['by null', { where: { error: null } }],
    ['by not null', { where: { error: { not: null } } }],
    ['by not a value', { where: { status: { not: 'QUEUED' } } }],
    ['by not a value where there is none', { where: { error: { not: 'other' } } }],
    ['by one of three', { where: { status: { in: ['RUNNING', 'FAILED', 'nothing'] } } }],
    ['by one of nothing', { where: { status: { in: [] } } }],
    ['by one of two hundred', { where: { status: { in: ['FAILED', ...Array.from({ length: 199 }, String)] } } }],
    ['by instants', { where: { startedAt: { gt: at(1), lte: at(3) } } }],
    ['by an instant', { where: { startedAt: { equals: at(2) } } }],
    ['by large numbers', { where: { totalTokens: { gte: 2n ** 41n, lt: 2n ** 42n } } }],
    ['by several at once', { where: { status: { in: ['QUEUED'] }, error: null, totalTokens: { gt: 0n } } }],
    ['none', { take: 0 }],
    ['three', { take: 3 }],
    ['after two', { take: 3, skip: 2 }],
    ['very many', { take: 5000 }],
    ['searched', { search: { text: 'FAIL', in: ['error'] } }],
    ['searched in two fields', { search: { text: 'queued', in: ['error', 'status'] } }],
    ['searched where all is lower case', { search: { text: 'FAIL', in: ['error', 'status'], lowered: ['error'] } }],
    ['searched beside a filter', { where: { status: 'RUNNING' }, search: { text: 'n', in: ['status'] } }],
    ['searched for what means any text elsewhere', { search: { text: '%', in: ['status'] } }],
    ['searched for what means any letter elsewhere', { search: { text: 'QUEUE_', in: ['status'] } }],
    ['the other way round', { orderBy: { id: 'desc' }, take: 4 }],
    ['by several keys', { orderBy: { status: 'desc', totalTokens: 'asc', id: 'desc' } }],
  ])('are alike: %s', async (_, query) => {
    const [own, prisma] = await bothWays('run', (table) => table.list({ orderBy: oldest, take: 50, ...query }));
    expect(own).toEqual(prisma);
    const { where, search } = { where: {}, search: undefined, ...query } as { where: object; search?: never };
    const more = search && { search };
    const [counted, byPrisma] = await bothWays('run', (table) => table.count(where, more));
    expect(counted).toBe(byPrisma);
    const anew = await tables(db)['run']?.list({ orderBy: oldest, take: 50, ...query, isPlannedAnew: true });
    expect(anew).toEqual(own);
  });

  test.each<[string, string, object]>([
    ['by a list of texts', 'organization', { allowedDomains: { equals: ['a.example', 'b"c\\d'] } }],
    ['by yes and no', 'membership', { mayRejoin: false, status: 'REMOVED' }],
    ['nothing', 'repository', { id: 'rep_nothing' }],
  ])('and single rows: %s', async (_, model, where) => {
    const [own, prisma] = await bothWays(model, (table) => table.find(where));
    expect(own).toEqual(prisma);
  });
});

describe('without an organization', () => {
  const model = () => readModels(createPrisma(server.database.pool)).get('Repository') as Model;

  test.each([undefined, null, ''])('nothing is read or made, and no statement sent: %j', async (orgId) => {
    const before = server.statements.length;
    // The frame has one: the statement itself must.
    const frame = { role: 'orgate_app', orgId: organization.id } as const;
    const row = { orgId, id: newId('rep'), name: 'x', gitUrl: 'https://git.example/x' };
    for (const where of [{ orgId }, { orgId, id: 'x' }]) {
      const read = inFrame(frame, () => readRows(server.database.pool, model(), { where } as RowQuery));
      await expect(read).rejects.toThrow(UnscopedStatementError);
    }
    const made = inFrame(frame, () => insertRow(server.database.pool, model(), row));
    await expect(made).rejects.toThrow(UnscopedStatementError);
    const counted = inFrame(frame, () => countRows(server.database.pool, model(), { where: { orgId } }));
    await expect(counted).rejects.toThrow(UnscopedStatementError);
    expect(server.statements.length).toBe(before);
  });

  test.each([undefined, null, ''])(
    'nor many at once, whatever the check before them let through: %j',
    async (orgId) => {
      const before = server.statements.length;
      const frame = { role: 'orgate_app', orgId: organization.id } as const;
      const where = { orgId, id: 'x' };
      const row = { orgId, id: newId('rep'), name: 'x', gitUrl: 'https://git.example/x' };
      const sets = createSets(
        (statement) => inFrame(frame, () => server.database.pool.query(statement)),
        (_model, _operation, args) => ({ ...args, where, ...('data' in args && { data: row }) }),
      );
      const tries = [
        () => sets.insert(model(), [row]),
        () => sets.insertEach(model(), 'id', Ids.of(['x']), row),
        () => sets.ids(model(), 'id', {}),
        () => sets.idsBy(model(), 'name', 'id', {}, 5),
        () => sets.update(model(), {}, { name: 'x' }),
        () => sets.delete(model(), {}),
        () => sets.count(model(), {}),
        () => sets.rows(model(), {}),
      ];
      // One after the other: each has to be refused by itself.
      for (const attempt of tries) await expect((async () => attempt())()).rejects.toThrow(UnscopedStatementError);
      expect(server.statements.length).toBe(before);
    },
  );
});

describe('what was read before a change is read anew after it', () => {
  const GIT = 'https://git.example/r';
  const nameOf = async (id: string) => (await db.repository.load(id))?.name;

  test('after create, update and delete', async () => {
    const id = newId('rep');
    expect(await nameOf(id)).toBeUndefined();
    await db.repository.create({ id, name: unique('first'), gitUrl: GIT });
    expect(await nameOf(id)).toMatch(/^first/);
    await db.repository.update({ id }, { name: unique('second') });
    expect(await nameOf(id)).toMatch(/^second/);
    await db.repository.delete({ id });
    expect(await nameOf(id)).toBeUndefined();
  });

  test('after a transaction, whether it was committed or not', async () => {
    const { id } = await db.repository.create({ id: newId('rep'), name: unique('first'), gitUrl: GIT });
    expect(await nameOf(id)).toMatch(/^first/);
    await db.transaction(async (tx) => {
      await tx.repository.update({ id }, { name: unique('second') });
      expect((await tx.repository.load(id))?.name).toMatch(/^second/);
      await tx.repository.update({ id }, { name: unique('third') });
      expect((await tx.repository.load(id))?.name).toMatch(/^third/);
    });
    expect(await nameOf(id)).toMatch(/^third/);
    const undone = db.transaction(async (tx) => {
      await tx.repository.update({ id }, { name: unique('fourth') });
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    expect(await nameOf(id)).toMatch(/^third/);
  });

  test('by each of several mutations of one document', async () => {
    const change = (alias: string) =>
      `${alias}: updateOrganization(input: { description: "${alias}" }) { description }`;
    const { data } = await organization.owner(`mutation { ${['one', 'two', 'three'].map(change).join(' ')} }`);
    expect(data).toEqual({ one: { description: 'one' }, two: { description: 'two' }, three: { description: 'three' } });
  });
});

test.each(['40001', '40P01'])('what loses to another transaction (%s) is CONFLICT, whoever sent it', async (state) => {
  const database = await openTestDatabase({ ownDatabase: true });
  try {
    await database.pool.queryAsLoginRole(
      `create function lose() returns trigger language plpgsql as $$ begin raise 'lost' using errcode = '${state}'; end $$`,
    );
    await database.pool.queryAsLoginRole('create trigger lose before insert on repository execute function lose()');
    const owner = {
      id: newId('usr'),
      email: 'o@o.example',
      name: 'O',
      systemRole: 'USER',
      status: 'ACTIVE',
    } as const;
    const made = { name: 'O', slug: 'losers', description: '' };
    const { id } = await database.outside(openRegistry).createOrganization({ ...owner, defaultOrgId: null }, made);
    const own = database.organizationDb(brandVerifiedOrgId(id), byTest);
    const row = () => ({ id: newId('rep'), name: 'x', gitUrl: 'https://git.example/x' });
    await expect(own.repository.create(row())).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(own.transaction((tx) => tx.repository.create(row()))).rejects.toMatchObject({ code: 'CONFLICT' });
  } finally {
    await database.close();
  }
});

describe('rows are made alike', () => {
  const MINTED = ['id', 'name', 'createdAt', 'updatedAt', 'email', 'userId'];
  const masked = (row: unknown) =>
    Object.fromEntries(
      Object.entries(row as AnyRow).map(([key, value]) => [key, MINTED.includes(key) ? typeof value : value]),
    );

  test.each<[string, () => AnyRow]>([
    ['repository', () => ({ id: newId('rep'), name: unique('r'), gitUrl: 'https://git.example/r' })],
    [
      'membership',
      () => ({
        userId: newId('svc'),
        email: newId('svc'),
        name: unique('m'),
        kind: 'SERVICE_ACCOUNT',
        role: 'VIEWER',
        status: 'ACTIVE',
        joinedAt: new Date(Date.UTC(2026, 1, 3)),
        granted: ['run:read'],
      }),
    ],
    ['run', () => ({ id: newId('run'), createdById: undefined, input: { a: [1, null] }, totalTokens: 5n })],
  ])('%s', async (model, data) => {
    const createdById = (await db.membership.list({ orderBy: { userId: 'asc' }, take: 1 }))[0]?.userId;
    const [own, prisma] = await bothWays(model, (table) => {
      const row = data();
      return table.create('createdById' in row ? { ...row, createdById } : row);
    });
    expect(masked(own)).toEqual(masked(prisma));
    expect((own as AnyRow)['createdAt']).toBeInstanceOf(Date);
  });

  test('a name that is taken, and a reference to what is not there, are refused alike', async () => {
    const { name } = await db.repository.get({ id: organization.repositoryId });
    const refused = (model: string, row: AnyRow) =>
      bothWaysRefused(model, (table) => table.create({ ...row, id: newId('x' as never) }));
    await refused('repository', { name, gitUrl: 'https://git.example/r' });
    await refused('agent', { name: unique('a'), repositoryId: 'rep_nothing' });
  });

  async function bothWaysRefused(model: string, ask: Ask): Promise<void> {
    const caught = (work: Promise<unknown>) =>
      work.then(
        () => 'made',
        ({ code, message, detail }: Record<string, unknown>) => ({ code, message, detail }),
      );
    const own = await caught(ask(tables(db)[model] as Table<AnyRow, AnyRow>));
    const prisma = await caught(db.transaction((tx) => ask(tables(tx)[model] as Table<AnyRow, AnyRow>)));
    expect(own).toEqual(prisma);
    expect(own).toMatchObject({ code: expect.stringMatching(/^(CONFLICT|NOT_FOUND)$/) });
  }
});

test('rows that no one field tells apart are changed at once, too', async () => {
  expect(await db.scimGroupMember.updateMany({ groupId: 'scg_nothing' }, { scimUserId: 'scu_nothing' })).toBe(0);
  const inside = db.transaction((tx) => tx.scimGroupMember.updateMany({ groupId: 'scg_nothing' }, { groupId: 'x' }));
  expect(await inside).toBe(0);
});

test('what others refer to is not deleted, one or many: CONFLICT, and it is there', async () => {
  const { repositoryId: id } = organization;
  const conflict = { code: 'CONFLICT', message: 'Something else still names this.' };
  for (const where of [{ id }, { id: { in: Ids.of([id]) } }]) {
    await expect(db.repository.delete(where)).rejects.toMatchObject(conflict);
    await expect(db.transaction((tx) => tx.repository.delete(where))).rejects.toMatchObject(conflict);
  }
  expect(await db.repository.find({ id })).toMatchObject({ id });
});
