import { Transform } from 'node:stream';
import { errorCodes, type FastifyInstance, type FastifyRequest } from 'fastify';
import { busy, OrgateError } from '../../../errors.js';
import { readSessionCookie } from '../../sign-in/session-cookie.js';
import { bytesOfHead } from '../bound-head.js';
import { whenOver } from '../when-over.js';
import { BodyBudget, type Reservation } from './body-budget.js';
import { readJson } from './read-json.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** What came of a body whose length was not announced. */
    unannouncedBytes: number;
    /** What it holds until its answer begins. */
    reservation: Reservation | null;
    /** Has it hold what its body takes once that is parsed, for as long. @throws SERVICE_UNAVAILABLE where there is no room */
    holdParsed: ((bytes: number) => void) | undefined;
  }
}

const KIB = 1024;

/** Few bodies are larger, and those come with their length. */
export const ORDINARY_BODY_BYTES = 256 * KIB;

/** Of a head that is counted with no body. */
const ORDINARY_HEAD_BYTES = 2 * KIB;

/** A stranger's document has at most 4,096 characters. */
export const STRANGERS_BODY_BYTES = 16 * KIB;

/**
 * Bounds what all bodies together hold while they are received, and reads none that nobody asked for. To be called before
 * the routes of any door are declared.
 */
export function receiveBodies(app: FastifyInstance, bodyLimitBytes: number): void {
  const ordinary = Math.max(bodyLimitBytes, ORDINARY_BODY_BYTES);
  const budget = new BodyBudget({ everybody: 128 * ordinary, address: 16 * ordinary, little: ordinary });
  // A body takes several times its bytes once it is parsed, and then waits for its turn.
  const parsed = new BodyBudget({ everybody: 256 * ordinary, address: 64 * ordinary, little: ordinary });
  app.decorateRequest('unannouncedBytes', 0);
  app.decorateRequest('reservation', null);
  app.decorateRequest('holdParsed', undefined);
  app.addHook('onRequest', (request, reply, done) => {
    if (!hasBody(request)) return done();
    const length = announcedLength(request);
    if (isStranger(request) && (length ?? 0) > STRANGERS_BODY_BYTES) {
      return done(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE());
    }
    const bytes = Math.min(length ?? ordinary, ordinary) + Math.max(bytesOfHead(request) - ORDINARY_HEAD_BYTES, 0);
    const reservation = budget.reserve(request.network, bytes, () => giveWay(request));
    if (!reservation) return done(busy());
    const held = [reservation];
    request.reservation = {
      release() {
        for (const each of held) each.release();
      },
    };
    request.holdParsed = (most) => {
      const more = parsed.reserve(request.network, most);
      if (!more) throw busy();
      held.push(more);
      // Its client may have gone meanwhile.
      if (reply.raw.closed) more.release();
    };
    whenOver(reply.raw, () => request.reservation?.release());
    done();
  });
  app.addHook('preParsing', (request, _reply, payload, done) => {
    if (!hasBody(request)) return done(null, payload);
    if (request.is404) return done(new OrgateError('NOT_FOUND', 'No such path.'));
    if (announcedLength(request) !== null) return done(null, payload);
    const most = isStranger(request) ? STRANGERS_BODY_BYTES : ordinary;
    done(null, payload.pipe(countBytes(request, most)));
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    // Whoever is answered before the end of what they send is not listened to any longer.
    if (!request.raw.complete && hasBody(request)) reply.header('connection', 'close');
    // An answer may last for hours, as a stream does: what was asked has been read by then, and is let go of.
    request.body = undefined;
    request.reservation?.release();
    done(null, payload);
  });
  // JSON and forms are what is read here, and forms only where there is one.
  app.removeContentTypeParser('text/plain');
  readJson(app, 'application/json');
}

/** Whoever has not sent all of a body lets others send theirs. */
function giveWay({ raw }: FastifyRequest): boolean {
  if (raw.complete) return false;
  raw.socket.destroy();
  return true;
}

/** Whether a body is more than a stranger may send, or could be. */
export const isLargeBody = (request: FastifyRequest): boolean =>
  (announcedLength(request) ?? Infinity) > STRANGERS_BODY_BYTES;

/** The length that a request announces for its body; null for one that comes in chunks, 0 for none. */
export function announcedLength({ headers }: FastifyRequest): number | null {
  return headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : null;
}

const hasBody = (request: FastifyRequest): boolean => announcedLength(request) !== 0;

/** Who asks of GraphQL and shows nothing that could say who they are; what other doors take of anybody, each says itself. */
export const isStranger = (request: FastifyRequest): boolean =>
  request.routeOptions.url === '/graphql' &&
  request.headers.authorization === undefined &&
  readSessionCookie(request) === null;

const countBytes = (request: FastifyRequest, most: number): Transform =>
  new Transform({
    transform(chunk: Buffer, _encoding, done) {
      request.unannouncedBytes += chunk.length;
      if (request.unannouncedBytes > most) done(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE());
      else done(null, chunk);
    },
  });
