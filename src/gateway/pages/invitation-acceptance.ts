import type { FastifyReply, FastifyRequest } from 'fastify';
import { ATTEMPT_LIFETIME_MS } from '../../identity/sign-in-attempts.js';
import { hashSecret } from '../../secrets/secret.js';
import { OWN_COOKIE } from '../http/own-cookie.js';

/** Says that somebody at this browser accepted an invitation, and went to sign in first. It counts for as long as that takes. */
const NAME = '__Host-orgate-invitation';

export const rememberAcceptance = (reply: FastifyReply, secret: string): FastifyReply =>
  reply.setCookie(NAME, hashSecret(secret), { ...OWN_COOKIE, maxAge: ATTEMPT_LIFETIME_MS / 1000 });

/** Whether this invitation was accepted before signing in. It is asked once. */
export function takeAcceptance(request: FastifyRequest, reply: FastifyReply, secret: string): boolean {
  if (request.cookies[NAME] !== hashSecret(secret)) return false;
  reply.clearCookie(NAME, OWN_COOKIE);
  return true;
}
