import { errorCodes, type FastifyInstance, type FastifyRequest } from 'fastify';
import { findJsonFault, type JsonBounds, type JsonFault } from './bound-json.js';
import { UnreadBodyError } from './unread-body-error.js';

/** A JSON argument of 64 KiB has up to 32,768 elements and 100 levels, and comes inside of variables. */
const REQUEST_BOUNDS: JsonBounds = { elements: 40_000, members: 10_000, levels: 128 };

/** Clients that set their media type with every request also set it where nothing follows. */
const NEEDS_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/**
 * Reads JSON of `mediaType` here and in what is registered below: bounded first, then parsed. `__proto__` is refused
 * wherever it stands; `constructor` is a name like others, as nothing here merges objects into one another.
 */
export function readJson(
  app: FastifyInstance,
  mediaType: string,
  boundsOf: (request: FastifyRequest) => Promise<JsonBounds> | JsonBounds = () => REQUEST_BOUNDS,
): void {
  if (app.hasContentTypeParser(mediaType)) app.removeContentTypeParser(mediaType);
  app.addContentTypeParser<Buffer>(mediaType, { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) {
      return done(NEEDS_BODY.has(request.method) ? new errorCodes.FST_ERR_CTP_EMPTY_JSON_BODY() : null);
    }
    const read = (bounds: JsonBounds): void => {
      const fault = findJsonFault(body, bounds);
      if (fault) return done(refusal(fault, bounds));
      let parsed: unknown;
      try {
        parsed = JSON.parse(withoutByteOrderMark(body.toString()));
      } catch {
        return done(new errorCodes.FST_ERR_CTP_INVALID_JSON_BODY());
      }
      done(null, parsed);
    };
    const bounds = boundsOf(request);
    if (bounds instanceof Promise) bounds.then(read, done);
    else read(bounds);
  });
}

const withoutByteOrderMark = (text: string): string => (text.startsWith('\uFEFF') ? text.slice(1) : text);

function refusal(fault: JsonFault, bounds: JsonBounds): UnreadBodyError {
  if (fault === 'prototype') return new UnreadBodyError(400, 'The request body has a member named __proto__.');
  const most = bounds[fault].toLocaleString('en');
  const messages = {
    elements: `The request body has more than ${most} elements: objects, lists, and what stands in them.`,
    members: `An object in the request body has more than ${most} members.`,
    levels: `The request body has more than ${most} levels of objects and lists.`,
  };
  return new UnreadBodyError(413, messages[fault]);
}
