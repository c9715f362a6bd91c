import { execFile, spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { EXPORT_LAPSES } from '../../src/domains/audit-entry/export-audit.js';
import { DIGESTED } from '../../src/domains/audit-entry/chain.js';
import { openEntryWriter, openSealing } from '../../src/domains/audit-entry/outside.js';
import { newId, type OrgId } from '../../src/data/id.js';
import type { DueKind } from '../../src/jobs/due-kind.js';
import { byTest } from '../support/act.js';
import { givenKey } from '../support/api-key.js';
import { openReplica } from '../support/due-work.js';
import { comeBack, givenMember, givenOrganization, type GivenOrganization, personId } from '../support/given.js';
import { eventually } from '../support/mail.js';
import { type Client, codeOf, useServer } from '../support/server.js';
import { givenBrowser } from '../support/sessions.js';

const server = useServer();

interface Line {
  readonly sequence: number;
  readonly hash: string;
  readonly action: string;
  readonly actorName: string | null;
  readonly targetId: string | null;
  readonly salts: unknown[];
}

const seal = async (orgId: OrgId) => {
  while ((await server.database.outside(openSealing).seal(orgId, 1000)) > 0);
};
const linesOf = (text: string): Line[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);

const EXPORT = 'mutation ($input: ExportAuditInput!) { exportAudit(input: $input) { url expiresAt } }';

/** A link, at the address where this server listens. */
async function link(client: Client, input: object): Promise<string> {
  const { data, text } = await client(EXPORT, { input });
  if (!data?.exportAudit) throw new Error(text);
  return data.exportAudit.url.replace(/^http:\/\/[^/]+/, server.url) as string;
}

const get = async (url: string, { token }: { token: string }, init: RequestInit = {}) => {
  const response = await fetch(url, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } });
  return { status: response.status, headers: response.headers, text: await response.text() };
};
const codeIn = ({ text }: { text: string }): string => JSON.parse(text).errors[0].extensions.code as string;

async function givenRecord(more = 0, on = server): Promise<GivenOrganization> {
  const acme = await givenOrganization(on);
  const db = server.database.organizationDb(acme.id, byTest);
  if (more > 0) {
    const names = Array.from({ length: more }, (_, index) => `r${index}`);
    for (const name of names) await db.repository.create({ id: newId('rep'), name, gitUrl: 'https://git.example/r' });
  }
  await seal(acme.id);
  return acme;
}

const stream = ({ slug }: { slug: string }, after?: number | string) =>
  `${server.url}/organizations/${slug}/audit${after === undefined ? '' : `?after=${after}`}`;

