import { withoutStack } from './thrown.js';

/** Every error code a client can ever see. Closed: anything else becomes INTERNAL_SERVER_ERROR. */
export const ERROR_CODES = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_FOUND',
  'BAD_USER_INPUT',
  'CONFLICT',
  'ORG_CONTEXT_REQUIRED',
  'ORG_CONTEXT_CONFLICT',
  'ORG_IN_OTHER_REGION',
  'ROLE_ESCALATION',
  'LAST_OWNER',
  'FEATURE_DISABLED',
  'READ_ONLY',
  'BUDGET_EXCEEDED',
  'LIMIT_REACHED',
  'QUERY_TOO_EXPENSIVE',
  'RATE_LIMITED',
  'TIMEOUT',
  'SERVICE_UNAVAILABLE',
  'PROVIDER_UNAVAILABLE',
  'INTERNAL_SERVER_ERROR',
  // What the GraphQL and HTTP layers say of a request that never reached a resolver.
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'BAD_REQUEST',
  // A client that sends hashes in place of documents sends the document when it hears this.
  'PERSISTED_QUERY_NOT_SUPPORTED',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'METHOD_NOT_ALLOWED',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

const MESSAGES = {
  UNAUTHENTICATED: 'Sign in: send a valid bearer token.',
  FORBIDDEN: 'Your role in this organization, or your key, does not allow this.',
  NOT_FOUND: 'Nothing here has this name or id.',
  BAD_USER_INPUT: 'An argument is not valid.',
  CONFLICT: 'This conflicts with the current state.',
  ORG_CONTEXT_REQUIRED: 'Name one of your organizations: send X-Organization-Id, or a token bound to it.',
  ORG_CONTEXT_CONFLICT: 'The request names two different organizations.',
  ORG_IN_OTHER_REGION: 'This organization is homed in another region: ask there.',
  ROLE_ESCALATION: 'Nobody grants, edits or removes more than they hold.',
  LAST_OWNER: 'An organization keeps at least one active OWNER.',
  FEATURE_DISABLED: 'This organization does not have this feature.',
  READ_ONLY: 'This session looks, and changes nothing.',
  BUDGET_EXCEEDED: 'What the organization may spend has no room for this.',
  LIMIT_REACHED: 'The organization has as many as its plan allows.',
  QUERY_TOO_EXPENSIVE: 'This operation reads more than one answer may hold; ask for fewer rows or fields.',
  RATE_LIMITED: 'Too many requests; try again after as many seconds as Retry-After says.',
  TIMEOUT: 'The request took too long and was stopped.',
  SERVICE_UNAVAILABLE: 'The service cannot answer right now; try again shortly.',
  PROVIDER_UNAVAILABLE: 'No provider of the organization can be called for this.',
  INTERNAL_SERVER_ERROR: 'Something went wrong on our side; the request id finds it in our logs.',
} as const satisfies Partial<Record<ErrorCode, string>>;

/** What else clients are told: the path of the argument at fault, the permission that was missing, how long to wait. */
export interface ErrorDetail {
  /** Dotted, from the field's arguments down: `input.slug`. */
  readonly argument?: string;
  readonly requiredPermission?: string;
  /** The feature that the organization has not. */
  readonly feature?: string;
  /** Why, where one code has several reasons. */
  readonly reason?:
    'SUPPORT_ACCESS' | 'PENDING_DELETION' | 'SET_ONLY' | 'ALREADY_DECIDED' | 'NOT_YOUR_TURN' | 'INPUT_CHANGED';
  /** Members who stand in the way, as the organization knows them. */
  readonly members?: readonly { readonly userId: string; readonly name: string; readonly email: string }[];
  /** Where the deployment is reached that answers for the organization; null where that is not known. */
  readonly baseUrl?: string | null;
  /** Slugs that cannot be taken, each with why, and with one that can. */
  readonly names?: readonly {
    readonly slug: string;
    readonly length: number;
    readonly limit: number;
    readonly problems: readonly string[];
    readonly suggestion: string | null;
  }[];
  /** In seconds. */
  readonly retryAfter?: number;
  /** Of a rate limit: what a minute holds, what is left of it, and when the next begins. Of other limits: which it is. */
  readonly limit?: number | string;
  readonly remaining?: number;
  readonly resetAt?: Date;
  /** What the request has cost so far, in points; with what was refused. */
  readonly cost?: number;
  /** Of what may be spent, in millionths: how much that is, what was spent of it, and what is reserved. */
  readonly limitMicros?: number;
  readonly settledMicros?: number;
  readonly reservedMicros?: number;
  /** Of what there may be so many of: how many, and how many there are. */
  readonly max?: number;
  readonly used?: number;
  /** When either begins anew, in RFC 3339. */
  readonly resetsAt?: string;
}

/**
 * The one error class. Its message goes to clients as it is: never put an argument's value, a table or a statement
 * into it. `cause` goes to the log only.
 */
export class OrgateError extends Error {
  override readonly name = 'OrgateError';

  /** The column whose value another row has already, where that is what is wrong. Clients are told an argument. */
  readonly taken: string | undefined;

  constructor(
    readonly code: keyof typeof MESSAGES,
    message: string = MESSAGES[code],
    readonly detail: ErrorDetail = {},
    options: ErrorOptions & { readonly taken?: string | undefined } = {},
  ) {
    super(message, options);
    this.taken = options.taken;
  }
}

export const notFound = (): OrgateError => new OrgateError('NOT_FOUND');

/** What was looked for. @throws NOT_FOUND where there is none */
export function orNotFound<T>(found: T | null | undefined): T {
  if (found == null) throw notFound();
  return found;
}

export const badInput = (argument: string, message: string): OrgateError =>
  new OrgateError('BAD_USER_INPUT', message, { argument });

export const conflict = (message: string, argument?: string): OrgateError =>
  new OrgateError('CONFLICT', message, argument === undefined ? {} : { argument });

/** Another row has this already. @param column as the store knows it: `resource/` says in which argument it came */
export const taken = (column: string | undefined, message = 'This name is already taken.'): OrgateError =>
  new OrgateError('CONFLICT', message, {}, { taken: column });

/** Other rows refer to this one, which therefore stays. */
export const referenced = (options?: ErrorOptions): OrgateError =>
  new OrgateError('CONFLICT', 'Something else still names this.', {}, options);

/** Others are before it: nothing was done, and in a second it may well be. */
export const busy = (options?: ErrorOptions): OrgateError =>
  withoutStack(
    new OrgateError('SERVICE_UNAVAILABLE', 'This is busy right now; try again shortly.', { retryAfter: 1 }, options),
  );
