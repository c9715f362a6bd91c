import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { errorBody } from '../gateway/http/error-body.js';
import { findForeignHeader } from '../gateway/http/local-host.js';
import { serveDemoIdentityProvider } from './demo-identity-provider.js';
import { serveDevelopmentDns } from './dns-page.js';
import type { DevelopmentClock } from './clock.js';
import type { DevelopmentDns } from './dns.js';
import type { DevelopmentIssuer } from './issuer.js';
import { serveMailbox } from './mailbox-page.js';
import type { Mailbox } from './mailbox.js';
import { serveWebhookReceiver } from './webhook-page.js';
import type { WebhookReceiver } from './webhook-receiver.js';

/** The people of the demo world, whom anyone at this machine may become. */
export const DEMO_PEOPLE = [
  { email: 'ann@acme.example', label: 'Ann · OWNER of acme, VIEWER of globex' },
  { email: 'adam@acme.example', label: 'Adam · ADMIN of acme' },
  { email: 'dev@acme.example', label: 'Dev · DEVELOPER of acme' },
  { email: 'vic@acme.example', label: 'Vic · VIEWER of acme' },
  { email: 'bob@globex.example', label: 'Bob · OWNER of globex' },
  { email: 'ina@initech.example', label: 'Ina · OWNER of initech' },
  { email: 'nia@acme.example', label: 'Nia · new, acme lets her ask to join' },
  { email: 'gus@globex.example', label: 'Gus · new, globex takes him in' },
  { email: 'sam@orgate.example', label: 'Sam · SYSTEM_ADMIN, member of nothing' },
] as const;

interface Served {
  readonly issuer: DevelopmentIssuer;
  readonly mailbox: Mailbox;
  readonly webhooks: WebhookReceiver;
  readonly dns: DevelopmentDns | null;
  readonly clock: DevelopmentClock;
}

const HUNDRED_DAYS_MS = 100 * 86_400_000;
const clockRequest = z.object({ advanceMs: z.int().min(0).max(HUNDRED_DAYS_MS) });
const tokenRequest = z.object({ email: z.email().max(254), org: z.string().max(64).optional() });

/**
 * The person chooser of GraphiQL, an identity provider, the mail that was sent, webhooks that came, the DNS of names that are reserved for trying
 * things out, and a clock that can be moved.
 * Exists only in development, and answers only at a local host name, through no proxy, and to pages of this server.
 */
export function serveDevelopment(
  app: FastifyInstance,
  { issuer, mailbox, webhooks, dns, clock }: Served,
  publicUrl: () => string,
): void {
  tellOfForeignRequests(app);
  const guard = async (request: FastifyRequest, reply: FastifyReply) => {
    const { origin, host } = request.headers;
    const isOwnPage = origin === undefined || origin === `http://${host}`;
    const foreign = findForeignHeader(request.headers);
    if (foreign === null && isOwnPage) return;
    // GraphiQL's page says it.
    if (foreign !== null) reply.header('x-not-development', foreign);
    return reply.code(404).send(errorBody('NOT_FOUND', 'No such path.', request.id));
  };
  serveDemoIdentityProvider(app, DEMO_PEOPLE, publicUrl, guard);
  if (dns) serveDevelopmentDns(app, dns, guard);
  serveMailbox(app, mailbox, guard);
  serveWebhookReceiver(app, webhooks, guard);
  app.post('/dev/clock', { preHandler: guard }, async (request, reply) => {
    const body = clockRequest.safeParse(request.body);
    if (body.success) {
      await clock.advance(body.data.advanceMs);
      return clock.now();
    }
    const message = `Send {"advanceMs": 0 to ${HUNDRED_DAYS_MS}}: time only passes, a hundred days at once at most.`;
    return reply.code(400).send(errorBody('BAD_USER_INPUT', message, request.id));
  });
  app.get('/dev/people', { preHandler: guard }, async () => DEMO_PEOPLE);
  app.post('/dev/token', { preHandler: guard }, async (request, reply) => {
    const body = tokenRequest.safeParse(request.body);
    if (!body.success)
      return reply.code(400).send(errorBody('BAD_USER_INPUT', 'Send {"email": "…", "org": "…"}.', request.id));
    return { token: await issuer.issue(body.data.email, null, body.data.org ?? null) };
  });
}

/** One line for each of the few reasons: whoever develops behind a proxy learns why nobody is signed in. */
function tellOfForeignRequests(app: FastifyInstance): void {
  const told = new Set<string>();
  app.addHook('onRequest', (request, _reply, done) => {
    const header = findForeignHeader(request.headers);
    // Whatever else follows X-Forwarded is for the client to choose, without end.
    const reason = header?.replace(/^x-forwarded-.*/, 'x-forwarded') ?? null;
    if (reason !== null && !told.has(reason)) {
      told.add(reason);
      app.log.warn(
        { header },
        'no development request: /dev and development tokens need a localhost name and no proxy',
      );
    }
    done();
  });
}
