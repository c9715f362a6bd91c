import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { byTest } from '../../support/act.js';
import { inFrame, UnscopedStatementError } from '../../../src/data/connection/org-connection.js';
import type { Act } from '../../../src/data/connection/act.js';
import type { Frame } from '../../../src/data/connection/frame.js';
import type { Database } from '../../../src/data/database.js';
import { brandVerifiedOrgId, newId, type OrgId } from '../../../src/data/id.js';
import { openRegistry } from '../../../src/identity/registry.js';
import { unique } from '../../support/given.js';
import { openTestDatabase } from '../../support/server.js';

const DIRECTORY: Frame = { role: 'orgate_directory' };
const STANDING = `select current_user::text as role, coalesce(current_setting('app.org_id', true), '') as org, current_setting('statement_timeout') as timeout, current_setting('lock_timeout') as patience`;

/** Every statement carries its role, organization and time limit with it, and leaves the connection as it was. */
describe.each([true, false])('one connection, prepared statements: %s', (preparedStatements) => {
  let database: Database;
  let [acme, globex] = ['' as OrgId, '' as OrgId];

  const inside = (orgId: OrgId): Frame => ({ role: 'orgate_app', orgId, act: byTest });
  const run = (frame: Frame, text: string, values: unknown[] = []) =>
    inFrame(frame, () => database.pool.query({ text, values }));
  /** What a statement without any frame would find: the login role, no organization, no limit. */
  const standing = async () => (await database.pool.queryAsLoginRole(STANDING)).rows[0] as Record<string, string>;
  let untouched: Record<string, string>;

  async function givenOrganization(): Promise<OrgId> {
    const email = `${unique('ann')}@acme.example`;
    const identity = { issuer: 'https://id.example', subject: email, verifiedEmail: email, name: null };
    await database.outside(openRegistry).provision(identity);
    const found = await database.outside(openRegistry).findPerson({ kind: 'identity', identity }, []);
    if (!found) throw new Error('the person was not made');
    const { id } = await database.outside(openRegistry).createOrganization(found.person, {
      name: 'Acme',
      slug: unique('acme'),
      description: '',
    });
    const orgId = brandVerifiedOrgId(id);
    await run(
      inside(orgId),
      `insert into repository (org_id, id, name, git_url) values ($1, $2, 'bots', 'https://x')`,
      [orgId, newId('rep')],
    );
    return orgId;
  }

  beforeAll(async () => {
    database = await openTestDatabase({
      poolSize: 1,
      preparedStatements,
      statementTimeoutMs: 4321,
      lockTimeoutMs: 765,
    });
    untouched = await standing();
    expect(untouched['org']).toBe('');
    [acme, globex] = [await givenOrganization(), await givenOrganization()];
  });
  afterAll(() => database.close());

  test('what is planned by an index is, though reading all of so little is cheaper; what comes next is planned as ever', async () => {
    const planOf = async (isPlannedByIndex: boolean) => {
      const statement = { text: 'explain select amname from pg_am where oid = 403', isPlannedByIndex };
      const { rows } = await inFrame(DIRECTORY, () => database.pool.query<{ 'QUERY PLAN': string }>(statement));
      return rows.map((row) => row['QUERY PLAN']).join(' ');
    };
    expect(await planOf(true)).toContain('Index Scan');
    expect(await planOf(false)).toContain('Seq Scan');
    const settings = `select current_setting('enable_seqscan') as seqscan, current_setting('plan_cache_mode') as mode`;
    expect((await run(DIRECTORY, settings)).rows).toEqual([{ seqscan: 'on', mode: 'auto' }]);
  });

  test('inside a frame a statement runs as its role, for its organization, with its limit', async () => {
    const { rows } = await run(inside(acme), STANDING);
    expect(rows).toEqual([{ role: 'orgate_app', org: acme, timeout: '4321ms', patience: '765ms' }]);
    const outside = await run(DIRECTORY, STANDING);
    expect(outside.rows).toEqual([{ role: 'orgate_directory', org: '', timeout: '4321ms', patience: '765ms' }]);
  });

  test('after a statement nothing of it is left', async () => {
    expect(untouched['role']).not.toMatch(/^orgate_(app|directory)$/);
    for (const frame of [inside(acme), DIRECTORY, inside(globex)]) {
      await run(frame, 'select 1');
      expect(await standing()).toEqual(untouched);
    }
  });

  test.each<[string, string, unknown[]?]>([
    ['that cannot be read', 'select from where'],
    ['that fails while it runs', 'select 1 / 0'],
    ['with a value of the wrong type', 'select $1::int', ['x']],
    ['with a value missing', 'select $1::int'],
    [
      'that breaks a constraint',
      `insert into repository (org_id, id, name, git_url) select org_id, id, name, git_url from repository`,
    ],
    ['on a table its role may not touch', 'select * from person'],
    ['that does not exist', 'select * from nothing_like_this'],
    ['that is really two', 'select 1; select 2'],
  ])('after a statement %s nothing of it is left either, and the next one works', async (_, text, values = []) => {
    await expect(run(inside(acme), text, values)).rejects.toBeInstanceOf(pg.DatabaseError);
    expect(await standing()).toEqual(untouched);
    expect((await run(inside(globex), 'select org_id from repository')).rows).toEqual([{ org_id: globex }]);
  });

  test('a foreign row is not there, and a foreign insert is refused, though the statement asks for it', async () => {
    const { rows } = await run(inside(acme), `select org_id from repository where org_id <> ''`);
    expect(rows).toEqual([{ org_id: acme }]);
    const smuggle = `insert into repository (org_id, id, name, git_url) select '${globex}', '${newId('rep')}', 'x', 'y'`;
    await expect(run(inside(acme), smuggle)).rejects.toMatchObject({ code: '42501' });
    expect((await run(inside(globex), 'select name from repository')).rows).toEqual([{ name: 'bots' }]);
  });

  describe('who acts', () => {
    const ann: Act = { kind: 'PERSON', id: 'usr_ann', name: 'Ann' };
    const bob: Act = { kind: 'PERSON', id: 'usr_bob', name: 'Bob' };
    let [acme, globex] = ['' as OrgId, '' as OrgId];
    beforeAll(async () => {
      [acme, globex] = [await givenOrganization(), await givenOrganization()];
    });
    const untold = (orgId: OrgId) => ({ role: 'orgate_app', orgId }) as const;
    const ACTING = `select coalesce(current_setting('app.act', true), '') as act`;
    const INSERT = `insert into repository (org_id, id, name, git_url) values ($1, $2, $2, 'https://x')`;
    const make = (frame: Frame, orgId: OrgId, id = newId('rep')) => run(frame, INSERT, [orgId, id]).then(() => id);
    const makers = async (ids: readonly string[]) => {
      const { rows } = await database.pool.queryAsLoginRole(
        `select target_id, actor_id from audit_entry where target_id = any ($1)`,
        [ids],
      );
      const byTarget = new Map(rows.map((row) => [row.target_id, row.actor_id]));
      return ids.map((id) => byTarget.get(id));
    };

    test('is told with a change, and not with what only reads', async () => {
      expect((await run({ ...untold(acme), act: ann }, ACTING)).rows).toEqual([{ act: '' }]);
      expect(await makers([await make({ ...untold(acme), act: ann }, acme)])).toEqual(['usr_ann']);
    });

    test.each(['select 1', 'select 1 / 0', INSERT])(
      'is nobody afterwards, so an untold change is refused: %s',
      async (text) => {
        await run({ ...untold(acme), act: ann }, text, text === INSERT ? [acme, newId('rep')] : []).catch(
          () => undefined,
        );
        expect((await run(untold(acme), ACTING)).rows).toEqual([{ act: '' }]);
        await expect(make(untold(acme), acme)).rejects.toMatchObject({ code: 'OG001' });
        await expect(
          run(untold(acme), `with made as (${INSERT} returning id) select id from made`, [acme, newId('rep')]),
        ).rejects.toMatchObject({ code: 'OG001' });
      },
    );

    test('is each their own, however the changes of several come one after another', async () => {
      const made = await Promise.all(
        Array.from({ length: 60 }, (_, index) => {
          const [orgId, act] = index % 2 ? [acme, ann] : [globex, bob];
          if (index % 5 === 0) void run({ ...untold(orgId), act: index % 2 ? bob : ann }, 'select 1');
          return make({ ...untold(orgId), act }, orgId);
        }),
      );
      expect(await makers(made)).toEqual(made.map((_, index) => (index % 2 ? 'usr_ann' : 'usr_bob')));
    });

    test('is in a transaction who makes this change, not who made the one before', async () => {
      const client = await database.pool.connect();
      const ask = (frame: Frame, text: string, values: unknown[] = []) =>
        inFrame(frame, () => client.query({ text, values } as pg.QueryConfig));
      try {
        await client.query({ text: 'BEGIN' });
        const [first, second] = [newId('rep'), newId('rep')];
        await ask({ ...untold(acme), act: ann }, INSERT, [acme, first]);
        await ask({ ...untold(acme), act: bob }, INSERT, [acme, second]);
        expect((await ask(untold(acme), ACTING)).rows).toEqual([{ act: '' }]);
        const { rows } = await ask(
          inside(acme),
          'select actor_id from audit_entry where target_id = any ($1) order by number',
          [[first, second]],
        );
        expect(rows).toEqual([{ actor_id: 'usr_ann' }, { actor_id: 'usr_bob' }]);
        await expect(ask(untold(acme), INSERT, [acme, newId('rep')])).rejects.toMatchObject({ code: 'OG001' });
      } finally {
        await client.query({ text: 'ROLLBACK' });
        client.release();
      }
      await expect(make(untold(acme), acme)).rejects.toMatchObject({ code: 'OG001' });
    });
  });

  test.each(['COMMIT', 'ROLLBACK'])(
    'in a transaction each statement has its own, and %s leaves nothing',
    async (end) => {
      const client = await database.pool.connect();
      const ask = async (frame: Frame, text = STANDING) => (await inFrame(frame, () => client.query({ text }))).rows[0];
      try {
        await client.query({ text: 'BEGIN' });
        expect(await ask(inside(acme))).toMatchObject({ role: 'orgate_app', org: acme });
        expect(await ask(DIRECTORY)).toMatchObject({ role: 'orgate_directory', org: '' });
        expect(await ask(inside(globex))).toMatchObject({ role: 'orgate_app', org: globex });
        expect(await ask(inside(acme), 'select count(*)::int as count from repository')).toEqual({ count: 1 });
        await client.query({ text: end });
      } finally {
        client.release();
      }
      expect(await standing()).toEqual(untouched);
    },
  );

  test('a transaction that failed leaves nothing once it is rolled back', async () => {
    const client = await database.pool.connect();
    try {
      await client.query({ text: 'BEGIN' });
      await inFrame(inside(acme), () => client.query({ text: `update repository set name = 'changed'` }));
      await expect(inFrame(inside(acme), () => client.query({ text: 'select 1 / 0' }))).rejects.toThrow();
      await client.query({ text: 'ROLLBACK' });
    } finally {
      client.release();
    }
    expect(await standing()).toEqual(untouched);
    expect((await run(inside(acme), 'select name from repository')).rows).toEqual([{ name: 'bots' }]);
  });

  test('statements of two organizations on one connection never meet, in whatever order they come', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const frame = [inside(acme), inside(globex), DIRECTORY][index % 3] as Frame;
        if (index % 7 === 0) await run(frame, 'select 1 / 0').catch(() => undefined);
        const text =
          frame.role === 'orgate_app' ? 'select org_id from repository' : 'select current_user::text as org_id';
        const { rows } = await run(frame, text);
        return [frame.role === 'orgate_app' ? frame.orgId : frame.role, rows] as const;
      }),
    );
    for (const [expected, rows] of answers) expect(rows).toEqual([{ org_id: expected }]);
  });

  test('a statement keeps the frame it was handed in with, though its connection comes free in another', async () => {
    const client = await database.pool.connect();
    const waiting = run(inside(acme), STANDING);
    await inFrame(inside(globex), async () => {
      await client.query({ text: STANDING });
      client.release();
    });
    expect((await waiting).rows[0]).toMatchObject({ org: acme });
  });

  test('a statement is made when it can be sent: what waits holds no values as PostgreSQL reads them', async () => {
    let made = 0;
    const value = { toPostgres: () => `made ${(made += 1)}` };
    const client = await database.pool.connect();
    const waiting = Promise.all(Array.from({ length: 3 }, () => run(inside(acme), 'select $1::text as said', [value])));
    await new Promise(setImmediate);
    const madeAtOnce = made;
    client.release();
    expect(madeAtOnce).toBe(0);
    expect((await waiting).map(({ rows }) => rows[0])).toEqual([1, 2, 3].map((said) => ({ said: `made ${said}` })));
  });

  test('outside every frame a statement throws, and nothing is sent', async () => {
    const sequence = `probe_${unique('x').replaceAll('-', '_')}`;
    await database.pool.queryAsLoginRole(`create sequence ${sequence}`);
    const text = `select nextval('${sequence}')`;
    expect(() => database.pool.query({ text })).toThrow(UnscopedStatementError);
    for (const orgId of ['', undefined, null]) {
      const frame = { role: 'orgate_app', orgId } as unknown as Frame;
      await expect(run(frame, text)).rejects.toBeInstanceOf(UnscopedStatementError);
    }
    const client = await database.pool.connect();
    expect(() => client.query({ text })).toThrow(UnscopedStatementError);
    client.release();
    const { rows } = await database.pool.queryAsLoginRole(`select last_value::int, is_called from ${sequence}`);
    expect(rows).toEqual([{ last_value: 1, is_called: false }]);
    await database.pool.queryAsLoginRole(`drop sequence ${sequence}`);
  });
});
