import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Branding } from '../../branding.js';
import { html } from '../../html.js';
import { findSignedIn } from '../sign-in/signed-in.js';
import type { Outside } from '../../data/connection/outside.js';
import { account } from './account.js';
import { sendProblem, wantsPage } from './problem-page.js';
import { FAVICON } from './look.js';
import { sendPage } from './page.js';

export interface HomeParts {
  readonly outside: Outside;
  /** How the organization looks that the host leads to. */
  readonly branding: (request: FastifyRequest) => Promise<Branding | null>;
  /** Whether there is anything to sign in with. */
  readonly offersSignIn: () => Promise<boolean>;
}

/** Serves / where GraphiQL is not: a page for people, and nothing for machines. */
export function serveHome(app: FastifyInstance, { outside, branding, offersSignIn }: HomeParts): void {
  app.get('/', async (request, reply) => {
    if (!wantsPage(request)) {
      return sendProblem(request, reply, { status: 404, code: 'NOT_FOUND', message: 'No such path.' });
    }
    const { productName } = app;
    const dress = await branding(request);
    const found = await findSignedIn(outside, request);
    if (found) {
      return sendPage(
        reply,
        200,
        productName,
        html`<h1>Welcome back</h1>
          <div class="actions"><a class="button" href="/auth/organizations">Continue</a></div>
          ${account(found.person, null)}`,
        { dress },
      );
    }
    const signIn = (await offersSignIn())
      ? html`<div class="actions"><a class="button" href="/auth">Sign in</a></div>`
      : html``;
    return sendPage(
      reply,
      200,
      productName,
      html`<h1>Welcome</h1>
        <p class="lead">Sign in to work in your organizations. Whoever was invited follows the link in the mail.</p>
        ${signIn}`,
      { dress },
    );
  });
}

/** The picture that browsers show beside the name of a page. */
export function serveFavicon(app: FastifyInstance): void {
  for (const url of ['/favicon.svg', '/favicon.ico']) {
    app.get(url, (_request, reply) =>
      reply.header('cache-control', 'public, max-age=86400').type('image/svg+xml').send(FAVICON),
    );
  }
}
