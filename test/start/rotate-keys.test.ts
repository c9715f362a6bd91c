import { randomUUID } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { openDatabase, type Database } from '../../src/data/database.js';
import { newId } from '../../src/data/id.js';
import { clientSecretPlace } from '../../src/domains/identity-provider/index.js';
import { openSealed } from '../../src/identity/sealed.js';
import { createOrganizationSeal } from '../../src/secrets/organization-seal.js';
import { createSeal, type Seal } from '../../src/secrets/seal.js';
import { byTest } from '../support/act.js';
import { eventually } from '../support/mail.js';
import { command, newDirectory, type Process, program, start } from '../support/process.js';
import { isPostgres } from '../support/server.js';

const [OLD, NEW] = [1, 2].map((fill) => Buffer.alloc(32, fill).toString('base64')) as [string, string];
const KEYS = 400;

test('on the embedded database what it says is so, and without the old key all that is left opens', async () => {
  const DATA_DIR = await newDirectory();
  const first = await start({ DATA_DIR, ORGATE_SECRET_KEY: OLD });
  expect(await first.end()).toBe(0);
  const { code, stdout } = await command('rotate-keys', ['--json'], { DATA_DIR, ORGATE_SECRET_KEY: `${NEW},${OLD}` });
  expect([code, JSON.parse(stdout)]).toMatchObject([0, { signingKeys: 2, lost: [], signInsUntil: null }]);
  const told = await command('rotate-keys', [], { DATA_DIR, ORGATE_SECRET_KEY: `${NEW},${OLD}` });
  expect(told.stdout).toContain('0 signing keys and 0 secrets anew');
  expect(told.stdout).toContain('the keys behind it may go now.');
  const again = await start({ DATA_DIR, ORGATE_SECRET_KEY: NEW });
  expect(again.child.exitCode).toBeNull();
  expect(await again.end()).toBe(0);
});

