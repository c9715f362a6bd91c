/** @alone: what it starts and takes away leaves others little of the machine. */
import { createHash, randomInt } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { EXPORTED_TABLES } from '../../src/domains/organization-export/exported.js';
import { askDoomed, doomedEnv } from '../support/doomed.js';
import { unique } from '../support/given.js';
import { eventually } from '../support/mail.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { type Process, start } from '../support/process.js';
import { isPostgres, startIssuer, type TestIssuer } from '../support/server.js';

const ROUNDS = 12;
const SEALED = 'query ($from: SafeInt) { verifyAuditChain(from: $from) { ok headSequence checked firstBad problem } }';

/** Nothing of a gateway is asked before it ends: what it had under way stays as it was. */
(isPostgres ? describe : describe.skip)('gateways that are killed at any moment', () => {
  let postgres: TestPostgres;
  let issuer: TestIssuer;
  let env: NodeJS.ProcessEnv;
  const replicas: Process[] = [];

  beforeAll(async () => {
    postgres = await startPostgres();
    issuer = await startIssuer();
    env = await doomedEnv(postgres, issuer, {
      RATE_LIMIT_ADDRESS: 'off',
      RATE_LIMIT_PERSON: 'off',
      RATE_LIMIT_ORGANIZATION: 'off',
      RATE_LIMIT_PERSON_POINTS: 'off',
      RATE_LIMIT_ORGANIZATION_POINTS: 'off',
    });
  });
  afterAll(async () => {
    for (const each of replicas) await each.end('SIGKILL');
    await issuer?.close();
    await postgres?.close();
  });

  const ask = async (at: Process | undefined, token: string, query: string, variables = {}) =>
    at ? askDoomed(at.url, token, query, variables) : null;

  /** An organization that has more than any connection holds by itself, so that a gateway is still at it when it is killed. */
  const givenMuch = async () => {
    const slug = unique('acme');
    const token = await issuer.sign({ sub: slug, email: `owner@${slug}.example`, email_verified: true });
    const made = await ask(
      replicas[0],
      token,
      `mutation { createOrganization(input: { name: "Acme", slug: "${slug}" }) { id } }`,
    );
    const orgId = made?.data?.createOrganization.id as string;
    await postgres.query(
      `with act as materialized (select set_config('app.act', '{"kind":"SYSTEM","name":"test"}', true))
       insert into repository (org_id, id, name, git_url)
       select $1, 'rep_' || gen_random_uuid(), 'r' || i, 'https://git.example/' || repeat('x', 300)
       from act, generate_series(1, 20000) i`,
      [orgId],
    );
    return { orgId, token };
  };

  test('two that start at once on an empty database migrate it once, though one of them is killed', async () => {
    const begun: Promise<Process>[] = [];
    const first = start(env, { onBegun: (process) => void setTimeout(() => process.child.kill('SIGKILL'), 1200) });
    begun.push(start(env), start(env), first);
    replicas.push(...(await Promise.all(begun)).slice(0, 2));
    for (const each of replicas) expect([each.child.exitCode, each.output()]).toEqual([null, expect.any(String)]);
    const rows = await postgres.query('select migration_name from _prisma_migrations group by 1 having count(*) > 1');
    expect(rows).toEqual([]);
  });

  test('the record has no gap, no fork, and loses nothing', async () => {
    const slugs = [unique('acme'), unique('bolt')];
    const tokens = await Promise.all(
      slugs.map((slug) => issuer.sign({ sub: slug, email: `owner@${slug}.example`, email_verified: true })),
    );
    const ids = await Promise.all(
      slugs.map(async (slug, index) => {
        const made = await ask(
          replicas[0],
          tokens[index] ?? '',
          `mutation { createOrganization(input: { name: "Acme", slug: "${slug}" }) { id } }`,
        );
        if (!made?.data) throw new Error(JSON.stringify(made));
        return made.data.createOrganization.id as string;
      }),
    );
    const acknowledged: string[] = [];
    let isOver = false;
    const write = async (client: number): Promise<void> => {
      while (!isOver) {
        const name = unique('kept');
        const answer = await ask(
          replicas[randomInt(2)],
          tokens[client % 2] ?? '',
          `mutation { createRepository(input: { name: "${name}", gitUrl: "https://git.example/x" }) { id } }`,
        );
        if (answer?.data?.createRepository) acknowledged.push(name);
        else await wait(20);
      }
    };
    const writing = Promise.all(Array.from({ length: 8 }, (_, client) => write(client)));
    for (let round = 0; round < ROUNDS; round += 1) {
      await wait(randomInt(400, 1400));
      const at = round % 2;
      await replicas[at]?.end('SIGKILL');
      replicas[at] = await start(env);
    }
    isOver = true;
    await writing;
    await eventually(async () => {
      const [row] = await postgres.query<{ count: number }>('select count(*)::int as count from audit_unsealed');
      return row?.count === 0 || undefined;
    });
    expect(acknowledged.length).toBeGreaterThan(ROUNDS);
    const told = await postgres.query<{ name: string }>(
      `select target_name as name from audit_entry where action = 'repository.created'`,
    );
    const names = new Set(told.map(({ name }) => name));
    expect(acknowledged.filter((name) => !names.has(name))).toEqual([]);
    expect(names.size).toBe(told.length);
    const kept = await postgres.query<{ name: string }>('select name from repository');
    expect(new Set(kept.map(({ name }) => name))).toEqual(names);
    const unsealed = await postgres.query(
      'select org_id, number from audit_entry except select org_id, number from audit_seal',
    );
    expect(unsealed).toEqual([]);
    const gaps = await postgres.query(
      'select org_id from audit_seal group by 1 having count(*) <> max(sequence) or min(sequence) <> 1',
    );
    expect(gaps).toEqual([]);
    for (const [index, id] of ids.entries()) {
      const [{ count } = { count: 0 }] = await postgres.query<{ count: number }>(
        'select count(*)::int as count from audit_seal where org_id = $1',
        [id],
      );
      expect(count).toBeGreaterThan(10);
      for (let from = 1; from <= count; from += 10_000) {
        const answer = await ask(replicas[0], tokens[index] ?? '', SEALED, { from });
        expect(answer?.data?.verifyAuditChain).toMatchObject({ ok: true, headSequence: count, problem: null });
      }
    }
  });

  test('an export that is cut off goes on at the next replica, nothing twice and nothing missing, and is spent by its end', async () => {
    const { orgId, token } = await givenMuch();
    const sealed = async () =>
      (await postgres.query<{ count: number }>('select count(*)::int from audit_seal where org_id = $1', [orgId]))[0]
        ?.count ?? 0;
    await eventually(async () => ((await sealed()) > 20_000 ? true : undefined));
    const asked = await ask(replicas[0], token, 'mutation { exportAudit(input: { format: NDJSON }) { url } }');
    const path = new URL(asked?.data?.exportAudit.url as string).pathname;
    const last = await sealed();
    const came: number[] = [];
    /** Reads on behind what came; kills who serves it once so many came of it. */
    const read = async (index: number, killAt: number): Promise<number> => {
      const at = replicas[index];
      const after = came.length === 0 ? '' : `?after=${came.at(-1)}`;
      const headers = { authorization: `Bearer ${token}` };
      const response = await fetch(`${at?.url}${path}${after}`, { headers });
      const decoder = new TextDecoder();
      let text = '';
      let lines = 0;
      for await (const part of response.body ?? []) {
        text += decoder.decode(part as Uint8Array, { stream: true });
        const whole = text.split('\n');
        text = whole.pop() ?? '';
        for (const line of whole) came.push((JSON.parse(line) as { sequence: number }).sequence);
        lines += whole.length;
        if (lines >= killAt && at?.child.signalCode === null) await at.end('SIGKILL');
      }
      return response.status;
    };
    for (const [round, killAt] of [1, 700, 2500].entries()) {
      const at = round % 2;
      await expect(read(at, killAt)).rejects.toThrow();
      expect(came.length).toBeGreaterThanOrEqual(killAt);
      expect(came.length).toBeLessThan(last);
      if (round === 0) continue; // the next one goes on while it is away
      replicas[0] = await start(env);
      replicas[1] = replicas[1]?.child.signalCode ? await start(env) : (replicas[1] as Process);
    }
    expect(await read(0, Infinity)).toBe(200);
    expect(came).toEqual(Array.from({ length: came.length }, (_, index) => index + 1));
    expect(came.length).toBeGreaterThan(20_000);
    const state = () => postgres.query<{ read: boolean }>('select read_at is not null as read from audit_export');
    await eventually(async () => ((await state())[0]?.read ? true : undefined));
    expect((await fetch(`${replicas[1]?.url}${path}`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(
      404,
    );
  });

  test('what an organization takes away has no manifest where it is cut off, begins anew at the same link, and is spent by its end', async () => {
    const { orgId, token } = await givenMuch();
    const asked = await ask(replicas[0], token, 'mutation { exportOrganization { url } }');
    const path = new URL(asked?.data?.exportOrganization.url as string).pathname;
    const follow = (at: Process | undefined) =>
      fetch(`${at?.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
    /** Reads from the begin, into `came`; kills who serves it once so many lines came. */
    const read = async (came: string[], killAt: number): Promise<number> => {
      const [at] = replicas;
      const response = await follow(at);
      const decoder = new TextDecoder();
      let text = '';
      for await (const part of response.body ?? []) {
        text += decoder.decode(part as Uint8Array, { stream: true });
        const whole = text.split('\n');
        text = whole.pop() ?? '';
        came.push(...whole);
        if (came.length >= killAt && at?.child.signalCode === null) await at.end('SIGKILL');
      }
      return response.status;
    };
    const typeOf = (line: string) => (JSON.parse(line) as { type: string }).type;
    const begins: unknown[] = [];
    for (const killAt of [1, 2000]) {
      const came: string[] = [];
      await expect(read(came, killAt)).rejects.toThrow();
      expect(came.length).toBeGreaterThanOrEqual(killAt);
      expect(came.map(typeOf)).not.toContain('Manifest');
      begins.push(came[0]);
      replicas[0] = await start(env);
    }
    const lines: string[] = [];
    expect(await read(lines, Infinity)).toBe(200);
    expect(begins).toEqual([lines[0], lines[0]]);
    const manifest = JSON.parse(lines.pop() ?? '') as Record<string, unknown>;
    const counts: Record<string, number> = {};
    for (const type of lines.map(typeOf)) counts[type] = (counts[type] ?? 0) + 1;
    const none = Object.fromEntries(EXPORTED_TABLES.map(({ type }) => [type, 0]));
    const sha256 = createHash('sha256')
      .update(lines.map((line) => `${line}\n`).join(''))
      .digest('hex');
    expect(manifest).toEqual({ type: 'Manifest', organizationId: orgId, counts: { ...none, ...counts }, sha256 });
    expect(counts).toMatchObject({ Organization: 1, Repository: 20_000 });
    expect(new Set(lines).size).toBe(lines.length);
    const state = () =>
      postgres.query<{ read: boolean }>('select read_at is not null as read from organization_export');
    await eventually(async () => ((await state())[0]?.read ? true : undefined));
    for (const each of replicas) expect((await follow(each)).status).toBe(404);
  });
});
