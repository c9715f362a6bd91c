import { expect, jest, test } from '@jest/globals';
import { createSignInAttempts } from '../../src/identity/sign-in-attempts.js';
import { createSeal } from '../../src/secrets/seal.js';
import { useServer } from '../support/server.js';

const server = useServer();
const HOUR_MS = 3600 * 1000;

test.each([-HOUR_MS, HOUR_MS])('whoever signs in may take as long by a clock that is %d ms off', async (off) => {
  const attempts = createSignInAttempts(server.database.pool, createSeal([Buffer.alloc(32, 1).toString('base64')]));
  const clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + off);
  const begun = { step: 'OIDC', providerId: 'idp_1', browser: 'browser', kept: { it: 'is kept' } } as const;
  const state = await attempts.begin(begun).finally(() => clock.mockRestore());
  const { rows } = await server.database.pool.queryAsLoginRole(
    `select extract(epoch from max(expires_at) - current_timestamp) as left from sign_in_attempt where provider_id = 'idp_1'`,
  );
  expect(Number(rows[0].left)).toBeGreaterThan(0);
  expect(Number(rows[0].left)).toBeLessThanOrEqual(600);
  expect(await attempts.take('OIDC', state, 'idp_1', 'browser')).toEqual({ it: 'is kept' });
});
