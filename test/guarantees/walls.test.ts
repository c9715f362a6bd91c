import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { inFrame, UnscopedStatementError } from '../../src/data/connection/org-connection.js';
import { IsolationAlarmError } from '../../src/data/connection/tripwire.js';
import { newId } from '../../src/data/id.js';
import { openSealing } from '../../src/domains/audit-entry/outside.js';
import type { OrganizationDb } from '../../src/data/organization/organization-db.js';
import { Ids } from '../../src/data/organization/ids.js';
import { givenTwoOrganizations, type GivenOrganization } from '../support/given.js';
import { isPostgres, startServer, type TestServer } from '../support/server.js';
import { withWalls, type Walls } from '../support/walls.js';
import { byTest } from '../support/act.js';

describe.each<[Walls, boolean]>([
  ['both', false],
  ['wall 1 alone', false],
  ['wall 2 alone', false],
  ['neither', true],
])('with %s', (walls, leaks) => {
  let server: TestServer;
  let acme: GivenOrganization;
  let globex: GivenOrganization;
  const stolen = () => withWalls(walls)(server.database).organizationDb(globex.id, byTest);

  beforeAll(async () => {
    server = await startServer();
    ({ acme, globex } = await givenTwoOrganizations(server));
  });
  afterAll(() => server.close());

  test(`a foreign row is ${leaks ? '' : 'not '}read, listed, counted, added up or loaded`, async () => {
    const db = stolen();
    const { repositoryId: id } = acme;
    expect((await db.repository.find({ id })) !== null).toBe(leaks);
    expect((await db.repository.load(id)) !== null).toBe(leaks);
    expect((await db.repository.list({ where: { id }, orderBy: { name: 'asc' }, take: 10 })).length > 0).toBe(leaks);
    expect((await db.repository.count({ id })) > 0).toBe(leaks);
    expect((await db.run.group('status', { repositoryId: id }, ['totalTokens'])).length > 0).toBe(leaks);
    for (const where of [{ id: { in: Ids.of([id]) } }, { id: { notIn: Ids.of([globex.repositoryId]) } }]) {
      expect((await db.repository.count(where)) > 0).toBe(leaks);
      expect((await db.repository.ids('name', where)).size > 0).toBe(leaks);
      expect((await db.transaction((tx) => tx.repository.ids('name', where))).size > 0).toBe(leaks);
      expect([...((await db.repository.idsBy('name', 'id', where, 1_000_000)) ?? [])].length > 0).toBe(leaks);
    }
    expect((await db.run.countFor('repositoryId', id)) > 0).toBe(leaks);
    const search = { text: 'SUPPORT-BOTS', in: ['gitUrl'] } as const;
    const where = { id };
    expect((await db.repository.list({ where, search, orderBy: { name: 'asc' }, take: 10 })).length > 0).toBe(leaks);
    expect((await db.repository.count(where, { search })) > 0).toBe(leaks);
    const page = { orderBy: { id: 'desc' }, take: 5 } as const;
    expect((await db.run.listFor('repositoryId', id, page)).length > 0).toBe(leaks);
  });

  test(`what stands in a foreign record is ${leaks ? '' : 'not '}read, listed or counted`, async () => {
    const own = server.database.organizationDb(acme.id, byTest);
    await server.database.outside(openSealing).seal(acme.id, 1000);
    const [entry] = await own.auditEntry.list({ where: { action: 'run.created' }, orderBy: {}, take: 1 });
    const [head] = await own.auditSeal.list({ orderBy: { sequence: 'desc' }, take: 1 });
    if (!entry || !head) throw new Error('nothing in the record');
    const db = stolen();
    const { id } = entry;
    expect((await db.auditEntry.find({ id })) !== null).toBe(leaks);
    expect((await db.auditEntry.list({ where: { id }, orderBy: { at: 'asc' }, take: 10 })).length > 0).toBe(leaks);
    expect((await db.auditEntry.list({ where: { targetId: acme.runId }, orderBy: {}, take: 10 })).length > 0).toBe(
      leaks,
    );
    expect((await db.auditEntry.count({ number: entry.number })) > 0).toBe(leaks);
    const { number, sequence } = head;
    expect((await db.auditSeal.list({ where: { number }, orderBy: { sequence: 'asc' }, take: 9 })).length > 0).toBe(
      leaks,
    );
    expect((await db.auditSeal.count({ number, sequence })) > 0).toBe(leaks);
  });

  test(`a foreign row is ${leaks ? '' : 'not '}changed or deleted, alone or in a transaction`, async () => {
    const db = stolen();
    const victim = await server.database
      .organizationDb(acme.id, byTest)
      .repository.create({ id: newId('rep'), name: newId('rep'), gitUrl: 'https://git.example/v' });
    const changed = (work: Promise<unknown>) =>
      work.then(
        () => true,
        () => false,
      );
    expect(await changed(db.repository.update({ id: victim.id }, { description: 'stolen' }))).toBe(leaks);
    expect(await changed(db.transaction((tx) => tx.repository.update({ id: victim.id }, { branch: 'stolen' })))).toBe(
      leaks,
    );
    const many = { id: { in: [victim.id, ...Array.from({ length: 200 }, () => newId('rep'))] } };
    const held = <T>(work: (of: OrganizationDb) => Promise<T>): Promise<T> => db.transaction((tx) => work(tx));
    expect((await db.repository.count(many)) > 0).toBe(leaks);
    expect((await held((tx) => tx.repository.count(many))) > 0).toBe(leaks);
    expect((await held((tx) => tx.repository.list({ where: many, orderBy: {}, take: 9 }))).length > 0).toBe(leaks);
    expect((await db.repository.updateMany({ id: victim.id }, { branch: 'stolen' })) > 0).toBe(leaks);
    expect((await held((tx) => tx.repository.updateMany(many, { branch: 'stolen' }))) > 0).toBe(leaks);
    const those = { id: { in: Ids.of([victim.id]) } };
    expect((await held((tx) => tx.repository.updateMany(those, { branch: 'stolen' }))) > 0).toBe(leaks);
    expect((await held((tx) => tx.repository.delete(many))) > 0).toBe(leaks);
    expect((await db.repository.delete({ id: victim.id })) > 0).toBe(false);
    const { id } = await server.database
      .organizationDb(acme.id, byTest)
      .repository.create({ id: newId('rep'), name: newId('rep'), gitUrl: 'https://git.example/v' });
    expect((await db.repository.delete({ id: { in: Ids.of([id]) } })) > 0).toBe(leaks);
  });

  test('rows that are made together are made in one organization, alone or in a transaction', async () => {
    const db = stolen();
    const rows = Array.from({ length: 3 }, () => ({
      id: newId('rep'),
      name: newId('rep'),
      gitUrl: 'https://x.example',
    }));
    const own = { where: { id: { in: rows.map(({ id }) => id) } }, orderBy: {}, take: 9 } as const;
    expect(await db.repository.createMany(rows.slice(0, 1))).toBe(1);
    expect(await db.transaction((tx) => tx.repository.createMany(rows.slice(1)))).toBe(2);
    expect(await server.database.organizationDb(globex.id, byTest).repository.list(own)).toHaveLength(3);
    const each = { where: { name: { in: [newId('rep'), newId('rep')] } }, orderBy: {}, take: 9 } as const;
    const [outside, inside] = each.where.name.in.map((name) => Ids.of([name])) as [Ids, Ids];
    const same = () => ({ id: newId('rep'), gitUrl: 'https://x.example' });
    expect(await db.repository.createEach('name', outside, same())).toBe(1);
    expect(await db.transaction((tx) => tx.repository.createEach('name', inside, same()))).toBe(1);
    expect(await server.database.organizationDb(globex.id, byTest).repository.list(each)).toHaveLength(2);
    expect(await server.database.organizationDb(acme.id, byTest).repository.list(each)).toHaveLength(0);
    expect(await server.database.organizationDb(acme.id, byTest).repository.list(own)).toHaveLength(0);
    if (walls === 'neither') return;
    const forged = { ...rows[0], id: newId('rep'), name: newId('rep'), orgId: acme.id } as never;
    await db.repository.createMany([forged]).catch(() => undefined);
    expect(await server.database.organizationDb(acme.id, byTest).repository.list(own)).toHaveLength(0);
  });
});

