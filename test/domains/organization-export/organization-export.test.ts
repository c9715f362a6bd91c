import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { GLOBAL_MODELS } from '../../../src/data/organization/models.js';
import { EXCEPTIONS, EXPORTED_TABLES } from '../../../src/domains/organization-export/exported.js';
import { PAGE } from '../../../src/domains/organization-export/outside.js';
import { Prisma } from '../../../src/generated/prisma/client.js';
import { givenKey } from '../../support/api-key.js';
import { givenEverything } from '../../support/given-everything.js';
import { type GivenOrganization, givenMember, givenOrganization, givenTwoOrganizations } from '../../support/given.js';
import { type Client, useServer } from '../../support/server.js';

const server = useServer();

const EXPORT = 'mutation { exportOrganization { url expiresAt } }';
const sql = async (text: string, values: unknown[] = []) =>
  (await server.database.pool.queryAsLoginRole(text, values)).rows as Record<string, unknown>[];

interface Line {
  readonly type: string;
  readonly row: Readonly<Record<string, unknown>>;
}

async function linkOf({ owner }: GivenOrganization): Promise<string> {
  const { data } = await owner(EXPORT);
  return `${server.url}${new URL(String(data.exportOrganization?.url)).pathname}`;
}

const follow = (url: string, { token }: Pick<Client, 'token'>) =>
  fetch(url, { headers: { authorization: `Bearer ${token}` } });

async function exported(organization: GivenOrganization) {
  const response = await follow(await linkOf(organization), organization.owner);
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/x-ndjson']);
  const text = await response.text();
  const lines = text.trimEnd().split('\n');
  const manifest = JSON.parse(lines.pop() ?? '') as {
    type: string;
    organizationId: string;
    counts: Record<string, number>;
    sha256: string;
  };
  return { text, manifest, lines: lines.map((line) => JSON.parse(line) as Line) };
}

describe('What is exported', () => {
  test('MUST be every model of an organization, or say why not', async () => {
    const owned = Object.values(Prisma.ModelName).filter((name) => !(name in GLOBAL_MODELS));
    const left = Object.entries(EXCEPTIONS).flatMap(([name, share]) => ('leftOut' in share ? [name] : []));
    expect([...EXPORTED_TABLES.map(({ type }) => type), ...left].toSorted()).toEqual(owned.toSorted());
    const tables = await sql(
      `select c.relname as name from pg_class c where c.relnamespace = 'public'::regnamespace and c.relname = any ($1)`,
      [EXPORTED_TABLES.map(({ table }) => table)],
    );
    expect(tables).toHaveLength(EXPORTED_TABLES.length);
  });

  test('MUST leave out what is secret, and every column that it names', async () => {
    const columns = await sql(
      `select table_name as table, column_name as column from information_schema.columns where table_schema = 'public'`,
    );
    const secret = /secret|hash|token(?!s|_last_four|_made_by)|wrapped|sealed|password|private|payload/;
    // Hashes of the record are what it is checked by; those of keys and tokens are not here.
    const isPublic = new Set(['audit_seal.hash', 'audit_seal.sealed_at', 'scim_directory.token_replaced_at']);
    for (const { table, without } of EXPORTED_TABLES) {
      const own = columns.filter((each) => each['table'] === table).map((each) => String(each['column']));
      expect([table, without.filter((each) => !own.includes(each))]).toEqual([table, []]);
      const left = own.filter(
        (each) => secret.test(each) && !without.includes(each) && !isPublic.has(`${table}.${each}`),
      );
      expect([table, left]).toEqual([table, []]);
    }
  });
});