describe('An export', () => {
  test('is the whole record in the order of its chain, once, for its maker and nobody else', async () => {
    const acme = await givenRecord(300);
    const url = await link(acme.admin, { format: 'NDJSON' });
    expect([(await get(url, acme.owner)).status, codeIn(await get(url, acme.owner))]).toEqual([404, 'NOT_FOUND']);
    const head = await get(url, acme.admin, { method: 'HEAD' });
    expect([head.status, head.text, head.headers.get('content-type')]).toEqual([200, '', 'application/x-ndjson']);
    const { status, text } = await get(url, acme.admin);
    const lines = linesOf(text);
    expect(status).toBe(200);
    expect(lines.map(({ sequence }) => sequence)).toEqual(lines.map((_, index) => index + 1));
    expect(lines.length).toBeGreaterThan(300);
    expect(lines[0]).toMatchObject({
      action: 'organization.created',
      salts: expect.any(Array),
      hash: expect.any(String),
    });
    await eventually(async () => ((await get(url, acme.admin)).status === 404 ? true : undefined));
    const { data } = await acme.admin(
      '{ auditLog(first: 3) { nodes { action actor { id } changes { path after } targetId } } }',
    );
    const actor = { id: await personId(acme.admin) };
    expect(data.auditLog.nodes).toMatchObject([
      { action: 'audit_export.updated', actor },
      { action: 'audit_export.opened', actor, targetId: url.split('/').at(-1) },
      { action: 'audit_export.created', actor, changes: expect.arrayContaining([{ path: 'format', after: 'NDJSON' }]) },
    ]);
  });

  test('at a path that is no link is NOT_FOUND, whatever stands there', async () => {
    const acme = await givenRecord();
    for (const id of ['%00', 'exp_%00', newId('exp'), newId('rep'), '%F0%9F%90%99', '__proto__']) {
      const answer = await get(`${stream(acme)}/exports/${id}`, acme.admin);
      expect([id, answer.status, codeIn(answer)]).toEqual([id, 404, 'NOT_FOUND']);
    }
  });

  test('works with any session of its maker, not with one that is over, and for ten minutes', async () => {
    const acme = await givenRecord();
    const browser = await givenBrowser(server, await personId(acme.admin));
    const url = await link(acme.admin, { format: 'NDJSON' });
    const byCookie = () => fetch(url, { method: 'HEAD', headers: browser.header });
    expect((await byCookie()).status).toBe(200);
    await browser('mutation { signOut }');
    expect((await byCookie()).status).toBe(401);
    expect((await fetch(url)).status).toBe(401);
    await server.database.pool.queryAsLoginRole(
      `update audit_export set expires_at = now() - interval '1 s' where org_id = $1`,
      [acme.id],
    );
    expect((await get(url, acme.admin)).status).toBe(404);
  });

  test('works no more for who was removed and is back', async () => {
    const acme = await givenRecord();
    const url = await link(acme.admin, { format: 'NDJSON' });
    await comeBack(server, acme, acme.admin);
    expect([(await get(url, acme.admin)).status, codeIn(await get(url, acme.admin))]).toEqual([404, 'NOT_FOUND']);
    expect((await get(await link(acme.admin, { format: 'NDJSON' }), acme.admin)).status).toBe(200);
  });

  test('asks anew for each stretch who reads: whoever may no longer is cut off, and goes on once they may', async () => {
    const acme = await givenRecord(600);
    const auditor = await givenMember(server, acme, 'VIEWER', { granted: ['audit:read'] });
    const url = await link(auditor, { format: 'NDJSON' });
    const change = (permissions: string[]) =>
      acme.owner(
        'mutation ($id: ID!, $permissions: [String!]!) { updateMemberPermissions(userId: $id, permissions: $permissions, withheldPermissions: []) { role } }',
        { id: auditorId, permissions },
      );
    const auditorId = await personId(auditor);
    const slow = server.database.pool.queryAsLoginRole('select pg_sleep(0)');
    await slow;
    const response = await fetch(url, { headers: { authorization: `Bearer ${auditor.token}` } });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    let text = new TextDecoder().decode((await reader.read()).value);
    await change([]);
    const rest = async () => {
      for (let part = await reader.read(); !part.done; part = await reader.read())
        text += new TextDecoder().decode(part.value);
    };
    await rest().catch(() => undefined);
    const came = linesOf(text.slice(0, text.lastIndexOf('\n') + 1));
    expect([(await get(url, auditor)).status, codeIn(await get(url, auditor))]).toEqual([403, 'FORBIDDEN']);
    await change(['audit:read']);
    const last = came.at(-1)?.sequence ?? 0;
    const { text: others, status } = await get(`${url}?after=${last}`, auditor);
    // What was read before it was found out may have been all there was.
    if (status === 404) return expect(last).toBeGreaterThan(600);
    const all = [...came, ...linesOf(others)].map(({ sequence }) => sequence);
    expect(all).toEqual(all.map((_, index) => index + 1));
    return expect(all.length).toBeGreaterThan(600);
  });

  test('is forgotten a day after it is over, and not before; that it was stands in the record', async () => {
    const acme = await givenRecord();
    const ids: string[] = [];
    for (let count = 0; count < 2; count += 1)
      ids.push((await link(acme.admin, { format: 'NDJSON' })).split('/').at(-1) ?? '');
    const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
    const hoursOld = (id: string | undefined, hours: number) =>
      sql(`update due_work set due_at = due_at - $2 * interval '1 hour' where subject = $1`, [id, hours]);
    const replica = openReplica(server, { kinds: [EXPORT_LAPSES as DueKind<never>] });
    await hoursOld(ids[0], 24);
    await hoursOld(ids[1], 24.2);
    await replica.workOff();
    const left = () => sql('select id from audit_export where org_id = $1', [acme.id]);
    expect((await left()).rows).toEqual([{ id: ids[0] }]);
    await hoursOld(ids[0], 0.2);
    await replica.workOff();
    expect((await left()).rows).toEqual([]);
    expect((await sql('select from due_work where org_id = $1', [acme.id])).rows).toEqual([]);
    const { data } = await acme.admin('{ auditLog(first: 2) { nodes { action actor { kind name } targetId } } }');
    expect(data.auditLog.nodes).toEqual(
      ids.map((targetId) => ({
        action: 'audit_export.deleted',
        actor: { kind: 'SYSTEM', name: 'audit-export-lapses' },
        targetId,
      })),
    );
  });

  test('is what its filter leaves, and never what is another organization’s', async () => {
    const [acme, globex] = [await givenRecord(), await givenRecord()];
    const targetId = acme.repositoryId;
    const own = await get(await link(acme.admin, { format: 'NDJSON', filter: { targetId } }), acme.admin);
    expect(linesOf(own.text).map((line) => [line.action, line.targetId])).toEqual([['repository.created', targetId]]);
    const foreign = await get(await link(globex.admin, { format: 'NDJSON', filter: { targetId } }), globex.admin);
    expect([foreign.status, foreign.text]).toEqual([200, '']);
    const url = await link(acme.admin, { format: 'NDJSON' });
    expect((await get(url, globex.admin)).text.replace(/"requestId":"[^"]+"/, '')).toBe(
      (await get(url.replace(acme.slug, 'never-was'), globex.admin)).text.replace(/"requestId":"[^"]+"/, ''),
    );
    expect((await get(url.replace(acme.slug, globex.slug), globex.admin)).status).toBe(404);
    const wrong = await acme.admin(EXPORT, { input: { format: 'CSV', filter: { action: 'login' } } });
    expect(wrong.errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'input.filter.action' });
  });

  test('as CSV is no formula in a spreadsheet, whatever things are called', async () => {
    const acme = await givenOrganization(server);
    const db = server.database.organizationDb(acme.id, byTest);
    const names = ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '＝1', 'a "quoted", name', ' =1'];
    for (const name of names) await db.repository.create({ id: newId('rep'), name, gitUrl: 'https://git.example/r' });
    await seal(acme.id);
    const { text, headers } = await get(await link(acme.admin, { format: 'CSV' }), acme.admin);
    expect(headers.get('content-type')).toContain('text/csv');
    const [head, ...rows] = text.trimEnd().split('\r\n');
    expect(head).toBe(
      'sequence,at,action,outcome,id,actorKind,actorId,actorName,onBehalfOf,targetType,targetId,targetName,changes,reason,requestId,address,salts,hash',
    );
    for (const name of names) expect(text).toContain(name.includes('quoted') ? '"a ""quoted"", name"' : `"'${name}"`);
    const cells = rows.flatMap((row) => row.match(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g) ?? []);
    expect(cells.length).toBeGreaterThan(100);
    for (const cell of cells) expect(cell).not.toMatch(/^"?\s*[=+\-@＝]/);
  });
});