describe('the connection', () => {
  let server: TestServer;
  let acme: GivenOrganization;
  let globex: GivenOrganization;
  beforeAll(async () => {
    server = await startServer();
    ({ acme, globex } = await givenTwoOrganizations(server));
  });
  afterAll(() => server.close());

  const alarms = async (stoppedBy: string): Promise<number> => {
    const { values } = await server.metrics.alarms.get();
    return values.find(({ labels }) => labels.stopped_by === stoppedBy)?.value ?? 0;
  };

  test.each([
    'select * from repository where org_id = $1',
    'select * from repository where "public"."repository"."org_id" = $1',
    'select * from repository where org_id in ($1)',
    'update repository set org_id = $1',
    `insert into repository ("org_id", "id", "name", "git_url") values ($1, 'rep_x', 'x', 'y')`,
    `insert into repository ("org_id", "id", "name", "git_url") select $1, given.* from unnest(array['x']) as given`,
    `insert into repository (id, org_id, name, git_url) values (concat('rep_', 'x'), $1, 'x', 'y')`,
    `insert into repository (id, org_id, name, git_url) values ('rep_x', 'org_x', 'x', 'y'), ('rep_y', $1, 'x', 'y')`,
    `with gone as (delete from agent) insert into repository (org_id, id, name, git_url) values ($1, 'rep_x', 'x', 'y')`,
    `with made as (insert into repository (id, name, org_id, git_url) select coalesce(null, 'rep_x'), 'x', $1::text, 'y' returning id) select id from made`,
    `with made as (insert into "public"."repository" ("id", "name", "git_url", "org_id") values ('rep_x', 'x, (y', 'y', $1)) select 1`,
    'select * from "public"."organization" where "public"."organization"."id" = $1',
  ])('MUST refuse, before it is sent, a statement that names another organization: %s', async (text) => {
    const [before, sent] = [await alarms('tripwire'), server.statements.length];
    const run = inFrame({ role: 'orgate_app', orgId: globex.id }, async () =>
      server.database.pool.query({ text, values: [acme.id] }),
    );
    await expect(run).rejects.toThrow(IsolationAlarmError);
    expect(await alarms('tripwire')).toBe(before + 1);
    expect(server.logs.some((line) => line.includes('isolation alarm') && line.includes(globex.id))).toBe(true);
    expect(server.statements.length).toBe(sent + 1);
  });

  test('MUST count what PostgreSQL itself refuses', async () => {
    const before = await alarms('database');
    const insert = `insert into repository (org_id, id, name, git_url) values ('${acme.id}', 'rep_x', 'x', 'y')`;
    const run = inFrame({ role: 'orgate_app', orgId: globex.id }, async () =>
      server.database.pool.query({ text: insert }),
    );
    await expect(run).rejects.toMatchObject({ code: '42501' });
    expect(await alarms('database')).toBe(before + 1);
  });

  test('MUST refuse a statement outside every organization, and one inside an empty one', async () => {
    const query = { text: 'select 1' };
    expect(() => server.database.pool.query(query)).toThrow(UnscopedStatementError);
    const empty = inFrame({ role: 'orgate_app', orgId: '' as never }, async () => server.database.pool.query(query));
    await expect(empty).rejects.toThrow(UnscopedStatementError);
  });

  test('MUST raise no alarm in ordinary work', async () => {
    const before = [await alarms('tripwire'), await alarms('database')];
    await globex.owner(
      '{ currentOrganization { settings { featureFlags } } runs { nodes { createdBy { name } agent { name } } } }',
    );
    await globex.developer('mutation ($id: ID!) { startRun(input: { agentId: $id }) { id } }', { id: globex.agentId });
    expect([await alarms('tripwire'), await alarms('database')]).toEqual(before);
  });
});

