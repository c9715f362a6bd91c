import { types } from 'node:util';
import { busy, type ErrorDetail, OrgateError, referenced, taken } from '../errors.js';
import { Prisma } from '../generated/prisma/client.js';
import { ACTOR_CHANGED_STATE, READ_ONLY_STATE } from './connection/scoped-query.js';
import type { Model } from './organization/models.js';
import { saysAway } from './start/database-away.js';

/** What Prisma says where the database cannot be reached, or has no connection to spare. */
const PRISMA_MESSAGES = /Unable to start a transaction|expired transaction/;
const PRISMA_KINDS = new Set(['ConnectionClosed', 'DatabaseNotReachable', 'SocketTimeout', 'TooManyConnections']);

/** What Prisma calls what a statement of our own on a model is told by its SQLSTATE. */
const PRISMA_CODES: Readonly<Record<string, string>> = {
  '23505': 'P2002',
  '23503': 'P2003',
  '40001': 'P2034',
  '40P01': 'P2034',
};

/** What migrations raise to refuse a row, as JSON in the message: which of the closed vocabulary it is. */
const RAISED = { OG002: 'BUDGET_EXCEEDED', OG003: 'LIMIT_REACHED', OG010: 'CONFLICT' } as const;
const isRaised = (state: string): state is keyof typeof RAISED => Object.hasOwn(RAISED, state);

/** Whoever acts is not as their request read them, which PostgreSQL was to look at: see `whileAsRead`. Nothing was written. */
export class ActorChangedError extends Error {
  override readonly name = 'ActorChangedError';
}

interface DriverCause {
  kind?: string;
  severity?: string;
  code?: string;
  originalCode?: string;
  originalMessage?: string;
  /** Its name, as PostgreSQL says it, or what Prisma makes of that. */
  constraint?: string | { index?: string; fields?: string[] };
}

/**
 * Says in the closed vocabulary what the database refused. Whatever is not known here passes through as it is, and
 * becomes INTERNAL_SERVER_ERROR at the door.
 */
export function translateDatabaseError(error: unknown, model?: Model): unknown {
  if (!types.isNativeError(error) || error instanceof OrgateError) return error;
  const options = { cause: error };
  const cause = driverCause(error);
  const state = cause.originalCode ?? cause.code ?? '';
  const known = error instanceof Prisma.PrismaClientKnownRequestError ? error.code : model && PRISMA_CODES[state];
  if (known === 'P2002') return taken(uniqueField(cause, model));
  if (isRaised(state)) {
    const detail = JSON.parse(cause.originalMessage ?? error.message) as ErrorDetail;
    return new OrgateError(RAISED[state], undefined, detail, options);
  }
  // A reference to a row that is not there, or of another organization: the database tells no difference.
  if (known === 'P2003') return new OrgateError('NOT_FOUND', undefined, {}, options);
  if (known === 'P2034') return new OrgateError('CONFLICT', undefined, {}, options);
  if (known === 'P2024') return new OrgateError('SERVICE_UNAVAILABLE', undefined, {}, options);
  if (state === ACTOR_CHANGED_STATE) return new ActorChangedError(error.message, options);
  if (state === READ_ONLY_STATE) return new OrgateError('READ_ONLY', undefined, {}, options);
  // It waited for a lock as long as anyone may.
  if (state === '55P03') return busy(options);
  if (state === '57014') return new OrgateError('TIMEOUT', undefined, {}, options);
  // After a FATAL error, or one on the way there, there is no connection.
  const isGone = cause.severity === 'FATAL' || saysAway(state, error.message);
  if (isGone || PRISMA_KINDS.has(cause.kind ?? '') || PRISMA_MESSAGES.test(error.message)) {
    return new OrgateError('SERVICE_UNAVAILABLE', undefined, {}, options);
  }
  return error;
}

/** The same of a deletion: what it was about is there, and others of its organization refer to it. */
export function translateDeletionError(error: unknown, model: Model): unknown {
  const translated = translateDatabaseError(error, model);
  const isReferenced = translated !== error && translated instanceof OrgateError && translated.code === 'NOT_FOUND';
  return isReferenced ? referenced({ cause: error }) : translated;
}

function driverCause(error: Error): DriverCause {
  const { meta, cause } = error as { meta?: { driverAdapterError?: { cause?: DriverCause } }; cause?: DriverCause };
  return meta?.driverAdapterError?.cause ?? cause ?? (error as DriverCause);
}

/** The field that had to be unique: the last column of the index, whose first is the organization; undefined of a key. */
function uniqueField(cause: DriverCause, model: Model | undefined): string | undefined {
  const { constraint } = cause;
  const index =
    typeof constraint === 'string' ? constraint : (constraint?.index ?? constraint?.fields?.join('_') ?? '');
  for (const [field, { column }] of model?.fields ?? []) {
    if (index.endsWith(`_${column}_key`) || index.endsWith(`_${column}`)) return field;
  }
  return undefined;
}
