import { types } from 'node:util';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { readBrowser } from './browser-cookie.js';
import { SignInFailure } from './failure.js';
import { type Asked, findProvider, finishSignIn, idOf, type Kept, type SignInParts } from './finish-sign-in.js';
import type { OidcAttempt } from './oidc.js';

/** The browser is back from an OIDC provider, with a code or a refusal. */
export async function takeOidcCallback(
  parts: SignInParts,
  request: FastifyRequest<Asked>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const id = idOf(request);
  const { searchParams } = new URL(request.url, parts.publicUrl());
  const state = searchParams.get('state');
  const browser = readBrowser(request);
  const kept = state && browser ? await parts.attempts.take<Kept<OidcAttempt>>('OIDC', state, id, browser) : null;
  if (!state || !kept) throw new SignInFailure('NOT_UNDER_WAY');
  const provider = await findProvider(parts, id, 'OIDC');
  const assertion = await parts.oidc.finish(provider, kept.attempt, state, searchParams).catch((cause: unknown) => {
    throw new SignInFailure(isUnheard(cause) ? 'UNREACHABLE' : 'REFUSED', { cause });
  });
  return finishSignIn(parts, request, reply, provider, { assertion, returnTo: kept.returnTo });
}

/** The system's own codes, and those of a wait that was given up. */
const NO_ANSWER = /^(E[A-Z]+|ABORT_ERR|OAUTH_TIMEOUT)$/;

/** The provider said nothing, rather than something that does not hold. Libraries put the reason behind errors of their own. */
function isUnheard(error: unknown): boolean {
  for (let each = error; types.isNativeError(each); each = each.cause) {
    if ('code' in each && NO_ANSWER.test(String(each.code))) return true;
  }
  return false;
}
