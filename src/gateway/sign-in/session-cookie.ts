import type { FastifyReply, FastifyRequest } from 'fastify';
import type { StartedSession } from '../../identity/sessions.js';

/**
 * Names a person, never an organization: a tab names its own. The prefix has browsers refuse the cookie unless it is
 * Secure, for this host alone and for all of it; they count http://localhost as secure.
 */
const NAME = '__Host-orgate';

/** Out of reach of scripts; sent along by links from other sites, but not by their forms and requests. */
const ATTRIBUTES = { path: '/', secure: true, httpOnly: true, sameSite: 'lax' } as const;

export const setSessionCookie = (reply: FastifyReply, { cookie, expiresAt }: StartedSession): FastifyReply =>
  reply.setCookie(NAME, cookie, { ...ATTRIBUTES, expires: expiresAt });

export const clearSessionCookie = (reply: FastifyReply): FastifyReply => reply.clearCookie(NAME, ATTRIBUTES);

/** The secret in the cookie of the request, whoever it may name. */
export const readSessionCookie = (request: FastifyRequest): string | null => request.cookies[NAME] ?? null;
