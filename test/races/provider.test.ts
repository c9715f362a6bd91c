import { expect } from '@jest/globals';
import { claim, givenExecutor, type Lease, putInPool, report, startRun, statusOf } from '../support/executors.js';
import { type GivenOrganization, givenOrganization } from '../support/given.js';
import { type Client, codeOf, useServer } from '../support/server.js';
import { inOrder, organizationRow, runRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

const resolve = (by: Client) =>
  by('mutation ($input: ResolveProviderInput!) { resolveProvider(input: $input) { name } }', {
    input: { kind: 'LLM' },
  });
const tell = (by: Client, healthy: boolean, provider = 'anthropic') =>
  by('mutation ($input: ReportProviderHealthInput!) { reportProviderHealth(input: $input) { healthy } }', {
    input: { provider, healthy },
  });

/** A run that was claimed, of an organization that has one provider. */
async function givenClaimed(agent: object = {}): Promise<{ acme: GivenOrganization; id: string; worker: Client }> {
  const executor = await givenExecutor(server);
  const acme = await givenOrganization(server);
  await putInPool(acme, executor.pool, agent);
  const { errors } = await acme.admin(
    `mutation ($input: CreateCredentialInput!, $settings: OrganizationSettingsInput!) {
      createCredential(input: $input) { id }
      updateOrganization(input: { settings: $settings }) { id }
    }`,
    {
      input: { kind: 'LLM_PROVIDER', name: 'Models', provider: 'anthropic', secret: 'x', sharedExecutors: true },
      settings: { providerRouting: { llmPreference: 'anthropic' } },
    },
  );
  expect(errors).toEqual([]);
  const id = await startRun(acme);
  const [lease] = await claim(executor.client, { leaseSeconds: 600 });
  return { acme, id, worker: server.withToken((lease as Lease).token) };
}

race(
  'of first reports of a provider at once all are taken, the last counts, and the record says what became of it',
  async () => {
    for (const said of [
      [true, false],
      [false, true],
      [false, true, false, true, false, false],
    ]) {
      const { acme, worker } = await givenClaimed();
      const lock = { text: 'lock table provider_health in access exclusive mode', values: [] };
      // The token of the claim, and whoever else may: they hold no row of one another.
      const steps = said.map((healthy, place) => () => tell(place % 2 === 0 ? worker : acme.developer, healthy));
      const answers = await inOrder(lock, steps.slice(0, 2));
      const later = await Promise.all(steps.slice(2).map((step) => step()));
      for (const { errors } of [...answers, ...later]) expect(errors).toEqual([]);
      const { rows } = await sql(
        'select healthy, retry_at is null as "isTried" from provider_health where org_id = $1',
        [acme.id],
      );
      expect(rows).toHaveLength(1);
      expect(rows[0]?.['isTried']).toBe(rows[0]?.['healthy']);
      const { rows: told } = await sql(
        `select action, changes -> 'healthy' -> 1 as after from audit_entry
       where org_id = $1 and target_type = 'provider_health' order by number`,
        [acme.id],
      );
      expect(told.map(({ action }) => action)).toEqual([
        'provider_health.created',
        ...told.slice(1).map(() => 'provider_health.updated'),
      ]);
      expect(told.at(-1)?.['after']).toBe(rows[0]?.['healthy']);
    }
  },
);

race('of first reports of two providers at once, where there is room for one, the second sees the first', async () => {
  const { acme } = await givenClaimed();
  const { errors } = await acme.admin(
    `mutation ($one: CreateCredentialInput!, $two: CreateCredentialInput!) {
      one: createCredential(input: $one) { id } two: createCredential(input: $two) { id } }`,
    {
      one: { kind: 'LLM_PROVIDER', name: 'One', provider: 'one', secret: 'x' },
      two: { kind: 'LLM_PROVIDER', name: 'Two', provider: 'two', secret: 'x' },
    },
  );
  expect(errors).toEqual([]);
  await sql(
    `with act as materialized (select set_config('app.act', '{"kind":"SYSTEM","name":"test"}', true))
     insert into provider_health (org_id, provider, healthy, reported_at)
     select $1, 'gone-' || n, true, now() from act, generate_series(1, 499) n`,
    [acme.id],
  );
  const steps = ['one', 'two'].map((provider) => () => tell(acme.developer, true, provider));
  for (const answer of await inOrder(organizationRow(acme.id), steps)) expect(answer.errors).toEqual([]);
  // Those that nobody has a credential of made room.
  const { rows } = await sql('select provider from provider_health where org_id = $1 order by provider', [acme.id]);
  expect(rows).toEqual([{ provider: 'one' }, { provider: 'two' }]);
});

race(
  'of a run that is put back for want of a provider and a report that it is done the second sees the first',
  async () => {
    for (const isPutBackFirst of [true, false]) {
      const { acme, id, worker } = await givenClaimed({ retryPolicy: { maxAttempts: 3, backoffSeconds: 60 } });
      await tell(worker, false);
      const ask = async () => codeOf(await resolve(worker));
      const done = async () => codeOf(await report(worker, id, { status: 'SUCCEEDED' }));
      const steps = isPutBackFirst ? [ask, done] : [done, ask];
      const [first, second] = await inOrder(runRow(id), steps);
      expect(first).toEqual(isPutBackFirst ? 'PROVIDER_UNAVAILABLE' : []);
      expect(second).toBe('CONFLICT');
      expect(await statusOf(acme, id)).toBe(isPutBackFirst ? 'QUEUED' : 'SUCCEEDED');
      const { rows } = await sql('select number from provider_resolution where org_id = $1 and run_id = $2', [
        acme.id,
        id,
      ]);
      expect(rows).toHaveLength(isPutBackFirst ? 1 : 0);
    }
  },
);

race('what is said of a provider with a claim that ends meanwhile is not kept', async () => {
  const { acme, id, worker } = await givenClaimed();
  const claimRow = { text: 'select from run_claim where run_id = $1 for update', values: [id] };
  const [code] = await inOrder(claimRow, [async () => codeOf(await tell(worker, false))], (client) =>
    client.query('update run_claim set ended_at = clock_timestamp() where run_id = $1', [id]),
  );
  expect(code).toBe('CONFLICT');
  const { rows } = await sql('select from provider_health where org_id = $1', [acme.id]);
  expect(rows).toEqual([]);
});

race('20 that ask at once for one run are answered one after the other, and no more than 100 times', async () => {
  const { acme, id, worker } = await givenClaimed();
  await sql(
    `insert into provider_resolution (org_id, run_id, number, attempt, kind, name, reason, at)
     select $1, $2, n, 1, 'LLM', 'anthropic', 'PREFERRED', now() from generate_series(1, 93) n`,
    [acme.id, id],
  );
  const answers = await Promise.all(Array.from({ length: 20 }, () => resolve(worker)));
  const refused = answers.filter(({ errors }) => errors.length > 0).map(codeOf);
  expect(refused).toEqual(Array.from({ length: 13 }, () => 'LIMIT_REACHED'));
  const { rows } = await sql('select count(*)::int, max(number) from provider_resolution where run_id = $1', [id]);
  expect(rows).toEqual([{ count: 100, max: 100 }]);
});
