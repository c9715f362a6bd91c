import { ApolloServer, type ApolloServerOptions, type ApolloServerPlugin, HeaderMap } from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type GraphQLSchema, parse } from 'graphql';
import { AbortedWith } from '../../aborted-with.js';
import type { RequestContext, Spending } from '../../context/context.js';
import { Stop, stoppable } from '../../data/connection/org-connection.js';
import { ReadBound, type ReadLimits, readLimits } from '../../data/connection/read-bound.js';
import { type ErrorCode, OrgateError } from '../../errors.js';
import { asError } from '../../thrown.js';
import { isLargeBody, isStranger } from '../http/bodies/receive-bodies.js';
import { errorBody } from '../http/error-body.js';
import { chargeBytes } from '../http/limit-requests.js';
import { type ContextParts, openContext } from '../http/open-context.js';
import { inSlot, type Slots, takeSlot } from '../http/slots.js';
import { WINDOW_S } from '../http/rate-limits.js';
import { acceptsGraphQLResponse, refusal, refusalHead } from '../http/refusal.js';
import { currentRecord, idsOf, type RequestRecord, withRecord } from '../http/request-record.js';
import { watchAnswers } from '../http/watch-answers.js';
import { whenOver } from '../http/when-over.js';
import type { FormatError } from './format-error.js';
import type { Hall, Run } from './run.js';
import { EVENT_STREAM, serveStream, takesEvents } from './serve-stream.js';

export interface GraphQLParts extends ContextParts {
  readonly slots: Slots;
  readonly hall: Hall;
  readonly formatError: FormatError;
  readonly schema: GraphQLSchema;
  readonly introspection: boolean;
  /** Of one answer, in characters. */
  readonly maxAnswer: number;
  /** Of one body, in bytes. */
  readonly bodyLimit: number;
}

declare module 'fastify' {
  interface FastifyRequest {
    record: RequestRecord | null;
    stop: Stop | null;
    /** Who asked, where that was to be known before the body was read. */
    opened: RequestContext | null;
  }
}

