import { type ASTNode, GraphQLError, type GraphQLFormattedError, type SourceLocation } from 'graphql';
import { ClientLeftError } from '../../data/connection/client-left.js';
import { ERROR_CODES, OrgateError } from '../../errors.js';
import { asError } from '../../thrown.js';
import { idsIn, type RequestIds, type RequestRecord } from '../http/request-record.js';

/** Where the log is told what clients are not: of them it is found by the request id, the first of these. */
export interface Reports {
  /** What is not in the vocabulary, or why what is out of reach is so. */
  readonly unexpected: (error: unknown, ids: RequestIds | undefined) => void;
  /** What there was no room for, or no turn: no fault, and so without a stack. */
  readonly busy: (reason: string, ids: RequestIds | undefined) => void;
}

/** A fault that every row meets is one; of several those that are told first will do. */
const MOST_TOLD = 3;

const KNOWN_CODES: ReadonlySet<unknown> = new Set(ERROR_CODES);

/** What a client is shown of an error of this request, whose record notes the code. */
export type FormatError = (error: unknown, record: RequestRecord | undefined) => GraphQLFormattedError;

/**
 * What clients see of an error: a code of the closed set and the request id. Everything that is not ours or GraphQL's
 * own is INTERNAL_SERVER_ERROR, and its detail goes to the log only.
 */
export function createFormatError({ unexpected, busy }: Reports): FormatError {
  const toldOf = new WeakMap<RequestRecord, Set<string>>();
  /** Whether this is to be told: each thing once for a request, and few of them. */
  const isNew = (what: string, record: RequestRecord | undefined): boolean => {
    if (!record) return true;
    const told = toldOf.get(record) ?? new Set();
    toldOf.set(record, told);
    if (told.has(what) || told.size >= MOST_TOLD) return false;
    told.add(what);
    return true;
  };
  return (error, record) => {
    const ids = record && idsIn(record);
    const formatted = error instanceof GraphQLError ? error.toJSON() : { message: '' };
    const locations = error instanceof GraphQLError && error.nodes ? placesOf(error.nodes) : formatted.locations;
    const { message, extensions } = describe(formatted, unwrap(error), {
      unexpected: (unknown) => {
        if (!(unknown instanceof ClientLeftError) && isNew(String(unknown), record)) unexpected(unknown, ids);
      },
      busy: (reason) => {
        if (isNew('busy', record)) busy(reason, ids);
      },
    });
    record?.codes.add(extensions.code);
    return {
      message,
      ...(locations && { locations }),
      ...(formatted.path && { path: formatted.path }),
      extensions: { ...extensions, ...(record && { requestId: record.requestId }) },
    };
  };
}

/** As the tokens of a document have it: for GraphQL's own places its text would be gone through, and it is gone. */
const placesOf = (nodes: readonly ASTNode[]): SourceLocation[] =>
  nodes.flatMap(({ loc }) => (loc ? [{ line: loc.startToken.line, column: loc.startToken.column }] : []));

/** Errors pass through several hands, each of which may wrap them. */
function unwrap(error: unknown): unknown {
  return error instanceof GraphQLError && error.originalError ? unwrap(error.originalError) : error;
}

interface Tell {
  unexpected(error: unknown): void;
  busy(reason: string): void;
}

function describe(formatted: GraphQLFormattedError, error: unknown, tell: Tell) {
  if (error instanceof OrgateError) {
    // A client's mistake needs no one's attention; a database out of reach does.
    if (error.code === 'SERVICE_UNAVAILABLE' || error.code === 'TIMEOUT') {
      const isFault = error.cause !== undefined && error.detail.retryAfter === undefined;
      if (isFault) tell.unexpected(error.cause);
      else tell.busy(asError(error.cause ?? error).message);
    }
    return { message: error.message, extensions: { code: error.code, ...error.detail } };
  }
  // GraphQL takes over `extensions` from any error that has them; only its own errors are believed.
  const isForeign = error instanceof Error && !(error instanceof GraphQLError) && 'extensions' in error;
  const code = isForeign ? undefined : formatted.extensions?.['code'];
  if (typeof code === 'string' && KNOWN_CODES.has(code) && code !== 'INTERNAL_SERVER_ERROR') {
    return { message: cut(withoutValues(formatted.message)), extensions: { code, ...argumentOf(formatted.message) } };
  }
  tell.unexpected(error);
  const { message } = new OrgateError('INTERNAL_SERVER_ERROR');
  return { message, extensions: { code: 'INTERNAL_SERVER_ERROR' } };
}

/** GraphQL's own messages name fields, types and variables as they were sent, however long those are. */
const MOST_CHARACTERS = 1000;

const cut = (text: string): string =>
  text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS).toWellFormed()}…` : text;

// What follows runs on messages as long as what was sent: each begins at one place, or goes on from where it failed.

/**
 * What GraphQL says of a variable that does not fit: its name, the value (in which quotes are escaped, so that the path
 * after it is GraphQL's own), the path and the reason.
 */
const BAD_VARIABLE = /^Variable "\$(\w+)" got invalid value [\s\S]*?(?: at "(\1[\w.[\]]*)"; |$)/;

/** Reasons that repeat nothing of the value. */
const PLAIN_REASON =
  /(?:Expected non-nullable type "[^"]+" not to be null|Field "(\w+)" (?:of required type "[^"]+" was not provided|is not defined by type "\w+")|Expected type "\w+" to be an object)\.$/;

/** Whoever hears it asked by GET, or looked at the address in a browser. */
const FROM_ANOTHER_SITE =
  'Another site could have a browser send this (CSRF): POST with content-type application/json, or send a bearer token or ' +
  'the header apollo-require-preflight.';

/** GraphQL's own messages repeat the value they refuse; what a client sent may be a secret, and never comes back. */
function withoutValues(message: string): string {
  const [isBadVariable, variable, path] = BAD_VARIABLE.exec(message) ?? [];
  if (isBadVariable) {
    const [reason = 'The value does not fit its type.'] = PLAIN_REASON.exec(message) ?? [];
    return `Variable "$${variable}" is not valid${path ? ` at "${path}"` : ''}: ${reason}`;
  }
  if (message.startsWith('This operation has been blocked as a potential Cross-Site')) return FROM_ANOTHER_SITE;
  return message
    .replace(/^Value "[\s\S]*?" does not exist in/, 'The value does not exist in')
    .replace(/^(Argument "\w+" has invalid value) [\s\S]*$/, '$1.')
    .replace(/, found [\s\S]*$/, '.')
    .replace(/( cannot represent) [\s\S]*$/, '$1 this value.')
    .replace(/^(Syntax Error: [^"]*?)(?: "[\s\S]*)?$/, '$1');
}

/** The dotted path of the argument at fault, where a variable holds it: `input.slug`. */
function argumentOf(message: string): { argument?: string } {
  const [, variable] = /^Variable "\$(\w+)"/.exec(message) ?? [];
  if (!variable) return {};
  const [, , path = variable] = BAD_VARIABLE.exec(message) ?? [];
  const [, field] = PLAIN_REASON.exec(message) ?? [];
  return { argument: cut([path.replaceAll(/\[(\d+)\]/g, '.$1'), ...(field ? [field] : [])].join('.')) };
}
