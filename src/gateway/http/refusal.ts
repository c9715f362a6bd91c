import { HeaderMap } from '@apollo/server';
import { GraphQLError } from 'graphql';
import type { OrgateError } from '../../errors.js';

/**
 * The whole request is refused, before any field. A client that speaks the legacy `application/json` reads the errors
 * of a 200; the newer media type has a status for each.
 */
export function refusal(error: OrgateError, accept: string | null | undefined): GraphQLError {
  const statuses: Partial<Record<OrgateError['code'], number>> = {
    UNAUTHENTICATED: 401,
    FORBIDDEN: 403,
    RATE_LIMITED: 429,
    SERVICE_UNAVAILABLE: 503,
    ...(acceptsGraphQLResponse(accept) && { NOT_FOUND: 404, ORG_CONTEXT_CONFLICT: 409 }),
  };
  const headers = new HeaderMap();
  if (error.code === 'UNAUTHENTICATED') headers.set('www-authenticate', 'Bearer realm="orgate", error="invalid_token"');
  if (error.code === 'RATE_LIMITED') headers.set('retry-after', String(error.detail.retryAfter));
  if (error.code === 'SERVICE_UNAVAILABLE') headers.set('retry-after', '1');
  return new GraphQLError(error.message, {
    originalError: error,
    extensions: { http: { status: statuses[error.code] ?? 200, headers } },
  });
}

export const acceptsGraphQLResponse = (accept: string | null | undefined): boolean =>
  accept?.includes('application/graphql-response+json') ?? false;
