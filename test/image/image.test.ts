import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { readConfig } from '../../src/config/config.js';
import { launchChromium } from '../support/chromium.js';
import { unique } from '../support/given.js';
import { readCompose, type Composition } from '../support/compose.js';
import { type Image, makeImage, readContext } from '../support/image.js';
import { eventually, startMailServer, type TestMailServer } from '../support/mail.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { freePort } from '../support/process.js';
import { raw } from '../support/raw.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { isPostgres, startIssuer, type TestIssuer } from '../support/server.js';

/** As a browser shows it: with its look, and nothing refused by its own policy. */
async function expectPage(url: string, text: RegExp): Promise<void> {
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    const troubles: string[] = [];
    page.on('console', (message) => void (message.type() === 'error' && troubles.push(message.text())));
    page.on('requestfailed', (request) => void troubles.push(request.url()));
    await page.goto(url);
    expect(await page.innerText('main')).toMatch(text);
    expect(await page.evaluate('document.styleSheets.length')).toBeGreaterThan(0);
    expect(troubles).toEqual([]);
  } finally {
    await browser.close();
  }
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const VARIABLES = {
  DATABASE_ADMIN_PASSWORD: 'admin',
  DATABASE_OWNER_PASSWORD: 'owner',
  DATABASE_GATEWAY_PASSWORD: 'gateway',
  DATABASE_BACKUP_PASSWORD: 'backup',
  ORGATE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
};

test('what is secret, or made by tools, is not sent to where the image is built', async () => {
  const isSent = await readContext();
  for (const file of [
    '.env',
    'src/generated/graphql.ts',
    '.git/config',
    '.data/secret-key',
    'node_modules',
    'test/a.ts',
  ])
    expect([file, isSent(file)]).toEqual([file, false]);
  for (const file of ['package-lock.json', 'src/main.ts', 'schema/base.graphql', '.config/prisma.ts'])
    expect([file, isSent(file)]).toEqual([file, true]);
});

test('the composition needs its secrets named, and serves with no more than it has to', async () => {
  await expect(readCompose({})).rejects.toThrow('is needed');
  const { services } = await readCompose(VARIABLES);
  const confined = { read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] };
  expect(services['gateway']).toMatchObject({ ...confined, mem_limit: '512m' });
  expect(services['migrate']).toMatchObject(confined);
  expect(JSON.stringify(services['gateway'])).not.toContain('orgate_owner');
  expect(services['gateway']?.environment['NODE_ENV']).toBeUndefined();
});

test('what the composition names is there, and waits for what can say that it is', async () => {
  const { services, configs, volumes } = await readCompose(VARIABLES);
  for (const [name, service] of Object.entries(services)) {
    expect([name, Object.keys(service).filter((key) => !SERVICE_KEYS.has(key))]).toEqual([name, []]);
    expect([name, ['image', 'build'].filter((key) => key in service)]).toEqual([name, [expect.anything()]]);
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      const offered = services[other]?.healthcheck ? 'service_healthy' : 'service_completed_successfully';
      expect([name, other, condition]).toEqual([name, other, offered]);
    }
    for (const { source } of service.configs ?? []) expect(Object.keys(configs)).toContain(source);
    for (const volume of service.volumes ?? []) expect(Object.keys(volumes)).toContain(volume.split(':')[0]);
    // Nobody but this machine gets there.
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    for (const word of service.healthcheck?.test.slice(0, 1) ?? []) expect(word).toBe('CMD');
  }
  expect(Object.keys(services)).toEqual(['database', 'redis', 'mail', 'migrate', 'gateway', 'proxy']);
});

/** Of Compose's specification, those that are used. */
const SERVICE_KEYS = new Set(
  `image build command environment configs volumes healthcheck ports depends_on read_only cap_drop security_opt mem_limit restart
   stop_grace_period`.split(/\s+/),
);