/** Serves GraphQL over HTTP at /graphql. */
export async function serveGraphQL(app: FastifyInstance, parts: GraphQLParts): Promise<ApolloServer<RequestContext>> {
  const { slots, senders } = parts;
  const limits = readLimits(parts.maxAnswer);
  const watchAnswer = watchAnswers(app);
  app.decorateRequest('stop', null);
  app.decorateRequest('opened', null);
  const apollo = new ApolloServer<RequestContext>({
    gateway: asGateway(parts.schema),
    introspection: parts.introspection,
    documentStore: null,
    includeStacktraceInErrorResponses: false,
    // A query is told by its own text; hashes kept across organizations would be one more thing to prove.
    persistedQueries: false,
    // What a page can send unasked never carries a bearer token: where one is sent it is verified, or the request is refused;
    // the cookie beside it lets nobody in.
    csrfPrevention: { requestHeaders: ['apollo-require-preflight', 'x-apollo-operation-name', 'authorization'] },
    // Apollo's own adds a line feed to every answer, by copying it.
    stringifyResult: (value) => JSON.stringify(value),
    stopOnTerminationSignals: false,
    // Of what it refuses itself.
    formatError: (_, error) => parts.formatError(error, currentRecord()),
    logger: app.log,
    plugins: [
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      // Its bookkeeping per field is a third of the CPU, and what it would set is per viewer anyway.
      ApolloServerPluginCacheControlDisabled(),
      answerBy(parts.hall.run),
      usualType,
    ],
  });
  await apollo.start();
  /** Does something of a request: told in its record, and stopped when nobody waits for it. */
  const within = <T>(request: FastifyRequest, reply: FastifyReply, work: () => T): T => {
    request.record ??= {
      ...idsOf(request),
      address: request.network,
      codes: new Set(),
    };
    request.stop ??= boundReading(request.record, reply, limits);
    const { record, stop } = request;
    return withRecord(record, () => stoppable(stop, work));
  };
  const closing = new AbortController();
  const streams = new AbortedWith(closing.signal);
  app.addHook('preClose', (done) => {
    closing.abort();
    done();
  });
  const stream = (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const open = () => enterAndCharge(request, reply, parts);
    const here = <T>(work: () => T): T => within(request, reply, work);
    return here(async () => {
      const { record } = request;
      if (!record) throw new Error('a request came that has no record');
      return serveStream(request, reply, {
        stream: parts.hall.stream,
        slots,
        open,
        renew: (before) => openContext(request, reply, parts, before),
        record,
        closing: streams,
        within: here,
      });
    }).catch((error: unknown) => {
      refuseUnread(error, request, reply, (failed) => {
        throw failed;
      });
      return reply;
    });
  };
  const isHostName = createIsHostName();
  app.route({
    url: '/graphql',
    method: ['GET', 'POST'],
    bodyLimit: parts.bodyLimit,
    // Whoever sends much is known before it is read, and has paid for it.
    preParsing(request, reply, payload, done) {
      if (isStranger(request) || !isLargeBody(request)) return done(null, payload);
      const open = () => inSlot(slots, senders.of(request), reply, () => openContext(request, reply, parts));
      within(request, reply, open).then(
        (context) => {
          request.opened = context;
          done(null, payload);
        },
        (error: unknown) => refuseUnread(error, request, reply, done),
      );
    },
    preHandler(request, reply, done) {
      const refuse = (error: unknown) => refuseUnread(error, request, reply, done);
      within(request, reply, () => takeSlot(slots, senders.of(request), [request, reply], done, refuse));
    },
    onSend(request, reply, payload, done) {
      request.slot?.leave();
      reply.headers(rateLimitHeaders(request.record?.context?.spending ?? null));
      reply.header('vary', [reply.getHeader('vary'), VARY].filter(Boolean).join(', '));
      if (!String(reply.getHeader('content-type')).startsWith(EVENT_STREAM)) watchAnswer(reply);
      done(null, payload);
    },
    handler(request, reply) {
      if (!isHostName(request.hostname)) {
        return reply.code(400).send(errorBody('BAD_REQUEST', 'The Host header names no host.', request.id));
      }
      if (takesEvents(request)) return stream(request, reply);
      return within(request, reply, () => answer(apollo, request, reply, parts));
    },
  });
  const refuseMethod = async (request: FastifyRequest, reply: FastifyReply) =>
    reply
      .code(405)
      .header('allow', 'GET, POST')
      .send(errorBody('METHOD_NOT_ALLOWED', 'Send GET or POST.', request.id));
  // Before the body is read: whatever it holds, the method is what is wrong.
  app.route({ url: '/graphql', method: ['PUT', 'PATCH', 'DELETE'], onRequest: refuseMethod, handler: refuseMethod });
  return apollo;
}

/** Whether a Host header, which is the client's, names a host. The last one that did is known: most come to the same. */
function createIsHostName(): (name: string) => boolean {
  let known: string | undefined;
  return (name) => {
    if (name === known) return true;
    const is = URL.canParse(`http://${name}/`);
    if (is) known = name;
    return is;
  };
}

/** What fastify took, answered by Apollo. */
async function answer(
  apollo: ApolloServer<RequestContext>,
  request: FastifyRequest,
  reply: FastifyReply,
  parts: GraphQLParts,
): Promise<string | Buffer> {
  const sent = new HeaderMap();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value) sent.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  const { status, headers, body } = await apollo.executeHTTPGraphQLRequest({
    httpGraphQLRequest: {
      body: request.body,
      method: request.method,
      headers: sent,
      search: /\?.*$/s.exec(request.url)?.[0] ?? '',
    },
    context: () => createContext(request, reply, parts),
  });
  if (body.kind !== 'complete') throw new Error('an answer came that is not whole');
  for (const [name, value] of headers) void reply.header(name, value);
  void reply.code(status ?? 200);
  return asSent(body.string, request);
}

/** A smaller answer is taken at once. */
const SMALL_ANSWER = 64 * 1024;

/**
 * An answer as it lies in memory until it is taken: as bytes, which are counted. A text of other than Latin letters takes two of them a
 * character, and three more for what is sent of it beside.
 */
function asSent(text: string, { record }: FastifyRequest): string | Buffer {
  if (text.length <= SMALL_ANSWER) return text;
  const bytes = Buffer.from(text);
  record?.held?.hold(bytes.length);
  return bytes;
}

/** What Apollo is given in place of every document: it reads HTTP and prints answers, and neither parses nor executes. */
const UNREAD = parse('{ __typename }');

