import { once } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { PRODUCTION } from '../support/production.js';
import { ask, command, newDirectory, start } from '../support/process.js';

test('the first start makes the demo world, a second process is refused, and kill -9 loses nothing acknowledged', async () => {
  const DATA_DIR = await newDirectory();
  const first = await start({ DATA_DIR });
  expect(first.output()).toContain('orgate is ready.');
  for (const page of ['/auth', '/dev/mail', '/dev/webhooks']) expect(first.output()).toContain(`${first.url}${page}\n`);
  expect(first.output()).toContain(`GraphQL   ${first.url}/graphql`);

  // The token command works beside the running server: it never opens the database.
  const { stdout } = await command('token', ['ann@acme.example', '--org', 'acme'], { DATA_DIR });
  expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  const token = stdout.trim();
  expect((await stat(`${DATA_DIR}/development-issuer.jwk`)).mode & 0o777).toBe(0o600);

  const { repositories } = await ask(first, token, '{ repositories { totalCount } }');
  expect(repositories).toEqual({ totalCount: 3 });

  const second = await start({ DATA_DIR });
  expect(await second.end()).toBe(1);
  expect(second.output()).toContain(`is in use by process ${first.child.pid}`);

  const CREATE = 'mutation { createRepository(input: { name: "kept", gitUrl: "https://git.example/kept" }) { id } }';
  const { createRepository } = await ask(first, token, CREATE);
  await first.end('SIGKILL');

  const again = await start({ DATA_DIR });
  const { repository } = await ask(again, token, `{ repository(id: "${createRepository.id}") { name } }`);
  expect(repository).toEqual({ name: 'kept' });
  expect(again.output()).not.toContain('loaded the demo data');
  expect(await again.end()).toBe(0);
});

test('of several processes that open one directory at once exactly one does', async () => {
  const DATA_DIR = await newDirectory();
  for (let round = 0; round < 3; round += 1) {
    const started = await Promise.all(Array.from({ length: 3 }, () => start({ DATA_DIR })));
    const serving = started.filter(({ child }) => child.exitCode === null);
    expect(serving).toHaveLength(1);
    await Promise.all(started.map((each) => each.end('SIGKILL')));
  }
});

test('several token commands at once make one key', async () => {
  const DATA_DIR = await newDirectory();
  const made = await Promise.all(Array.from({ length: 4 }, () => command('token', ['ann@acme.example'], { DATA_DIR })));
  const server = await start({ DATA_DIR });
  for (const { stdout } of made) {
    const data = await ask(server, stdout.trim(), '{ viewer { user { email } } }');
    expect(data).toEqual({ viewer: { user: { email: 'ann@acme.example' } } });
  }
  await server.end();
});

test.each<[string, number, string[], NodeJS.ProcessEnv, RegExp]>([
  ['no e-mail', 2, [], {}, /^One e-mail is needed\. --help/],
  ['not an e-mail', 2, ['ann'], {}, /^One e-mail is needed\. --help/],
  ['two e-mails', 2, ['ann@acme.example', 'bob@globex.example'], {}, /^One e-mail is needed\. --help/],
  ['an unknown option', 2, ['ann@acme.example', '--role', 'OWNER'], {}, /--role/],
  ['an address that is not local', 1, ['ann@acme.example'], { HOST: '0.0.0.0' }, /AUTH_ISSUERS/],
])('the token command says what is wrong: %s', async (_name, expected, args, env, message) => {
  const { code, stdout, stderr } = await command('token', args, { DATA_DIR: await newDirectory(), ...env });
  expect([code, stdout]).toEqual([expected, '']);
  expect(stderr).toMatch(message);
});

test.each([
  [
    'ann@acme.example',
    'initech',
    'In the demo world ann@acme.example is in acme, globex and acme-staging, not in initech: unless',
  ],
  ['nia@acme.example', 'acme', 'In the demo world nia@acme.example is in no organization, not in acme: unless'],
  ['ann@acme.example', 'globex', ''],
  ['gus@globex.example', 'globex', ''],
  ['ann@acme.example', 'org_01k3m40309ec6p3083egp82fk4', ''],
])('the token command says, beside the token, that %s is not in %s, where that is so', async (email, org, message) => {
  const { code, stdout, stderr } = await command('token', [email, '--org', org], { DATA_DIR: await newDirectory() });
  expect([code, stdout.split('.').length]).toEqual([0, 3]);
  if (message === '') expect(stderr).toBe('');
  else expect(stderr).toContain(message);
});

test('what is in flight is finished when the process is asked to end', async () => {
  const server = await start({ DATA_DIR: await newDirectory(), SHUTDOWN_DELAY_MS: '5000' });
  const { stdout } = await command('token', ['ann@acme.example', '--org', 'acme'], { DATA_DIR: await newDirectory() });
  expect(stdout).not.toBe('');
  const ended = server.end();
  const late = await fetch(`${server.url}/readyz`);
  expect([503, 200]).toContain(late.status);
  expect((await fetch(`${server.url}/livez`)).status).toBe(200);
  expect(await ended).toBe(0);
});

test('a configuration with several problems is refused with all of them', async () => {
  const server = await start({ NODE_ENV: 'production', PORT: 'abc', DATA_DIR: await newDirectory() });
  expect(await server.end()).toBe(1);
  for (const variable of ['PORT', 'DATABASE_URL', 'PUBLIC_URL', 'AUTH_ISSUERS']) {
    expect(server.output()).toMatch(new RegExp(`^  ${variable} .*Example: ${variable}=`, 'm'));
  }
});

/** How each program is named to those who start it. */
const PROGRAMS = [
  ['main', 'npm start'],
  ['demo', 'npm run demo'],
  ['doctor', 'npm run doctor'],
  ['migrate', 'npm run migrate'],
  ['schema', 'npm run schema'],
  ['system-admin', 'npm run system-admin'],
  ['token', 'npm run --silent token'],
] as const;

test.each(PROGRAMS)('%s tells its usage, and does nothing else', async (program, usage) => {
  const DATA_DIR = await newDirectory();
  const { code, stdout, stderr } = await command(program, ['--help'], { DATA_DIR });
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(new RegExp(`^usage: ${usage}`));
  expect(stdout.split('\n').length).toBeLessThan(10);
  expect(await readdir(DATA_DIR)).toEqual([]);
});

test.each(PROGRAMS.map(([program]) => program))(
  '%s refuses an option that it does not know, in one line',
  async (program) => {
    const DATA_DIR = await newDirectory();
    for (const args of [['--wiat'], ['-w'], ['--json=yes']]) {
      const { code, stdout, stderr } = await command(program, args, { DATA_DIR });
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(/^.+\n$/);
      expect(stderr).toContain(args[0]?.split('=')[0]);
    }
    expect(await readdir(DATA_DIR)).toEqual([]);
  },
);

const issuer = { issuer: 'https://id.example', jwksUri: 'https://id.example/jwks', audience: 'orgate' };

test.each([
  ['PORT', 'for development', {}],
  ['METRICS_PORT', 'in production', { ...PRODUCTION, AUTH_ISSUERS: JSON.stringify([issuer]) }],
])('a %s that is taken is told %s in one sentence, before anything is opened', async (name, _where, env) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  try {
    const DATA_DIR = await newDirectory();
    const { port } = other.address() as AddressInfo;
    const server = await start({ DATA_DIR, ...env, [name]: String(port) });
    expect(await server.end()).toBe(1);
    expect(server.output()).toMatch(new RegExp(`^orgate cannot start\\. Port ${port} is taken.+\n$`));
    expect(await readdir(DATA_DIR)).toEqual([]);
  } finally {
    other.close();
  }
});
