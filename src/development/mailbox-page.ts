import type { FastifyInstance, preHandlerAsyncHookHandler } from 'fastify';
import { html, type Html, sendPage } from '../gateway/pages/page.js';
import type { Mailbox } from './mailbox.js';

/** Shows all mail of a development server, at /dev/mail. */
export function serveMailbox(app: FastifyInstance, mailbox: Mailbox, guard: preHandlerAsyncHookHandler): void {
  app.get('/dev/mail', { preHandler: guard }, (_request, reply) => {
    const rows = mailbox.list().map(
      ({ id, to, subject, at }) =>
        html`<tr>
          <td>${at.toLocaleTimeString('en-GB')}</td>
          <td>${to}</td>
          <td><a href="/dev/mail/${id}">${subject}</a></td>
        </tr>`,
    );
    const list =
      rows.length === 0
        ? html`<p>No mail yet. Invite someone.</p>`
        : html`<table>
            ${rows}
          </table>`;
    return sendPage(
      reply,
      200,
      'Mail',
      html`<h1>Mail that this server sent</h1>
        ${list}`,
    );
  });
  app.get<{ Params: { id: string } }>('/dev/mail/:id', { preHandler: guard }, (request, reply) => {
    const mail = mailbox.list().find(({ id }) => id === request.params.id);
    if (!mail)
      return sendPage(
        reply,
        404,
        'Mail',
        html`<h1>No such mail</h1>
          <p><a href="/dev/mail">All mail</a></p>`,
      );
    const { to, subject, text } = mail;
    return sendPage(
      reply,
      200,
      subject,
      html`<p><a href="/dev/mail">All mail</a></p>
        <h1>${subject}</h1>
        <p>To ${to}</p>
        <pre>${withLinks(text)}</pre>`,
    );
  });
}

/** The same text, in which addresses of web pages can be followed. */
const withLinks = (text: string): Html[] =>
  text
    .split(/(https?:\/\/[^\s]+)/)
    .map((part, index) => (index % 2 === 1 ? html`<a href="${part}">${part}</a>` : html`${part}`));
