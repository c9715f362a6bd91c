import { OrgateError } from '../../errors.js';
import { UnreadBodyError } from '../http/bodies/unread-body-error.js';

/** Names that SCIM 2.0 gives to what is sent (RFC 7643 and 7644). */
export const SCIM = {
  mediaType: 'application/scim+json',
  user: 'urn:ietf:params:scim:schemas:core:2.0:User',
  group: 'urn:ietf:params:scim:schemas:core:2.0:Group',
  list: 'urn:ietf:params:scim:api:messages:2.0:ListResponse',
  patch: 'urn:ietf:params:scim:api:messages:2.0:PatchOp',
  error: 'urn:ietf:params:scim:api:messages:2.0:Error',
} as const;

export const MAX_PAGE = 200;

/** A request that SCIM has a word of its own for. The detail goes to the directory's log: never put a value into it. */
export class ScimError extends Error {
  override readonly name = 'ScimError';

  constructor(
    readonly scimType: 'invalidFilter' | 'invalidPath' | 'invalidValue' | 'invalidSyntax' | 'noTarget',
    detail: string,
  ) {
    super(detail);
  }
}

const STATUSES: Partial<Record<OrgateError['code'], number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  ROLE_ESCALATION: 403,
  FEATURE_DISABLED: 403,
  ORG_CONTEXT_CONFLICT: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  LAST_OWNER: 409,
  BAD_USER_INPUT: 400,
  QUERY_TOO_EXPENSIVE: 400,
  RATE_LIMITED: 429,
  TIMEOUT: 503,
  SERVICE_UNAVAILABLE: 503,
};

export interface ScimFailure {
  readonly status: number;
  readonly scimType?: string;
  readonly detail: string;
  readonly retryAfter?: number | undefined;
}

/** What a directory is told of an error; null for one that is ours to look into. */
export function toFailure(error: unknown): ScimFailure | null {
  if (error instanceof ScimError) return { status: 400, scimType: error.scimType, detail: error.message };
  if (error instanceof OrgateError) {
    const status = STATUSES[error.code];
    if (status === undefined) return null;
    const { argument = error.taken, retryAfter } = error.detail;
    // Of a conflict only what must be unique here, and is not, has a name in SCIM.
    const scimType = status === 400 ? 'invalidValue' : status === 409 && argument ? 'uniqueness' : undefined;
    const detail = argument ? `${argument}: ${error.message}` : error.message;
    return { status, ...(scimType && { scimType }), detail, ...(retryAfter && { retryAfter }) };
  }
  const statusCode = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : undefined;
  if (statusCode === undefined || statusCode >= 500) return null;
  const known: Readonly<Record<number, string>> = { 413: 'The body is too large.', 415: 'Send application/scim+json.' };
  const isUnread = statusCode === 400;
  return {
    status: statusCode,
    ...(isUnread && { scimType: 'invalidSyntax' }),
    detail: error instanceof UnreadBodyError ? error.message : (known[statusCode] ?? 'The request could not be read.'),
  };
}

/** What PostgreSQL can hold as text. */
export const isText = (text: string): boolean => text.isWellFormed() && !text.includes('\0');

/**
 * The name of an attribute, as it is compared: without its schema and what selects among several values, in lower case.
 * No bracket opens within another: a path of nothing but open ones would be searched from each to its end.
 */
export const attributeName = (path: string): string =>
  path
    .trim()
    .toLowerCase()
    .replace(/^urn:ietf:params:scim:schemas:core:2\.0:(user|group):/, '')
    .replace(/\[[^[\]]*\]/, '');
