import type { FastifyReply, FastifyRequest } from 'fastify';
import { RequestContext } from '../../context/context.js';
import { OrgateError } from '../../errors.js';
import { type ContextParts, openContext } from './open-context.js';

/** Who looks at a page: whoever was signed in and is no longer is nobody there, and may sign in again. */
export const openVisit = (request: FastifyRequest, reply: FastifyReply, parts: ContextParts): Promise<RequestContext> =>
  openContext(request, reply, parts).catch((error: unknown) => {
    if (!(error instanceof OrgateError) || error.code !== 'UNAUTHENTICATED') throw error;
    return new RequestContext(request.id, null, null, parts.deployment, request.ip);
  });
