import type { ActiveMembership } from '../identity/person.js';
import { part } from '../parts.js';
import { toldName } from './enter-organization.js';
import type { NamedOrganization } from './resolve-organization.js';

/** How a request was led to an organization, or why to none. */
export interface Routing {
  /** An argument names one beside the request's own. */
  readonly named: readonly { readonly source: NamedOrganization['source'] | 'ARGUMENT'; readonly name: string }[];
  /**
   * ENTERED; SET_ONLY of who is barred there and only gets in to leave; NO_ORGANIZATION of somebody who named none, NOBODY of who
   * brought nothing, SIGN_IN of who was sent from a host to sign in; of a refusal its code.
   */
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

/** Takes down decisions that are made while a request is answered. */
export const ROUTING = part<(requestId: string, routing: Routing) => void>('log of routing');

/** What came of it, by the membership that lets somebody in. */
export const enteredBy = ({ isBarred }: Pick<ActiveMembership, 'isBarred'>): string =>
  isBarred ? 'SET_ONLY' : 'ENTERED';

/**
 * A line of the stream `routing` of the log. What somebody named and is not in is told as it is where it is a host or an id, else by
 * its digest: they may have put a secret there.
 */
export function routingLine(ids: { readonly requestId: string }, { named, outcome, ...decided }: Routing): object {
  const isInside = decided.organization !== undefined;
  const sources = named.map(({ source, name }) => ({
    source,
    name: isInside || source === 'HOST' ? name : toldName(name),
  }));
  return { stream: 'routing', ...ids, sources, outcome, ...decided };
}