(isPostgres ? describe : describe.skip)('secret keys are replaced while the gateway serves', () => {
  const admin = new pg.Client({ connectionString: process.env['ORGATE_TEST_URL'] });
  const name = `orgate_rotate_${randomUUID().slice(0, 8)}`;
  const url = Object.assign(new URL(process.env['ORGATE_TEST_URL'] ?? 'postgres://localhost'), { pathname: name });
  let database: Database;
  let gateway: Process | undefined;
  let token: string;
  const env = { DATABASE_URL: url.href, ORGATE_SECRET_KEY: `${NEW},${OLD}` };
  const sql = async <Row>(text: string) => (await database.pool.queryAsLoginRole(text)).rows as Row[];

  beforeAll(async () => {
    await admin.connect();
    await admin.query(`create database ${name}`);
    const DATA_DIR = await newDirectory();
    const first = await start({ ...env, DATA_DIR, ORGATE_SECRET_KEY: OLD });
    expect((await command('demo', [], { ...env, DATA_DIR, ORGATE_SECRET_KEY: OLD })).code).toBe(0);
    await first.end();
    gateway = await start({ ...env, DATA_DIR });
    token = (await command('token', ['ann@acme.example', '--org', 'acme'], { DATA_DIR })).stdout.trim();
    database = await openDatabase({
      store: { url: url.href, migrationUrl: null },
      poolSize: 4,
      statementTimeoutMs: 10_000,
      preparedStatements: true,
      requireSeparateLogin: false,
      onStep: () => undefined,
    });
  });
  afterAll(async () => {
    await gateway?.end('SIGKILL');
    await database?.close();
    await admin.query(`drop database if exists ${name} with (force)`);
    await admin.end();
  });

  const acmeDb = async () => {
    const [organization] = await sql<{ id: string }>(`select id from organization where slug = 'acme'`);
    const orgIds = await database.outside(openSealed).listOrganizations('', 500);
    const orgId = orgIds.find((id) => id === organization?.id);
    if (!orgId) throw new Error('the demo has acme');
    return { orgId, db: database.organizationDb(orgId, byTest) };
  };

  const createProvider = async (): Promise<string | null> => {
    const query = `mutation { createOidcProvider(input: { name: "Corp", issuer: "https://id.example", clientId: "x", clientSecret: "s3cret" }) { id } }`;
    const response = await fetch(`${gateway?.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query }),
    });
    return (
      ((await response.json()) as { data?: { createOidcProvider?: { id: string } } }).data?.createOidcProvider?.id ??
      null
    );
  };

  test('killed in the middle it is begun again; nothing is lost, and nothing needs the old key any more', async () => {
    const [old, both, anew] = [createSeal([OLD]), createSeal([NEW, OLD]), createSeal([NEW])];
    const { orgId, db } = await acmeDb();
    // What an older release left, and many keys, so that it takes long enough to be killed.
    const before = newId('idp');
    await db.identityProvider.create({
      id: before,
      kind: 'OIDC',
      name: 'Before',
      issuer: 'https://id.example',
      clientId: 'x',
      clientSecret: await old.seal('from before', `identity_provider/${orgId}/${before}`),
      defaultRole: 'VIEWER',
    });
    await db.dueWork.create({
      id: newId('due'),
      kind: 'mail',
      subject: 'mal_before',
      payload: JSON.stringify({
        id: 'mal_before',
        sealed: await old.seal('{}', `outgoing_mail/${orgId}/mal_before`),
        invitationId: null,
      }),
      dueAt: new Date(Date.now() + 3_600_000),
    });
    const places = Array.from({ length: KEYS }, (_, each) => ({ orgId, table: 'test', id: String(each) }));
    const underOld = createOrganizationSeal(old);
    const sealed: string[] = [];
    for (const place of places) {
      const id = newId('dek');
      const dataKey = Buffer.alloc(32, 3).toString('base64');
      await db.dataKey.create({
        id,
        wrapped: await old.seal(dataKey, `data_key/${orgId}/${id}`),
        secretKey: old.current,
      });
      sealed.push(await underOld.seal(db, place.id, place));
    }

    const kept: string[] = [];
    let isOver = false;
    const writing = (async () => {
      while (!isOver && kept.length < 8) {
        const id = await createProvider();
        if (id) kept.push(id);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    })();
    const underNew = async () =>
      Number(
        (await sql<{ n: string }>(`select count(*) as n from data_key where secret_key = '${both.current}'`))[0]?.n,
      );
    const killed = spawn(process.execPath, [program('rotate-keys')], {
      env: { PATH: process.env['PATH'], ...env, DATA_DIR: await newDirectory() },
      stdio: 'ignore',
    });
    await eventually(async () => ((await underNew()) > 10 ? true : undefined));
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    expect(await underNew()).toBeLessThan(KEYS);

    const { code, stdout } = await command('rotate-keys', ['--json'], { ...env, DATA_DIR: await newDirectory() });
    isOver = true;
    await writing;
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { key: both.current, secrets: 2, lost: [] }]);
    expect(await sql(`select from data_key where secret_key <> '${both.current}'`)).toEqual([]);
    const seal = createOrganizationSeal(anew);
    for (const [index, place] of places.entries()) {
      expect(await seal.open(db, sealed[index] as string, place)).toBe(place.id);
    }
    for (const [id, secret] of [[before, 'from before'] as const, ...kept.map((each) => [each, 's3cret'] as const)]) {
      const { clientSecret } = await db.identityProvider.get({ id });
      expect(await seal.open(db, clientSecret as string, clientSecretPlace(orgId, id))).toBe(secret);
    }
    expect(kept.length).toBeGreaterThan(0);
    expect(await gateway?.end()).toBe(0);
    gateway = await start({ ...env, ORGATE_SECRET_KEY: NEW, DATA_DIR: await newDirectory() });
    expect(gateway.child.exitCode).toBeNull();
    const told = await sql(`select from audit_entry where action = 'data_key.updated' and actor_name = 'rotate-keys'`);
    expect(told.length).toBeGreaterThanOrEqual(KEYS);
    expect(JSON.stringify(await sql(`select changes from audit_entry where action like 'data_key.%'`))).not.toContain(
      'eyJ',
    );
  });

  test('what opens under none of the keys is named, each, the rest is moved, and it ends with 1', async () => {
    const { orgId, db } = await acmeDb();
    const [gone, old] = [createSeal([Buffer.alloc(32, 9).toString('base64')]), createSeal([OLD])];
    const current = createSeal([NEW]).current;
    const mail = async (subject: string, payload: string): Promise<string> => {
      const id = newId('due');
      await db.dueWork.create({ id, kind: 'mail', subject, payload, dueAt: new Date(Date.now() + 3_600_000) });
      return id;
    };
    const sealedBy = async (seal: Seal, subject: string) =>
      JSON.stringify({
        id: subject,
        sealed: await seal.seal('{}', `outgoing_mail/${orgId}/${subject}`),
        invitationId: null,
      });
    const dataKey = async (wrapped: (purpose: string) => Promise<string>, secretKey: string): Promise<string> => {
      const id = newId('dek');
      await db.dataKey.create({ id, wrapped: await wrapped(`data_key/${orgId}/${id}`), secretKey });
      return id;
    };
    const lost = [
      `data key ${await dataKey(() => gone.seal('x', 'y'), 'gone')}`,
      // Nothing that is told beside a key counts for what it is.
      `data key ${await dataKey(async () => 'altered', current)}`,
      `mail ${await mail('mal_lost', await sealedBy(gone, 'mal_lost'))}`,
      `mail ${await mail('mal_altered', '{}')}`,
    ].map((what) => `${orgId}: ${what}`);
    const plain = Buffer.alloc(32, 3).toString('base64');
    const kept = await dataKey((purpose) => old.seal(plain, purpose), current);
    await mail('mal_kept', await sealedBy(old, 'mal_kept'));
    const [signingKey] = await sql<{ kid: string; private_key: string }>('select kid, private_key from signing_key');
    await sql(`update signing_key set private_key = 'altered' where kid = '${signingKey?.kid}'`);

    const { code, stdout } = await command('rotate-keys', ['--json'], { ...env, DATA_DIR: await newDirectory() });
    expect([code, JSON.parse(stdout)]).toMatchObject([1, { dataKeys: 1, secrets: 1, signingKeys: 0 }]);
    const told = (JSON.parse(stdout) as { lost: string[] }).lost;
    expect(told.toSorted()).toEqual([...lost, `signing key ${signingKey?.kid}`].toSorted());
    const { wrapped } = await db.dataKey.get({ id: kept });
    expect(await createSeal([NEW]).open(wrapped, `data_key/${orgId}/${kept}`)).toBe(plain);
    const inWords = await command('rotate-keys', [], { ...env, DATA_DIR: await newDirectory() });
    expect(inWords.code).toBe(1);
    expect(inWords.stdout).toMatch(/open under none of the keys that are given:\n {2}signing key /);
  });

  test('two that rotate at once, each with a key of its own in front, lose nothing', async () => {
    const { orgId, db } = await acmeDb();
    const [one, other] = [3, 4].map((fill) => Buffer.alloc(32, fill).toString('base64')) as [string, string];
    const place = { orgId, table: 'test', id: 'x' };
    const id = newId('dek');
    const { wrapped, secretKey } = {
      wrapped: await createSeal([NEW]).seal(Buffer.alloc(32, 5).toString('base64'), `data_key/${orgId}/${id}`),
      secretKey: createSeal([NEW]).current,
    };
    await db.dataKey.create({ id, wrapped, secretKey });
    const sealed = await createOrganizationSeal(createSeal([NEW])).seal(db, 'kept', place);
    const outcomes = await Promise.all(
      [`${one},${other},${NEW},${OLD}`, `${other},${one},${NEW},${OLD}`].map(async (ORGATE_SECRET_KEY) =>
        command('rotate-keys', ['--json'], { ...env, ORGATE_SECRET_KEY, DATA_DIR: await newDirectory() }),
      ),
    );
    for (const { stdout } of outcomes) expect(JSON.parse(stdout)).toMatchObject({ organizations: 4 });
    expect(await createOrganizationSeal(createSeal([one, other])).open(db, sealed, place)).toBe('kept');
  });
});
