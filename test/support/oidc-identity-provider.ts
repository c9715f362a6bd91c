import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';
import Provider, { type Configuration } from 'oidc-provider';

export const CLIENT_ID = 'orgate';
export const CLIENT_SECRET = 'a-secret-of-the-client-that-is-long-enough';

/** Who sits at the identity provider: their subject, and what it says of them. */
export interface Account {
  readonly sub: string;
  readonly email?: string;
  readonly email_verified?: boolean;
  readonly name?: string;
  readonly [claim: string]: unknown;
}

/** A real OpenID provider, listening on a port of its own, that asks nobody for a password. */
export interface OidcIdentityProvider {
  readonly issuer: string;
  /** Who is signed in there; null when they turn back. */
  account: Account | null;
  /** Changes what it answers on a path on its way out, as a bad provider or someone in between would. */
  tamper: { readonly path: string; readonly change: (body: string) => string | Promise<string> } | null;
  /** Every path that was asked for. */
  readonly asked: string[];
  close(): Promise<void>;
}

/** @param thin keeps claims out of ID tokens, so that they have to be asked for */
export async function startOidcIdentityProvider({
  thin = false,
  publicClient = false,
} = {}): Promise<OidcIdentityProvider> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const http = createServer();
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  /** Everyone who signed in, as they were then. */
  const known = new Map<string, Account>();
  const configuration: Configuration = {
    clients: [
      {
        client_id: CLIENT_ID,
        redirect_uris: ['http://localhost/'],
        ...(publicClient
          ? { token_endpoint_auth_method: 'none' }
          : { client_secret: CLIENT_SECRET, token_endpoint_auth_method: 'client_secret_post' }),
      },
    ],
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'first', alg: 'RS256', use: 'sig' }] },
    cookies: { keys: ['a key for cookies'] },
    ttl: { AccessToken: 60, AuthorizationCode: 60, Grant: 600, IdToken: 60, Interaction: 600, Session: 600 },
    claims: { openid: ['sub'], email: ['email', 'email_verified', 'xms_edov'], profile: ['name'] },
    conformIdTokenClaims: thin,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: () => '/interaction' },
    expiresWithSession: () => false,
    findAccount: (_context, sub) => ({
      accountId: sub,
      claims: () => ({ ...known.get(sub), ...(provider.account?.sub === sub && provider.account), sub }),
    }),
    // Nobody is asked whether orgate may know who they are.
    async loadExistingGrant({ oidc }) {
      const grant = new oidc.provider.Grant({
        clientId: oidc.client?.clientId ?? '',
        accountId: oidc.session?.accountId ?? '',
      });
      grant.addOIDCScope('openid email profile');
      await grant.save();
      return grant;
    },
  };
  const oidc = new Provider(issuer, configuration);
  // Each test makes providers in orgate, and each of those has a callback of its own.
  oidc.Client.prototype.redirectUriAllowed = (uri: string) => uri.startsWith('http://localhost:');
  const callback = oidc.callback();
  const provider: OidcIdentityProvider = {
    issuer,
    account: null,
    tamper: null,
    asked: [],
    close: () => {
      http.closeAllConnections();
      return new Promise((resolve) => http.close(() => resolve()));
    },
  };
  http.on('request', (request, response) => {
    const { pathname } = new URL(request.url ?? '/', issuer);
    provider.asked.push(pathname);
    if (pathname === provider.tamper?.path) changeAnswer(response, provider.tamper.change);
    if (pathname !== '/interaction') return void callback(request, response);
    if (provider.account) known.set(provider.account.sub, provider.account);
    const result = provider.account
      ? { login: { accountId: provider.account.sub } }
      : { error: 'access_denied', error_description: 'they turned back' };
    return void oidc.interactionFinished(request, response, result);
  });
  return provider;
}

function changeAnswer(response: ServerResponse, change: (body: string) => string | Promise<string>): void {
  const end = response.end.bind(response) as (body: string) => ServerResponse;
  response.end = ((body: Buffer | string = '') => {
    void Promise.resolve(change(body.toString())).then((changed) => {
      response.setHeader('content-length', Buffer.byteLength(changed));
      end(changed);
    });
    return response;
  }) as typeof response.end;
}
