import { afterEach, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { personId, unique } from '../support/given.js';
import { ask, command, newDirectory, start } from '../support/process.js';
import { isPostgres, useServer } from '../support/server.js';

const ROLE = '{ viewer { systemRole } }';

test('on the embedded database, a person of the demo is made SYSTEM_ADMIN while the server is stopped', async () => {
  const DATA_DIR = await newDirectory();
  const token = (await command('token', ['bob@globex.example'], { DATA_DIR })).stdout.trim();
  const server = await start({ DATA_DIR });
  const { viewer } = await ask(server, token, '{ viewer { user { id } systemRole } }');
  expect(viewer.systemRole).toBe('USER');
  const grant = ['grant', '--id', viewer.user.id as string, '--reason', 'Runs the deployment'];
  const early = await command('system-admin', grant, { DATA_DIR });
  expect([early.code, early.stderr]).toEqual([1, expect.stringContaining('is in use by process')]);
  await server.end();

  const { code, stdout } = await command('system-admin', grant, { DATA_DIR });
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^Bob .* is SYSTEM_ADMIN now\.\n$/)]);
  const list = await command('system-admin', ['list'], { DATA_DIR });
  expect(list.stdout).toMatch(/^is {3}Bob .*\n {7}granted \S+ \S+ by \S+@\S+ as postgres: Runs the deployment$/m);
  expect(list.stdout).toMatch(/^is {3}Sam .*\n {7}granted by other means$/m);

  const again = await start({ DATA_DIR });
  expect(await ask(again, token, ROLE)).toEqual({ viewer: { systemRole: 'SYSTEM_ADMIN' } });
  expect(await ask(again, token, '{ organizations { totalCount } }')).toEqual({
    organizations: { totalCount: 4 },
  });
  await again.end();
});

test.each<[string, string[], RegExp]>([
  ['nothing', [], /Say list, grant or revoke/],
  ['another act', ['promote'], /Say list, grant or revoke/],
  ['nobody', ['grant', '--reason', 'why'], /one of --id, --provider and --issuer/],
  ['an e-mail address', ['grant', '--email', 'ann@acme.example', '--reason', 'why'], /--email/],
  ['two ways to say who', ['grant', '--id', 'usr_1', '--provider', 'google', '--reason', 'why'], /one of --id/],
  ['no subject', ['grant', '--provider', 'google', '--reason', 'why'], /--subject is needed/],
  ['no reason', ['grant', '--id', 'usr_1'], /--reason is needed/],
  ['an empty reason', ['revoke', '--id', 'usr_1', '--reason', ' '], /--reason is needed/],
  [
    'a provider of an organization',
    ['grant', '--provider', 'idp_1', '--subject', 'x', '--reason', 'why'],
    /that organization only/,
  ],
  [
    'the same by its issuer',
    ['grant', '--issuer', 'urn:orgate:provider:idp_1', '--subject', 'x', '--reason', 'w'],
    /that organization only/,
  ],
  ['more than that', ['list', 'all'], /too much/],
])('the command refuses %s, before it opens anything', async (_name, args, message) => {
  const { code, stdout, stderr } = await command('system-admin', args, {
    DATABASE_URL: 'postgres://nowhere.invalid/x',
  });
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(message);
});

