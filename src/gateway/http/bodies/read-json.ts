import { errorCodes, type FastifyInstance, type FastifyRequest } from 'fastify';
import { asError } from '../../../thrown.js';
import type { JsonBounds } from '../../../bound-json.js';
import { parseJson } from './parse-json.js';

/** A JSON argument of 64 KiB has up to 32,768 elements and 100 levels, and comes inside of variables. */
const REQUEST_BOUNDS: JsonBounds = { elements: 40_000, names: 2000, levels: 128 };

/** Clients that set their media type with every request also set it where nothing follows. */
const NEEDS_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/** Reads JSON of `mediaType` here and in what is registered below. */
export function readJson(
  app: FastifyInstance,
  mediaType: string,
  read: (body: Buffer, request: FastifyRequest) => unknown = (body, { holdParsed }) =>
    parseJson(body, REQUEST_BOUNDS, holdParsed),
): void {
  if (app.hasContentTypeParser(mediaType)) app.removeContentTypeParser(mediaType);
  app.addContentTypeParser<Buffer>(mediaType, { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) {
      return done(NEEDS_BODY.has(request.method) ? new errorCodes.FST_ERR_CTP_EMPTY_JSON_BODY() : null);
    }
    const refuse = (error: Error): void =>
      done(error instanceof SyntaxError ? new errorCodes.FST_ERR_CTP_INVALID_JSON_BODY() : error);
    try {
      const found = read(body, request);
      if (found instanceof Promise) found.then((later: unknown) => done(null, later), refuse);
      else done(null, found);
    } catch (error) {
      refuse(asError(error));
    }
  });
}
