import { expect, test } from '@jest/globals';
import { readingOnly } from '../../../src/data/connection/org-connection.js';
import { newId } from '../../../src/data/id.js';
import { openRegistry } from '../../../src/identity/registry.js';
import { openSessions } from '../../../src/identity/sessions.js';
import { byTest } from '../../support/act.js';
import { givenOrganization, personId } from '../../support/given.js';
import { useServer } from '../../support/server.js';

// Beside every rule: where nothing may be changed, PostgreSQL itself refuses.
const server = useServer({ poolSize: 1 });

const given = async () => {
  const acme = await givenOrganization(server);
  return { acme, ownerId: await personId(acme.owner), db: server.database.organizationDb(acme.id, byTest) };
};
const repository = () => ({ id: newId('rep'), name: newId('rep'), gitUrl: 'https://git.example/x' });

test('no change is made, by whichever way to the database: READ_ONLY', async () => {
  const { acme, ownerId, db } = await given();
  const { outside } = server.database;
  const session = { personId: ownerId, provider: null, boundOrgId: null, userAgent: null };
  const ways: Readonly<Record<string, () => Promise<unknown>>> = {
    'a statement of our own': () => db.repository.create(repository()),
    'of many rows': () => db.repository.updateMany({ id: acme.repositoryId }, { branch: 'x' }),
    'through Prisma': () => db.repository.update({ id: acme.repositoryId }, { branch: 'x' }),
    'a deletion': () => db.run.delete({ id: acme.runId }),
    'in a transaction': () => db.transaction((tx) => tx.repository.create(repository())),
    'of many rows in a transaction': () =>
      db.transaction((tx) => tx.repository.updateMany({ id: acme.repositoryId }, { branch: 'x' })),
    'under the lock': () => db.locked((tx) => tx.repository.list({ orderBy: { id: 'asc' }, take: 1 })),
    'outside any organization': () => outside(openSessions).start(session),
    'of a person': () => outside(openRegistry).setDefaultOrganization(ownerId, acme.id),
    'of a new organization': () =>
      outside(openRegistry).createOrganization(
        { id: ownerId, email: acme.owner.email, name: 'x', systemRole: 'USER', status: 'ACTIVE', defaultOrgId: null },
        { name: 'x', slug: newId('org').replace('_', '-'), description: '' },
      ),
  };
  const before = await db.repository.list({ orderBy: { id: 'asc' }, take: 10 });
  for (const [way, change] of Object.entries(ways)) {
    const failure = await readingOnly(change).then(
      () => null,
      (error: unknown) => error,
    );
    expect([way, failure]).toMatchObject([way, { code: 'READ_ONLY' }]);
  }
  expect(await db.repository.list({ orderBy: { id: 'asc' }, take: 10 })).toEqual(before);
});

test('what is read is answered, in a transaction too', async () => {
  const { acme, db } = await given();
  const found = await readingOnly(async () => [
    await db.repository.find({ id: acme.repositoryId }),
    await db.transaction((tx) => tx.repository.find({ id: acme.repositoryId })),
    await db.run.count({}),
  ]);
  expect(found).toMatchObject([{ id: acme.repositoryId }, { id: acme.repositoryId }, 1]);
});

test('nothing of it is left on the connection, which is kept', async () => {
  const { db } = await given();
  const { pool } = server.database;
  const backend = async () =>
    (await pool.queryAsLoginRole(`select pg_backend_pid() as pid, current_setting('transaction_read_only') as only`))
      .rows[0] as { pid: number; only: string };
  const before = await backend();
  await expect(readingOnly(() => db.repository.create(repository()))).rejects.toMatchObject({ code: 'READ_ONLY' });
  await expect(readingOnly(() => db.transaction((tx) => tx.repository.create(repository())))).rejects.toMatchObject({
    code: 'READ_ONLY',
  });
  expect(await backend()).toEqual({ pid: before.pid, only: 'off' });
  expect((await db.repository.create(repository())).branch).toBe('main');
});
