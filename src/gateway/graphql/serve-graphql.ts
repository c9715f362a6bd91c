import {
  ApolloServer,
  type ApolloServerOptions,
  type ApolloServerPlugin,
  type GraphQLRequest,
  type HeaderMap,
} from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { DocumentNode, ExecutionResult, GraphQLSchema } from 'graphql';
import type { RequestContext, Spending } from '../../context/context.js';
import { Stop, stoppable } from '../../data/connection/org-connection.js';
import { ReadBound, type ReadLimits, readLimits } from '../../data/connection/read-bound.js';
import { OrgateError } from '../../errors.js';
import { asError } from '../../thrown.js';
import { isLargeBody, isStranger } from '../http/bodies/receive-bodies.js';
import { errorBody } from '../http/error-body.js';
import { chargeBytes } from '../http/limit-requests.js';
import { type ContextParts, openContext } from '../http/open-context.js';
import { countLookups, type Metrics } from '../http/metrics.js';
import { type Slots, takeSlot } from '../http/slots.js';
import { WINDOW_S } from '../http/rate-limits.js';
import { acceptsGraphQLResponse, refusal } from '../http/refusal.js';
import { currentRecord, type RequestRecord, withRecord } from '../http/request-record.js';
import { watchAnswers } from '../http/watch-answers.js';
import { whenOver } from '../http/when-over.js';
import { Documents } from './documents.js';
import { createFormatError } from './format-error.js';
import type { ReadDocument } from './read-document.js';
import { createRun, RefusedRequestError, type Run } from './run.js';
import type { Contract } from './schema.js';

export interface GraphQLParts extends ContextParts {
  readonly slots: Slots;
  readonly contract: Contract;
  readonly introspection: boolean;
  /** Of one operation, in points. */
  readonly maxCost: number;
  /** Of one answer, in characters. */
  readonly maxAnswer: number;
  /** See `createExecute`. */
  readonly compileFrom: number;
  readonly metrics: Metrics;
}

declare module 'fastify' {
  interface FastifyRequest {
    record: RequestRecord | null;
    stop: Stop | null;
    /** Who asks, where that was to be known before the body was read. */
    opened: RequestContext | null;
  }
}

