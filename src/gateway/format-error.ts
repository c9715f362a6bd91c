import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { ERROR_CODES, OrgateError } from '../errors.js';
import { currentRecord } from './request-record.js';

/** Told of what is not in the vocabulary; the client is told only the request id. */
export type ReportUnknown = (error: unknown, requestId: string | undefined) => void;

const KNOWN_CODES: ReadonlySet<unknown> = new Set(ERROR_CODES);

/**
 * What clients see of an error: a code of the closed set and the request id. Everything that is not ours or GraphQL's
 * own is INTERNAL_SERVER_ERROR, and its detail goes to the log only.
 */
export function createFormatError(report: ReportUnknown) {
  return (formatted: GraphQLFormattedError, error: unknown): GraphQLFormattedError => {
    const record = currentRecord();
    const { message, extensions } = describe(formatted, unwrap(error), (unknown) => report(unknown, record?.requestId));
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
  const code = formatted.extensions?.['code'];
  if (typeof code === 'string' && KNOWN_CODES.has(code) && code !== 'INTERNAL_SERVER_ERROR') {
    return { message: withoutValues(formatted.message), extensions: { code, ...argumentOf(formatted.message) } };
  }
  report(error);
  const { message } = new OrgateError('INTERNAL_SERVER_ERROR');
  return { message, extensions: { code: 'INTERNAL_SERVER_ERROR' } };
}

/** GraphQL's own messages repeat the value they refuse; what a client sent may be a secret, and never comes back. */
function withoutValues(message: string): string {
  return message
    .replace(
      / got invalid value [\s\S]*?(?: at "([^"]*)")?; /,
      (_, path?: string) => ` is not valid${path ? ` at "${path}"` : ''}: `,
    )
    .replace(/^Value "[\s\S]*?" does not exist in/, 'The value does not exist in')
    .replace(/, found [\s\S]*$/, '.')
    .replace(/(cannot represent[^:]*): [\s\S]*$/, '$1.')
    .replace(/(Syntax Error: [^"]*?)(?: "[\s\S]*)?$/, '$1');
}

/** The path of the variable at fault: `input.slug`. */
function argumentOf(message: string): { argument?: string } {
  const [, variable, path] = /^Variable "\$(\w+)" (?:got invalid value [\s\S]*? at "([^"]*)"|.*)/.exec(message) ?? [];
  if (path) return { argument: path };
  return variable ? { argument: variable } : {};
}
