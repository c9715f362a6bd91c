import type { FastifyReply, FastifyRequest } from 'fastify';
import { RequestContext } from '../../context/context.js';
import { HOSTS } from '../../context/hosts.js';
import { OrgateError } from '../../errors.js';
import { type ContextParts, openContext } from './open-context.js';

/** Who looks at a page: whoever was signed in and is no longer is nobody there, and may sign in again. */
export const openVisit = (request: FastifyRequest, reply: FastifyReply, parts: ContextParts): Promise<RequestContext> =>
  openContext(request, reply, parts).catch((error: unknown) => {
    const host = parts.deployment.use(HOSTS).nameIn(request.host);
    // At the host of an organization that they left they are nobody, too.
    const isLeft = error instanceof OrgateError && error.code === 'NOT_FOUND' && host !== null;
    const isOver = error instanceof OrgateError && error.code === 'UNAUTHENTICATED';
    if (!isLeft && !isOver) throw error;
    return new RequestContext(request.id, null, null, parts.deployment, request.ip, host);
  });