(isPostgres ? describe : describe.skip)('On PostgreSQL', () => {
  const server = useServer();
  const MIGRATION_DATABASE_URL = process.env['ORGATE_TEST_URL'] as string;
  const run = (...args: string[]) => command('system-admin', args, { MIGRATION_DATABASE_URL });
  const roleOf = async (client: Awaited<ReturnType<typeof server.as>>) => (await client(ROLE)).data.viewer.systemRole;
  const made: string[] = [];
  afterEach(async () => {
    // Others count who may administer the deployment.
    await server.database.pool.queryAsLoginRole(`update person set system_role = 'USER' where id = any ($1)`, [made]);
  });

  async function givenPerson() {
    const client = await server.as(`${unique('sue')}@orgate.example`);
    const id = await personId(client);
    made.push(id);
    return { client, id, identity: ['--issuer', server.issuer.issuer, '--subject', client.email] };
  }

  test('it takes effect with the next request of the same token, and ends with the next one', async () => {
    const { client, id, identity } = await givenPerson();
    const other = await givenPerson();
    expect(await roleOf(client)).toBe('USER');
    expect((await run('grant', ...identity, '--reason', 'On call in December')).code).toBe(0);
    expect(await roleOf(client)).toBe('SYSTEM_ADMIN');
    expect((await client('{ organizations(first: 1) { nodes { id } } }')).errors).toEqual([]);
    expect(await roleOf(other.client)).toBe('USER');

    expect((await run('revoke', '--id', id, '--reason', 'December is over')).stdout).toContain(
      'SYSTEM_ADMIN no longer',
    );
    expect(await roleOf(client)).toBe('USER');
    expect((await client('{ organizations(first: 1) { nodes { id } } }')).errors[0]?.extensions['code']).toBe(
      'FORBIDDEN',
    );
  });

  test('who has it, since when, by whom and why is kept, and who had it', async () => {
    const [held, gone] = [await givenPerson(), await givenPerson()];
    const listed = async (id: string) =>
      (JSON.parse((await run('list', '--json')).stdout) as { personId: string }[]).filter(
        ({ personId: each }) => each === id,
      );
    expect(await listed(held.id)).toEqual([]);
    for (const { identity } of [held, gone]) await run('grant', ...identity, '--reason', 'First');
    await run('revoke', '--id', gone.id, '--reason', 'Last');
    const grant = { by: expect.stringMatching(/^\S+@\S+ as \S+$/), at: expect.any(String), reason: 'First' };
    expect(await listed(held.id)).toMatchObject([{ email: held.client.email, grant, revocation: null }]);
    expect(await listed(gone.id)).toMatchObject([{ grant, revocation: { by: grant.by, reason: 'Last' } }]);

    await run('grant', '--id', gone.id, '--reason', 'Again');
    expect(await listed(gone.id)).toMatchObject([{ grant: { reason: 'Again' }, revocation: null }]);
    await run('revoke', '--id', gone.id, '--reason', 'For good');
    expect(await listed(gone.id)).toMatchObject([
      { revocation: { reason: 'For good' } },
      { revocation: { reason: 'Last' } },
    ]);
    const { stdout } = await run('list');
    expect(stdout).toContain(`is   ${held.client.email.split('@')[0]} <${held.client.email}>  ${held.id}`);
    expect(stdout).toContain(`was  ${gone.client.email.split('@')[0]} <${gone.client.email}>  ${gone.id}`);
  });

  test('nobody, whoever has it already, whoever has it not, and a disabled account are told apart, and nothing changes', async () => {
    const { client, id, identity } = await givenPerson();
    const why = ['--reason', 'why'];
    const said = async (...args: string[]) => {
      const { code, stderr } = await run(...args);
      return `${code} ${stderr}`;
    };
    expect(await said('grant', '--id', 'usr_nobody', ...why)).toMatch(/^1 Nobody has the id usr_nobody/);
    expect(await said('grant', '--issuer', server.issuer.issuer, '--subject', 'x', ...why)).toMatch(
      /^1 Nobody signed in/,
    );
    expect(await said('grant', '--provider', 'google', '--subject', client.email, ...why)).toMatch(
      /^1 Nobody signed in/,
    );
    expect(await said('revoke', '--id', id, ...why)).toMatch(/^1 .* is no SYSTEM_ADMIN/);
    await run('grant', ...identity, ...why);
    expect(await said('grant', '--id', id, ...why)).toMatch(/^1 .* is SYSTEM_ADMIN already/);
    const off = await givenPerson();
    await server.database.pool.queryAsLoginRole(`update person set status = 'DISABLED' where id = $1`, [off.id]);
    expect(await said('grant', '--id', off.id, ...why)).toMatch(/^1 .* is disabled/);
  });

  test('beside whoever reads the record for long it says so and changes nothing, and the gateway goes on', async () => {
    const { client, id } = await givenPerson();
    const reader = new pg.Client({ connectionString: MIGRATION_DATABASE_URL });
    await reader.connect();
    const grant = () => run('grant', '--id', id, '--reason', 'why');
    try {
      await reader.query('begin; select from audit_entry limit 1');
      const granting = grant();
      let isOver = false;
      void granting.then(() => (isOver = true));
      let written = 0;
      while (!isOver) {
        const slug = unique('acme');
        const { errors } = await client(
          `mutation ($input: CreateOrganizationInput!) { createOrganization(input: $input) { id } }`,
          { input: { name: 'Acme', slug } },
        );
        expect(errors).toEqual([]);
        written += 1;
      }
      const { code, stderr } = await granting;
      expect([code, stderr]).toEqual([1, expect.stringContaining('being read by something that takes long')]);
      expect(written).toBeGreaterThan(0);
      expect(await roleOf(client)).toBe('USER');
    } finally {
      await reader.end();
    }
    expect((await grant()).code).toBe(0);
  });

  test('of two grants at once one is made', async () => {
    const { id } = await givenPerson();
    const both = await Promise.all([1, 2].map(() => run('grant', '--id', id, '--reason', 'twice')));
    expect(both.filter(({ code }) => code === 0)).toHaveLength(1);
  });

  test('the roles that the gateway works as can neither make anyone one, nor say that someone was', async () => {
    const { id } = await givenPerson();
    const client = new pg.Client({ connectionString: MIGRATION_DATABASE_URL });
    await client.connect();
    try {
      for (const role of ['orgate_app', 'orgate_directory']) {
        for (const statement of [
          `update person set system_role = 'SYSTEM_ADMIN' where id = '${id}'`,
          `insert into audit_entry (org_id, actor_kind, action, target_id) values ('', 'SYSTEM', 'system_admin.granted', '${id}')`,
          `update audit_entry set reason = 'x' where org_id = '' and action = 'system_admin.granted'`,
          `delete from audit_entry where org_id = ''`,
        ]) {
          await client.query('begin');
          await client.query(`set local role ${role}`);
          await expect(client.query(statement)).rejects.toMatchObject({ code: '42501' });
          await client.query('rollback');
        }
      }
    } finally {
      await client.end();
    }
  });
});

test('a login that is not the owner’s, and a database of another release, are told so', async () => {
  if (!isPostgres) return;
  const url = new URL(process.env['ORGATE_TEST_URL'] as string);
  url.pathname = 'template1';
  const { code, stderr } = await command('system-admin', ['list'], { DATABASE_URL: url.href });
  expect([code, stderr]).toEqual([1, expect.stringContaining('npm run migrate')]);
});
