import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { askDoomed, doomedEnv } from '../support/doomed.js';
import { unique } from '../support/given.js';
import { eventually } from '../support/mail.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { type Process, start } from '../support/process.js';
import { isPostgres, startIssuer, type TestIssuer } from '../support/server.js';

/** What somebody does who acts as a member is told before: killed in between, a gateway leaves the entry, and never the change alone. */
(isPostgres ? describe : describe.skip)('a gateway that is killed while somebody acts as a member', () => {
  let postgres: TestPostgres;
  let issuer: TestIssuer;
  let gateway: Process;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    postgres = await startPostgres();
    issuer = await startIssuer();
    env = await doomedEnv(postgres, issuer, {
      // The token names its issuer, which is another port once the gateway was started anew.
      PUBLIC_URL: 'http://localhost:4000',
    });
    gateway = await start(env);
  });
  afterAll(async () => {
    await gateway?.end('SIGKILL');
    await issuer?.close();
    await postgres?.close();
  });

  const ask = (token: string, query: string) => askDoomed(gateway.url, token, query);
  const sign = (name: string) => issuer.sign({ sub: name, email: `${name}@acme.example`, email_verified: true });

  test('leaves the entry without the change, and no change without its entry', async () => {
    const [ownerName, samName, slug] = [unique('ann'), unique('sam'), unique('acme')];
    const [owner, sam] = [await sign(ownerName), await sign(samName)];
    const made = await ask(owner, `mutation { createOrganization(input: { name: "Acme", slug: "${slug}" }) { id } }`);
    const orgId = made?.data.createOrganization.id as string;
    const me = await ask(owner, '{ viewer { user { id } } }');
    await ask(sam, '{ viewer { user { id } } }');
    await postgres.query(`update person set system_role = 'SYSTEM_ADMIN' where email = $1`, [
      `${samName}@acme.example`,
    ]);
    const hour = new Date(Date.now() + 3_600_000).toISOString();
    await ask(owner, `mutation { grantSupportAccess(input: { scope: WRITE, expiresAt: "${hour}" }) { id } }`);
    const userId = me?.data.viewer.user.id as string;
    const input = `{ organizationId: "${slug}", userId: "${userId}", reason: "ticket 42: runs stay" }`;
    const begun = await ask(sam, `mutation { startImpersonation(input: ${input}) { token } }`);
    const token = begun?.data.startImpersonation.token as string;

    // The operation waits for the organization's row while its entry is there already.
    const holder = new pg.Client({ connectionString: postgres.url });
    holder.on('error', () => undefined);
    await holder.connect();
    await holder.query('begin');
    await holder.query('select from organization where id = $1 for update', [orgId]);
    const asked = ask(token, 'mutation { updateOrganization(input: { description: "never" }) { id } }');
    const told = () =>
      postgres.query(`select request_id from audit_entry where org_id = $1 and action = 'impersonation.mutation'`, [
        orgId,
      ]);
    await eventually(async () => ((await told()).length === 1 ? true : undefined));
    await gateway.end('SIGKILL');
    expect(await asked).toBeNull();
    await postgres.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'orgate' and pid <> pg_backend_pid()`,
    );
    await holder.query('rollback');
    await holder.end();
    expect(await postgres.query('select description from organization where id = $1', [orgId])).toEqual([
      { description: '' },
    ]);
    expect(await told()).toHaveLength(1);

    // At any other moment: whatever was changed was told.
    for (let round = 0; round < 4; round += 1) {
      gateway = await start(env);
      const writing = Array.from({ length: 20 }, async (_, index) => {
        const name = unique(`kept-${index}`);
        await ask(
          token,
          `mutation { createRepository(input: { name: "${name}", gitUrl: "https://git.example/x" }) { id } }`,
        );
      });
      await Promise.race(writing);
      await gateway.end('SIGKILL');
      await Promise.all(writing);
    }
    const untold = await postgres.query(
      `select e.request_id from audit_entry e where e.org_id = $1 and e.action = 'repository.created' and not exists (
         select from audit_entry t where t.org_id = $1 and t.action = 'impersonation.mutation' and t.request_id = e.request_id
           and t.number < e.number)`,
      [orgId],
    );
    const [counts] = await postgres.query<{ done: number; told: number }>(
      `select count(*) filter (where action = 'repository.created')::int as done,
         count(*) filter (where action = 'impersonation.mutation')::int as told from audit_entry where org_id = $1`,
      [orgId],
    );
    expect(untold).toEqual([]);
    expect(counts?.done).toBeGreaterThan(3);
    expect(counts?.told).toBeGreaterThanOrEqual(counts?.done ?? 0);
  });
});
