import { expect, test } from '@jest/globals';
import { inspectHosts } from '../../../src/data/start/doctor.js';
import { watchHosts } from '../../../src/gateway/http/watch-hosts.js';
import { byTest } from '../../support/act.js';
import { givenHeldDomain, givenTwoOrganizations } from '../../support/given.js';
import { raw } from '../../support/raw.js';
import { useServer } from '../../support/server.js';

const server = useServer({ ownDatabase: true });

const HOSTING = { baseDomain: 'acme.example', publicUrl: 'https://app.orgate.example' };

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
  // The database lets nobody do this: its constraints are switched off, as they are while a backup is restored.
  await pool.queryAsLoginRole(`set session_replication_role = replica`);
  await pool.queryAsLoginRole(
    `insert into organization_domain (org_id, id, name, status, challenge, held_name, serving)
     values ($1, 'dom_0', $2, 'VERIFIED', 'unused', $2, true)`,
    [globex.id, name],
  );
  await pool.queryAsLoginRole(`set session_replication_role = origin`);
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