/** Serves GraphQL over HTTP at /graphql. */
export async function serveGraphQL(app: FastifyInstance, parts: GraphQLParts): Promise<ApolloServer<RequestContext>> {
  const { slots, senders, metrics } = parts;
  const { schema } = parts.contract;
  const limits = readLimits(parts.maxAnswer);
  const watchAnswer = watchAnswers(app);
  app.decorateRequest('stop', null);
  app.decorateRequest('opened', null);
  const documents = new Documents({ schema, introspection: parts.introspection }, countLookups(metrics, 'documents'));
  const apollo = new ApolloServer<RequestContext>({
    gateway: asGateway(schema),
    introspection: parts.introspection,
    documentStore: null,
    includeStacktraceInErrorResponses: false,
    // A query is told by its own text; hashes kept across organizations would be one more thing to prove.
    persistedQueries: false,
    // Apollo's own adds a line feed to every answer, by copying it.
    stringifyResult: (value) => JSON.stringify(value),
    stopOnTerminationSignals: false,
    formatError: createFormatError((error, requestId) => app.log.error({ err: error, requestId }, 'unexpected error')),
    logger: app.log,
    plugins: [
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      // Its bookkeeping per field is a third of the CPU, and what it would set is per viewer anyway.
      ApolloServerPluginCacheControlDisabled(),
      answerByGate(documents, createRun({ ...parts, schema, tellLookup: countLookups(metrics, 'operations') })),
      legacyStatus,
    ],
  });
  await apollo.start();
  /** Does something of a request: told in its record, and stopped when nobody waits for it. */
  const within = <T>(request: FastifyRequest, reply: FastifyReply, work: () => T): T => {
    request.record ??= { requestId: request.id, address: request.network, codes: [] };
    request.stop ??= boundReading(request.record, reply, limits);
    const { record, stop } = request;
    return withRecord(record, () => stoppable(stop, work));
  };
  const handler = fastifyApolloHandler(apollo, { context: (request, reply) => createContext(request, reply, parts) });
  app.route({
    url: '/graphql',
    method: ['GET', 'POST'],
    // Whoever sends much is known before it is read, and has paid for it.
    preParsing(request, reply, payload, done) {
      if (isStranger(request) || !isLargeBody(request)) return done(null, payload);
      within(request, reply, () => openContext(request, reply, parts)).then(
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
      watchAnswer(reply);
      done(null, payload);
    },
    handler(request, reply) {
      // The Host header is the client's; one that is no host name would fail further in, as if the fault were ours.
      if (!URL.canParse(`http://${request.hostname}/`)) {
        return reply.code(400).send(errorBody('BAD_REQUEST', 'The Host header names no host.', request.id));
      }
      return within(request, reply, () => handler.call(app, request as never, reply as never)) as unknown;
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

/** What the gate has read, by the document that Apollo hands on. A document that is not here is not executed. */
const reads = new WeakMap<DocumentNode, ReadDocument>();

/** What requests came to that hold more than data, by their contexts. */
const failed = new WeakMap<RequestContext, Promise<ExecutionResult>>();

/**
 * Apollo reads HTTP and prints answers. The document it neither parses nor validates, but takes as the gate has read it;
 * what is wrong with that, and which of its operations is meant, the gate says. An answer without errors it takes as it
 * is; the others, which it prints, go the way of its executor.
 */
const answerByGate = (documents: Documents, run: Run): ApolloServerPlugin<RequestContext> => ({
  async requestDidStart() {
    return {
      async didResolveSource(request) {
        const read = documents.read(request.source, request.contextValue.viewer === null);
        reads.set(read.document, read);
        Object.assign(request, { document: read.document });
      },
      async responseForOperation({ document, request, contextValue: context, response: { http } }) {
        const running = runOnce(run, document, request, context);
        try {
          const { data = null, errors } = await running;
          if (!errors) return { http, body: { kind: 'single', singleResult: { data } } };
        } catch {
          // The executor says so.
        }
        failed.set(context, running);
        return null;
      },
    };
  },
});

async function runOnce(
  run: Run,
  document: DocumentNode,
  { operationName, variables = {}, http }: GraphQLRequest,
  context: RequestContext,
): Promise<ExecutionResult> {
  const read = reads.get(document);
  const record = currentRecord();
  if (!read || !record) throw new Error('a document came that was not read here');
  try {
    return await run({ read, operationName, variables, isReadOnly: http?.method === 'GET', context, record });
  } catch (error) {
    if (error instanceof OrgateError) throw refusal(error, http?.headers.get('accept'));
    if (!(error instanceof RefusedRequestError)) throw error;
    if (error.errors.length > 1) return { errors: error.errors };
    throw error.errors[0] ?? error;
  }
}

/** Apollo takes an executor from what it calls a gateway only. It executes nothing: the gate did, or refused to. */
function asGateway(schema: GraphQLSchema): NonNullable<ApolloServerOptions<RequestContext>['gateway']> {
  return {
    onSchemaLoadOrUpdate(listen) {
      listen({ apiSchema: schema, coreSupergraphSdl: '' });
      return () => undefined;
    },
    load: async () => ({
      async executor({ context }) {
        const running = failed.get(context as RequestContext); // Apollo's type does not say which context it is
        if (!running) throw new Error('an operation came that did not pass the gate');
        return await running;
      },
    }),
    stop: async () => undefined,
  };
}

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
    const context = request.opened ?? (await openContext(request, reply, parts));
    if (request.unannouncedBytes > 0) await chargeBytes(parts.limits, request.unannouncedBytes, context);
    if (!context.viewer) await parts.limits.count('stranger', request.network);
    return context;
  } catch (error) {
    throw error instanceof OrgateError ? refusal(error, request.headers.accept) : error;
  }
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
  const { status, headers } = refusal(error, accept).extensions['http'] as { status: number; headers: HeaderMap };
  request.record?.codes.push(error.code);
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

/**
 * GraphQL over HTTP: in the legacy `application/json` an answer in GraphQL's own terms is a 200, refused or not. What was
 * no GraphQL request at all stays a 400.
 */
const legacyStatus: ApolloServerPlugin<RequestContext> = {
  async requestDidStart() {
    return {
      async willSendResponse({ response: { http, body }, request }) {
        // What nearly every client accepts: Apollo, which is not asked then, weighs it anew each time.
        if (request.http?.headers.get('accept') === 'application/json') http.headers.set('content-type', JSON_TYPE);
        if (http.status !== 400 || body.kind !== 'single') return;
        if (acceptsGraphQLResponse(request.http?.headers.get('accept'))) return;
        if (body.singleResult.errors?.[0]?.extensions?.['code'] !== 'BAD_REQUEST') http.status = 200;
      },
    };
  },
};