describe('exportOrganization', () => {
  test('leads to all that there is, and a manifest that tells whether it came whole', async () => {
    const acme = await givenEverything(server, await givenOrganization(server));
    await sql(
      `insert into repository (org_id, id, name, git_url) select $1, 'rep_' || n, 'r' || n, 'x' from generate_series(1, $2::int) n`,
      [acme.id, 2 * PAGE],
    );
    const { lines, manifest, text } = await exported(acme);
    expect(manifest).toMatchObject({ type: 'Manifest', organizationId: acme.id });
    const whole = text.slice(0, text.lastIndexOf('{"type":"Manifest"'));
    expect(createHash('sha256').update(whole).digest('hex')).toBe(manifest.sha256);
    for (const { type, table } of EXPORTED_TABLES) {
      const of = lines.filter((line) => line.type === type);
      const column = table === 'organization' ? 'id' : 'org_id';
      const [found] = await sql(`select count(*)::int as count from "${table}" where "${column}" = $1`, [acme.id]);
      const later = table === 'audit_entry' || table === 'audit_seal' ? expect.any(Number) : found?.['count'];
      expect([type, of.length]).toEqual([type, manifest.counts[type]]);
      expect([type, of.length]).toEqual([type, later]);
    }
    expect(manifest.counts['Repository']).toBeGreaterThan(2 * PAGE);
    expect(lines.find(({ type }) => type === 'Organization')?.row).toMatchObject({ id: acme.id, slug: acme.slug });
    expect(lines.some(({ type, row }) => type === 'Run' && JSON.stringify(row['input']).includes('canary'))).toBe(true);
  });

  test('holds no secret, and nothing of another organization', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const key = await givenKey(server, acme.owner, ['run:read']);
    await acme.owner('mutation ($input: CreateCredentialInput!) { createCredential(input: $input) { id } }', {
      input: { kind: 'GIT', name: 'GitHub', provider: 'github', secret: 'swordfish' },
    });
    const { text } = await exported(acme);
    const [kept] = await sql(
      `select k.secret_hash as hash, c.secret, d.wrapped from api_key k, credential c, data_key d
       where k.org_id = $1 and c.org_id = $1 and d.org_id = $1`,
      [acme.id],
    );
    for (const secret of ['swordfish', key.secret, kept?.['hash'], kept?.['secret'], kept?.['wrapped']]) {
      expect(String(secret).length).toBeGreaterThan(5);
      expect(text).not.toContain(String(secret));
    }
    for (const foreign of [globex.id, globex.slug]) expect(text).not.toContain(foreign);
  });

  test('works once, for ten minutes, and for nobody but whoever made it', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const second = await givenMember(server, acme, 'OWNER');
    const url = await linkOf(acme);
    const statuses = [second, acme.admin, globex.owner].map(async (client) => (await follow(url, client)).status);
    expect(await Promise.all(statuses)).toEqual([404, 403, 404]);
    expect(
      (
        await follow(
          url.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
          acme.owner,
        )
      ).status,
    ).toBe(404);
    expect((await follow(url.replace(/[^/]+$/, 'x%00'), acme.owner)).status).toBe(404);
    const read = await follow(url, acme.owner);
    expect(read.status).toBe(200);
    await read.text();
    for (let status = 200; status !== 404;) ({ status } = await follow(url, acme.owner));
    const late = await linkOf(acme);
    await sql(`update organization_export set expires_at = now() - interval '1 second' where org_id = $1`, [acme.id]);
    expect((await follow(late, acme.owner)).status).toBe(404);
  });

  test('works while the organization is to be deleted, for its OWNERs', async () => {
    const acme = await givenOrganization(server);
    const before = await linkOf(acme);
    await acme.owner('mutation ($confirm: String!) { requestOrganizationDeletion(confirm: $confirm) { id } }', {
      confirm: acme.slug,
    });
    expect((await follow(before, acme.owner)).status).toBe(200);
    const { lines } = await exported(acme);
    expect(lines.find(({ type }) => type === 'Organization')?.row['status']).toBe('PENDING_DELETION');
    expect((await acme.admin(EXPORT)).errors[0]?.extensions).toMatchObject({ reason: 'PENDING_DELETION' });
  });
});
