import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { findHosted } from '../../context/hosts.js';
import { html } from '../../html.js';
import { acceptForms } from '../http/accept-forms.js';
import { ORDINARY_BODY_BYTES } from '../http/bodies/receive-bodies.js';
import { countSignIn } from '../http/metrics.js';
import { sendPage } from '../pages/page.js';
import { rememberBrowser } from './browser-cookie.js';
import { reasonOf, sendFailure, SignInFailure } from './failure.js';
import { type Asked, findProvider, idOf, type Kept, type SignInParts, slugOf } from './finish-sign-in.js';
import { agreeToHost, askAboutHost, beginAtHost, finishAtHost, hostAsked, refuseAtHost } from './host-sign-in.js';
import { takeOidcCallback } from './oidc-callback.js';
import type { OidcAttempt } from './oidc.js';
import { sendOrganizations } from './organizations-page.js';
import { leadingTo, originAsked, parseReturnTo } from './return-to.js';
import { finishSaml, type KeptSaml, takeSamlResponse } from './saml-acs.js';

type Request = FastifyRequest<Asked>;
type Handle = (parts: SignInParts, request: Request, reply: FastifyReply) => Promise<FastifyReply>;

/** Signs people in through identity providers: from /auth, or /auth/<organization slug>, to a session's cookie. */
export function serveSignIn(app: FastifyInstance, parts: SignInParts): void {
  const handler = (handle: Handle) => async (request: Request, reply: FastifyReply) => {
    try {
      // This machine has several names; cookies and callbacks need the one that providers send people back to.
      const host = parts.hosts.nameIn(request.host);
      if (host !== null) return await handleAtHost(parts, request, reply, host);
      const isElsewhere = parts.development && request.host !== new URL(parts.publicUrl()).host;
      if (isElsewhere && request.method === 'GET') return reply.redirect(`${parts.publicUrl()}${request.url}`, 303);
      return await handle(parts, request, reply);
    } catch (error) {
      countSignIn(parts.metrics, request, reasonOf(error) ?? 'ERROR');
      return sendFailure(request, reply, request.params.id === undefined ? null : idOf(request), error);
    }
  };
  app.get('/auth', handler(chooseProvider));
  app.get('/auth/:slug', handler(chooseProvider));
  app.get(
    '/auth/start/:id',
    handler((_, request, reply) => begin(parts, request, reply, idOf(request))),
  );
  app.get('/auth/oidc/:id/callback', handler(takeOidcCallback));
  app.get('/auth/saml/:id/finish', handler(finishSaml));
  app.get('/auth/saml/:id/metadata', async (request: Request, reply) =>
    reply.type('application/samlmetadata+xml').send(parts.saml.metadata(idOf(request))),
  );
  app.get(
    '/auth/organizations',
    handler(async (_, request, reply) => sendOrganizations(parts, request, reply, returnToOf(parts, request))),
  );
  app.get('/auth/host', handler(askAboutHost));
  app.get('/auth/host/callback', handler(unknown));
  void app.register(async (scope) => {
    acceptForms(scope);
    // A provider's answer is one large field.
    scope.post('/auth/saml/:id/acs', { bodyLimit: ORDINARY_BODY_BYTES }, handler(takeSamlResponse));
    scope.post('/auth/host', handler(agreeToHost));
  });
}

function returnToOf({ publicUrl, productUrl, corsOrigins }: SignInParts, request: Request): string | null {
  const product = productUrl();
  const origins = product === null ? corsOrigins : [...corsOrigins, new URL(product).origin];
  const returnTo = parseReturnTo(request.query.return_to, publicUrl(), origins);
  if (returnTo === undefined) throw new SignInFailure('RETURN_TO', { cause: originAsked(request.query.return_to) });
  return returnTo;
}

/** Everything that is asked at the host of an organization: there people are sent to the gateway's own address, and come back. */
async function handleAtHost(
  parts: SignInParts,
  request: Request,
  reply: FastifyReply,
  host: string,
): Promise<FastifyReply> {
  const { url } = request.routeOptions;
  const origin = parts.hosts.originOf(request.host);
  // At their host people work: there is nothing else to lead them to, unless the deployment says so.
  const at = { ...parts, publicUrl: () => origin, productUrl: () => productAt(parts, origin) };
  if (url === '/auth/host/callback') return finishAtHost(at, request, reply, host);
  if (url === '/auth/organizations') return sendOrganizations(at, request, reply, returnToOf(at, request));
  const isDoor = url === '/auth' || (url === '/auth/:slug' && slugOf(request) === host);
  if (!isDoor) throw refuseAtHost(request, host, 'UNKNOWN');
  return beginAtHost(parts, request, reply, { returnTo: returnToOf(at, request), isSwitching: isSwitching(request) });
}

function productAt({ productUrl, publicUrl }: SignInParts, origin: string): string | null {
  const product = productUrl();
  return product === `${publicUrl()}/` ? `${origin}/` : product;
}

const unknown: Handle = () => Promise.reject(new SignInFailure('UNKNOWN'));

/** Leads on to the only provider there is, or asks which. */
async function chooseProvider(parts: SignInParts, request: Request, reply: FastifyReply): Promise<FastifyReply> {
  const returnTo = returnToOf(parts, request);
  const named = slugOf(request) ?? hostAsked(parts, request);
  const slug = slugOf(request) ?? (named === null ? null : ((await findHosted(parts.outside, named))?.slug ?? null));
  const offered = await parts.providers.offered(slug);
  const [only] = offered;
  if (!only) throw new SignInFailure('UNKNOWN');
  if (offered.length === 1) return begin(parts, request, reply, only.id);
  const choices = offered.map(
    ({ id, name }) =>
      html`<a class="button second" href="${leadingTo(returnTo, `/auth/start/${id}`, isSwitching(request))}"
        >Continue with ${name}</a
      >`,
  );
  const dress = await parts.branding(named);
  return sendPage(
    reply,
    200,
    'Sign in',
    html`<h1>Sign in</h1>
      <p class="lead">to ${dress?.displayName ?? reply.server.productName}</p>
      <div class="actions">${choices}</div>`,
    { dress },
  );
}

/** Whoever is somebody else now, at the provider too, says so. */
const isSwitching = ({ query }: Request): boolean => query.switch !== undefined;

/** Sends the browser to a provider. */
async function begin(parts: SignInParts, request: Request, reply: FastifyReply, id: string): Promise<FastifyReply> {
  const { attempts, oidc, saml } = parts;
  const returnTo = returnToOf(parts, request);
  const provider = await findProvider(parts, id, 'OIDC', 'SAML');
  const browser = rememberBrowser(request, reply);
  if (provider.kind === 'SAML') {
    const kept: KeptSaml = { attempt: saml.begin(), returnTo, browser };
    const relayState = await attempts.begin({ step: 'SAML', providerId: id, browser, kept });
    return reply.redirect(await saml.requestUrl(provider, kept.attempt, relayState, isSwitching(request)), 303);
  }
  const kept: Kept<OidcAttempt> = { attempt: oidc.begin(), returnTo };
  const state = await attempts.begin({ step: 'OIDC', providerId: id, browser, kept });
  const url = await oidc
    .authorizationUrl(provider, kept.attempt, state, isSwitching(request))
    .catch((cause: unknown) => {
      throw new SignInFailure('UNREACHABLE', { cause });
    });
  return reply.redirect(url.href, 303);
}
