import { LRUCache } from 'lru-cache';
import * as client from 'openid-client';
import { toEmail } from '../../context/authenticate.js';
import type { Assertion } from '../../domains/identity-provider/provision-from-provider.js';
import { callbackUrl } from '../../domains/identity-provider/sign-in-urls.js';
import { EMPTY } from '../../egress/egress.js';
import { isText, toName } from '../../identity/person-name.js';
import type { OidcProvider } from './providers.js';

/** What is kept from the way to the provider for the way back. */
export interface OidcAttempt {
  readonly codeVerifier: string;
  readonly nonce: string;
}

export interface Oidc {
  /** Makes the secrets of an attempt. */
  begin(): OidcAttempt;
  /** Where to send the browser. @param anew whether the provider is to ask who it is, whomever it knows already */
  authorizationUrl(provider: OidcProvider, attempt: OidcAttempt, state: string, anew: boolean): Promise<URL>;
  /**
   * Exchanges the code that the browser brought back, and verifies the ID token: signature, issuer, audience, times and
   * nonce. State and browser are for the caller to have checked.
   */
  finish(provider: OidcProvider, attempt: OidcAttempt, state: string, query: URLSearchParams): Promise<Assertion>;
}

const SCOPE = 'openid email profile';
const TIMEOUT_S = 10;
const CLOCK_TOLERANCE_S = 30;
/** Discovery and keys are asked for again now and then; a provider that changed is asked at once. */
const KEPT_MS = 10 * 60_000;
/** Of all providers together, in bytes as they came; what becomes of them takes up to 25 times as much. Most are five kilobytes. */
const KEPT_BYTES = 2 * 1024 * 1024;

/** What is known of a provider. */
interface Kept {
  readonly configuration: Promise<client.Configuration>;
  readonly version: string;
  readonly until: number;
  /** Bytes of all that it sent. */
  readonly received: number;
}

/** @param fetchFor what fetches from providers of an organization, or with null from the deployment's own */
export function createOidc(
  publicUrl: () => string,
  fetchFor: (orgId: string | null) => client.CustomFetch,
  tellLookup: (isFound: boolean) => void = () => undefined,
  now: () => number = Date.now,
): Oidc {
  /** A provider that changed takes the place of what it was. */
  const kept = new LRUCache<string, Kept>({ maxSize: KEPT_BYTES, sizeCalculation: ({ received }) => received + 1 });

  function configurationOf(provider: OidcProvider): Promise<client.Configuration> {
    const { id, version } = provider;
    const known = kept.get(id);
    const isKnown = known?.version === version && now() < known.until;
    tellLookup(isKnown);
    if (isKnown) return known.configuration;
    let received = 0;
    const fetch = fetchFor(provider.organization?.orgId ?? null);
    const counting: client.CustomFetch = async (url, options) => {
      const response = await fetch(url, options);
      // What is told of one person is let go.
      if (options.method !== 'GET' || new Headers(options.headers).has('authorization')) return response;
      const body = await response.arrayBuffer();
      received += body.byteLength;
      // The keys come later, and stay as well.
      if (kept.peek(id)?.configuration === configuration) kept.set(id, { ...entry, received });
      return new Response(EMPTY.has(response.status) ? null : body, response);
    };
    const configuration = discover(provider, counting);
    const entry: Kept = { configuration, version, until: now() + KEPT_MS, received };
    kept.set(id, entry);
    configuration.catch(() => kept.delete(id));
    return configuration;
  }

  return {
    begin: () => ({ codeVerifier: client.randomPKCECodeVerifier(), nonce: client.randomNonce() }),

    async authorizationUrl(provider, { codeVerifier, nonce }, state, anew) {
      return client.buildAuthorizationUrl(await configurationOf(provider), {
        redirect_uri: callbackUrl(publicUrl(), provider.id),
        scope: SCOPE,
        state,
        nonce,
        code_challenge: await client.calculatePKCECodeChallenge(codeVerifier),
        code_challenge_method: 'S256',
        ...(anew && { prompt: 'login' }),
      });
    },

    async finish(provider, { codeVerifier, nonce }, state, query) {
      const configuration = await configurationOf(provider);
      const currentUrl = new URL(`${callbackUrl(publicUrl(), provider.id)}?${query.toString()}`);
      const tokens = await client.authorizationCodeGrant(configuration, currentUrl, {
        pkceCodeVerifier: codeVerifier,
        expectedNonce: nonce,
        expectedState: state,
        idTokenExpected: true,
      });
      const claims = tokens.claims() as client.IDToken;
      const hasMore = configuration.serverMetadata().userinfo_endpoint !== undefined;
      // Some providers keep ID tokens thin and tell the rest on demand.
      return claims['email'] !== undefined || !hasMore
        ? toAssertion(claims)
        : toAssertion(await client.fetchUserInfo(configuration, tokens.access_token, claims.sub));
    },
  };
}

async function discover(provider: OidcProvider, fetch: client.CustomFetch): Promise<client.Configuration> {
  const { clientSecret: secret } = provider;
  const authenticate: client.ClientAuth = (server, ...rest) => {
    if (secret === null) return client.None()(server, ...rest);
    // Both are common; of the two only the form field leaves no doubt about how a secret is encoded.
    const takesPost = server.token_endpoint_auth_methods_supported?.includes('client_secret_post');
    const method = takesPost ? client.ClientSecretPost(secret) : client.ClientSecretBasic(secret);
    return method(server, ...rest);
  };
  const configuration = await client.discovery(
    new URL(provider.issuer),
    provider.clientId,
    { [client.clockTolerance]: CLOCK_TOLERANCE_S },
    authenticate,
    {
      // The addresses were checked when they were entered: http is this very machine.
      execute: provider.issuer.startsWith('http:') ? [client.allowInsecureRequests] : [],
      [client.customFetch]: fetch,
      timeout: TIMEOUT_S,
    },
  );
  // The token came over TLS from the provider itself; its signature is checked all the same.
  client.enableNonRepudiationChecks(configuration);
  return configuration;
}

function toAssertion(claims: Readonly<Record<string, unknown>> & { readonly sub: string }): Assertion {
  if (claims.sub.length > 255 || !isText(claims.sub)) {
    throw new Error('the subject cannot be kept');
  }
  const { sub, email, name, email_verified: verified, xms_edov: entraVerified } = claims;
  // Entra ID has a claim of its own that the domain's owner verified the address, and spells true in several ways.
  const isVerified = verified === true || [true, 1, '1', 'true'].some((yes) => yes === entraVerified);
  return {
    subject: sub,
    verifiedEmail: isVerified && typeof email === 'string' ? toEmail(email) : null,
    name: toName(name),
  };
}
