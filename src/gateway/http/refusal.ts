import { HeaderMap } from '@apollo/server';
import { GraphQLError } from 'graphql';
import type { ErrorCode, OrgateError } from '../../errors.js';

const STATUSES: Partial<Record<ErrorCode, number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  METHOD_NOT_ALLOWED: 405,
  RATE_LIMITED: 429,
  INTERNAL_SERVER_ERROR: 500,
  SERVICE_UNAVAILABLE: 503,
};

/** Of the newer media type alone. */
const NEWER_STATUSES: Partial<Record<ErrorCode, number>> = { NOT_FOUND: 404, ORG_CONTEXT_CONFLICT: 409, TIMEOUT: 504 };

/**
 * How HTTP says that the whole request is refused, before any field. A client that speaks the legacy `application/json`
 * reads the errors of a 200; the newer media type has a status for each.
 */
export function refusalHead(
  code: ErrorCode,
  accept: string | null | undefined,
  retryAfter?: unknown,
): { status: number; headers: HeaderMap } {
  const usual = acceptsGraphQLResponse(accept) ? (NEWER_STATUSES[code] ?? 400) : 200;
  const headers = new HeaderMap();
  if (code === 'UNAUTHENTICATED') headers.set('www-authenticate', 'Bearer realm="orgate", error="invalid_token"');
  if (code === 'METHOD_NOT_ALLOWED') headers.set('allow', 'POST');
  if (code === 'RATE_LIMITED') headers.set('retry-after', String(retryAfter));
  if (code === 'SERVICE_UNAVAILABLE') headers.set('retry-after', '1');
  return { status: STATUSES[code] ?? usual, headers };
}

/** The same, as Apollo reads it. */
export const refusal = (error: OrgateError, accept: string | null | undefined): GraphQLError =>
  new GraphQLError(error.message, {
    originalError: error,
    extensions: { http: refusalHead(error.code, accept, error.detail.retryAfter) },
  });

export const acceptsGraphQLResponse = (accept: string | null | undefined): boolean =>
  accept?.includes('application/graphql-response+json') ?? false;
