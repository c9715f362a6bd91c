import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { jobs } from '../../src/domains/usage/jobs.js';
import { askDoomed, doomedEnv } from '../support/doomed.js';
import { unique } from '../support/given.js';
import { eventually } from '../support/mail.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { type Process, start } from '../support/process.js';
import { isPostgres, startIssuer, type TestIssuer } from '../support/server.js';

test('calls are written as often as docs/usage.md says that a gateway that is killed loses', () => {
  const docs = readFileSync(path.join(import.meta.dirname, '../../docs/usage.md'), 'utf8').replaceAll(/\s+/g, ' ');
  const [, every, lost] =
    /every (\d+) seconds and when it ends: a `kill -9` loses what came in the last (\d+)/.exec(docs) ?? [];
  const job = jobs.find(({ name }) => name === 'count-calls');
  expect([every, lost].map((seconds) => Number(seconds) * 1000)).toEqual([job?.everyMs, job?.everyMs]);
});

/** What a round has written stays, and counts once; what came after it, and nothing else, a kill -9 loses. */
(isPostgres ? describe : describe.skip)('a gateway that is killed while an organization calls', () => {
  let postgres: TestPostgres;
  let issuer: TestIssuer;
  let gateway: Process;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    postgres = await startPostgres();
    issuer = await startIssuer();
    env = await doomedEnv(postgres, issuer, { RATE_LIMIT_PERSON: 'off', RATE_LIMIT_PERSON_POINTS: 'off' });
    gateway = await start(env);
  });
  afterAll(async () => {
    await gateway?.end('SIGKILL');
    await issuer?.close();
    await postgres?.close();
  });

  test('has written all but the last ones, and counts on where it ended', async () => {
    const name = unique('ann');
    const token = await issuer.sign({ sub: name, email: `${name}@acme.example`, email_verified: true });
    const ask = (query: string) => askDoomed(gateway.url, token, query);
    const made = await ask(
      `mutation { createOrganization(input: { name: "Acme", slug: "${unique('acme')}" }) { id } }`,
    );
    const orgId = made?.data.createOrganization.id as string;
    const call = async (times: number) => {
      for (let time = 0; time < times; time += 1) {
        expect((await ask('{ currentOrganization { id } }'))?.data.currentOrganization.id).toBe(orgId);
      }
    };
    const written = async () => {
      const [row] = await postgres.query<{ calls: number; keys: number; events: number }>(
        `select coalesce(sum(quantity), 0)::int as calls, count(distinct idempotency_key)::int as keys, count(*)::int as events
         from usage_event where org_id = $1 and metric = 'api_calls'`,
        [orgId],
      );
      expect(row?.events).toBe(row?.keys);
      return row?.calls ?? 0;
    };

    let certain = 0;
    for (let round = 0; round < 2; round += 1) {
      await call(7);
      certain += 7;
      // Nobody ends it, and it is written all the same.
      await eventually(async () => ((await written()) >= certain ? true : undefined));
      const lost = 3;
      await call(lost);
      await gateway.end('SIGKILL');
      const kept = await written();
      expect(kept).toBeGreaterThanOrEqual(certain);
      expect(kept).toBeLessThanOrEqual(certain + lost);
      gateway = await start(env);
      expect(await written()).toBe(kept);
      certain = kept;
    }
    // One that is ended writes what it has.
    await call(5);
    await gateway.end('SIGTERM');
    expect(await written()).toBe(certain + 5);
  });
});
