import type { FastifyInstance, FastifyReply, FastifyRequest, preHandlerAsyncHookHandler } from 'fastify';
import { z } from 'zod';
import { acceptForms } from '../gateway/http/accept-forms.js';
import { ORDINARY_BODY_BYTES } from '../gateway/http/bodies/receive-bodies.js';
import { sendPage } from '../gateway/pages/page.js';
import { html, type Html } from '../html.js';
import type { ReceivedWebhook, WebhookReceiver } from './webhook-receiver.js';

const known = z.object({
  secret: z
    .string()
    .trim()
    .regex(/^whsec_[A-Za-z0-9+/]{16,}={0,2}$/)
    .max(200),
});

/** Receives webhooks on a development machine, and shows what of it is to be believed, at /dev/webhooks. */
export function serveWebhookReceiver(
  app: FastifyInstance,
  receiver: WebhookReceiver,
  guard: preHandlerAsyncHookHandler,
): void {
  void app.register(async (scope) => {
    acceptForms(scope);
    // The signature is of the bytes as they came.
    scope.addContentTypeParser(
      'application/json',
      { parseAs: 'string' },
      async (_request: unknown, body: string) => body,
    );
    scope.get('/dev/webhooks', { preHandler: guard }, (request, reply) => sendReceived(request, reply, receiver, null));
    scope.post('/dev/webhooks', { bodyLimit: ORDINARY_BODY_BYTES, preHandler: guard }, (request, reply) => {
      if (typeof request.body === 'string') {
        receiver.receive(request.headers, request.body);
        return reply.code(204).send();
      }
      const form = known.safeParse(request.body);
      if (!form.success)
        return sendReceived(request, reply, receiver, 'That is no secret: whsec_ and base64, as it was shown.');
      receiver.know(form.data.secret);
      return reply.redirect('/dev/webhooks', 303);
    });
  });
}

/** @param problem of the secret that was given */
function sendReceived(
  request: FastifyRequest,
  reply: FastifyReply,
  receiver: WebhookReceiver,
  problem: string | null,
): FastifyReply {
  const received = receiver.list();
  return sendPage(
    reply,
    problem === null ? 200 : 400,
    'Webhooks',
    html`<h1>Webhooks that came to this server</h1>
      <p class="lead">
        Have one lead to <code>${request.protocol}://${request.host}/dev/webhooks</code> by
        <code>CreateWebhook</code> in <a href="/graphiql">GraphiQL</a>, and give its secret here: what came, and what
        comes, is verified by it.
      </p>
      <form method="post">
        <label
          >Secret
          <input
            name="secret"
            placeholder="whsec_…"
            autocomplete="off"
            spellcheck="false"
            aria-describedby="problem"
            required
        /></label>
        <p id="problem" role="alert">${problem ?? ''}</p>
        <button>Verify</button>
      </form>
      ${received.length === 0 ? html`<p class="lead">Nothing came yet.</p>` : tableOf(received)}`,
    { wide: true },
  );
}

const tableOf = (received: readonly ReceivedWebhook[]): Html =>
  html`<table>
    <thead>
      <tr>
        <th>At</th>
        <th>Event</th>
        <th>Signature</th>
      </tr>
    </thead>
    <tbody>
      ${received.map(
        (each) =>
          html`<tr>
            <td class="at">${each.at.toLocaleTimeString('en-GB')}</td>
            <td>
              <strong>${each.type || 'no type'}</strong
              ><small>${each.sequence === null ? '' : `${each.sequence} · `}${each.id}</small>
              <details>
                <summary>Body</summary>
                <pre>${each.body}</pre>
              </details>
            </td>
            <td>${verdictOf(each)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;

const verdictOf = ({ problem, secretEnd, isRepeated }: ReceivedWebhook): Html =>
  problem === null
    ? html`<strong class="good">Verified</strong
        ><small>by whsec_…${secretEnd ?? ''}${isRepeated ? ', came before' : ''}</small>`
    : html`<strong>Not verified</strong><small>${problem}</small>`;
