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
    if (fault === null && !hasTwoHosts(request)) return done();
    if (fault === null) return void reply.code(400).send(errorBody('BAD_REQUEST', 'Send one Host header.', request.id));
    void reply.code(431).send(errorBody('BAD_REQUEST', fault, request.id));
  });
}

function findFault({ raw: { rawHeaders }, headers: { accept = '' } }: FastifyRequest): string | null {
  if (rawHeaders.length > 2 * MOST_HEADERS) return `The request has more than ${MOST_HEADERS} headers.`;
  if (accept.length > LONGEST_ACCEPT) return `The Accept header has more than ${LONGEST_ACCEPT} characters.`;
  return null;
}

/** The host that stands before the path in `GET http://host/path`, as a proxy is asked. */
const IN_TARGET = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i;

/** A host names an organization: a proxy must not have read one, and the gateway the other (RFC 9112, 3.2). */
function hasTwoHosts({ raw: { rawHeaders, url = '/' }, headers: { host } }: FastifyRequest): boolean {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) if (rawHeaders[at]?.toLowerCase() === 'host') hosts += 1;
  const [, inTarget = host] = url.startsWith('/') ? [] : (IN_TARGET.exec(url) ?? []);
  return hosts > 1 || inTarget?.toLowerCase() !== host?.toLowerCase();
}

/** What the head of a request takes in memory. */
export function bytesOfHead({ raw: { rawHeaders } }: FastifyRequest): number {
  let bytes = 0;
  for (const text of rawHeaders) bytes += text.length;
  return bytes + (rawHeaders.length / 2) * BYTES_A_HEADER;
}
