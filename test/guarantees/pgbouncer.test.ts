import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Act } from '../../src/data/connection/act.js';
import { asLoginRole, inFrame } from '../../src/data/connection/org-connection.js';
import { type Database, openDatabase } from '../../src/data/database.js';
import { newId } from '../../src/data/id.js';
import type { OrganizationDb } from '../../src/data/organization/organization-db.js';
import { givenTwoOrganizations } from '../support/given.js';
import { startPgBouncer, type TestPgBouncer } from '../support/pgbouncer.js';
import { isPostgres, startServer, type TestServer } from '../support/server.js';
import { byTest } from '../support/act.js';

(isPostgres ? describe : describe.skip)('through PgBouncer in transaction mode, without prepared statements', () => {
  let bouncer: TestPgBouncer;
  let server: TestServer;
  let pooled: Database;

  beforeAll(async () => {
    server = await startServer();
    bouncer = await startPgBouncer(new URL(process.env['ORGATE_TEST_URL'] as string));
    pooled = await openPooled(bouncer.url);
  });
  afterAll(async () => {
    await pooled.close();
    await bouncer.close();
    await server.close();
  });

  const openPooled = (url: string): Promise<Database> =>
    openDatabase({
      store: { url, migrationUrl: null },
      poolSize: 10,
      statementTimeoutMs: 5000,
      preparedStatements: false,
      requireSeparateLogin: false,
      onStep: () => undefined,
    });

  test('interleaved organizations MUST see their own rows, in and outside transactions, also after errors', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const work = Array.from({ length: 300 }, async (_, index) => {
      const [own, other] = index % 2 ? [acme, globex] : [globex, acme];
      const db = pooled.organizationDb(own.id, byTest);
      if (index % 7 === 3) {
        await expect(
          db.agent.create({ id: newId('agt'), name: newId('agt'), repositoryId: other.repositoryId }),
        ).rejects.toMatchObject({ code: 'NOT_FOUND' });
      }
      const read = async (from: OrganizationDb) => [
        (await from.repository.list({ orderBy: { name: 'asc' }, take: 10 })).map(({ id }) => id),
        await from.repository.find({ id: other.repositoryId }),
      ];
      const seen = index % 5 === 0 ? await db.transaction((tx) => read(tx)) : await read(db);
      expect(seen).toEqual([[own.repositoryId], null]);
    });
    await Promise.all(work);
  });

  test('each change MUST be told of who makes it, and an untold one refused, on whatever connection it comes', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const made = await Promise.all(
      Array.from({ length: 120 }, async (_, index) => {
        const own = index % 2 ? acme : globex;
        const id = newId('rep');
        const text = `insert into repository (org_id, id, name, git_url) values ($1, $2, $2, 'https://x')`;
        const make = (act?: Act) =>
          inFrame({ role: 'orgate_app', orgId: own.id, ...(act && { act }) }, () =>
            pooled.pool.query({ text, values: [own.id, id] }),
          );
        if (index % 3 === 0) return expect(make()).rejects.toMatchObject({ code: 'OG001' });
        const act = { kind: 'PERSON', id: `usr_${index}`, name: 'Ann' } as const;
        await pooled.organizationDb(own.id, act).repository.find({ id });
        await make(act);
        const { rows } = await server.database.pool.queryAsLoginRole(
          'select actor_id from audit_entry where target_id = $1',
          [id],
        );
        return expect(rows).toEqual([{ actor_id: act.id }]);
      }),
    );
    expect(made).toHaveLength(120);
  });

  test('nothing MUST be left on the server connections', async () => {
    const { acme } = await givenTwoOrganizations(server);
    await Promise.all(
      Array.from({ length: 40 }, () =>
        pooled.organizationDb(acme.id, byTest).repository.find({ id: acme.repositoryId }),
      ),
    );
    for (let index = 0; index < 20; index += 1) {
      const client = await pooled.pool.connect();
      const { rows } = await client.query(
        asLoginRole(
          `select current_user = session_user as "isLogin", coalesce(current_setting('app.org_id', true), '') as org,
             coalesce(current_setting('app.act', true), '') as act`,
        ),
      );
      client.release();
      expect(rows).toEqual([{ isLogin: true, org: '', act: '' }]);
    }
  });
});
