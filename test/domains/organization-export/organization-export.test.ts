import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { GLOBAL_MODELS } from '../../../src/data/organization/models.js';
import { EXCEPTIONS, EXPORTED_TABLES } from '../../../src/domains/organization-export/exported.js';
import { PAGE } from '../../../src/domains/organization-export/outside.js';
import { Prisma } from '../../../src/generated/prisma/client.js';
import { givenKey } from '../../support/api-key.js';
import { givenEverything } from '../../support/given-everything.js';
import {
  comeBack,
  type GivenOrganization,
  givenMember,
  givenOrganization,
  givenTwoOrganizations,
  personId,
} from '../../support/given.js';
import { type Client, codeOf, startServer, useServer } from '../../support/server.js';
import { until } from '../../support/until.js';

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
    // Hashes of the record are what it is checked by, and those of what was approved what that was; those of keys and tokens are not here.
    const isPublic = new Set([
      'audit_seal.hash',
      'audit_seal.sealed_at',
      'scim_directory.token_replaced_at',
      'webhook.secret_made_at',
      'webhook.previous_secret_until',
      'approval.input_hash',
      'approval_decision.input_hash',
    ]);
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

  test('comes whole, however large the rows are', async () => {
    const acme = await givenOrganization(server);
    const { data } = await acme.owner(`mutation { startRun(input: { agentId: "${acme.agentId}" }) { id } }`);
    await sql(
      `insert into run (org_id, id, agent_id, repository_id, created_by, status, input, output)
       select org_id, 'run_' || n, agent_id, repository_id, created_by, 'CANCELLED', large.json, large.json
       from run, generate_series(1, 110) n, (select to_jsonb(array_fill(1, array[32700])) as json) as large where id = $1`,
      [String(data.startRun.id)],
    );
    const { manifest, text } = await exported(acme);
    expect(text.length).toBeGreaterThan(20_000_000);
    expect(manifest.counts['Run']).toBeGreaterThan(110);
  });

  test('is refused once a purge has begun, and cut off where it begins meanwhile', async () => {
    const acme = await givenOrganization(server);
    await sql(
      `insert into repository (org_id, id, name, git_url) select $1, 'rep_purged' || n, repeat('r', 60) || n, repeat('x', 2000)
       from generate_series(1, 8000) n`,
      [acme.id],
    );
    const url = await linkOf(acme);
    const begun = await follow(url, acme.owner);
    expect(begun.status).toBe(200);
    await sql(
      `update organization set status = 'PENDING_DELETION', purge_at = now(), purge_began_at = now() where id = $1`,
      [acme.id],
    );
    const outcome = await begun.text().catch(() => 'cut off');
    expect(outcome).not.toContain('"Manifest"');
    expect((await follow(url, acme.owner)).status).toBe(409);
    expect(codeOf(await acme.owner(EXPORT))).toBe('CONFLICT');
  });

  test('is read as it is taken: who takes none of it holds no connection and little memory, and keeps nobody waiting', async () => {
    const acme = await givenOrganization(server);
    await sql(
      `insert into repository (org_id, id, name, git_url) select $1, 'rep_slow' || n, 'slow ' || n, repeat('x', 2000)
       from generate_series(1, 25000) n`,
      [acme.id],
    );
    const { pathname } = new URL(await linkOf(acme));
    const { hostname, port } = new URL(server.url);
    const slow = connect({ host: hostname, port: Number(port) });
    await once(slow, 'connect');
    server.statements.length = 0;
    slow.write(`GET ${pathname} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${acme.owner.token}\r\n\r\n`);
    await once(slow, 'readable');
    // Neither side of the connection keeps much: a moment without a further page, and it waits for its taker.
    const pages = () => server.statements.filter(({ text }) => text.includes('from "repository" t')).length;
    for (let before = -1; before !== pages() || before === 0;) {
      before = pages();
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    expect(pages()).toBeLessThan(250);
    // What the server does by itself has one now and then; this would never give its own back.
    const { pool } = server.database;
    while (pool.totalCount - pool.idleCount > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await acme.viewer('{ viewer { role } }')).errors).toEqual([]);
    // Four of an organization at a time, and one that is gone has given its place back.
    slow.destroy();
    const links = await Promise.all(Array.from({ length: 4 }, () => linkOf(acme)));
    const isFree = async () => {
      const answers = await Promise.all(links.map((url) => follow(url, acme.owner)));
      for (const answer of answers) await answer.body?.cancel();
      return answers.every(({ status }) => status === 200);
    };
    while (!(await isFree())) await new Promise((resolve) => setTimeout(resolve, 50));
  });

  test('that was begun is told in the record, each time, also of who breaks off before its end', async () => {
    const acme = await givenOrganization(server);
    const globex = await givenOrganization(server, 'globex');
    const url = await linkOf(acme);
    const targetId = url.split('/').at(-1);
    const told = async () => {
      const { data } = await acme.owner(
        'query ($targetId: ID) { auditLog(filter: { targetId: $targetId }) { nodes { action actor { id } targetType } } }',
        { targetId },
      );
      return data.auditLog.nodes;
    };
    const by = { actor: { id: await personId(acme.owner) }, targetType: 'organization_export' };
    const entry = { action: 'organization_export.opened', ...by };
    const created = { ...entry, action: 'organization_export.created' };
    for (const nobody of [acme.admin, globex.owner]) expect((await follow(url, nobody)).status).not.toBe(200);
    expect(await told()).toEqual([created]);
    await (await follow(url, acme.owner)).body?.cancel();
    expect(await told()).toEqual([entry, created]);
    await (await follow(url, acme.owner)).body?.cancel();
    expect(await told()).toEqual([entry, entry, created]);
  });

  test('of who takes a kilobyte in a second holds no connection, and nothing of the database as it was', async () => {
    const acme = await givenOrganization(server);
    await sql(
      `insert into repository (org_id, id, name, git_url) select $1, 'rep_slowly' || lpad(n::text, 5, '0'), 'slowly ' || n, repeat('x', 2000)
       from generate_series(1, 12000) n`,
      [acme.id],
    );
    const { pathname } = new URL(await linkOf(acme));
    const { hostname, port } = new URL(server.url);
    const slow = connect({ host: hostname, port: Number(port) });
    await once(slow, 'connect');
    slow.write(`GET ${pathname} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${acme.owner.token}\r\n\r\n`);
    await once(slow, 'readable');
    const { pool } = server.database;
    for (let taken = 0; taken < 5; taken += 1) {
      while (slow.read(1024) === null) await new Promise((resolve) => setTimeout(resolve, 5));
      await until(() => pool.totalCount === pool.idleCount);
      expect((await acme.viewer('{ viewer { role } }')).errors).toEqual([]);
    }
    // Of what nobody has read yet it is the newest that comes: no moment was kept for them.
    await sql(`update repository set git_url = 'changed meanwhile' where org_id = $1 and id = 'rep_slowly12000'`, [
      acme.id,
    ]);
    slow.setEncoding('utf8');
    let tail = '';
    for await (const part of slow) {
      tail = `${tail}${String(part)}`.slice(-100_000);
      if (tail.includes('changed meanwhile')) break;
    }
    expect(tail).toContain('changed meanwhile');
  });

  test('leaves out what the page for administrators says, and nothing else', () => {
    const page = readFileSync(new URL('../../../docs/organizations.md', import.meta.url), 'utf8');
    const [, table = ''] = /Not in it is\n\n([^]*?)\n\n/.exec(page) ?? [];
    const said = table
      .split('\n')
      .slice(2)
      .map((row) => {
        const [, model = '', what = ''] = row.split('|').map((cell) => cell.trim());
        const named = [...what.replace(/:.*/, '').matchAll(/`(\w+)`/g)].map(([, column = '']) => column);
        return [model.replaceAll('`', ''), what.startsWith('all of it') ? 'all' : new Set(named)];
      });
    const are = Object.entries(EXCEPTIONS).map(([model, share]) => [
      model,
      'without' in share ? new Set(share.without) : 'all',
    ]);
    expect(Object.fromEntries(said)).toEqual(Object.fromEntries(are));
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

  test('works until it was read, for ten minutes, and for nobody but whoever made it', async () => {
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

  test('works for an OWNER who joined by a clock that is ahead', async () => {
    const acme = await givenOrganization(server);
    await sql(`update membership set joined_at = now() + interval '20 seconds' where org_id = $1`, [acme.id]);
    expect((await follow(await linkOf(acme), acme.owner)).status).toBe(200);
  });

  test('works no more for an OWNER who left and is back', async () => {
    const acme = await givenOrganization(server);
    await givenMember(server, acme, 'OWNER');
    const url = await linkOf(acme);
    await comeBack(server, acme, acme.owner);
    expect((await follow(url, acme.owner)).status).toBe(404);
    expect((await follow(await linkOf(acme), acme.owner)).status).toBe(200);
  });

  test('is one of twenty that work of whoever asks, and of each OWNER by themselves', async () => {
    const acme = await givenOrganization(server);
    const asked = await Promise.all(Array.from({ length: 22 }, () => acme.owner(EXPORT)));
    const refused = asked.filter(({ errors }) => errors.length > 0);
    expect(refused.map(codeOf)).toEqual(['RATE_LIMITED', 'RATE_LIMITED']);
    const seconds = Number(refused[0]?.errors[0]?.extensions['retryAfter']);
    expect([seconds > 500, seconds <= 600]).toEqual([true, true]);
    const second = await givenMember(server, acme, 'OWNER');
    expect((await second(EXPORT)).errors).toEqual([]);
    const url = String(asked.find(({ errors }) => errors.length === 0)?.data.exportOrganization?.url);
    await (await follow(`${server.url}${new URL(url).pathname}`, acme.owner)).text();
    const isNoted = async () => (await acme.owner(EXPORT)).errors.length === 0;
    while (!(await isNoted())) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(codeOf(await acme.owner(EXPORT))).toBe('RATE_LIMITED');
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

test('It costs a point for each row, and a hundred at the least', async () => {
  const limited = await startServer({ env: { RATE_LIMIT_PERSON: '100000' } });
  try {
    const acme = await givenOrganization(limited);
    await limited.database.pool.queryAsLoginRole(
      `insert into repository (org_id, id, name, git_url)
       select $1, 'rep_' || n, 'repository ' || n, 'https://git.example/x' from generate_series(1, 1000) n`,
      [acme.id],
    );
    const left = async () =>
      Number(/r=(\d+)/.exec((await acme.owner('{ viewer { role } }')).headers.get('ratelimit') ?? '')?.[1]);
    const { data } = await acme.owner(EXPORT);
    const before = await left();
    const response = await follow(
      `${limited.url}${new URL(String(data.exportOrganization?.url)).pathname}`,
      acme.owner,
    );
    const lines = (await response.text()).trimEnd().split('\n').length - 1;
    expect(lines).toBeGreaterThan(1000);
    const cost = before - (await left());
    expect([cost >= lines, cost < lines + 20]).toEqual([true, true]);
  } finally {
    await limited.close();
  }
});