(isPostgres ? describe : describe.skip)('interleaved, over pools of 1, 2 and 10 (PostgreSQL)', () => {
  test.each([1, 2, 10])(
    'hundreds of requests of several organizations MUST see their own rows: pool of %i',
    async (poolSize) => {
      const server = await startServer({ poolSize, env: { DATABASE_STATEMENT_TIMEOUT_MS: '1500' } });
      try {
        const organizations: GivenOrganization[] = [];
        for (let index = 0; index < 4; index += 1) organizations.push((await givenTwoOrganizations(server)).acme);
        const query = `query ($a: ID!, $b: ID!) {
        a: repository(id: $a) { id organization { slug } } b: repository(id: $b) { id organization { slug } }
        repositories { nodes { id description } } runs { nodes { id input createdBy { email } } }
      }`;
        const slow = server.database.pool.queryAsLoginRole('select pg_sleep(0.5)').catch(() => undefined);
        const ask = async (index: number) => {
          const own = organizations[index % 4] as GivenOrganization;
          const other = organizations[(index + 1) % 4] as GivenOrganization;
          if (index % 10 === 7) {
            // Errors in between, some inside transactions: nothing of them may stay on the connection.
            await own.developer(
              'mutation ($id: ID!) { recordRunProgress(id: $id, input: { totalTokens: 1 }) { id } }',
              { id: own.runId },
            );
            return;
          }
          const { data, errors, text } = await own.viewer(query, { a: own.repositoryId, b: other.repositoryId });
          expect(errors.map(({ extensions, path }) => [extensions.code, path])).toEqual([['NOT_FOUND', ['b']]]);
          expect(data.a.id).toBe(own.repositoryId);
          expect(data.repositories.nodes.map((node: { id: string }) => node.id)).toEqual([own.repositoryId]);
          for (const each of organizations) if (each !== own) expect(text).not.toContain(each.slug);
        };
        // As many at a time as a pool of one answers within the time that a request waits for a connection.
        let next = 0;
        const loops = Array.from({ length: 40 }, async () => {
          while (next < 300) await ask((next += 1));
        });
        await Promise.all([...loops, slow]);
      } finally {
        await server.close();
      }
    },
  );
});
