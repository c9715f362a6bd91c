import type { FastifyInstance, preHandlerAsyncHookHandler } from 'fastify';
import { z } from 'zod';
import { errorBody } from '../gateway/http/error-body.js';
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
    scope.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string' },
      async (_request: unknown, body: string) => Object.fromEntries(new URLSearchParams(body)),
    );
    scope.get('/dev/dns', { preHandler: guard }, (_request, reply) => {
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
        200,
        'DNS',
        html`<h1>DNS of .example and .test</h1>
          <p class="lead">On this machine only: here you publish what proves a domain, as you would in its DNS.</p>
          <form method="post">
            <label>Name <input name="name" placeholder="_orgate-challenge.acme.example" required /></label>
            <label>TXT <input name="value" placeholder="orgate-domain-verification=…" required /></label>
            <button name="action" value="publish">Publish</button>
          </form>
          ${rows.length > 0 ? table : html``}`,
        { wide: true },
      );
    });
    scope.post('/dev/dns', { preHandler: guard }, async (request, reply) => {
      const parsed = change.safeParse(request.body);
      if (!parsed.success) {
        const message = 'Send a name under .example or .test, a value, and publish or withdraw as the action.';
        return reply.code(400).send(errorBody('BAD_USER_INPUT', message, request.id));
      }
      const { action, name, value } = parsed.data;
      await dns[action]({ name, value });
      return reply.redirect('/dev/dns', 303);
    });
  });
}
