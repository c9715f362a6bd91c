import type { FastifyInstance } from 'fastify';
import { html } from '../../html.js';
import { openSessions } from '../../identity/sessions.js';
import { acceptForms } from '../http/accept-forms.js';
import type { ContextParts } from '../http/open-context.js';
import { openVisit } from '../http/open-visit.js';
import { sendPage } from '../pages/page.js';
import { clearSessionCookie } from './session-cookie.js';

/** Ends the session of a browser: the way out of every page that says who is signed in. Once is as good as twice. */
export function serveSignOut(app: FastifyInstance, parts: ContextParts): void {
  void app.register(async (scope) => {
    acceptForms(scope);
    scope.post('/auth/sign-out', async (request, reply) => {
      const visit = await openVisit(request, reply, parts);
      const id = visit.viewer?.session.id ?? null;
      if (id !== null) await visit.outside(openSessions).end(visit.sessionScope, id, 'SIGNED_OUT', visit.act);
      clearSessionCookie(reply);
      const title = 'You are signed out';
      return sendPage(
        reply,
        200,
        title,
        html`<h1>${title}</h1>
          <p class="lead">
            Your identity provider may still know you: sign out there, too, where others use this browser.
          </p>
          <div class="actions"><a class="button" href="/auth?switch=1">Sign in</a></div>`,
      );
    });
  });
}
