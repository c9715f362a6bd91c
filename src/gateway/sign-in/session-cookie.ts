import type { FastifyReply, FastifyRequest } from 'fastify';
import type { StartedSession } from '../../identity/sessions.js';
import { OWN_COOKIE } from '../http/own-cookie.js';

/**
 * Names a person, never an organization: a tab names its own. The prefix has browsers refuse the cookie unless it is
 * Secure, for this host alone and for all of it; they count http://localhost as secure.
 */
const NAME = '__Host-orgate';

export const setSessionCookie = (reply: FastifyReply, { cookie, expiresAt }: StartedSession): FastifyReply =>
  reply.setCookie(NAME, cookie, { ...OWN_COOKIE, expires: expiresAt });

export const clearSessionCookie = (reply: FastifyReply): FastifyReply => reply.clearCookie(NAME, OWN_COOKIE);

/** The secret in the cookie of the request, whoever it may name. */
export const readSessionCookie = (request: FastifyRequest): string | null => request.cookies[NAME] ?? null;
