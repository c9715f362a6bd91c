import { errorCodes, type FastifyInstance, type FastifyRequest } from 'fastify';
import { findJsonFault, type JsonBounds } from './bound-json.js';

/** A JSON argument of 64 KiB has up to 32,768 elements and 100 levels, and comes inside of variables. */
export const REQUEST_BOUNDS: JsonBounds = { elements: 40_000, members: 10_000, levels: 128 };

/**
 * Reads JSON of `mediaType` here and in what is registered below: bounded first, then parsed. `__proto__` is refused
 * wherever it stands; `constructor` is a name like others, as nothing here merges objects into one another.
 */
export function readJson(
  app: FastifyInstance,
  mediaType: string,
  boundsOf: (request: FastifyRequest) => JsonBounds = () => REQUEST_BOUNDS,
): void {
  if (app.hasContentTypeParser(mediaType)) app.removeContentTypeParser(mediaType);
  app.addContentTypeParser<Buffer>(mediaType, { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) return done(new errorCodes.FST_ERR_CTP_EMPTY_JSON_BODY());
    const fault = findJsonFault(body, boundsOf(request));
    if (fault === 'TOO_MUCH') return done(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE());
    if (fault === 'POISONED') return done(new errorCodes.FST_ERR_CTP_INVALID_JSON_BODY());
    let parsed: unknown;
    try {
      parsed = JSON.parse(withoutByteOrderMark(body.toString()));
    } catch {
      return done(new errorCodes.FST_ERR_CTP_INVALID_JSON_BODY());
    }
    done(null, parsed);
  });
}

const withoutByteOrderMark = (text: string): string => (text.startsWith('\uFEFF') ? text.slice(1) : text);
