import { expect, test } from '@jest/globals';
import { type Database, openDatabase } from '../../../src/data/database.js';
import { inspectHosts } from '../../../src/data/start/doctor.js';
import { addDemoWorld, findDemoOrganization } from '../../../src/development/demo.js';
import { watchHosts } from '../../../src/gateway/http/watch-hosts.js';
import { byTest } from '../../support/act.js';
import { givenHeldDomain, givenTwoOrganizations } from '../../support/given.js';
import { eventually } from '../../support/mail.js';
import { command, newDirectory, start } from '../../support/process.js';
import { raw } from '../../support/raw.js';
import { useServer } from '../../support/server.js';

const server = useServer({ ownDatabase: true });

const HOSTING = { baseDomain: 'acme.example', publicUrl: 'https://app.orgate.example' };

/** The database lets nobody do this: its constraints are switched off, as they are while a backup is restored. */
async function shareHost({ pool }: Database, orgId: string, name: string): Promise<void> {
  await pool.queryAsLoginRole(`set session_replication_role = replica`);
  await pool.queryAsLoginRole(
    `insert into organization_domain (org_id, id, name, status, challenge, held_name, serving)
     values ($1, 'dom_0', $2, 'VERIFIED', 'unused', $2, true)`,
    [orgId, name],
  );
  await pool.queryAsLoginRole(`set session_replication_role = origin`);
}

const given = async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  const { id, name } = await givenHeldDomain(server, acme, { name: `assistant.${acme.slug}.example` });
  const db = server.database.organizationDb(acme.id, byTest);
  await db.organizationDomain.update({ id }, { serving: true });
  const ask = async () => {
    const headers = { host: name, 'content-type': 'application/json', authorization: `Bearer ${acme.owner.token}` };
    const body = JSON.stringify({ query: '{ viewer { organizationSource } }' });
    return JSON.parse((await raw(`${server.url}/graphql`, { method: 'POST', headers, body })).text);
  };
  return { acme, globex, id, name, ask };
};

test('two organizations on one host, however that came about, are found, alerted, and refused', async () => {
  const { acme, globex, name, ask } = await given();
  const { pool } = server.database;
  expect((await inspectHosts(pool, HOSTING)).every(({ ok }) => ok)).toBe(true);
  expect((await ask()).data.viewer.organizationSource).toBe('HOST');
  await shareHost(server.database, globex.id, name);
  const [shared] = await inspectHosts(pool, HOSTING);
  expect(shared?.ok).toBe(false);
  expect(shared?.detail).toContain(name);
  for (const each of [acme.id, globex.id]) expect(shared?.detail).toContain(each);
  const alerts: object[] = [];
  await watchHosts(server.database, server.config, { error: (alert: object) => alerts.push(alert) } as never);
  expect(alerts).toMatchObject([{ stream: 'routing', alert: true, hosts: shared?.detail }]);
  expect((await ask()).errors[0].extensions.code).toBe('NOT_FOUND');
});

test('a host under the base domain, or at the public URL, is told to be the deployment’s own', async () => {
  const { acme, name } = await given();
  const covered = async (hosting: typeof HOSTING) => (await inspectHosts(server.database.pool, hosting))[1];
  expect(await covered(HOSTING)).toMatchObject({ ok: true });
  for (const hosting of [
    { ...HOSTING, baseDomain: `${acme.slug}.example` },
    { ...HOSTING, publicUrl: `https://${name}` },
  ]) {
    expect(await covered(hosting)).toMatchObject({ ok: false, detail: `${name} (${acme.id})` });
  }
  const atSlug = { ...HOSTING, publicUrl: `https://${acme.slug}.acme.example` };
  expect(await covered(atSlug)).toMatchObject({ ok: false, detail: `${acme.slug}.acme.example (${acme.id})` });
});

test('of two organizations on one host `doctor --domains` names it and ends with 1, and a server that starts logs it', async () => {
  const DATA_DIR = await newDirectory();
  const change = async (step: (database: Database) => Promise<unknown>) => {
    const database = await openDatabase({
      store: { dataDirectory: DATA_DIR },
      poolSize: 1,
      statementTimeoutMs: 30_000,
      preparedStatements: true,
      requireSeparateLogin: false,
      onStep: () => undefined,
    });
    try {
      await step(database);
    } finally {
      await database.close();
    }
  };
  const examine = () => command('doctor', ['--domains'], { DATA_DIR });
  await change(async (database) => {
    await addDemoWorld(database);
    const acme = database.organizationDb(await findDemoOrganization(database.pool, 'acme'), byTest);
    await acme.organizationDomain.updateMany({ name: 'acme.example' }, { serving: true });
  });
  expect(await examine()).toMatchObject({ code: 0, stdout: expect.stringMatching(/All \d checks hold\./), stderr: '' });
  await change(async (database) =>
    shareHost(database, await findDemoOrganization(database.pool, 'globex'), 'acme.example'),
  );
  const { code, stdout } = await examine();
  expect([code, stdout]).toEqual([
    1,
    expect.stringMatching(/FAIL {2}no two organizations have one host +acme\.example \(org_/),
  ]);
  const started = await start({ DATA_DIR });
  try {
    await eventually(
      () => /"hosts":"acme\.example \(org_.*"msg":"hosts are refused"/.test(started.output()) || undefined,
    );
  } finally {
    await started.end();
  }
});
