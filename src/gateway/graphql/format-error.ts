import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { ClientLeftError } from '../../data/connection/client-left.js';
import { ERROR_CODES, OrgateError } from '../../errors.js';
import { idsIn, type RequestIds, type RequestRecord } from '../http/request-record.js';

/** Told of what is not in the vocabulary; the client is told only the request id, the first of these. */
export type ReportUnknown = (error: unknown, ids: RequestIds | undefined) => void;

const KNOWN_CODES: ReadonlySet<unknown> = new Set(ERROR_CODES);

/** What a client is shown of an error of this request, whose record notes the code. */
export type FormatError = (error: unknown, record: RequestRecord | undefined) => GraphQLFormattedError;

/**
 * What clients see of an error: a code of the closed set and the request id. Everything that is not ours or GraphQL's
 * own is INTERNAL_SERVER_ERROR, and its detail goes to the log only.
 */
export function createFormatError(report: ReportUnknown): FormatError {
  // What fails for a hundred rows at once is one error, at a hundred paths; it is told once.
  const told = new WeakSet<object>();
  const reportOnce = (error: unknown, ids: RequestIds | undefined) => {
    if (error instanceof ClientLeftError || (error instanceof Error && told.has(error))) return;
    if (error instanceof Error) told.add(error);
    report(error, ids);
  };
  return (error, record) => {
    const ids = record && idsIn(record);
    const formatted = error instanceof GraphQLError ? error.toJSON() : { message: '' };
    const tell = (unknown: unknown) => reportOnce(unknown, ids);
    const { message, extensions } = describe(formatted, unwrap(error), tell);
    record?.codes.push(extensions.code);
    return {
      message,
      ...(formatted.locations && { locations: formatted.locations }),
      ...(formatted.path && { path: formatted.path }),
      extensions: { ...extensions, ...(record && { requestId: record.requestId }) },
    };
  };
}

/** Errors pass through several hands, each of which may wrap them. */
function unwrap(error: unknown): unknown {
  return error instanceof GraphQLError && error.originalError ? unwrap(error.originalError) : error;
}

function describe(formatted: GraphQLFormattedError, error: unknown, report: (error: unknown) => void) {
  if (error instanceof OrgateError) {
    // A client's mistake needs no one's attention; a database out of reach does.
    if (error.code === 'SERVICE_UNAVAILABLE' || error.code === 'TIMEOUT') report(error.cause ?? error);
    return { message: error.message, extensions: { code: error.code, ...error.detail } };
  }
  // GraphQL takes over `extensions` from any error that has them; only its own errors are believed.
  const isForeign = error instanceof Error && !(error instanceof GraphQLError) && 'extensions' in error;
  const code = isForeign ? undefined : formatted.extensions?.['code'];
  if (typeof code === 'string' && KNOWN_CODES.has(code) && code !== 'INTERNAL_SERVER_ERROR') {
    return { message: withoutValues(formatted.message), extensions: { code, ...argumentOf(formatted.message) } };
  }
  report(error);
  const { message } = new OrgateError('INTERNAL_SERVER_ERROR');
  return { message, extensions: { code: 'INTERNAL_SERVER_ERROR' } };
}

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
    .replace(/(Syntax Error: [^"]*?)(?: "[\s\S]*)?$/, '$1');
}

/** The dotted path of the argument at fault, where a variable holds it: `input.slug`. */
function argumentOf(message: string): { argument?: string } {
  const [, variable] = /^Variable "\$(\w+)"/.exec(message) ?? [];
  if (!variable) return {};
  const [, , path = variable] = BAD_VARIABLE.exec(message) ?? [];
  const [, field] = PLAIN_REASON.exec(message) ?? [];
  return { argument: [path.replaceAll(/\[(\d+)\]/g, '.$1'), ...(field ? [field] : [])].join('.') };
}
