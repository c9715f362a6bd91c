import { errorCodes, type FastifyInstance, type FastifyRequest } from 'fastify';
import { findJsonFault, type JsonBounds } from './bound-json.js';

/** A JSON argument of 64 KiB has up to 32,768 elements and 100 levels, and comes inside of variables. */
export const REQUEST_BOUNDS: JsonBounds = { elements: 40_000, members: 10_000, levels: 128 };

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
  app.addContentTypeParser<Buffer>(mediaType, { parseAs: 'buffer' }, async (request: FastifyRequest, body: Buffer) => {
    if (body.length === 0) {
      if (NEEDS_BODY.has(request.method)) throw new errorCodes.FST_ERR_CTP_EMPTY_JSON_BODY();
      return undefined;
    }
    const fault = findJsonFault(body, await boundsOf(request));
    if (fault === 'TOO_MUCH') throw new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE();
    if (fault === 'POISONED') throw new errorCodes.FST_ERR_CTP_INVALID_JSON_BODY();
    try {
      return JSON.parse(withoutByteOrderMark(body.toString())) as unknown;
    } catch {
      throw new errorCodes.FST_ERR_CTP_INVALID_JSON_BODY();
    }
  });
}

const withoutByteOrderMark = (text: string): string => (text.startsWith('\uFEFF') ? text.slice(1) : text);