/** Hands Apollo what the hall answers, with the status and headers of what was refused. */
const answerBy = (run: Run): ApolloServerPlugin<RequestContext> => ({
  async requestDidStart() {
    return {
      async didResolveSource(request) {
        Object.assign(request, { document: UNREAD });
      },
      async responseForOperation({ source: document, request, contextValue: context, response: { http } }) {
        const record = currentRecord();
        if (!record) throw new Error('a request came that has no record');
        const { operationName, variables = {} } = request;
        const isReadOnly = request.http?.method === 'GET';
        const answer = await run({ document, operationName, variables, context, isReadOnly, record });
        if (answer.data !== undefined) return { http, body: { kind: 'single', singleResult: answer } };
        const { code, retryAfter } = answer.errors?.[0]?.extensions ?? {};
        const head = refusalHead(code as ErrorCode, request.http?.headers.get('accept'), retryAfter);
        return { http: head, body: { kind: 'single', singleResult: answer } };
      },
    };
  },
});

/** Apollo takes an executor from what it calls a gateway only. This one is never called: the hall has answered. */
function asGateway(schema: GraphQLSchema): NonNullable<ApolloServerOptions<RequestContext>['gateway']> {
  return {
    onSchemaLoadOrUpdate(listen) {
      listen({ apiSchema: schema, coreSupergraphSdl: '' });
      return () => undefined;
    },
    load: async () => ({
      executor: () => Promise.reject(new Error('an operation came that did not pass the hall')),
    }),
    stop: async () => undefined,
  };
}

/** What an answer depends on beside its address: no cache may keep it, and one that does all the same tells these apart. */
const VARY = 'Authorization, Cookie, X-Organization-Id, X-Tenant-ID, Accept';

/** What is left of the minute's points, as draft-ietf-httpapi-ratelimit-headers says it. */
function rateLimitHeaders(spending: Spending | null): Record<string, string> {
  if (!spending) return {};
  const { limit, remaining, resetAt } = spending;
  const seconds = Math.max(Math.ceil((resetAt.getTime() - Date.now()) / 1000), 0);
  return {
    'ratelimit-policy': `"points";q=${limit};w=${WINDOW_S}`,
    ratelimit: `"points";r=${remaining};t=${seconds}`,
  };
}

async function createContext(
  request: FastifyRequest,
  reply: FastifyReply,
  parts: ContextParts,
): Promise<RequestContext> {
  try {
    return await enterAndCharge(request, reply, parts);
  } catch (error) {
    throw error instanceof OrgateError ? refusal(error, request.headers.accept) : error;
  }
}

async function enterAndCharge(
  request: FastifyRequest,
  reply: FastifyReply,
  parts: ContextParts,
): Promise<RequestContext> {
  const context = await openContext(request, reply, parts, request.opened);
  if (request.unannouncedBytes > 0) await chargeBytes(parts.limits, request.unannouncedBytes, context);
  if (!context.viewer) await parts.limits.count('stranger', request.network);
  return context;
}

/** Refuses what is not read any further as what is read is refused. */
function refuseUnread(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  failed: (error: Error) => void,
): void {
  if (!(error instanceof OrgateError)) return failed(asError(error));
  const { accept } = request.headers;
  const { status, headers } = refusalHead(error.code, accept, error.detail.retryAfter);
  request.record?.codes.add(error.code);
  const type = acceptsGraphQLResponse(accept) ? 'application/graphql-response+json; charset=utf-8' : JSON_TYPE;
  void reply
    .code(status)
    .headers(Object.fromEntries(headers))
    .type(type)
    .send(JSON.stringify(errorBody(error.code, error.message, request.id, error.detail)));
}

/** Reading is bounded, and stops when nobody waits for it any more; a mutation is finished. */
function boundReading(record: RequestRecord, reply: FastifyReply, limits: ReadLimits): Stop {
  const bound = new ReadBound(limits);
  record.held = bound;
  const stop = new Stop(bound);
  whenOver(reply.raw, () => {
    bound.release();
    if (!reply.raw.writableFinished && record.operationType === 'query') stop.stop();
  });
  return stop;
}

const JSON_TYPE = 'application/json; charset=utf-8';

/** What nearly every client accepts: Apollo, which is not asked then, weighs it anew each time. */
const usualType: ApolloServerPlugin<RequestContext> = {
  async requestDidStart() {
    return {
      async willSendResponse({ response: { http }, request }) {
        if (request.http?.headers.get('accept') === 'application/json') http.headers.set('content-type', JSON_TYPE);
      },
    };
  },
};