describe('What is taken away', () => {
  const limited = useServer({ env: { RATE_LIMIT_PERSON_POINTS: '2000', QUERY_MAX_COST: '1000' } });

  test('costs a point for each place, and is refused whom too few are left; HEAD costs none', async () => {
    const acme = await givenRecord(600, limited);
    const { owner } = acme;
    const left = async () =>
      Number(/r=(\d+)/.exec((await owner('{ viewer { role } }')).headers.get('ratelimit') ?? '')?.[1]);
    const url = `${limited.url}/organizations/${acme.slug}/audit`;
    const before = await left();
    expect((await get(url, owner, { method: 'HEAD' })).status).toBe(200);
    expect(before - (await left())).toBeLessThan(10);
    const places = linesOf((await get(url, owner)).text).length;
    const after = await left();
    expect(places).toBeGreaterThan(600);
    expect([before - after >= places, before - after < places + 20]).toEqual([true, true]);
    const dear = '{ repositories(first: 100) { nodes { id name gitUrl branch description } } }';
    while ((await left()) > 600) await owner(dear);
    const page = '{ repositories(first: 30) { nodes { id name gitUrl branch description } } }';
    while ((await left()) > 240) await owner(page);
    const refused = await get(url, owner);
    expect([refused.status, codeIn(refused), Number(refused.headers.get('retry-after')) > 0]).toEqual([
      429,
      'RATE_LIMITED',
      true,
    ]);
    expect((await get(url, owner, { method: 'HEAD' })).status).toBe(200);
  });

  test('has so many links of one maker at a time, however many they ask for at once', async () => {
    const acme = await givenRecord();
    const ask = (client: Client) => client(EXPORT, { input: { format: 'NDJSON' } });
    const all = await Promise.all(Array.from({ length: 24 }, () => ask(acme.admin)));
    const made = all.filter(({ data }) => data?.exportAudit);
    const refused = all.filter(({ data }) => !data?.exportAudit);
    expect([made.length, new Set(refused.map(codeOf))]).toEqual([20, new Set(['RATE_LIMITED'])]);
    const retryAfter = Number(refused[0]?.errors[0]?.extensions['retryAfter']);
    expect([retryAfter > 500, retryAfter <= 600]).toEqual([true, true]);
    expect((await ask(acme.owner)).errors).toEqual([]);
    const url = made[0]?.data.exportAudit.url.replace(/^http:\/\/[^/]+/, server.url) as string;
    await get(url, acme.admin);
    await eventually(async () => ((await ask(acme.admin)).errors.length === 0 ? true : undefined));
    await server.database.pool.queryAsLoginRole(
      "update audit_export set expires_at = now() - interval '1 s' where org_id = $1",
      [acme.id],
    );
    expect((await ask(acme.admin)).errors).toEqual([]);
  });
});

