import type { FastifyRequest } from 'fastify';
import { ConflictingNamesError } from '../../context/conflicting-names.js';
import type { RequestContext } from '../../context/context.js';
import { HomedElsewhereError } from '../../context/elsewhere.js';
import { NotEnteredError } from '../../context/enter-organization.js';
import { RefusedKeyError } from '../../context/refused-key.js';
import { enteredBy, type Routing, routingLine } from '../../context/routing.js';
import { OrgateError } from '../../errors.js';
import { idsOf } from './request-record.js';

/** Writes a decision to the stream `routing` of the log. */
export function tellRouting(request: FastifyRequest, routing: Routing): void {
  request.server.requestLog.info(routingLine(idsOf(request), routing), 'routing');
}

/** What a door decided. */
export function routingOf(
  named: Routing['named'],
  { viewer, current }: Pick<RequestContext, 'viewer' | 'current'>,
): Routing {
  return {
    named,
    outcome: current ? enteredBy(current.membership) : viewer ? 'NO_ORGANIZATION' : 'NOBODY',
    organization: current?.orgId,
    source: current?.source,
    viewer: viewer?.person?.id ?? current?.membership.userId,
    actor: viewer?.impersonation?.by.id,
    apiKey: viewer?.apiKey?.id,
  };
}

/** What it refused, to whom as far as they are known; null for what is no decision but a fault. */
export function refusedRouting(named: Routing['named'], error: unknown): Routing | null {
  if (!(error instanceof OrgateError)) return null;
  const { cause, code: outcome } = error;
  if (cause instanceof NotEnteredError || cause instanceof HomedElsewhereError)
    return { named, outcome, viewer: cause.personId };
  if (cause instanceof ConflictingNamesError) return { named, outcome, ...cause.asked };
  if (cause instanceof RefusedKeyError) return { named, outcome, apiKey: cause.keyId };
  return { named, outcome };
}
