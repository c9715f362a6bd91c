import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Adopted, adopt } from '../../src/adopt/adopt.js';
import { type AdoptionMap, KINDS, parseMap } from '../../src/adopt/map.js';
import { readForeign } from '../../src/data/start/foreign-database.js';
import { createOrganizationSeal } from '../../src/secrets/organization-seal.js';
import { createSeal } from '../../src/secrets/seal.js';
import { connectBeside } from '../races/interleave.js';
import { command, newDirectory, program } from '../support/process.js';
import { isPostgres, useServer } from '../support/server.js';
import { unique } from '../support/given.js';
import { givenSingleTenant, type SingleTenant } from '../support/single-tenant.js';

const SECRET_KEY = Buffer.alloc(32, 7).toString('base64');

test.each<[string, string[], RegExp]>([
  ['nothing', [], /Say which database moves in/],
  ['two databases', ['postgres://a/b', 'postgres://c/d', '--map', 'x'], /nothing else/],
  ['what is no URL', ['initech', '--map', 'x'], /by a URL/],
  ['no map', ['postgres://a/b'], /--map is needed/],
])('the command refuses %s, before it opens anything', async (_name, args, message) => {
  const { code, stderr } = await command('adopt', args, { DATABASE_URL: 'postgres://nowhere.invalid/x' });
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});

test.each([
  ['{', /not JSON/],
  ['{}', /organization: /],
  [
    '{"organization":{"name":"a","slug":"b","owner":"c"},"people":{"table":"t","id":"i","email":"e","emial":"x"}}',
    /emial/,
  ],
])('the map %s is refused with what is wrong', (text, message) => {
  expect(() => parseMap(text)).toThrow(message);
});

