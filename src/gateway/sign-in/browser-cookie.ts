import type { FastifyReply, FastifyRequest } from 'fastify';
import { ATTEMPT_LIFETIME_MS } from '../../identity/sign-in-attempts.js';
import { newSecret } from '../../secrets/secret.js';
import { OWN_COOKIE } from '../http/own-cookie.js';

/** Ties a sign-in to the browser that began it, so that nobody can be sent to finish another's. */
const NAME = '__Host-orgate-sign-in';

/** Null when this browser began no sign-in of late. */
export const readBrowser = (request: FastifyRequest): string | null => {
  const value = request.cookies[NAME];
  return value !== undefined && /^[\w-]{43}$/.test(value) ? value : null;
};

/** The browser's secret; the same for every tab that signs in meanwhile. */
export function rememberBrowser(request: FastifyRequest, reply: FastifyReply): string {
  const browser = readBrowser(request) ?? newSecret();
  void reply.setCookie(NAME, browser, { ...OWN_COOKIE, maxAge: ATTEMPT_LIFETIME_MS / 1000 });
  return browser;
}
