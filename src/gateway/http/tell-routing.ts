import type { FastifyRequest } from 'fastify';
import { ConflictingNamesError } from '../../context/conflicting-names.js';
import type { RequestContext } from '../../context/context.js';
import { NotEnteredError, toldName } from '../../context/enter-organization.js';
import { RefusedKeyError } from '../../context/refused-key.js';
import type { NamedOrganization } from '../../context/resolve-organization.js';
import { OrgateError } from '../../errors.js';
import { idsOf } from './request-record.js';

/** How a request was led to its organization, or why to none. */
export interface Routing {
  readonly named: readonly Pick<NamedOrganization, 'source' | 'name'>[];
  /** ENTERED, NO_ORGANIZATION of somebody who named none, NOBODY of who brought nothing; of a refusal its code. */
  readonly outcome: string;
  readonly organization?: string | undefined;
  readonly source?: string | undefined;
  /** A person, or the service account that a key is of. */
  readonly viewer?: string | undefined;
  /** Who acts as them. */
  readonly actor?: string | undefined;
  readonly apiKey?: string | null | undefined;
  readonly directory?: string | undefined;
}

/**
 * Writes a decision to the stream `routing` of the log. What somebody named and is not in is told as it is where it is a host or
 * an id, else by its digest: they may have put a secret there.
 */
export function tellRouting(request: FastifyRequest, { named, outcome, ...decided }: Routing): void {
  const isEntered = outcome === 'ENTERED';
  const sources = named.map(({ source, name }) => ({
    source,
    name: isEntered || source === 'HOST' ? name : toldName(name),
  }));
  request.log.info({ stream: 'routing', ...idsOf(request), sources, outcome, ...decided }, 'routing');
}

/** What a door decided. */
export function routingOf(
  named: Routing['named'],
  { viewer, current }: Pick<RequestContext, 'viewer' | 'current'>,
): Routing {
  return {
    named,
    outcome: current ? 'ENTERED' : viewer ? 'NO_ORGANIZATION' : 'NOBODY',
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
  if (cause instanceof NotEnteredError) return { named, outcome, viewer: cause.personId };
  if (cause instanceof ConflictingNamesError) return { named, outcome, ...cause.asked };
  if (cause instanceof RefusedKeyError) return { named, outcome, apiKey: cause.keyId };
  return { named, outcome };
}
