import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Outside } from '../../data/connection/outside.js';
import { badInput, OrgateError } from '../../errors.js';
import type { SessionTokens } from '../../identity/session-tokens.js';
import { openSessions, type RenewedSession } from '../../identity/sessions.js';
import type { SigningKeys } from '../../identity/signing-keys.js';
import { idsOf } from '../http/request-record.js';
import type { IsFromOwnPage } from './own-page.js';
import { clearSessionCookie } from './session-cookie.js';
import { findSignedIn } from './signed-in.js';

export interface TokenParts {
  readonly outside: Outside;
  readonly tokens: SessionTokens;
  readonly signingKeys: SigningKeys;
  readonly isFromOwnPage: IsFromOwnPage;
}

const grant = z.discriminatedUnion('grant_type', [
  z.strictObject({ grant_type: z.literal('refresh_token'), refresh_token: z.string().max(200) }),
  z.strictObject({ grant_type: z.literal('session') }),
]);

/**
 * Serves access tokens at /auth/token, to whoever holds a refresh token or a browser's session, and the keys to verify
 * them with at /.well-known/jwks.json.
 */
export function serveTokens(app: FastifyInstance, parts: TokenParts): void {
  app.post('/auth/token', async (request, reply) => {
    const { success, data } = grant.safeParse(request.body);
    if (!success)
      throw badInput(
        'grant_type',
        'Send {"grant_type": "refresh_token", "refresh_token": "…"} or {"grant_type": "session"}.',
      );
    const session =
      data.grant_type === 'session'
        ? await openSession(parts, request, reply)
        : await renewSession(parts, request, data.refresh_token);
    const { token, expiresInSeconds } = await parts.tokens.issue({
      ...session,
      orgId: null,
      notAfter: Math.floor(session.expiresAt.getTime() / 1000),
    });
    return {
      access_token: token,
      token_type: 'Bearer',
      expires_in: expiresInSeconds,
      refresh_token: session.refreshToken,
    };
  });
  app.get('/.well-known/jwks.json', (_request, reply) =>
    // Keys are published a day before they sign, so a copy may be kept for a while.
    reply.header('cache-control', 'public, max-age=300').send({ keys: parts.signingKeys.published() }),
  );
}

async function renewSession(
  { outside }: TokenParts,
  request: FastifyRequest,
  refreshToken: string,
): Promise<RenewedSession> {
  const renewed = await outside(openSessions).renew(refreshToken, { requestId: request.id, address: request.ip });
  if (renewed === 'REUSED') {
    request.log.warn(idsOf(request), 'a refresh token was used twice: its session was ended');
  }
  if (renewed === null || renewed === 'REUSED') throw new OrgateError('UNAUTHENTICATED');
  return renewed;
}

/** The browser's session, with a refresh token of its own for the page that asks. */
async function openSession(
  { outside, isFromOwnPage }: TokenParts,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<RenewedSession> {
  if (!isFromOwnPage(request)) throw new OrgateError('FORBIDDEN', 'A page of another site sent this request.');
  const found = await findSignedIn(outside, request);
  if (!found) {
    clearSessionCookie(reply);
    throw new OrgateError('UNAUTHENTICATED');
  }
  const { id, expiresAt } = found.session;
  const refreshToken = await outside(openSessions).issueRefreshToken(id);
  return { sessionId: id, personId: found.person.id, expiresAt, refreshToken };
}
