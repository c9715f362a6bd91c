import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  type Provisioning,
  provisionFromProvider,
  type Assertion,
} from '../../domains/identity-provider/provision-from-provider.js';
import type { Branding } from '../../branding.js';
import type { Hosts } from '../../context/hosts.js';
import type { LookAtHost } from '../../context/look-at-host.js';
import { bySystem, type Origin } from '../../data/connection/act.js';
import { countSignIn, type Metrics } from '../http/metrics.js';
import { idsOf } from '../http/request-record.js';
import type { Person } from '../../identity/person.js';
import { openSessions } from '../../identity/sessions.js';
import type { SignInAttempts } from '../../identity/sign-in-attempts.js';
import { SignInFailure } from './failure.js';
import type { Oidc } from './oidc.js';
import type { IsFromOwnPage } from './own-page.js';
import { leadingTo } from './return-to.js';
import type { Provider, Providers } from './providers.js';
import type { Saml } from './saml.js';
import { setSessionCookie } from './session-cookie.js';

export interface SignInParts extends Provisioning {
  readonly providers: Providers;
  readonly attempts: SignInAttempts;
  readonly oidc: Oidc;
  readonly saml: Saml;
  /** Lets people of the deployment into the organization that the domain of their e-mail leads to. */
  readonly joinOnSignIn: (person: Person, from?: Origin) => Promise<void>;
  readonly publicUrl: () => string;
  readonly development: boolean;
  readonly corsOrigins: readonly string[];
  readonly metrics: Metrics;
  /** Where people work who came for nothing else; null where the deployment does not say. */
  readonly productUrl: () => string | null;
  readonly hosts: Hosts;
  /** Where the DNS of a custom host leads now. */
  readonly lookAtHost: (host: string) => Promise<LookAtHost>;
  /** How the organization looks that a host or a slug leads to. */
  readonly branding: (name: string | null) => Promise<Branding | null>;
  readonly isFromOwnPage: IsFromOwnPage;
}

/** What is kept from the way to a provider for the way back. */
export interface Kept<A> {
  readonly attempt: A;
  readonly returnTo: string | null;
}

/** What a request to the sign-in may carry. */
export interface Asked {
  Params: { slug?: string; id?: string };
  Querystring: {
    return_to?: unknown;
    ticket?: unknown;
    switch?: unknown;
    host?: unknown;
    state?: unknown;
    code?: unknown;
    code_challenge?: unknown;
  };
  Body: unknown;
}

/** What could not be a name is looked up all the same, as one that nothing has. */
const lookupKey = (name: string): string => (/^[\w-]{1,64}$/.test(name) ? name : '-');

export const idOf = ({ params }: FastifyRequest<Asked>): string => lookupKey(params.id ?? '');
export const slugOf = ({ params }: FastifyRequest<Asked>): string | null =>
  params.slug === undefined ? null : lookupKey(params.slug);

/** @throws SignInFailure when there is no such provider, or it is not in use */
export async function findProvider<K extends Provider['kind']>(
  { providers }: SignInParts,
  id: string,
  ...kinds: K[]
): Promise<Extract<Provider, { kind: K }>> {
  const provider = await providers.find(id);
  const isWanted = (found: Provider): found is Extract<Provider, { kind: K }> =>
    kinds.some((kind) => kind === found.kind);
  if (!provider || !isWanted(provider)) throw new SignInFailure('UNKNOWN');
  return provider;
}

/** Lets in whom the provider vouches for: into the provider's organization only, where it has one. */
export async function finishSignIn(
  parts: SignInParts,
  request: FastifyRequest<Asked>,
  reply: FastifyReply,
  provider: Provider,
  { assertion, returnTo }: { readonly assertion: Assertion; readonly returnTo: string | null },
): Promise<FastifyReply> {
  const from = { requestId: request.id, address: request.ip };
  const person = await provisionFromProvider(parts, provider, assertion, from);
  if (provider.organization === null) await parts.joinOnSignIn(person, from);
  const sessions = parts.outside(openSessions);
  const started = await sessions.start({
    personId: person.id,
    provider: provider.id,
    boundOrgId: provider.organization?.orgId ?? null,
    userAgent: request.headers['user-agent'] ?? null,
    from,
  });
  // One that was switched off meanwhile has ended its sessions, but not this one.
  if (!(await parts.providers.find(provider.id))) {
    await sessions.endOfProvider(provider.id, { ...bySystem('sign-in'), ...from });
    throw new SignInFailure('UNKNOWN');
  }
  setSessionCookie(reply, started);
  countSignIn(parts.metrics, request, 'SIGNED_IN');
  request.log.info({ ...idsOf(request), provider: provider.id, viewer: person.id }, 'signed in');
  return reply.redirect(leadingTo(returnTo, '/auth/organizations'), 303);
}
