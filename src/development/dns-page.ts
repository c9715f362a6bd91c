import type { FastifyInstance, FastifyReply, preHandlerAsyncHookHandler } from 'fastify';
import { z } from 'zod';
import { acceptForms } from '../gateway/http/accept-forms.js';
import { sendPage } from '../gateway/pages/page.js';
import { html } from '../html.js';
import { type DevelopmentDns, isForTrying } from './dns.js';

const change = z.object({
  name: z.string().trim().toLowerCase().max(253).refine(isForTrying),
  value: z.string().trim().min(1).max(255),
  action: z.enum(['publish', 'withdraw']),
});

/** Where TXT records of `.example` and `.test` are published on a development machine, at /dev/dns. */
export function serveDevelopmentDns(
  app: FastifyInstance,
  dns: DevelopmentDns,
  guard: preHandlerAsyncHookHandler,
): void {
  void app.register(async (scope) => {
    acceptForms(scope);
    scope.get('/dev/dns', { preHandler: guard }, (_request, reply) => sendRecords(reply, dns, null));
    scope.post('/dev/dns', { preHandler: guard }, async (request, reply) => {
      const parsed = change.safeParse(request.body);
      if (!parsed.success)
        return sendRecords(
          reply,
          dns,
          'The name has to end with .example or .test, and the value to be 1 to 255 characters.',
        );
      const { action, name, value } = parsed.data;
      await dns[action]({ name, value });
      return reply.redirect('/dev/dns', 303);
    });
  });
}

/** @param problem of what was to be published */
function sendRecords(reply: FastifyReply, dns: DevelopmentDns, problem: string | null): FastifyReply {
  const rows = dns.list().map(
    ({ name, value }) =>
      html`<tr>
        <td><code>${name}</code></td>
        <td><code>${value}</code></td>
        <td>
          <form method="post">
            <input type="hidden" name="name" value="${name}" /><input type="hidden" name="value" value="${value}" />
            <button class="second small-button" name="action" value="withdraw" aria-label="Withdraw ${name}">
              Withdraw
            </button>
          </form>
        </td>
      </tr>`,
  );
  const table = html`<table>
    <thead>
      <tr>
        <th>Name</th>
        <th>TXT</th>
        <th>Change</th>
      </tr>
    </thead>
    <tbody>
      ${rows}
    </tbody>
  </table>`;
  return sendPage(
    reply,
    problem === null ? 200 : 400,
    'DNS',
    html`<h1>DNS of .example and .test</h1>
      <p class="lead">On this machine only: here you publish what proves a domain, as you would in its DNS.</p>
      <form method="post">
        <label>Name <input name="name" placeholder="_orgate-challenge.acme.example" required /></label>
        <label>TXT <input name="value" placeholder="orgate-domain-verification=…" required /></label>
        <p role="alert">${problem ?? ''}</p>
        <button name="action" value="publish">Publish</button>
      </form>
      ${rows.length > 0 ? table : html``}`,
    { wide: true },
  );
}
