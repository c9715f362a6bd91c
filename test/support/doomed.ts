import type { TestPostgres } from './postgres.js';
import { newDirectory } from './process.js';
import type { Answer, TestIssuer } from './server.js';

/** What a gateway is started with that is killed, and started anew with the same, on this database. */
export const doomedEnv = async (
  postgres: TestPostgres,
  { issuer, jwksUri }: TestIssuer,
  more: NodeJS.ProcessEnv = {},
): Promise<NodeJS.ProcessEnv> => ({
  DATABASE_URL: postgres.url,
  DATA_DIR: await newDirectory(),
  LOG_LEVEL: 'warn',
  AUTH_ISSUERS: JSON.stringify([{ issuer, jwksUri, audience: 'orgate' }]),
  ...more,
});

/** Asks a gateway that may be killed meanwhile: null where no answer comes. */
export const askDoomed = (url: string, token: string, query: string, variables = {}): Promise<Answer | null> =>
  fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(20_000),
  })
    .then((response) => response.json() as Promise<Answer>)
    .catch(() => null);
