import type { IncomingMessage, ServerResponse } from 'node:http';
import { acceptForms } from '../gateway/http/accept-forms.js';
import { createRequire } from 'node:module';
import type { FastifyInstance, preHandlerAsyncHookHandler } from 'fastify';
import { exportJWK, generateKeyPair } from 'jose';
import type Provider from 'oidc-provider';
import { z } from 'zod';
import type { SignInProviderConfig } from '../config/config.js';
import { initial } from '../gateway/pages/look.js';
import { pageHeaders, renderPage, sendPage } from '../gateway/pages/page.js';
import { html } from '../html.js';

/** Where it stands. Also the issuer's path. */
const PATH = '/dev/idp';
const CLIENT_ID = 'orgate';

/** Someone whom the provider lets anyone be. */
interface DemoPerson {
  readonly email: string;
  readonly label: string;
}

/** The demo provider as a provider of the whole deployment. */
export const demoProvider = (publicUrl: string): SignInProviderConfig => ({
  id: 'demo',
  name: 'Demo identity provider',
  kind: 'OIDC',
  issuer: `${publicUrl}${PATH}`,
  clientId: CLIENT_ID,
  clientSecret: null,
  emailDomains: null,
});

/** Whether the package that it is made of is there: it is for development, and left out elsewhere. */
export function hasDemoProvider(): boolean {
  try {
    return createRequire(import.meta.url).resolve('oidc-provider') !== '';
  } catch {
    return false;
  }
}

/**
 * A real OpenID provider inside a development server, where anyone at this machine signs in as anyone. An organization can
 * use it as its own, too: any callback of this gateway is welcome. It is made when it is first asked for.
 */
export function serveDemoIdentityProvider(
  app: FastifyInstance,
  people: readonly DemoPerson[],
  publicUrl: () => string,
  guard: preHandlerAsyncHookHandler,
): void {
  let made: Promise<Provider> | undefined;
  const provider = () => (made ??= createProvider(people, publicUrl()));
  /** It has a request as it came, under the path that it stands at. */
  const mounted = (request: IncomingMessage) =>
    Object.assign(request, { originalUrl: request.url, url: request.url?.slice(PATH.length) });

  void app.register(async (scope) => {
    scope.addHook('preHandler', guard);
    // It reads its own bodies.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _body, done) => done(null));
    scope.all(`${PATH}/*`, async (request, reply) => {
      const answer = (await provider()).callback();
      reply.raw.setHeader('referrer-policy', 'same-origin');
      reply.hijack();
      return answer(mounted(request.raw), reply.raw);
    });
  });

  void app.register(async (scope) => {
    scope.addHook('preHandler', guard);
    acceptForms(scope);
    scope.get(`${PATH}/interaction/:uid`, async (_request, reply) => {
      const choices = people.map(({ email, label }) => {
        const [name = '', assignment = ''] = label.split(' · ');
        return html`<li>
          <button name="email" value="${email}">
            ${initial(name)}<span>${name}<small>${assignment}</small></span>
          </button>
        </li>`;
      });
      return sendPage(
        reply,
        200,
        'Demo identity provider',
        html`<h1>Who are you today?</h1>
          <p class="lead">This is an identity provider for trying things out. It asks for no password.</p>
          <form method="post">
            <ul class="choices">
              ${choices}
            </ul>
          </form>
          <p class="or">or someone else</p>
          <form method="post">
            <label>E-mail <input name="email" type="email" required placeholder="jane@acme.example" /></label>
            <label class="check"><input name="unverified" type="checkbox" /> The address was not verified</label>
            <button>Sign in</button>
          </form>`,
        { formsLeadAnywhere: true },
      );
    });
    scope.post(`${PATH}/interaction/:uid`, async (request, reply) => {
      const chosen = choice.safeParse(request.body);
      if (!chosen.success) return reply.redirect(`${PATH}/interaction/again`, 303);
      const accountId = toAccountId(chosen.data);
      reply.hijack();
      return (await provider()).interactionFinished(request.raw, reply.raw as ServerResponse, { login: { accountId } });
    });
  });
}

const choice = z.object({ email: z.email().max(254).toLowerCase(), unverified: z.literal('on').optional() });

/** Subjects are never e-mail addresses. These hold one, so that nothing needs to be remembered. */
const toAccountId = (account: z.infer<typeof choice>): string =>
  Buffer.from(JSON.stringify([account.email, account.unverified === undefined])).toString('base64url');

async function createProvider(people: readonly DemoPerson[], publicUrl: string): Promise<Provider> {
  const { default: OidcProvider, interactionPolicy } = await import('oidc-provider');
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const policy = interactionPolicy.base();
  // Asks every time, since trying things out means being now this person and now that.
  policy
    .get('login')
    ?.checks.add(
      new interactionPolicy.Check('always', 'choose a person', ({ oidc }) => oidc.result?.login === undefined),
    );
  const provider = new OidcProvider(`${publicUrl}${PATH}`, {
    clients: [{ client_id: CLIENT_ID, token_endpoint_auth_method: 'none', redirect_uris: [`${publicUrl}/`] }],
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig' }] },
    cookies: { keys: [crypto.randomUUID()] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    renderError(context, { error_description: why }) {
      context.set(pageHeaders());
      context.body = renderPage(
        'orgate',
        'Not signed in',
        html`<h1>Not signed in</h1>
          <p class="lead">The demo identity provider says: ${why ?? 'something went wrong'}.</p>
          <div class="actions"><a class="button second" href="/auth">Begin again</a></div>`,
      );
    },
    features: { devInteractions: { enabled: false } },
    ttl: { AccessToken: 60, AuthorizationCode: 60, Grant: 600, IdToken: 60, Interaction: 3600, Session: 3600 },
    interactions: { policy, url: (_context, { uid }) => `${PATH}/interaction/${uid}` },
    findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ sub, ...claimsOf(sub, people) }) }),
    // Nobody is asked whether orgate may know who they are.
    async loadExistingGrant({ oidc }) {
      const { Grant } = oidc.provider;
      const grant = new Grant({ clientId: CLIENT_ID, accountId: oidc.session?.accountId ?? '' });
      grant.addOIDCScope('openid email profile');
      await grant.save();
      return grant;
    },
  });
  provider.Client.prototype.redirectUriAllowed = (uri: string) => uri.startsWith(`${publicUrl}/auth/oidc/`);
  return provider;
}

const SUBJECT = z.tuple([z.string(), z.boolean()]);

function claimsOf(sub: string, people: readonly DemoPerson[]) {
  const [email, isVerified] = SUBJECT.parse(JSON.parse(Buffer.from(sub, 'base64url').toString()));
  const known = people.find((person) => person.email === email)?.label.split(' · ')[0];
  const [local = ''] = email.split('@');
  return { email, email_verified: isVerified, name: known ?? local.charAt(0).toUpperCase() + local.slice(1) };
}