(isPostgres ? describe : describe.skip)('A single-tenant database', () => {
  const server = useServer();
  const given: SingleTenant[] = [];
  afterEach(async () => {
    for (const each of given.splice(0)) await each.close();
  });
  const givenSource = async (): Promise<SingleTenant> => {
    const source = await givenSingleTenant();
    given.push(source);
    return source;
  };
  const seal = createOrganizationSeal(createSeal([SECRET_KEY]));
  const move = (
    { url, map }: { readonly url: string; readonly map: AdoptionMap },
    more: {
      isDryRun?: boolean;
      namingPolicy?: 'regional';
      onMoved?: (moved: { kind: string; from: string; to: string }) => void;
    } = {},
  ): Promise<Adopted> =>
    readForeign(url, (foreign) =>
      adopt({ foreign, map, database: server.database, seal, namingPolicy: 'any', isDryRun: false, ...more }),
    );
  const sql = async (text: string, values: unknown[]) =>
    (await server.database.pool.queryAsLoginRole(text, values)).rows as Record<string, unknown>[];
  /** All that an organization is, but for times and what counts. */
  const everything = async (slug: string) => {
    const [row] = await sql('select id from organization where slug = $1', [slug]);
    const tables = [
      'membership',
      'credential',
      'repository',
      'agent',
      'run',
      'usage_event',
      'audit_entry',
      'data_key',
      'address',
    ];
    const counts = await Promise.all(
      tables.map(async (table) => [
        table,
        (await sql(`select * from ${table} where org_id = $1`, [row?.['id']])).length,
      ]),
    );
    return Object.fromEntries(counts) as Record<string, number>;
  };
  const FOUND = { people: 5, credentials: 2, repositories: 2, agents: 3, runs: 1301 };
  const expectWhole = ({ compared, found }: Adopted) => {
    expect(found).toEqual(FOUND);
    for (const kind of KINDS) {
      const { theirs, ours, checksums, differ } = compared?.[kind] ?? {};
      expect([kind, theirs, ours, differ]).toEqual([kind, FOUND[kind], FOUND[kind], 0]);
      expect(checksums?.[0]).toBe(checksums?.[1]);
    }
  };

  test('moves in whole, as the map says, and its people sign in to it', async () => {
    const source = await givenSource();
    const { slug } = source.map.organization;
    const dry = await move(source, { isDryRun: true });
    expect(dry).toMatchObject({
      organizationId: null,
      found: FOUND,
      compared: null,
      withoutStarter: 26,
      withoutAgent: 13,
    });
    expect(await sql('select from organization where slug = $1', [slug])).toEqual([]);
    expect(await sql('select from person where email = $1', [source.emailOf('adam')])).toEqual([]);

    const moved: string[] = [];
    const adopted = await move(source, { onMoved: ({ kind, from }) => void moved.push(`${kind} ${from}`) });
    expectWhole(adopted);
    expect(moved).toEqual(expect.arrayContaining(['people 1', 'agents 102', 'runs wf-1300', 'runs wf-open']));
    expect(moved).toHaveLength(Object.values(FOUND).reduce((sum, each) => sum + each, 0));

    const dora = await server.as(source.emailOf('dora'), slug);
    const { data, errors } = await dora(`{
      currentOrganization { name viewerRole }
      repositories { nodes { name gitUrl branch credential { name } } }
      agents { nodes { name repository { name } } }
      runs(filter: { status: FAILED }, first: 1) { totalCount nodes { status error totalTokens totalCostMicros agent { name } createdBy { name } } }
      members { nodes { role status user { name email } } }
      june: organizationUsage(period: "2024-06") { totalRuns totalTokens }
    }`);
    expect(errors.map(({ path }) => path?.join('.'))).toEqual([
      'repositories.nodes.0.credential',
      'repositories.nodes.1.credential',
    ]);
    expect(data.currentOrganization).toEqual({ name: 'Initech', viewerRole: 'DEVELOPER' });
    expect(data.agents?.nodes).toContainEqual({ name: 'TpsReport', repository: { name: 'reports' } });
    expect(data.runs?.totalCount).toBe(260);
    expect(data.runs?.nodes[0]).toMatchObject({
      status: 'FAILED',
      error: 'It broke: 1300',
      totalTokens: 13_000,
      totalCostMicros: 159_900,
    });
    expect(data.june?.totalRuns).toBe(719);
    expect(data.members?.nodes).toEqual(
      expect.arrayContaining([
        { role: 'OWNER', status: 'ACTIVE', user: { name: 'Olivia Owner', email: source.emailOf('olivia') } },
        { role: 'VIEWER', status: 'ACTIVE', user: { name: 'Somebody', email: source.emailOf('vic') } },
        { role: 'DEVELOPER', status: 'SUSPENDED', user: { name: 'Gina Gone', email: source.emailOf('gone') } },
      ]),
    );
    // The secret lies sealed, and opens.
    const kept = await sql('select c.id, c.secret from credential c where org_id = $1 and name = $2', [
      adopted.organizationId,
      'GitLab',
    ]);
    const place = { orgId: adopted.organizationId ?? '', table: 'credential', id: String(kept[0]?.['id']) };
    const db = server.database.organizationDb(place.orgId as never, { kind: 'SYSTEM', id: null, name: 'test' });
    expect(kept[0]?.['secret']).not.toContain('glpat');
    expect(await seal.open(db, String(kept[0]?.['secret']), place)).toBe('glpat-singletenant-9876543210');
    expect(JSON.stringify([adopted, moved])).not.toContain('glpat');
    // The record says who did it.
    const entries = await sql(`select distinct actor_kind, actor_name, reason from audit_entry where org_id = $1`, [
      adopted.organizationId,
    ]);
    expect(entries).toEqual([
      { actor_kind: 'SYSTEM', actor_name: 'adopt', reason: expect.stringMatching(/^from single_tenant_/) },
    ]);
  });

  test('done again changes nothing, and what came there meanwhile comes along', async () => {
    const source = await givenSource();
    const { slug } = source.map.organization;
    expectWhole(await move(source));
    const before = await everything(slug);
    expectWhole(await move(source));
    expect(await everything(slug)).toEqual(before);
    await source.sql(`insert into shaman.git_agent values (103, 11, 'Stapler', null, now())`);
    const more = await move(source);
    expect(more.compared?.agents).toMatchObject({ theirs: 4, ours: 4, differ: 0 });
    // What was changed here is kept, and told.
    await sql(`update repository set description = 'changed here' where org_id = $1 and name = 'reports'`, [
      more.organizationId,
    ]);
    const changed = await move(source);
    expect(changed.compared?.repositories).toMatchObject({ theirs: 2, ours: 2, differ: 1 });
    expect(changed.compared?.repositories.checksums[0]).not.toBe(changed.compared?.repositories.checksums[1]);
    await sql(`delete from run where org_id = $1 and id = (select max(id) from run where org_id = $1)`, [
      more.organizationId,
    ]);
    await sql(
      `update run set output = '{"other": 1}' where org_id = $1 and id = (select min(id) from run where org_id = $1)`,
      [more.organizationId],
    );
    const lacking = await readForeign(source.url, (foreign) =>
      adopt({ foreign, map: source.map, database: server.database, seal, namingPolicy: 'any', isDryRun: false }),
    );
    expect(lacking.compared?.runs).toMatchObject({ theirs: 1301, ours: 1301, differ: 1 });
  });

  test('which breaks off anywhere goes on when it is begun again', async () => {
    const source = await givenSource();
    const stops = ['people', 'credentials', 'repositories', 'agents', 'runs'];
    for (const stop of stops) {
      const broken = move(source, {
        onMoved: ({ kind }) => {
          if (kind === stop) throw new Error(`broke off at ${stop}`);
        },
      });
      await expect(broken).rejects.toThrow(`broke off at ${stop}`);
    }
    expectWhole(await move(source));
    const again = await everything(source.map.organization.slug);
    expect(again).toMatchObject({
      membership: 5,
      credential: 2,
      repository: 2,
      agent: 3,
      run: 1301,
      data_key: 1,
      address: 1,
    });
  });

  test('whose rows do not all fit moves not at all, and each of them is told', async () => {
    const source = await givenSource();
    await source.sql(`update shaman.workflow_run set state = 'exploded' where id = 'wf-7'`);
    await source.sql(`update shaman.agent_repository set git_url = 'ftp://x' where id = 10`);
    await source.sql(`update shaman.app_user set email = $1 where id = 3`, [source.emailOf('adam')]);
    const broken = move(source);
    await expect(broken).rejects.toThrow('Nothing was written');
    await expect(broken).rejects.toThrow(/shaman\.workflow_run wf-7, status: No status of a run/);
    await expect(broken).rejects.toThrow(/shaman\.agent_repository 10, gitUrl: Must be https or ssh/);
    await expect(broken).rejects.toThrow(/shaman\.app_user 3, email: Another row has the same/);
    expect(await sql('select from organization where slug = $1', [source.map.organization.slug])).toEqual([]);
    const map = { ...source.map, agents: { ...source.map.agents, name: 'nmae' } } as AdoptionMap;
    await expect(move({ ...source, map })).rejects.toThrow('agents.name: shaman.git_agent has no column nmae.');
    const owner = { ...source.map, organization: { ...source.map.organization, owner: source.emailOf('gone') } };
    await expect(move({ ...source, map: owner })).rejects.toThrow(/owner: This person is not active/);
  });

  test('takes no organization that is somebody’s, and makes nobody somebody else', async () => {
    const source = await givenSource();
    const { slug } = source.map.organization;
    const adam = await server.as(source.emailOf('adam'));
    const made = await adam(
      'mutation ($slug: String!) { createOrganization(input: { name: "x", slug: $slug }) { id } }',
      { slug },
    );
    expect(made.errors).toEqual([]);
    await expect(move(source)).rejects.toThrow('is taken by an organization that was not adopted');
    const other = { ...source.map, organization: { ...source.map.organization, slug: `${slug}-2` } };
    const adopted = await move({ ...source, map: other });
    expect([adopted.known, adopted.compared?.people.differ]).toEqual([1, 0]);
    const subjects = await sql(`select subject from identity where issuer = $1 order by subject`, [
      source.map.people.issuer,
    ]);
    expect(subjects.map(({ subject }) => subject)).toEqual(['sub-gina', 'sub-olivia']);
    // Another database of the same shape does not mix with it.
    const second = await givenSource();
    await expect(
      move({ ...second, map: { ...second.map, organization: { ...second.map.organization, slug: `${slug}-2` } } }),
    ).rejects.toThrow(/was adopted from single_tenant_\w+, not from single_tenant_\w+/);
  });

  test('moves nothing into an organization that is to be deleted, before any row, until that is cancelled', async () => {
    const source = await givenSource();
    const { slug } = source.map.organization;
    const { organizationId } = await move(source);
    const before = await everything(slug);
    await sql(
      `update organization set status = 'PENDING_DELETION', purge_at = now() + interval '30 days' where id = $1`,
      [organizationId],
    );
    await source.sql(`insert into shaman.app_user (id, email) values (99, $1)`, [source.emailOf('late')]);
    for (const isDryRun of [true, false]) {
      await expect(move(source, { isDryRun })).rejects.toThrow(`The organization ${slug} is to be deleted`);
    }
    expect(await everything(slug)).toMatchObject({ membership: before['membership'] });
    expect(await sql('select from person where email = $1', [source.emailOf('late')])).toEqual([]);
    await sql(`update organization set status = 'ACTIVE', purge_at = null where id = $1`, [organizationId]);
    expect((await move(source)).compared?.people).toMatchObject({ theirs: 6, ours: 6, differ: 0 });
  });

  test('is called as the deployment wants organizations to be, or moves not at all; one that is there stays', async () => {
    const source = await givenSource();
    const { organization } = source.map;
    const named = (slug: string) => ({ ...source, map: { ...source.map, organization: { ...organization, slug } } });
    const slug = unique('initech-2024');
    const refused = move(named(slug), { namingPolicy: 'regional' });
    await expect(refused).rejects.toThrow('organization.slug: Letters and hyphens only.');
    await expect(refused).rejects.toThrow(/^ {2}[a-z-]{4,20} fits, and is free\.$/m);
    expect(await sql('select from person where email = $1', [source.emailOf('adam')])).toEqual([]);
    await expect(move(named(slug), { namingPolicy: 'regional', isDryRun: true })).rejects.toThrow(
      'Letters and hyphens',
    );
    expectWhole(await move(named(slug)));
    expectWhole(await move(named(slug), { namingPolicy: 'regional' }));
  });

  test('killed at every step it goes on when it is begun again, to what it would have been, and nothing of it twice', async () => {
    const source = await givenSource();
    const { organization } = source.map;
    const directory = await newDirectory();
    const map = path.join(directory, 'map.json');
    await writeFile(map, JSON.stringify(source.map));
    const home = process.env['ORGATE_TEST_URL'] as string;
    const env = {
      DATABASE_URL: home,
      MIGRATION_DATABASE_URL: home,
      ORGATE_SECRET_KEY: SECRET_KEY,
      DATA_DIR: directory,
      // Whoever waits is killed, and does not give up before.
      DATABASE_LOCK_TIMEOUT_MS: '60000',
    };
    const args = [source.url, '--map', map];
    const steps = [
      'person',
      'identity',
      'address',
      'membership',
      'data_key',
      'credential',
      'repository',
      'agent',
      'run',
    ];
    const reached: string[] = [];
    const locks = async (table: string, which: string) =>
      (await sql(`select from pg_locks where relation = '${table}'::regclass and ${which}`, [])).length > 0;
    const doomed = (...more: string[]) => {
      const child = spawn(process.execPath, [program('adopt'), ...args, ...more], {
        cwd: directory,
        env: { PATH: process.env['PATH'], ...env },
        stdio: 'ignore',
      });
      const exited = once(child, 'exit');
      return {
        waitFor: async (isSo: () => Promise<boolean>) => {
          while (child.exitCode === null && !(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10));
        },
        /** Whether it was still at it. */
        kill: async () => {
          child.kill('SIGKILL');
          return (await exited)[1] === 'SIGKILL';
        },
      };
    };
    for (const table of steps) {
      const holding = await connectBeside();
      await holding.query(`begin; lock table "${table}" in share mode`);
      const killed = doomed();
      await killed.waitFor(() => locks(table, 'not granted'));
      if (await killed.kill()) reached.push(table);
      // What it had sent may still be done once the lock is given back, as with any client that is gone.
      await holding.end();
    }
    expect(reached).toEqual(steps);

    // In the comparison: all has moved, people are compared, and secrets that lie here already are opened nowhere else. What a start
    // looks at is not locked until it is at the runs.
    const [writing, opening] = [await connectBeside(), await connectBeside()];
    await writing.query('begin; lock table "run" in share mode');
    const ids = path.join(directory, 'ids.ndjson');
    const comparing = doomed('--ids', ids);
    await comparing.waitFor(() => locks('run', 'not granted'));
    await opening.query('begin; lock table data_key in access exclusive mode');
    await writing.end();
    const moved = () => readFileSync(ids, 'utf8').trim().split('\n').length;
    await comparing.waitFor(async () => moved() === 1313 && (await locks('data_key', 'not granted')));
    expect([await comparing.kill(), moved()]).toEqual([true, 1313]);
    await opening.end();

    const whole = await command('adopt', args, env);
    expect([whole.code, whole.stderr]).toEqual([0, '']);
    for (const kind of KINDS) {
      expect(whole.stdout).toContain(`${kind}: ${FOUND[kind]} there, ${FOUND[kind]} here, the same`);
    }
    const [first = '', ...more] = [...whole.stdout.matchAll(/^ {4}(\S+) (?:there|here)$/gm)].map(([, sum]) =>
      String(sum),
    );
    expect([first.length > 10, more.length]).toEqual([true, 2 * KINDS.length - 1]);
    expect((await command('adopt', args, env)).stdout).toBe(whole.stdout);
    const slug = `${organization.slug}-2`;
    const unbroken = await move({ ...source, map: { ...source.map, organization: { ...organization, slug } } });
    expectWhole(unbroken);
    expect(await everything(organization.slug)).toEqual(await everything(slug));
    const entries = (of: string) =>
      sql(
        `select e.action, count(*)::int as count from audit_entry e join organization o on o.id = e.org_id
         where o.slug = $1 group by 1 order by 1`,
        [of],
      );
    expect(await entries(organization.slug)).toEqual(await entries(slug));
    const people = await sql('select from person where email like $1', [source.emailOf('%')]);
    expect(people).toHaveLength(FOUND.people);
  });

  test('moves by the command, also when that is killed on the way', async () => {
    const source = await givenSource();
    const directory = await newDirectory();
    const [map, ids] = [path.join(directory, 'map.json'), path.join(directory, 'ids.ndjson')];
    await writeFile(map, JSON.stringify(source.map));
    const home = process.env['ORGATE_TEST_URL'] as string;
    const env = {
      DATABASE_URL: home,
      MIGRATION_DATABASE_URL: home,
      ORGATE_SECRET_KEY: SECRET_KEY,
      DATA_DIR: directory,
    };
    const args = [source.url, '--map', map];

    const dry = await command('adopt', [...args, '--dry-run'], env);
    expect([dry.code, dry.stdout]).toEqual([0, expect.stringContaining('nothing was written')]);
    const killed: ChildProcess = spawn(process.execPath, [program('adopt'), ...args, '--ids', ids], {
      cwd: directory,
      env: { PATH: process.env['PATH'], ...env },
      stdio: 'ignore',
    });
    const exited = once(killed, 'exit');
    const isOnTheWay = () => existsSync(ids) && readFileSync(ids, 'utf8').includes('"runs"');
    while (!isOnTheWay() && killed.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 5));
    killed.kill('SIGKILL');
    expect(await exited).toEqual([null, 'SIGKILL']);

    const whole = await command('adopt', [...args, '--ids', ids], env);
    expect(whole.stderr).toBe('');
    expect(whole.code).toBe(0);
    expect(whole.stdout).toContain('runs: 1301 there, 1301 here, the same');
    expect(whole.stdout).toContain(`X-Organization-Id: ${source.map.organization.slug}`);
    expect(whole.stdout).not.toMatch(/glpat|ghp_/);
    const lines = readFileSync(ids, 'utf8').trim().split('\n');
    expect(lines).toHaveLength(1313);
    expect(JSON.parse(lines.at(-1) ?? '')).toEqual({
      kind: 'runs',
      from: 'wf-open',
      to: expect.stringMatching(/^run_/),
    });
    expect(await everything(source.map.organization.slug)).toMatchObject({ membership: 5, run: 1301, credential: 2 });
  });
});
