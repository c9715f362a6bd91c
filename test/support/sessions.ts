import { openSessions } from '../../src/identity/sessions.js';
import type { Answer, AnswerTo, Checked, TestServer } from './server.js';

/** A browser in which a person signed in. */
export interface Browser {
  <Text extends string>(query: Text & Checked<Text>, headers?: Record<string, string>): Promise<AnswerTo<Text>>;
  readonly sessionId: string;
  readonly header: { readonly cookie: string };
  /** Asks /auth/token from a page of the gateway. */
  token(body?: object, headers?: Record<string, string>): Promise<TokenAnswer>;
}

export interface TokenAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly access: string;
  readonly refresh: string;
  readonly expiresIn: number;
}

/** What a browser calls the gateway. */
export const ownOrigin = (server: TestServer): string => `http://localhost:${new URL(server.url).port}`;

export async function givenBrowser(
  server: TestServer,
  personId: string,
  more: { boundOrgId?: string; provider?: string } = {},
): Promise<Browser> {
  const { sessionId, cookie } = await server.database.outside(openSessions).start({
    personId,
    provider: more.provider ?? null,
    boundOrgId: more.boundOrgId ?? null,
    userAgent: 'Browser 1.0',
  });
  const header = { cookie: `__Host-orgate=${cookie}` };
  const ask = (query: string, headers: Record<string, string> = {}): Promise<Answer> =>
    server.post(JSON.stringify({ query }), { origin: ownOrigin(server), ...header, ...headers });
  const token = (body: object = { grant_type: 'session' }, headers: Record<string, string> = {}) =>
    askForToken(server, body, { origin: ownOrigin(server), ...header, ...headers });
  return Object.assign(ask, { sessionId, header, token });
}

export async function askForToken(
  server: TestServer,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<TokenAnswer> {
  const response = await fetch(`${server.url}/auth/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  const parsed = JSON.parse(text) as { access_token: string; refresh_token: string; expires_in: number };
  return {
    status: response.status,
    headers: response.headers,
    text,
    access: parsed.access_token,
    refresh: parsed.refresh_token,
    expiresIn: parsed.expires_in,
  };
}

export const renew = (server: TestServer, refreshToken: string): Promise<TokenAnswer> =>
  askForToken(server, { grant_type: 'refresh_token', refresh_token: refreshToken });
