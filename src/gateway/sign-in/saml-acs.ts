import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Assertion } from '../../domains/identity-provider/provision-from-provider.js';
import { readBrowser } from './browser-cookie.js';
import { SignInFailure } from './failure.js';
import { type Asked, findProvider, finishSignIn, idOf, type Kept, type SignInParts } from './finish-sign-in.js';
import type { SamlAttempt } from './saml.js';

/** A SAML attempt carries its browser along, since the provider's form brings no cookie of ours. */
export type KeptSaml = Kept<SamlAttempt> & { readonly browser: string };

/** The fields of a provider's form, as far as it has them. */
const answer = z.object({ RelayState: z.string().optional(), SAMLResponse: z.string().optional() });

interface Asserted {
  readonly assertion: Assertion;
  readonly returnTo: string | null;
}

/**
 * A SAML provider's page posted its answer. Whose browser that was is not known yet: a POST from another site brings no
 * cookie, so nobody is signed in here, and the browser is sent on to where it shows one.
 */
export async function takeSamlResponse(
  { attempts, saml, ...parts }: SignInParts,
  request: FastifyRequest<Asked>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const id = idOf(request);
  const { RelayState: state, SAMLResponse: response } = answer.parse(request.body ?? {});
  const kept = state && response ? await attempts.take<KeptSaml>('SAML', state, id, null) : null;
  // What a provider begins by itself has no state of ours.
  if (!response || !kept) throw new SignInFailure('NOT_UNDER_WAY');
  const provider = await findProvider({ attempts, saml, ...parts }, id, 'SAML');
  const { assertion, assertionId, validUntil } = await saml
    .finish(provider, kept.attempt, response)
    .catch((cause: unknown) => {
      throw new SignInFailure('REFUSED', { cause });
    });
  if (!(await attempts.useAssertion(id, assertionId, validUntil))) throw new SignInFailure('NOT_UNDER_WAY');
  const asserted: Asserted = { assertion, returnTo: kept.returnTo };
  const ticket = await attempts.begin({ step: 'SAML_ASSERTED', providerId: id, browser: kept.browser, kept: asserted });
  return reply.redirect(`/auth/saml/${id}/finish?ticket=${ticket}`, 303);
}

/** The browser shows the cookie that it was given when it began. */
export async function finishSaml(
  parts: SignInParts,
  request: FastifyRequest<Asked>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const id = idOf(request);
  const { ticket } = request.query;
  const browser = readBrowser(request);
  const asserted =
    typeof ticket === 'string' && browser
      ? await parts.attempts.take<Asserted>('SAML_ASSERTED', ticket, id, browser)
      : null;
  if (!asserted) throw new SignInFailure('NOT_UNDER_WAY');
  return finishSignIn(parts, request, reply, await findProvider(parts, id, 'SAML'), asserted);
}