(isPostgres ? describe : describe.skip)('the image, started as the composition says', () => {
  let image: Image;
  let compose: Composition;
  let postgres: TestPostgres;
  let redis: TestRedis;
  let smtp: TestMailServer;
  let issuer: TestIssuer;
  let port = 0;
  let started: ChildProcess | undefined;

  beforeAll(async () => {
    // What is built is built already, unless it is asked for.
    const making = makeImage(process.env['ORGATE_IMAGE_BUILD'] === '1' ? null : ROOT);
    [image, postgres, redis, smtp, issuer, port] = await Promise.all([
      making,
      startPostgres(),
      startRedis(),
      startMailServer(),
      startIssuer(),
      freePort(),
    ]);
    const AUTH_ISSUERS = JSON.stringify([{ issuer: issuer.issuer, jwksUri: issuer.jwksUri, audience: 'orgate' }]);
    compose = await readCompose({ ...VARIABLES, AUTH_ISSUERS });
    // As the administrator of a server on which nothing is yet.
    const admin = new pg.Client({ connectionString: postgres.url.replace(/orgate$/, 'postgres') });
    await admin.connect();
    await admin.query('drop database orgate');
    for (const statement of compose.configs['roles']?.content.trim().split('\n') ?? []) await admin.query(statement);
    await admin.end();
  }, 300_000);
  afterAll(async () => {
    started?.kill('SIGKILL');
    await Promise.all([image?.remove(), postgres?.close(), redis?.kill(), smtp?.close(), issuer?.close()]);
  });

  /** What a service is told, with the addresses of this machine in the places of those of Compose's network. */
  const environmentOf = (service: string): NodeJS.ProcessEnv => {
    const places: [RegExp, string][] = [
      [/@database:5432/, `@127.0.0.1:${postgres.port}`],
      [/^redis:\/\/redis:6379/, redis.url],
      [/^smtp:\/\/mail:1025/, smtp.url],
    ];
    const told = Object.entries(compose.services[service]?.environment ?? {});
    return Object.fromEntries(
      told.map(([name, value]) => [name, places.reduce((text, [from, to]) => text.replace(from, to), value)]),
    );
  };
  const serving = (): NodeJS.ProcessEnv => ({
    ...environmentOf('gateway'),
    PORT: String(port),
    METRICS_PORT: 'off',
    SHUTDOWN_DELAY_MS: '0',
  });
  const ask = async (token: string, query: string, organization?: string) => {
    const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${token}`,
        ...(organization && { 'x-organization-id': organization }),
      },
      body: JSON.stringify({ query }),
    });
    return (await response.json()) as { data: unknown };
  };

  test('holds what is served, and nothing that is for development', async () => {
    expect((await readdir(image.files)).sort()).toEqual([
      'dist',
      'node_modules',
      'package-lock.json',
      'package.json',
      'prisma',
      'schema',
    ]);
    expect(await readdir(path.join(image.files, 'dist'))).not.toContain('development');
    expect(await readdir(path.join(image.files, 'prisma'))).toEqual(['migrations']);
    const { devDependencies } = JSON.parse(await readFile(path.join(image.files, 'package.json'), 'utf8'));
    const installed = new Set(await readdir(path.join(image.files, 'node_modules')));
    expect(Object.keys(devDependencies).filter((name) => installed.has(name))).toEqual([]);
    expect(image.user).toBe('node');
    expect(image.command).toContain('--max-semi-space-size=16');
    expect(readConfig({ ...serving(), NODE_ENV: 'production' }).production).toBe(true);
  });

  test('it migrates, answers, sends mail and ends, without a file that it may write', async () => {
    const written = await image.run(['sh', '-c', 'echo > here; echo > /tmp/orgate-here; true'], {});
    const refusals = written.output.match(/Permission denied|Read-only file system/g) ?? [];
    if (process.getuid?.() === 0) expect(refusals).toHaveLength(image.isReadOnly ? 2 : 1);

    const migrated = await image.run(compose.services['migrate']?.command ?? [], environmentOf('migrate'));
    expect(migrated).toEqual({ code: 0, output: expect.stringContaining('The database is up to date.') });

    const server = image.start(image.command, serving());
    started = server;
    const ended = once(server, 'exit');
    let log = '';
    for (const stream of [server.stdout, server.stderr]) stream?.on('data', (chunk) => (log += String(chunk)));
    const { test: asked } = compose.services['gateway']?.healthcheck ?? { test: [] };
    const isReady = ['sh', '-c', 'exec "$0" "$@"', ...asked.slice(1).map((each) => each.replace('4000', String(port)))];
    while ((await image.run(isReady, {})).code !== 0) if (server.exitCode !== null) throw new Error(`it ended: ${log}`);
    expect((await image.run(image.healthcheck, { PORT: String(port) })).code).toBe(0);
    expect((await image.run(image.healthcheck, { PORT: '1' })).code).toBe(1);

    const ann = await issuer.sign({ sub: 'ann', email: 'ann@acme.example', email_verified: true });
    const slug = unique('acme');
    const create = `mutation { createOrganization(input: { name: "Acme", slug: "${slug}" }) { slug viewerRole } }`;
    expect(await ask(ann, create)).toEqual({ data: { createOrganization: { slug, viewerRole: 'OWNER' } } });
    const invite =
      'mutation { inviteUser(input: { email: "jane@new.example", name: "Jane", role: VIEWER }) { invitation { status } } }';
    expect(await ask(ann, invite, slug)).toMatchObject({ data: { inviteUser: { invitation: { status: 'PENDING' } } } });
    const [mail] = await eventually(() => (smtp.received.length > 0 ? smtp.received : undefined));
    expect(mail?.text).toContain('https://localhost/invitations/');
    const [, link = ''] = /https:\/\/localhost(\/invitations\/\S+)/.exec(mail?.text ?? '') ?? [];
    if (process.env['ORGATE_BROWSER_TESTS'])
      await expectPage(`http://127.0.0.1:${port}${link}`, /Join Acme.*invites you/s);
    for (const page of ['/', '/dev/people', '/dev/token', '/graphiql'])
      expect([page, (await raw(`http://127.0.0.1:${port}${page}`)).status]).toEqual([page, 404]);

    const doctor = await image.run(['node', 'dist/commands/doctor.js'], serving());
    expect(doctor).toEqual({ code: 0, output: expect.stringMatching(/All \d+ checks hold\./) });

    const peak = Number(/VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${server.pid}/status`, 'utf8'))?.[1]);
    expect(peak).toBeLessThan(400 * 1024); // of the 512 MB that it has
    server.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    for (const line of log.split('\n').filter((each) => each !== '')) expect(() => JSON.parse(line)).not.toThrow();
  });
});
