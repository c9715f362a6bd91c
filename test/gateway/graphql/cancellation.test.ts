import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { whileLocked } from '../../races/interleave.js';
import { givenOrganization, unique } from '../../support/given.js';
import { codeOf, isPostgres, startServer, type TestServer } from '../../support/server.js';

// The embedded database can neither cancel nor time out: there the cost limits must do.
(isPostgres ? describe : describe.skip)('statements that take too long (PostgreSQL only)', () => {
  const url = process.env['ORGATE_TEST_URL'] as string;
  let server: TestServer;
  const outside = new pg.Client({ connectionString: url });
  const watcher = new pg.Client({ connectionString: url });

  beforeAll(async () => {
    await outside.connect();
    await watcher.connect();
    server = await startServer({ poolSize: 20 }); // one organization alone waits for a lock with three
  });
  afterAll(async () => {
    await server.close();
    await outside.end();
    await watcher.end();
  });

  const waiting = async (): Promise<number> => {
    const { rows } = await watcher.query(
      `select count(*)::int as count from pg_stat_activity
       where datname = current_database() and application_name = 'orgate' and wait_event_type = 'Lock'`,
    );
    return rows[0].count as number;
  };
  async function until(holds: () => Promise<boolean>): Promise<void> {
    const end = Date.now() + 30_000;
    while (!(await holds())) {
      if (Date.now() > end) throw new Error('what was waited for did not happen');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  /** Sends an operation that a test can walk away from. */
  function send(token: string, query: string): { answer: Promise<string>; leave(): void } {
    const controller = new AbortController();
    const answer = fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query }),
      signal: controller.signal,
    }).then(
      async (response) => (await response.text()).trim(),
      () => 'left',
    );
    return { answer, leave: () => controller.abort() };
  }

  test.each([
    ['a list', 'repository', '{ repositories { nodes { id } } }'],
    ['lists of many parents', 'run', '{ repositories { nodes { agents { nodes { runs { nodes { id } } } } } } }'],
    ['a sum', 'run_usage', '{ organizationUsage { totalRuns } }'],
  ])('when the client of a query goes away, its statement is stopped: %s', async (_, table, query) => {
    const { owner } = await givenOrganization(server);
    await whileLocked(outside, table, async () => {
      const { answer, leave } = send(owner.token, query);
      await until(async () => (await waiting()) === 1);
      leave();
      expect(await answer).toBe('left');
      // The lock is still held: nothing but a cancellation ends the wait.
      await until(async () => (await waiting()) === 0);
    });
    expect((await owner(query)).errors).toEqual([]);
  });

  test('what the client of one query left behind stops nobody else', async () => {
    const { owner } = await givenOrganization(server);
    await whileLocked(outside, 'repository', async () => {
      const sent = Array.from({ length: 3 }, () => send(owner.token, '{ repositories { totalCount } }'));
      await until(async () => (await waiting()) === 3);
      sent[0]?.leave();
      await until(async () => (await waiting()) === 2);
      await outside.query('rollback');
      expect(await Promise.all(sent.map(({ answer }) => answer))).toEqual([
        'left',
        '{"data":{"repositories":{"totalCount":1}}}',
        '{"data":{"repositories":{"totalCount":1}}}',
      ]);
    });
    // Connections are as good as new.
    for (let round = 0; round < 8; round += 1) {
      expect((await owner('{ repositories { totalCount } }')).errors).toEqual([]);
    }
  });

  test.each([
    [
      'one statement',
      (name: string) =>
        `mutation { createRepository(input: { name: "${name}", gitUrl: "https://git.example/x" }) { id } }`,
    ],
    ['a transaction', (name: string) => `mutation { updateOrganization(input: { description: "${name}" }) { id } }`],
  ])('a mutation is finished though its client went away: %s', async (kind, make) => {
    const { owner } = await givenOrganization(server);
    const name = unique('kept');
    await whileLocked(outside, kind === 'one statement' ? 'repository' : 'organization', async () => {
      const before = send(owner.token, make(name));
      // Who asks is read before the work begins, and does not wait for this lock on the repository.
      await until(async () => (await waiting()) === 1);
      before.leave();
      expect(await before.answer).toBe('left');
    });
    const read =
      kind === 'one statement' ? '{ repositories { nodes { name } } }' : '{ currentOrganization { description } }';
    await until(async () => (await owner(read)).text.includes(name));
  });

  test('a statement that runs past the limit is TIMEOUT, and the log knows which request it was', async () => {
    await server.close();
    server = await startServer({ env: { DATABASE_STATEMENT_TIMEOUT_MS: '200' } });
    const { owner } = await givenOrganization(server);
    await whileLocked(outside, 'repository', async () => {
      const answer = await owner('{ viewer { role } repositories { nodes { id } } }');
      expect(codeOf(answer)).toBe('TIMEOUT');
      expect(answer.data).toEqual({ viewer: { role: 'OWNER' }, repositories: null });
      expect(answer.text).not.toMatch(/statement|cancel|57014/);
      const id = answer.errors[0]?.extensions['requestId'];
      expect(server.logs.some((line) => line.includes(String(id)) && line.includes('"level":50'))).toBe(true);
      const write = await owner(
        'mutation { createRepository(input: { name: "late", gitUrl: "https://git.example/x" }) { id } }',
      );
      expect(codeOf(write)).toBe('TIMEOUT');
    });
    expect((await owner('{ repositories { nodes { name } } }')).data.repositories.nodes).toEqual([
      { name: 'support-bots' },
    ]);
  });
});