describe('The stream', () => {
  test('goes from any place to the newest, and goes on there without a gap', async () => {
    const acme = await givenRecord(300);
    const key = await givenKey(server, acme.admin, ['audit:read']);
    await seal(acme.id);
    const first = linesOf((await get(stream(acme), key.client)).text);
    expect(first.map(({ sequence }) => sequence)).toEqual(first.map((_, index) => index + 1));
    const last = first.at(-1)?.sequence ?? 0;
    await seal(acme.id);
    const next = linesOf((await get(stream(acme, last), key.client)).text);
    // That it was fetched is told once, however often it is.
    expect(next.map(({ sequence, action }) => [sequence, action])).toEqual([[last + 1, 'audit.streamed']]);
    await seal(acme.id);
    const none = await get(stream(acme, last + 1), key.client);
    expect([none.status, none.text]).toEqual([200, '']);
    expect(linesOf((await get(stream(acme, last - 5), key.client)).text)).toHaveLength(6);
  });

  test.each(['-1', '1.5', 'x', '', '9'.repeat(20)])('of after=%s is BAD_USER_INPUT', async (after) => {
    const acme = await givenOrganization(server);
    const { status, text } = await get(stream(acme, after), acme.admin);
    expect([status, codeIn({ text })]).toEqual([400, 'BAD_USER_INPUT']);
  });

  test('is for whoever may read the record, in the organization of its path', async () => {
    const [acme, globex] = [await givenRecord(), await givenRecord()];
    expect((await get(stream(acme), acme.viewer)).status).toBe(403);
    const foreign = await get(stream(acme), globex.admin);
    const unknown = await get(stream({ slug: 'never-was' }), globex.admin);
    const bare = ({ status, text }: { status: number; text: string }) => [
      status,
      text.replace(/"requestId":"[^"]+"/, ''),
    ];
    expect(bare(foreign)).toEqual(bare(unknown));
    expect(foreign.status).toBe(404);
    const twice = await get(stream(acme), acme.admin, { headers: { 'x-organization-id': globex.slug } });
    expect(twice.status).toBe(404);
    const key = await givenKey(server, globex.admin, ['audit:read']);
    expect(codeIn(await get(stream(acme), key.client))).toBe('ORG_CONTEXT_CONFLICT');
  });

  test('is read by a few at once of one organization; whoever walks away gives their place back', async () => {
    const acme = await givenRecord(900);
    const open = () => {
      const left = new AbortController();
      const headers = { authorization: `Bearer ${acme.admin.token}` };
      return { left, response: fetch(stream(acme), { headers, signal: left.signal }) };
    };
    const held = Array.from({ length: 4 }, open);
    const statuses = await Promise.all(held.map(async ({ response }) => (await response).status));
    expect(statuses).toEqual([200, 200, 200, 200]);
    for (const { left } of held) left.abort();
    const { status } = await eventually(async () => {
      const again = await get(stream(acme), acme.admin);
      return again.status === 200 ? again : undefined;
    });
    expect(status).toBe(200);
  });
});

