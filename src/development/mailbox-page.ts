import type { FastifyInstance, FastifyRequest, preHandlerAsyncHookHandler } from 'fastify';
import { sendPage } from '../gateway/pages/page.js';
import { html, type Html } from '../html.js';
import type { Mailbox } from './mailbox.js';

/** Shows all mail of a development server, at /dev/mail. */
export function serveMailbox(app: FastifyInstance, mailbox: Mailbox, guard: preHandlerAsyncHookHandler): void {
  app.get('/dev/mail', { preHandler: guard }, (_request, reply) => {
    const rows = mailbox.list().map(
      ({ id, to, subject, at }) =>
        html`<li>
          <a href="/dev/mail/${id}"
            ><span>${subject}<small>to ${to}, ${at.toLocaleTimeString('en-GB')}</small></span></a
          >
        </li>`,
    );
    const list =
      rows.length === 0
        ? html`<p class="lead">No mail yet. Invite someone.</p>`
        : html`<ul class="choices">
            ${rows}
          </ul>`;
    return sendPage(
      reply,
      200,
      'Mail',
      html`<h1>Mail that this server sent</h1>
        ${list}`,
      { wide: true },
    );
  });
  app.get<Asked>('/dev/mail/:id', { preHandler: guard }, (request, reply) => {
    const mail = find(request);
    if (!mail) return reply.callNotFound();
    const { id, to, subject, text } = mail;
    return sendPage(
      reply,
      200,
      subject,
      html`<p class="small"><a href="/dev/mail">All mail</a></p>
        <h1>${subject}</h1>
        <p class="lead">to ${to}, as plain text; <a href="/dev/mail/${id}/page">as mail programs show it</a></p>
        <pre>${withLinks(text)}</pre>`,
      { wide: true },
    );
  });
  app.get<Asked>('/dev/mail/:id/page', { preHandler: guard }, (request, reply) => {
    const { html: page } = find(request) ?? {};
    if (page === undefined) return reply.callNotFound();
    return reply.header('content-security-policy', MAIL_POLICY).type('text/html; charset=utf-8').send(page);
  });
  const find = ({ params }: FastifyRequest<Asked>) => mailbox.list().find(({ id }) => id === params.id);
}

interface Asked {
  Params: { id: string };
}

/** A mail holds nothing but its styles, and leads away. */
const MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'none'";

/** The same text, in which addresses of web pages can be followed. */
const withLinks = (text: string): Html[] =>
  text
    .split(/(https?:\/\/[^\s]+)/)
    .map((part, index) => (index % 2 === 1 ? html`<a href="${part}">${part}</a>` : html`${part}`));
