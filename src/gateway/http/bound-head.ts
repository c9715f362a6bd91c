import type { FastifyInstance, FastifyRequest } from 'fastify';
import { errorBody } from './error-body.js';

/** A browser sends twenty headers, and a chain of proxies as many again. */
const MOST_HEADERS = 100;

/** Every media type in it is compared with every one that could be answered; no client sends 300 characters. */
const LONGEST_ACCEPT = 1000;

/** Measured: what a header takes in memory beside its characters. */
const BYTES_A_HEADER = 100;

/**
 * Bounds what the head of a request is made of. Its bytes Node bounds; but of these a thousand headers can be made, which take
 * several times as much for as long as the request lasts.
 */
export function boundHeads(app: FastifyInstance): void {
  // One more than may be, so that what is left out is seen; without a bound Node keeps two thousand.
  app.server.maxHeadersCount = MOST_HEADERS + 1;
  app.addHook('onRequest', (request, reply, done) => {
    const fault = findFault(request);
    if (fault === null) return done();
    void reply.code(431).send(errorBody('BAD_REQUEST', fault, request.id));
  });
}

function findFault({ raw: { rawHeaders }, headers: { accept = '' } }: FastifyRequest): string | null {
  if (rawHeaders.length > 2 * MOST_HEADERS) return `The request has more than ${MOST_HEADERS} headers.`;
  if (accept.length > LONGEST_ACCEPT) return `The Accept header has more than ${LONGEST_ACCEPT} characters.`;
  return null;
}

/** What the head of a request takes in memory. */
export function bytesOfHead({ raw: { rawHeaders } }: FastifyRequest): number {
  let bytes = 0;
  for (const text of rawHeaders) bytes += text.length;
  return bytes + (rawHeaders.length / 2) * BYTES_A_HEADER;
}
