import { randomUUID } from 'node:crypto';
import { createServer, type RequestListener, type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import compress from '@fastify/compress';
import cookie from '@fastify/cookie';
import cors from '@fastify/cors';
import fastify, {
  type ConnectionError,
  type FastifyBaseLogger,
  LogController,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import helmet from 'helmet';
import { type DestinationStream, type Logger, pino } from 'pino';
import { ERROR_CODES, type ErrorCode, OrgateError } from '../../errors.js';
import { STRANGERS_BODY_BYTES } from './bodies/receive-bodies.js';
import { UnreadBodyError } from './bodies/unread-body-error.js';
import { boundHeads } from './bound-head.js';
import { oneAtATime, watchConnections } from './connections.js';
import { sendProblem } from '../pages/problem-page.js';
import { errorBody } from './error-body.js';
import type { Metrics } from './metrics.js';
import { noteNetworks } from './network.js';
import { idsOf } from './request-record.js';
import { STATUSES } from './statuses.js';
import { createTellRequest, type TellRequest } from './tell-request.js';
import { onceDone, whenOver } from './when-over.js';

export interface HttpOptions {
  readonly logLevel: string;
  /** Where log lines go; standard output when left out. */
  readonly logTo?: DestinationStream | undefined;
  readonly corsOrigins: readonly string[];
  /** Addresses of proxies whose forwarded headers count. */
  readonly trustProxy: readonly string[];
  readonly production: boolean;
  /** Answers when the service can answer; throws when it cannot. */
  readonly isReady: () => Promise<void>;
  readonly metrics: Metrics;
  /** What people who use it call what stands behind this gateway. */
  readonly productName: string;
  /** How long requests in flight may take when it closes. */
  readonly closeGraceMs: number;
}

declare module 'fastify' {
  interface FastifyInstance {
    /** For what is executed without a request of its own here. */
    readonly tellRequest: TellRequest;
    /** For lines whose fields all have names here, and none of which is a secret: it is not searched for any. */
    readonly requestLog: Logger;
  }
}

/** Headers that must never reach a log, whatever logs them. */
const SECRETS = [
  'req.headers.authorization',
  'req.headers.cookie',
  '*.authorization',
  '*.cookie',
  '*.token',
  '*.password',
];

/**
 * A head has ten seconds to arrive, a whole request thirty. Node looks for what is overdue only now and then, every half
 * minute if it is not told otherwise. A connection on which nothing moves for a minute, such as one whose client takes
 * no answer, is ended.
 */
const TIMEOUTS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 72_000,
  connectionsCheckingInterval: 1000,
};
export const STILL_MS = 60_000;

/** Connections at once. Whatever comes beyond is closed unheard: a process that is out of files helps nobody. */
const MAX_CONNECTIONS = 10_000;

/** What pages of other origins may send, and is read here. */
const OUR_HEADERS = ['authorization', 'content-type', 'x-organization-id', 'x-tenant-id', 'x-request-id'];
/** What clients send along by themselves, to say who they are and to trace; without these none of their requests would come. */
const CLIENTS_HEADERS = [
  'apollo-require-preflight',
  'apollographql-client-name',
  'apollographql-client-version',
  'x-apollo-operation-id',
  'x-apollo-operation-name',
  'x-apollo-operation-type',
  'traceparent',
  'tracestate',
  'baggage',
  'sentry-trace',
];

/** The HTTP server around everything: limits, headers, request ids, health, and errors in one shape. */
export async function createHttpServer(options: HttpOptions): Promise<FastifyInstance> {
  const requestLog = pino({ level: options.logLevel, base: null }, options.logTo ?? standardOutput());
  // Whatever else is logged is searched for secrets, which takes a while.
  const loggerInstance: FastifyBaseLogger = requestLog.child({}, { redact: { paths: SECRETS, censor: '[redacted]' } });
  const app = fastify({
    loggerInstance,
    childLoggerFactory: (logger) => logger,
    logController: new LogController({ disableRequestLogging: true }),
    // A door that takes more says so.
    bodyLimit: STRANGERS_BODY_BYTES,
    trustProxy: options.trustProxy.length > 0 ? [...options.trustProxy] : false,
    genReqId: () => randomUUID(),
    frameworkErrors: (error, request, reply) => void sendError(error, request, reply),
    clientErrorHandler: refuseConnection,
    return503OnClosing: false,
    serverFactory: openHttp,
    routerOptions: { maxParamLength: 200 },
  });
  app.decorateRequest('record', null);
  app.decorate('productName', options.productName);
  app.server.maxConnections = MAX_CONNECTIONS;
  // A connection that could not be accepted, for want of a file or of memory.
  app.server.on('error', (err) => app.log.error({ err }, 'the HTTP server failed'));
  const connections = watchConnections(app.server);
  app.addHook('preClose', (done) => {
    connections.drain(options.closeGraceMs, (requests) => app.log.warn({ requests }, 'closing: requests were cut off'));
    done();
  });
  noteNetworks(app);
  const headers = { ...securityHeaders(options.production), 'cache-control': 'no-store' };
  app.addHook('onRequest', (request, reply, done) => {
    connections.enter(request, reply);
    reply.headers(headers).header('x-request-id', request.id);
    done();
  });
  boundHeads(app);
  const tellRequest = createTellRequest(requestLog, options.metrics);
  app.decorate('tellRequest', tellRequest);
  app.decorate('requestLog', requestLog);
  onceDone(app, ({ record }, { statusCode: status, elapsedTime: ms, raw }) => {
    if (record) tellRequest(record, { status, ms, hasLeft: !raw.writableFinished });
  });
  app.setErrorHandler((error: FastifyError, request, reply) => sendError(error, request, reply));
  app.setNotFoundHandler((request, reply) =>
    sendProblem(request, reply, { status: 404, code: 'NOT_FOUND', message: 'No such path.' }),
  );

  await app.register(cookie);
  await app.register(cors, {
    origin: [...options.corsOrigins],
    methods: ['GET', 'POST'],
    allowedHeaders: [...OUR_HEADERS, ...CLIENTS_HEADERS],
    exposedHeaders: ['x-request-id', 'retry-after', 'ratelimit', 'ratelimit-policy'],
    // Of frontends that are on this list, and share the site: the cookie is not sent further.
    credentials: options.corsOrigins.length > 0,
    maxAge: 600,
    // An OPTIONS that is no preflight is answered as one, rather than refused in plain text.
    strictPreflight: false,
  });
  boundCompression(app);
  await app.register(compress, {
    threshold: 1024,
    syncThreshold: AT_ONCE_BYTES,
    encodings: ['br', 'gzip'],
    brotliOptions: { params: { 1: 4 } },
  });

  app.get('/livez', async () => ({ status: 'ok' }));
  let wasReady = true;
  app.get('/readyz', async (_request, reply) => {
    try {
      await options.isReady();
      wasReady = true;
      return { status: 'ok' };
    } catch (error) {
      // Anyone may ask, as often as they like: it is told once, and not to each.
      if (wasReady) app.log.warn({ err: error }, 'not ready');
      wasReady = false;
      return reply.code(503).send({ status: 'unavailable' });
    }
  });
  return app;
}

/** Up to this an answer is compressed in one go, and holds nothing afterwards. */
const AT_ONCE_BYTES = 16_384;
/** Compressors at once, of half a megabyte each. */
const MAX_COMPRESSORS = 32;

/** Whatever is large goes as it is while many others are compressed. To be called before there is a compressor. */
function boundCompression(app: FastifyInstance): void {
  let compressors = 0;
  app.addHook('onSend', (request, reply, payload, done) => {
    if (request.headers['accept-encoding'] !== undefined && !isSmall(payload)) {
      if (compressors < MAX_COMPRESSORS) {
        compressors += 1;
        whenOver(reply.raw, () => (compressors -= 1));
      } else request.headers['x-no-compression'] = 'full'; // what the compressor asks, and no client says
    }
    done(null, payload);
  });
}

function isSmall(payload: unknown): boolean {
  if (payload === null || payload === undefined) return true;
  return (
    (typeof payload === 'string' || Buffer.isBuffer(payload)) &&
    payload.length <= AT_ONCE_BYTES &&
    (payload.length <= AT_ONCE_BYTES / 3 || Buffer.byteLength(payload) <= AT_ONCE_BYTES)
  );
}

function openHttp(handle: RequestListener): Server {
  const server = createServer(TIMEOUTS, oneAtATime(handle));
  server.setTimeout(STILL_MS);
  return server;
}

/** What waits for a disk to have room again, in bytes; more is dropped. */
const LOG_BACKLOG = 1_048_576;
/** Lines are written together once there are so many bytes of them, or some have waited so long. */
const LOG_BATCH = 4096;
const LOG_WAIT_MS = 100;

/** A disk that is full, or a reader that is gone, costs log lines and not the gateway. */
function standardOutput(): DestinationStream {
  // Where the reader of a pipe stands still, lines are dropped: waiting for it would stop everything.
  const destination = pino.destination({
    dest: 1,
    sync: true,
    minLength: LOG_BATCH,
    periodicFlush: LOG_WAIT_MS,
    maxLength: LOG_BACKLOG,
    retryEAGAIN: () => false,
  });
  // Once, and not until it succeeds, as its flushSync would: the reader may be gone, or the disk full.
  process.once('exit', () => destination.flush());
  destination.on('error', () => {
    // Asked for at the end of the process, where it would try for ever.
    destination.flushSync = () => undefined;
  });
  return destination;
}

/** What Helmet sets, which is the same for every answer, and so is asked for once. */
function securityHeaders(production: boolean): Record<string, string> {
  const headers: Record<string, string> = {};
  const setHeader = (name: string, value: string) => (headers[name.toLowerCase()] = value);
  const set = helmet({
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    hsts: production,
  });
  set({} as never, { setHeader, removeHeader: () => undefined } as never, () => undefined);
  return headers;
}

/** What the HTTP layer itself refuses, in GraphQL's shape. Its own messages may repeat what was sent, so they are ours. */
function sendError(error: FastifyError | OrgateError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof OrgateError) {
    const { code, message, detail } = error;
    if (detail.retryAfter !== undefined) reply.header('retry-after', String(detail.retryAfter));
    // Being full is no fault, and has no cause.
    if (code === 'SERVICE_UNAVAILABLE' && error.cause !== undefined)
      request.log.error({ err: error, ...idsOf(request) }, 'unexpected error');
    return sendProblem(request, reply, { status: STATUSES[code] ?? 400, code, message, detail });
  }
  const status = error.statusCode ?? 500;
  if (status >= 500) {
    request.log.error({ err: error, ...idsOf(request) }, 'unexpected error');
    const { code, message } = new OrgateError('INTERNAL_SERVER_ERROR');
    return sendProblem(request, reply, { status, code, message });
  }
  const code = ERROR_CODES.find((each) => STATUSES[each] === status) ?? 'BAD_REQUEST';
  const messages: Partial<Record<ErrorCode, string>> = {
    PAYLOAD_TOO_LARGE: 'The request body is too large.',
    UNSUPPORTED_MEDIA_TYPE: 'The request body is of a media type that is not read here.',
    BAD_REQUEST: 'The request could not be read; send a JSON object with a query.',
  };
  const message = error instanceof UnreadBodyError ? error.message : (messages[code] ?? 'The request was refused.');
  return sendProblem(request, reply, { status, code, message });
}

/** What is no HTTP, or has headers without end, is refused before there is a request; in the same shape. */
function refuseConnection(error: ConnectionError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const statuses: Readonly<Record<string, number>> = { ERR_HTTP_REQUEST_TIMEOUT: 408, HPE_HEADER_OVERFLOW: 431 };
  const status = statuses[error.code ?? ''] ?? 400;
  const body = JSON.stringify(errorBody('BAD_REQUEST', 'The request could not be read.', randomUUID()));
  if (socket.writable) {
    socket.write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json; charset=utf-8\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  }
  socket.destroy(error);
}

/** Where it listens; nothing until it does. */
export function portOf(app: FastifyInstance): number | undefined {
  const address = app.server.address();
  return typeof address === 'string' ? undefined : address?.port;
}
