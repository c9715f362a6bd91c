/** @alone: what it starts and takes away leaves others little of the machine. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { doomedEnv } from '../support/doomed.js';
import { unique } from '../support/given.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { start } from '../support/process.js';
import { type Answer, isPostgres, startIssuer, type TestIssuer } from '../support/server.js';

const ROWS = 1200;

(isPostgres ? describe : describe.skip)('a gateway that is killed while it deletes an organization', () => {
  let postgres: TestPostgres;
  let issuer: TestIssuer;
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    postgres = await startPostgres();
    issuer = await startIssuer();
    env = await doomedEnv(postgres, issuer);
  });
  afterAll(async () => {
    await issuer?.close();
    await postgres?.close();
  });

  const ask = async (url: string, email: string, query: string, headers = {}): Promise<Answer> => {
    const token = await issuer.sign({ sub: email, email, email_verified: true });
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers },
      body: JSON.stringify({ query }),
    });
    return (await response.json()) as Answer;
  };

  /** Makes an organization with much in it and in its record, whose grace is over. */
  async function givenOver(url: string): Promise<{ id: string; slug: string; owner: string }> {
    const slug = unique('acme');
    const owner = `owner@${slug}.example`;
    const made = await ask(
      url,
      owner,
      `mutation { createOrganization(input: { name: "Acme", slug: "${slug}" }) { id } }`,
    );
    const id = made.data.createOrganization.id as string;
    await postgres.query(`
      begin;
      select set_config('role', 'orgate_app', true), set_config('app.org_id', '${id}', true),
        set_config('app.act', '{"kind":"SYSTEM","id":null,"name":"canary"}', true);
      insert into repository (org_id, id, name, git_url)
        select '${id}', 'rep_' || n, 'canary ' || n, 'https://git.example/x' from generate_series(1, ${ROWS}) n;
      insert into run (org_id, id, created_by) select '${id}', 'run_' || n, user_id
        from membership, generate_series(1, ${ROWS}) n where org_id = '${id}';
      commit`);
    const asked = `mutation { requestOrganizationDeletion(confirm: "${slug}") { status } }`;
    expect((await ask(url, owner, asked, { 'x-organization-id': id })).errors).toBeUndefined();
    await postgres.query(`update organization set purge_at = now() - interval '1 minute' where id = $1`, [id]);
    return { id, slug, owner };
  }

  const dueNow = () => postgres.query(`update owed_work set due_at = now() - interval '1 second' where kind = 'purge'`);

  /** Nobody deletes what the organization has in a table until the work is done, which is told when somebody waits to. */
  async function whileHeld(table: string, id: string, work: (isWaited: () => Promise<boolean>) => Promise<void>) {
    const holding = new pg.Client({ connectionString: postgres.url });
    await holding.connect();
    await holding.query('begin');
    await holding.query(`select from ${table} where org_id = $1 for update`, [id]);
    try {
      await work(async () => {
        const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
        return (await postgres.query(waiting)).length > 0;
      });
    } finally {
      await holding.end();
    }
  }

  test('leaves it to the next, which ends as if nothing had been', async () => {
    const first = await start(env);
    const { id, slug, owner } = await givenOver(first.url);
    await first.end('SIGKILL');
    // In the order of the steps; the last waits before the organization itself is gone.
    for (const table of ['run', 'membership', 'repository', 'audit_seal', 'address']) {
      await dueNow();
      await whileHeld(table, id, async (isWaited) => {
        const killed = await start(env);
        for (let asked = 0; !(await isWaited()); asked += 1) {
          if (asked > 1500) throw new Error(`nothing waits for ${table}`);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        await killed.end('SIGKILL');
      });
      expect(await postgres.query('select from organization where id = $1', [id])).toHaveLength(1);
    }
    await dueNow();
    const last = await start(env);
    const isThere = async () =>
      (
        await postgres.query(`select from organization where id = '${id}' union all
      select from audit_unsealed where org_id = '${id}' union all select from owed_work where kind = 'purge'`)
      ).length > 0;
    while (await isThere()) await new Promise((resolve) => setTimeout(resolve, 50));

    const tables = await postgres.query<{ name: string }>(
      `select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid
       where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attname = 'org_id'`,
    );
    const left: string[] = [];
    for (const { name } of tables) {
      if ((await postgres.query(`select from "${name}" where org_id = $1 limit 1`, [id])).length > 0) left.push(name);
    }
    expect(left.toSorted()).toEqual(['audit_entry', 'audit_seal']);
    const spoken = await postgres.query(
      `select from audit_entry e where org_id = $1 and (e::text like '%canary%' or e::text like '%' || $2 || '%')`,
      [id, slug],
    );
    expect(spoken).toEqual([]);
    const [{ count } = { count: 0 }] = await postgres.query<{ count: number }>(
      'select count(*)::int as count from audit_seal where org_id = $1',
      [id],
    );
    expect(count).toBeGreaterThan(2 * ROWS);
    await postgres.query(`update person set system_role = 'SYSTEM_ADMIN' where email = $1`, [owner]);
    const { data } = await ask(last.url, owner, `{ verifyAuditChain(organizationId: "${id}") { ok checked } }`);
    expect(data.verifyAuditChain).toEqual({ ok: true, checked: count });
    await last.end('SIGKILL');
  });
});
