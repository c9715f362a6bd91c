import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Sessions } from '../../data/sessions.js';
import type { SignInAttempts } from '../../data/sign-in-attempts.js';
import { type Admitting, admitFromProvider, type Assertion } from '../../domains/admit-from-provider.js';
import { html, sendPage } from '../page.js';
import { readBrowser, rememberBrowser } from './browser-cookie.js';
import { sendFailure, SignInFailure } from './failure.js';
import type { Oidc, OidcAttempt } from './oidc.js';
import { asQuery, sendOrganizations } from './organizations-page.js';
import type { Provider, Providers } from './providers.js';
import { parseReturnTo } from './return-to.js';
import { setSessionCookie } from './session-cookie.js';

export interface SignInParts extends Admitting {
  readonly providers: Providers;
  readonly attempts: SignInAttempts;
  readonly sessions: Sessions;
  readonly oidc: Oidc;
  readonly publicUrl: () => string;
  readonly corsOrigins: readonly string[];
}

interface Kept<A> {
  readonly attempt: A;
  readonly returnTo: string | null;
}

type Asked = { Params: { slug?: string; id?: string }; Querystring: { return_to?: unknown } };

/** What could not be a name is looked up all the same, as one that nothing has. */
const lookupKey = (name: string): string => (/^[\w-]{1,64}$/.test(name) ? name : '-');
const idOf = ({ params }: FastifyRequest<Asked>): string => lookupKey(params.id ?? '');
const slugOf = ({ params }: FastifyRequest<Asked>): string | null =>
  params.slug === undefined ? null : lookupKey(params.slug);

/** Signs people in through identity providers: from /auth, or /auth/<organization slug>, to a session's cookie. */
export function serveSignIn(app: FastifyInstance, parts: SignInParts): void {
  const { providers, attempts, oidc } = parts;

  const returnToOf = (request: FastifyRequest<Asked>): string | null => {
    const returnTo = parseReturnTo(request.query.return_to, parts.publicUrl(), parts.corsOrigins);
    if (returnTo === undefined) throw new SignInFailure('RETURN_TO');
    return returnTo;
  };

  const find = async (id: string): Promise<Provider> => {
    const provider = await providers.find(id);
    if (!provider) throw new SignInFailure('UNKNOWN');
    return provider;
  };

  /** Sends the browser to the provider. */
  async function begin(request: FastifyRequest<Asked>, reply: FastifyReply, id: string): Promise<FastifyReply> {
    const returnTo = returnToOf(request);
    const provider = await find(id);
    if (provider.kind !== 'OIDC') throw new SignInFailure('UNKNOWN');
    const attempt = oidc.begin();
    const browser = rememberBrowser(request, reply);
    const state = await attempts.begin({ providerId: id, browser, kept: { attempt, returnTo } });
    const url = await oidc.authorizationUrl(provider, attempt, state).catch((cause: unknown) => {
      throw new SignInFailure('UNREACHABLE', { cause });
    });
    return reply.redirect(url.href, 303);
  }

  /** Lets in whom the provider vouches for. */
  async function finish(
    request: FastifyRequest,
    reply: FastifyReply,
    provider: Provider,
    assertion: Assertion,
    returnTo: string | null,
  ): Promise<FastifyReply> {
    const person = await admitFromProvider(parts, provider, assertion);
    const started = await parts.sessions.start({
      personId: person.id,
      provider: provider.id,
      boundOrgId: provider.organization?.orgId ?? null,
      userAgent: request.headers['user-agent'] ?? null,
    });
    setSessionCookie(reply, started);
    request.log.info({ requestId: request.id, provider: provider.id, viewer: person.id }, 'signed in');
    return reply.redirect(`/auth/organizations${asQuery(returnTo)}`, 303);
  }

  const route = (
    url: string,
    handle: (request: FastifyRequest<Asked>, reply: FastifyReply) => Promise<FastifyReply>,
  ): void => {
    app.get<Asked>(url, async (request, reply) =>
      handle(request, reply).catch((error: unknown) =>
        sendFailure(request, reply, request.params.id === undefined ? null : idOf(request), error),
      ),
    );
  };

  async function start(request: FastifyRequest<Asked>, reply: FastifyReply): Promise<FastifyReply> {
    const returnTo = returnToOf(request);
    const offered = await providers.offered(slugOf(request));
    const [only] = offered;
    if (!only) throw new SignInFailure('UNKNOWN');
    if (offered.length === 1) return begin(request, reply, only.id);
    const query = asQuery(returnTo);
    const choices = offered.map(
      ({ id, name }) => html`<p><a class="button" href="/auth/start/${id}${query}">${name}</a></p>`,
    );
    return sendPage(
      reply,
      200,
      'Sign in',
      html`<h1>Sign in</h1>
        ${choices}`,
    );
  }

  route('/auth', start);
  route('/auth/:slug', start);
  route('/auth/organizations', async (request, reply) =>
    sendOrganizations(parts.directory, request, reply, returnToOf(request)),
  );
  route('/auth/start/:id', (request, reply) => begin(request, reply, idOf(request)));

  route('/auth/oidc/:id/callback', async (request, reply) => {
    const id = idOf(request);
    const { searchParams } = new URL(request.url, parts.publicUrl());
    const [state] = searchParams.getAll('state');
    const browser = readBrowser(request);
    const kept = state && browser ? await attempts.take<Kept<OidcAttempt>>(state, id, browser) : null;
    if (!state || !kept) throw new SignInFailure('NOT_UNDER_WAY');
    const provider = await find(id);
    if (provider.kind !== 'OIDC') throw new SignInFailure('NOT_UNDER_WAY');
    const assertion = await oidc.finish(provider, kept.attempt, state, searchParams).catch((cause: unknown) => {
      throw new SignInFailure('REFUSED', { cause });
    });
    return finish(request, reply, provider, assertion, kept.returnTo);
  });
}