describe('verify-audit.mjs, as docs/audit.md prints it,', () => {
  const printed = () => {
    const docs = readFileSync(new URL('../../docs/audit.md', import.meta.url), 'utf8');
    return /```js\n(\/\/ verify-audit\.mjs\n[\s\S]*?)```/.exec(docs)?.[1] ?? '';
  };

  async function givenFiles() {
    const acme = await givenRecord(30);
    const { data } = await acme.admin('{ auditCheckpoint }');
    const jwks = await (await fetch(`${server.url}/.well-known/jwks.json`)).text();
    const directory = await mkdtemp(path.join(tmpdir(), 'orgate-verify-'));
    const file = (name: string, text: string) => {
      const at = path.join(directory, name);
      writeFileSync(at, text);
      return at;
    };
    const program = file('verify-audit.mjs', printed());
    const { text } = await get(await link(acme.admin, { format: 'NDJSON' }), acme.admin);
    const run = (exported: string, checkpoint = data.auditCheckpoint as string, keys = jwks) => {
      const files = [file('export', exported), file('checkpoint', checkpoint), file('jwks', keys)];
      const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...files], { encoding: 'utf8' });
      return { status, said: (stdout + stderr).trim() };
    };
    return { acme, text, run, program };
  }

  test('is led to by commands that the page prints, word for word', async () => {
    const acme = await givenRecord(5);
    const block = (name: string) => new RegExp(`^\`\`\`sh ${name}\\n([^]*?)^\`\`\``, 'm').exec(page)?.[1] ?? '';
    const page = readFileSync(new URL('../../docs/audit.md', import.meta.url), 'utf8');
    const { token } = acme.admin;
    const asked = new URL(await link(acme.admin, { format: 'NDJSON' })).href;
    const commands = [block('checkpoint'), block('export'), block('verify')].join('\n');
    const here = commands
      .replace(/'http[^']*exp_…'/, `'${asked}'`)
      .replaceAll('http://localhost:4000', server.url)
      .replaceAll('Bearer $TOKEN"', `Bearer $TOKEN" -H "x-organization-id: ${acme.slug}"`);
    const cwd = await mkdtemp(path.join(tmpdir(), 'orgate-verify-'));
    writeFileSync(path.join(cwd, 'verify-audit.mjs'), printed());
    const { stdout, stderr } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', here], {
      cwd,
      env: { ...process.env, TOKEN: token },
    });
    expect(`${stdout}${stderr}`).toMatch(/^Whole: \d+ entries; the checkpoint holds \d+ of them\.$/m);
  });

  test('agrees with the page on keys that look like numbers', async () => {
    const { acme, run } = await givenFiles();
    const changes = { 10: [null, 1], 9: [null, 2], a: [null, { 10: 'x', 9: ['é', null], A: 1.5 }] } as const;
    const entry = { act: byTest, action: 'repository.updated', outcome: 'DONE', changes } as const;
    await server.database.outside(openEntryWriter)(acme.id, [entry]);
    await seal(acme.id);
    const { text } = await get(await link(acme.admin, { format: 'NDJSON' }), acme.admin);
    expect(run(text)).toMatchObject({ status: 0 });
    const lines = linesOf(text);
    const at = lines.findIndex(({ action }) => action === 'repository.updated');
    const { salts, sequence, outcome, ...fields } = lines[at] as Line & Record<string, unknown>;
    const sha = (value: string) => hash('sha256', value, 'base64url');
    // Written out by hand, as somebody would who has read the page and has no JavaScript.
    const written = '{"10":[null,1],"9":[null,2],"a":[null,{"10":"x","9":["é",null],"A":1.5}]}';
    const digests = DIGESTED.map((field, index) => {
      if (salts[index] === null) return '';
      return sha(`${salts[index] as string}${field === 'changes' ? written : JSON.stringify(fields[field])}`);
    });
    const before = lines[at - 1]?.hash;
    expect(fields['hash']).toBe(
      sha(JSON.stringify([before, sequence, fields['at'], fields['action'], outcome, ...digests])),
    );
  });

  test('ends with 0 for what is whole, and with 1 for what is not', async () => {
    const { acme, text, run, program } = await givenFiles();
    const lines = text.trimEnd().split('\n');
    const whole = (changed: string[]) => `${changed.join('\n')}\n`;
    const with5 = (line: string) => whole(lines.with(4, line));
    const fifth = JSON.parse(lines[4] ?? '');
    const { status, stderr } = spawnSync(process.execPath, [program], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^usage: node verify-audit/)]);
    expect(run(text)).toEqual({ status: 0, said: expect.stringMatching(/^Whole: \d+ entries/) });
    const bad = (exported: string, said: RegExp, ...more: string[]) =>
      expect(run(exported, ...more)).toEqual({ status: 1, said: expect.stringMatching(said) });
    for (const [field, value] of Object.entries({
      targetName: 'x',
      at: '2020-01-01T00:00:00.000Z',
      actorName: null,
      changes: { a: [1, 2] },
    }))
      bad(with5(JSON.stringify({ ...fifth, [field]: value })), /^5 is not what was sealed/);
    const place = 3;
    const erased = { ...fifth, salts: fifth.salts.with(place, { digest: 'made up' }) };
    bad(with5(JSON.stringify(erased)), /^5 is not what was sealed/);
    bad(whole(lines.toSpliced(4, 1)), /^At 5 stands 6/);
    bad(whole([...lines.slice(0, 4), lines[5] ?? '', lines[4] ?? '', ...lines.slice(6)]), /^At 5 stands 6/);
    bad(whole(lines.slice(1)), /^At 1 stands 2/);
    bad(whole(lines.slice(0, -1)), /the end is missing/);
    bad('', /the end is missing/);
    bad(text, /signed by no key/, undefined as never, '{"keys":[]}');
    const { checkpoint: foreign } = await otherCheckpoint();
    bad(text, /another record|the end is missing/, foreign);
    const signed = (await acme.admin('{ auditCheckpoint }')).data.auditCheckpoint as string;
    const [header, payload, signature] = signed.split('.');
    const claims = JSON.parse(Buffer.from(payload ?? '', 'base64url').toString());
    const forged = Buffer.from(JSON.stringify({ ...claims, sequence: 3 })).toString('base64url');
    bad(text, /signature of the checkpoint/, `${header}.${forged}.${signature}`);
  });

  async function otherCheckpoint() {
    const other = await givenRecord(30);
    return { checkpoint: (await other.admin('{ auditCheckpoint }')).data.auditCheckpoint as string };
  }
});
