import { expect } from '@jest/globals';
import { givenAdministrator, unique } from '../support/given.js';
import { type Answer, codeOf, useServer } from '../support/server.js';
import { inOrder } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });
const sql = (text: string, values: unknown[] = []) => server.database.pool.queryAsLoginRole(text, values);
const act = `act as materialized (select set_config('app.act', '{"kind":"SYSTEM","name":"test"}', true))`;

const LOCK = { text: `select pg_advisory_xact_lock(hashtextextended('executors', 0))`, values: [] };

race('of two executors at once where there is room for one the second is refused, and of ten one is made', async () => {
  const sam = await givenAdministrator(server);
  const register = (): Promise<Answer> =>
    sam('mutation ($input: RegisterExecutorInput!) { registerExecutor(input: $input) { executor { id } } }', {
      input: { name: unique('executor') },
    });
  const count = async () =>
    (await sql('select count(*)::int as count from executor where revoked_at is null')).rows[0]?.['count'] as number;
  const filler = unique('filler');
  const { createdBy } = (await sql('select id as "createdBy" from person limit 1')).rows[0] as { createdBy: string };
  await sql(
    `with ${act} insert into executor (id, name, pool, token_hash, last_four, created_by)
     select $1 || n, $1 || n, 'default', 'x' || $1 || n, 'xxxx', $2 from act, generate_series(1, $3::int) n`,
    [filler, createdBy, 199 - (await count())],
  );
  const revoke = (name: string) =>
    sql(`with ${act} update executor set revoked_at = clock_timestamp() from act where name like $1`, [name]);
  try {
    const [one, two] = await inOrder<Answer>(LOCK, [register, register]);
    expect(one?.errors).toEqual([]);
    expect(codeOf(two as Answer)).toBe('CONFLICT');
    await revoke(`${filler}1`);
    const answers = await Promise.all(Array.from({ length: 10 }, register));
    expect(answers.filter(({ errors }) => errors.length === 0)).toHaveLength(1);
    expect(await count()).toBe(200);
  } finally {
    await revoke(`${filler}%`);
  }
});
